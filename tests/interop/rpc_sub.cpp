// Our subscriber, the counterpart of rpc_sub.cjs: reports when it is connected to --publishers publishers,
// and each message, until SIGTERM.
#include "tests/interop/rpc_program.hpp"
#include <grenache/net/task_group.hpp>
#include <grenache/rpc/subscriber.hpp>

namespace grenache::test {
namespace {

constexpr Duration kLimit = std::chrono::seconds{60};

net::Awaitable<int> subscribe(net::Executor executor, RpcFlags flags) {
  net::TerminationSignals signals{executor};
  rpc::Link link{executor, link_options(flags), Random::from_system()};
  rpc::Subscriber::Options options;
  if (rpc::uses_tls(flags.transport)) options.tls = net::TlsContext::make_client(flags.tls).value();
  rpc::Subscriber subscriber{executor, link, flags.name, options, Random::from_system()};
  subscriber.start([](rpc::Publication publication) {
    report(json::Value::object({{"event", "message"}, {"text", std::move(publication.text)}}));
  });
  auto const connected = co_await subscriber.connected(flags.publishers, kLimit);
  if (connected) {
    report(json::Value::object({{"event", "connected"}}));
    co_await signals.received();
  } else {
    std::cerr << connected.error().text() << '\n';
  }
  co_await subscriber.stop();
  co_await link.stop();
  co_return connected ? 0 : 1;
}

}  // namespace
}  // namespace grenache::test

int main(int argc, char** argv) {
  return grenache::test::run_rpc_program(argc, argv, true, grenache::test::subscribe);
}
