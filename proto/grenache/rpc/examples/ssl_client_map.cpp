// Asks every instance of a service over HTTPS, with a certificate; like examples/ssl/rpc_client_map.js of
// grenache-nodejs-http.
//
//   ssl_client_map GRAPE CERTIFICATE KEY AUTHORITY       PEM files
#include <grenache/rpc/client.hpp>
#include <grenache/rpc/examples/example.hpp>

namespace {

namespace rpc = grenache::rpc;
using example::asio::awaitable;

awaitable<int> map(rpc::Link& link, grenache::net::TlsOptions tls) {
  rpc::Client::Options client_options;
  client_options.transport = rpc::Transport::https;
  client_options.tls = std::move(tls);
  auto const executor = co_await example::asio::this_coro::executor;
  rpc::Client client{executor, link, client_options, grenache::Random::from_system()};
  rpc::MapOptions const options;
  auto const entries = co_await client.map("rpc_test", "hello", options);
  bool failed = !entries;
  if (entries) {
    for (auto const& each : *entries) {
      auto const& reply = each.reply;
      std::cout << each.destination << ": "
                << (reply ? grenache::json::to_text(*reply) : reply.error().text()) << '\n';
      failed = failed || !reply;
    }
  } else {
    std::cerr << entries.error().text() << '\n';
  }
  co_await client.stop();
  co_await link.stop();
  co_return failed ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::cerr << "usage: ssl_client_map GRAPE CERTIFICATE KEY AUTHORITY\n";
    return 2;
  }
  grenache::net::TlsOptions tls;
  tls.certificate = example::read_file(argv[2]);
  tls.key = example::read_file(argv[3]);
  // Must have signed the service's certificate; Node.js' example accepts any.
  tls.ca = example::read_file(argv[4]);
  return example::run(argv[1], [&](rpc::Link& link) { return map(link, tls); });
}
