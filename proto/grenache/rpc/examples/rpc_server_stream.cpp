// Prints the data of each stream, and answers as soon as one begins; like examples/rpc_server_stream.js of
// grenache-nodejs-http.
//
//   rpc_server_stream [GRAPE]
#include <grenache/net/termination_signals.hpp>
#include <grenache/rpc/examples/example.hpp>
#include <grenache/rpc/server.hpp>

namespace {

namespace json = grenache::json;
namespace rpc = grenache::rpc;
using example::asio::awaitable;
using namespace std::chrono_literals;

awaitable<rpc::Reply> refuse(rpc::Request&) { co_return rpc::Reply::failure("only streams are supported"); }

awaitable<void> print(rpc::ServerStream& stream) {
  auto const& request = stream.request();
  std::cout << "action " << request.action << ", arguments " << json::to_text(request.args)
            << ", content type " << stream.header("content-type") << std::endl;
  // The same bytes as Node.js' handler.reply(rid, null, 'world'); a stream may carry any bytes.
  auto const answer = json::to_text(json::Value::array({request.rid, nullptr, "world"}));
  auto const written = co_await stream.write(answer);
  if (!written) co_return;
  for (;;) {
    auto const piece = co_await stream.read();
    if (!piece || piece->empty()) break;  // the connection was lost, or the stream has ended
    std::cout << *piece << std::endl;
  }
  std::cout << std::endl;
}

awaitable<int> serve(rpc::Link& link) {
  auto const executor = co_await example::asio::this_coro::executor;
  grenache::net::TerminationSignals signals{executor};
  rpc::Server::Options const options;
  rpc::Server server{executor, options, refuse};
  server.on_stream(print);
  auto const listening = server.listen(grenache::Endpoint{});
  if (!listening) {
    std::cerr << listening.error().message() << '\n';
    co_return 1;
  }
  server.announce(link, "rpc_stream");
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
  return example::run(example::argument(argc, argv, 1, "http://127.0.0.1:30001"), serve);
}
