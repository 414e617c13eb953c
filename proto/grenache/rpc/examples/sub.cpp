// Prints the messages of all publishers of a name; like examples/sub.js of grenache-nodejs-ws, which connects
// to one of them.
//
//   sub [GRAPE]
#include <boost/asio/experimental/awaitable_operators.hpp>

#include <grenache/net/termination_signals.hpp>
#include <grenache/rpc/examples/example.hpp>
#include <grenache/rpc/subscriber.hpp>

namespace {

namespace rpc = grenache::rpc;
using example::asio::awaitable;
using namespace std::chrono_literals;

awaitable<void> print(rpc::Subscriber& subscriber) {
  while (auto const message = co_await subscriber.next()) std::cout << message->text << std::endl;
}

awaitable<int> subscribe(rpc::Link& link) {
  using namespace example::asio::experimental::awaitable_operators;
  auto const executor = co_await example::asio::this_coro::executor;
  grenache::net::TerminationSignals signals{executor};
  rpc::Subscriber::Options const options;
  rpc::Subscriber subscriber{executor, link, "pub_test", options, grenache::Random::from_system()};
  subscriber.start();
  auto const connected = co_await subscriber.connected(1, 10s);
  if (connected) {
    std::cout << "connected" << std::endl;
    co_await (print(subscriber) || signals.received());
  } else {  // the subscriber would keep trying; this example does not
    std::cerr << connected.error().text() << '\n';
  }
  co_await subscriber.stop();
  co_await link.stop();
  co_return connected ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  return example::run(example::argument(argc, argv, 1, "http://127.0.0.1:30001"), subscribe);
}
