// A thousand requests at a time, with callbacks; like examples/rpc_client.js of grenache-nodejs-http and -ws.
//
//   rpc_client [GRAPE [TRANSPORT]]
#include <boost/asio/steady_timer.hpp>

#include <grenache/net/steady_clock.hpp>
#include <grenache/rpc/client.hpp>
#include <grenache/rpc/examples/example.hpp>

namespace {

namespace rpc = grenache::rpc;
using example::asio::awaitable;

constexpr unsigned kRequestCount = 1000;

awaitable<int> call(rpc::Link& link, rpc::Transport transport) {
  auto const executor = co_await example::asio::this_coro::executor;
  rpc::Client::Options client_options;
  client_options.transport = transport;
  rpc::Client client{executor, link, client_options, grenache::Random::from_system()};
  rpc::RequestOptions options;
  options.timeout = std::chrono::seconds{10};
  options.compress = true;

  auto const begun = grenache::net::steady_now();
  unsigned waiting = kRequestCount;
  bool failed = false;
  example::asio::steady_timer done{executor, example::asio::steady_timer::time_point::max()};
  for (unsigned i = 0; i < kRequestCount; ++i) {
    client.request("rpc_test", "hello", options, [&](rpc::RpcResult<grenache::json::Value> reply) {
      if (!reply) std::cerr << reply.error().text() << '\n';
      failed = failed || !reply;
      if (--waiting == 0) done.cancel();
    });
  }
  co_await done.async_wait(grenache::net::kTuple);
  auto const took =
      std::chrono::duration_cast<std::chrono::milliseconds>(grenache::net::steady_now() - begun);
  std::cout << kRequestCount << " requests in " << took.count() << " ms\n";
  co_await client.stop();
  co_await link.stop();
  co_return failed ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  auto const transport = rpc::parse_transport(example::argument(argc, argv, 2, "http"));
  return example::run(example::argument(argc, argv, 1, "http://127.0.0.1:30001"),
                      [&](rpc::Link& link) { return call(link, transport.value_or(rpc::Transport::http)); });
}
