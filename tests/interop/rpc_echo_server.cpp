// Our RPC server, the counterpart of rpc_echo_server.cjs: answers {key, payload, caller}, the payload "err"
// with the error "boom", and a stream with a line that describes it and its own bytes. Runs until SIGTERM.
#include "tests/interop/rpc_program.hpp"
#include <grenache/rpc/server.hpp>

namespace grenache::test {
namespace {

constexpr Duration kLimit = std::chrono::seconds{60};

// Returns the name in "CN=name"; null if the certificate is not verified or has another form.
json::Value common_name(std::optional<net::PeerCertificate> const& certificate) {
  if (!certificate || !certificate->verified || !certificate->subject.starts_with("CN=")) return {};
  return certificate->subject.substr(3);
}

net::Awaitable<rpc::Reply> echo(rpc::Request& request) {
  auto const* text = request.payload.as_string();
  if (text != nullptr && *text == "err") co_return rpc::Reply::failure("boom");
  co_return rpc::Reply{json::Value::object({{"key", request.key},
                                            {"payload", std::move(request.payload)},
                                            {"caller", common_name(request.certificate)}})};
}

net::Awaitable<void> echo_stream(rpc::ServerStream& stream) {
  auto const& request = stream.request();
  auto const head = json::to_text(json::Value::object({{"key", request.key},
                                                       {"action", request.action},
                                                       {"args", request.args},
                                                       {"note", stream.header("x-note")}})) +
                    '\n';
  auto written = co_await stream.write(head);
  while (written) {
    auto const piece = co_await stream.read();
    if (!piece || piece->empty()) co_return;
    written = co_await stream.write(*piece);
  }
}

net::Awaitable<int> serve(net::Executor executor, RpcFlags flags) {
  net::TerminationSignals signals{executor};
  rpc::Link link{executor, link_options(flags), Random::from_system()};
  rpc::Server::Options options;
  options.transport = flags.transport;
  options.tls = flags.tls;
  rpc::Server server{executor, options, echo};
  server.on_stream(echo_stream);
  auto const bound = server.listen(Endpoint{IpAddress{127, 0, 0, 1}, 0});
  if (!bound) {
    std::cerr << "cannot listen: " << bound.error().message() << '\n';
    co_return 1;
  }
  server.announce(link, flags.name);
  auto const ready = co_await server.ready(kLimit);
  if (ready) {
    report(json::Value::object({{"event", "ready"}, {"port", unsigned{bound->port}}}));
    co_await signals.received();
  } else {
    std::cerr << ready.error().text() << '\n';
  }
  co_await server.stop(kLimit);
  co_await link.stop();
  co_return ready ? 0 : 1;
}

}  // namespace
}  // namespace grenache::test

int main(int argc, char** argv) {
  return grenache::test::run_rpc_program(argc, argv, true, grenache::test::serve);
}
