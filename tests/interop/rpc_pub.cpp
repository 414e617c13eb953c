// Our publisher, the counterpart of rpc_pub.cjs: publishes each line of stdin until SIGTERM.
#include "tests/interop/rpc_program.hpp"
#include <grenache/rpc/publisher.hpp>

namespace grenache::test {
namespace {

constexpr Duration kLimit = std::chrono::seconds{60};

net::Awaitable<int> publish(net::Executor executor, RpcFlags flags) {
  Lines lines{executor};
  rpc::Link link{executor, link_options(flags), Random::from_system()};
  rpc::Publisher::Options options;
  if (rpc::uses_tls(flags.transport)) options.tls = net::TlsContext::make_server(flags.tls).value();
  rpc::Publisher publisher{executor, options};
  auto const bound = publisher.listen(Endpoint{IpAddress{127, 0, 0, 1}, 0});
  if (!bound) {
    std::cerr << "cannot listen: " << bound.error().message() << '\n';
    co_return 1;
  }
  publisher.announce(link, flags.name);
  auto const ready = co_await publisher.ready(kLimit);
  if (ready) {
    report(json::Value::object({{"event", "ready"}, {"port", unsigned{bound->port}}}));
    while (auto line = co_await lines.next()) publisher.publish(std::move(*line));
  } else {
    std::cerr << ready.error().text() << '\n';
  }
  (void)co_await publisher.stop(kLimit);
  co_await link.stop();
  co_return ready ? 0 : 1;
}

}  // namespace
}  // namespace grenache::test

int main(int argc, char** argv) {
  return grenache::test::run_rpc_program(argc, argv, true, grenache::test::publish);
}
