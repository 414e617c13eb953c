// Publishes "world" ten times a second; like examples/pub.js of grenache-nodejs-ws.
//
//   pub [GRAPE]
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>

#include <grenache/net/termination_signals.hpp>
#include <grenache/rpc/examples/example.hpp>
#include <grenache/rpc/publisher.hpp>

namespace {

namespace rpc = grenache::rpc;
using example::asio::awaitable;
using namespace std::chrono_literals;

awaitable<void> publish(rpc::Publisher& publisher) {
  auto const executor = co_await example::asio::this_coro::executor;
  example::asio::steady_timer timer{executor};
  for (;;) {
    timer.expires_after(100ms);
    co_await timer.async_wait(example::asio::use_awaitable);
    publisher.publish("world");
  }
}

awaitable<int> serve(rpc::Link& link) {
  using namespace example::asio::experimental::awaitable_operators;
  auto const executor = co_await example::asio::this_coro::executor;
  grenache::net::TerminationSignals signals{executor};
  rpc::Publisher::Options const options;
  rpc::Publisher publisher{executor, options};
  auto const listening = publisher.listen(grenache::Endpoint{});
  if (!listening) {
    std::cerr << listening.error().message() << '\n';
    co_return 1;
  }
  publisher.announce(link, "pub_test");
  auto const ready = co_await publisher.ready(10s);
  if (ready) {
    std::cout << "listening on port " << listening->port << std::endl;
    co_await (publish(publisher) || signals.received());
  } else {
    std::cerr << ready.error().text() << '\n';
  }
  (void)co_await publisher.stop(10s);
  co_await link.stop();
  co_return ready ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  return example::run(example::argument(argc, argv, 1, "http://127.0.0.1:30001"), serve);
}
