// Asks every instance of a service, ten times; like examples/rpc_client_map.js of grenache-nodejs-http and
// -ws.
//
//   rpc_client_map [GRAPE [TRANSPORT]]
#include <grenache/rpc/client.hpp>
#include <grenache/rpc/examples/example.hpp>

namespace {

namespace rpc = grenache::rpc;
using example::asio::awaitable;

awaitable<int> map(rpc::Link& link, rpc::Transport transport) {
  rpc::Client::Options client_options;
  client_options.transport = transport;
  auto const executor = co_await example::asio::this_coro::executor;
  rpc::Client client{executor, link, client_options, grenache::Random::from_system()};
  rpc::MapOptions options;
  options.timeout = std::chrono::seconds{10};
  bool failed = false;
  for (int i = 0; i < 10 && !failed; ++i) {
    auto const entries = co_await client.map("rpc_test", "hello", options);
    if (!entries) {  // the lookup failed; a failure of one destination is in its entry
      std::cerr << entries.error().text() << '\n';
      failed = true;
      break;
    }
    for (auto const& each : *entries) {
      auto const& reply = each.reply;
      std::cout << each.destination << ": "
                << (reply ? grenache::json::to_text(*reply) : reply.error().text()) << '\n';
    }
  }
  co_await client.stop();
  co_await link.stop();
  co_return failed ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  auto const transport = rpc::parse_transport(example::argument(argc, argv, 2, "http"));
  return example::run(example::argument(argc, argv, 1, "http://127.0.0.1:30001"),
                      [&](rpc::Link& link) { return map(link, transport.value_or(rpc::Transport::http)); });
}
