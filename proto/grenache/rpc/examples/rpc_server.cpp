// A service that answers "world" to every request; like examples/rpc_server.js of grenache-nodejs-http
// and -ws.
//
//   rpc_server [GRAPE [TRANSPORT]]
#include <grenache/net/termination_signals.hpp>
#include <grenache/rpc/examples/example.hpp>
#include <grenache/rpc/server.hpp>

namespace {

namespace rpc = grenache::rpc;
using example::asio::awaitable;
using namespace std::chrono_literals;

awaitable<rpc::Reply> answer(rpc::Request&) {
  co_return rpc::Reply{"world"};  // or rpc::Reply::failure("something went wrong")
}

awaitable<int> serve(rpc::Link& link, rpc::Transport transport) {
  auto const executor = co_await example::asio::this_coro::executor;
  grenache::net::TerminationSignals signals{executor};
  rpc::Server::Options options;
  options.transport = transport;
  rpc::Server server{executor, options, answer};
  auto const listening = server.listen(grenache::Endpoint{});  // every address of this host, a free port
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
  auto const transport = rpc::parse_transport(example::argument(argc, argv, 2, "http"));
  return example::run(example::argument(argc, argv, 1, "http://127.0.0.1:30001"),
                      [&](rpc::Link& link) { return serve(link, transport.value_or(rpc::Transport::http)); });
}
