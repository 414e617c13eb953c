// A service over HTTPS that requires certificates of its callers and prints their subjects; like
// examples/ssl/rpc_server.js of grenache-nodejs-http.
//
//   ssl_server GRAPE CERTIFICATE KEY AUTHORITY       PEM files
#include <grenache/net/termination_signals.hpp>
#include <grenache/rpc/examples/example.hpp>
#include <grenache/rpc/server.hpp>

namespace {

namespace rpc = grenache::rpc;
using example::asio::awaitable;
using namespace std::chrono_literals;

awaitable<rpc::Reply> answer(rpc::Request& request) {
  if (request.certificate) {
    std::cout << request.certificate->subject << ' ' << request.certificate->fingerprint.hex() << std::endl;
  }
  co_return rpc::Reply{"world"};
}

awaitable<int> serve(rpc::Link& link, grenache::net::TlsOptions tls) {
  auto const executor = co_await example::asio::this_coro::executor;
  grenache::net::TerminationSignals signals{executor};
  rpc::Server::Options options;
  options.transport = rpc::Transport::https;
  options.tls = std::move(tls);
  rpc::Server server{executor, options, answer};
  auto const listening = server.listen(grenache::Endpoint{});
  if (!listening) {
    std::cerr << listening.error().message() << '\n';
    co_return 1;
  }
  server.announce(link, "rpc_test");
  auto const ready = co_await server.ready(10s);
  if (ready) {
    std::cout << "listening on port " << listening->port << std::endl;
    co_await signals.received();
  } else {
    std::cerr << ready.error().text() << '\n';
  }
  co_await server.stop(10s);
  co_await link.stop();
  co_return ready ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::cerr << "usage: ssl_server GRAPE CERTIFICATE KEY AUTHORITY\n";
    return 2;
  }
  grenache::net::TlsOptions tls;
  tls.certificate = example::read_file(argv[2]);
  tls.key = example::read_file(argv[3]);
  // Must have signed the callers' certificates; Node.js' example accepts any.
  tls.ca = example::read_file(argv[4]);
  return example::run(argv[1], [&](rpc::Link& link) { return serve(link, tls); });
}
