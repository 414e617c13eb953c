// A Grenache service and its client in one program, built with the installed library. The only argument is
// the grape's URL.
#include <cstdio>
#include <exception>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <grenache/rpc/client.hpp>
#include <grenache/rpc/server.hpp>

namespace {

namespace asio = boost::asio;
namespace json = grenache::json;
namespace rpc = grenache::rpc;
using namespace std::chrono_literals;

asio::awaitable<rpc::Reply> echo(rpc::Request& request) { co_return rpc::Reply{request.payload}; }

asio::awaitable<int> run(asio::io_context& io, rpc::GrapeUrl grape) {
  rpc::Link::Options options;
  options.grapes = {grape};
  rpc::Link link{io.get_executor(), options, grenache::Random::from_system()};
  rpc::Server server{io.get_executor(), {}, echo};
  auto const listening = server.listen({grenache::IpAddress{127, 0, 0, 1}, 0});
  if (!listening) co_return 1;
  server.announce(link, "rpc_test");
  auto const ready = co_await server.ready(10s);
  if (!ready) co_return 2;

  rpc::Client client{io.get_executor(), link, {}, grenache::Random::from_system()};
  auto const reply = co_await client.request("rpc_test", "hello");
  if (!reply) std::fprintf(stderr, "%s\n", reply.error().text().c_str());
  bool const right = reply.has_value() && *reply == json::Value{"hello"};
  co_await client.stop();
  (void)co_await server.stop(1s);
  co_await link.stop();
  co_return right ? 0 : 3;
}

}  // namespace

int main(int argc, char** argv) {
  auto const grape = rpc::parse_grape_url(argc == 2 ? argv[1] : "");
  if (!grape) {
    std::fprintf(stderr, "usage: service http://host:port\n");
    return 2;
  }
  asio::io_context io{1};
  int code = 1;
  asio::co_spawn(io, run(io, *grape),
                 [&](std::exception_ptr failure, int result) { code = failure ? 1 : result; });
  io.run();
  return code;
}
