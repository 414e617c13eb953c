// rpc_call --grape URL [--gzip] NAME PAYLOAD: calls a service with a JSON payload (`-`: from stdin). Prints
// {"result":…} and exits with 0, or {"error":"…"} and exits with 1.
#include <iostream>
#include <iterator>

#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "proto/rpc/client.hpp"
#include "proto/rpc/link.hpp"

namespace grenache {
namespace {

struct Call {
  HostPort grape;
  std::string name;
  json::Value payload;
  bool gzip = false;
};

net::Awaitable<int> run(net::Executor executor, Call call) {
  rpc::Link::Options link_options;
  link_options.grapes = {call.grape};
  rpc::Link link{executor, link_options, Random::from_system()};
  rpc::Client::Options const client_options;
  rpc::Client client{executor, link, client_options, Random::from_system()};
  rpc::RequestOptions request_options;
  request_options.compress = call.gzip;
  auto const reply = co_await client.request(call.name, call.payload, request_options);
  auto const answer = reply ? json::Value::object({{"result", *reply}})
                            : json::Value::object({{"error", reply.error().text()}});
  std::cout << json::to_text(answer) << std::endl;
  co_await client.stop();
  co_await link.stop();
  co_return reply ? 0 : 1;
}

}  // namespace
}  // namespace grenache

int main(int argc, char** argv) {
  CLI::App app{"Calls a Grenache service"};
  grenache::Call call;
  std::string url;
  std::string payload;
  app.add_option("--grape", url, "http://host:port of a grape")->required();
  app.add_flag("--gzip", call.gzip, "compress the request and the reply");
  app.add_option("name", call.name, "service name")->required();
  app.add_option("payload", payload, "JSON, or - for stdin")->required();
  CLI11_PARSE(app, argc, argv);
  if (payload == "-") payload.assign(std::istreambuf_iterator<char>{std::cin}, {});
  auto const grape = grenache::rpc::parse_grape_url(url);
  auto parsed = grenache::json::parse(payload);
  if (!grape || !parsed) {
    std::cerr << "rpc_call: " << (grape ? "the payload is not JSON" : "not the URL of a grape") << '\n';
    return 2;
  }
  call.grape = *grape;
  call.payload = std::move(*parsed);
  boost::asio::io_context io{1};
  int status = 1;
  boost::asio::co_spawn(io, grenache::run(io.get_executor(), std::move(call)),
                        [&](std::exception_ptr error, int result) { status = error ? 1 : result; });
  io.run();
  return status;
}
