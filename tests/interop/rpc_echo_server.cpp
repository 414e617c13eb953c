// rpc_echo_server --grape URL --name NAME: answers {"key","payload"}; the payload "err" with the error
// "boom". Prints {"event":"ready","port":N} on stdout once it is announced, and serves until SIGTERM.
#include <iostream>

#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include "proto/rpc/link.hpp"
#include "proto/rpc/server.hpp"

namespace grenache {
namespace {

constexpr Duration kLimit = std::chrono::seconds{10};

net::Awaitable<rpc::Reply> echo(rpc::Request& request) {
  auto const* text = request.payload.as_string();
  if (text != nullptr && *text == "err") co_return rpc::Reply::failure("boom");
  auto reply = json::Value::object({{"key", request.key}, {"payload", request.payload}});
  co_return rpc::Reply{std::move(reply)};
}

net::Awaitable<int> serve(net::Executor executor, HostPort grape, std::string name) {
  rpc::Link::Options link_options;
  link_options.grapes = {std::move(grape)};
  rpc::Link link{executor, link_options, Random::from_system()};
  rpc::Server::Options const server_options;
  rpc::Server server{executor, server_options, echo};
  auto const bound = server.listen(Endpoint{IpAddress{127, 0, 0, 1}, 0});
  if (!bound) {
    std::cerr << "rpc_echo_server: cannot listen: " << bound.error().message() << '\n';
    co_return 1;
  }
  server.announce(link, std::move(name));
  auto const ready = co_await server.ready(kLimit);
  if (ready) {
    std::cout << json::to_text(json::Value::object({{"event", "ready"}, {"port", unsigned{bound->port}}}))
              << std::endl;
    net::asio::signal_set signals{executor, SIGTERM, SIGINT};
    co_await signals.async_wait(net::kTuple);
  } else {
    std::cerr << "rpc_echo_server: " << ready.error().text() << '\n';
  }
  co_await server.stop(kLimit);
  co_await link.stop();
  co_return ready ? 0 : 1;
}

}  // namespace
}  // namespace grenache

int main(int argc, char** argv) {
  CLI::App app{"A Grenache service that answers what it is asked"};
  std::string url;
  std::string name;
  app.add_option("--grape", url, "http://host:port of a grape")->required();
  app.add_option("--name", name, "service name")->required();
  CLI11_PARSE(app, argc, argv);
  auto const grape = grenache::rpc::parse_grape_url(url);
  if (!grape) {
    std::cerr << "rpc_echo_server: not the URL of a grape: " << url << '\n';
    return 2;
  }
  boost::asio::io_context io{1};
  int status = 1;
  boost::asio::co_spawn(io, grenache::serve(io.get_executor(), *grape, name),
                        [&](std::exception_ptr error, int result) { status = error ? 1 : result; });
  io.run();
  return status;
}
