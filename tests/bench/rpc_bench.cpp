// Our Grenache RPC peers for tests/bench/rpc.py.
//
//     rpc_bench serve TRANSPORT GRAPE NAME [TLS]
//         echoes requests; prints its port when announced
//     rpc_bench load TRANSPORT GRAPE NAME IN_FLIGHT SECONDS [TLS]
//         prints requests, seconds, p50, p99 (us) and errors
//
// TRANSPORT: http, https, ws, wss. TLS: a folder with key.pem, cert.pem and ca.pem. RPC_THREADS is the number
// of threads that serve.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <grenache/net/async_event.hpp>
#include <grenache/net/steady_clock.hpp>
#include <grenache/rpc/client.hpp>
#include <grenache/rpc/link.hpp>
#include <grenache/rpc/server.hpp>

namespace {

using namespace grenache;
using namespace std::chrono_literals;
namespace asio = boost::asio;

std::string read_file(std::string const& path) {
  std::ifstream file{path};
  if (!file) throw std::runtime_error{"cannot read " + path};
  return {std::istreambuf_iterator<char>{file}, {}};
}

struct Options {
  std::string mode;
  rpc::Transport transport = rpc::Transport::http;
  rpc::Link::Options link;
  std::string name;
  unsigned in_flight = 1;
  double seconds = 1;
  net::TlsOptions tls;
};

Options parse(std::vector<std::string> const& words) {
  std::size_t const fixed = !words.empty() && words[0] == "load" ? 6 : 4;
  if (words.size() < fixed) throw std::runtime_error{"serve|load TRANSPORT GRAPE NAME …"};
  Options options;
  options.mode = words[0];
  auto const transport = rpc::parse_transport(words[1]);
  auto const grape = rpc::parse_grape_url(words[2]);
  if (!transport || !grape) throw std::runtime_error{"bad transport or grape"};
  options.transport = *transport;
  options.link.grapes.push_back(*grape);
  options.name = words[3];
  if (options.mode == "load") {
    options.in_flight = static_cast<unsigned>(std::stoul(words[4]));
    options.seconds = std::stod(words[5]);
  }
  if (words.size() > fixed && rpc::uses_tls(options.transport)) {
    options.tls.key = read_file(words[fixed] + "/key.pem");
    options.tls.certificate = read_file(words[fixed] + "/cert.pem");
    options.tls.ca = read_file(words[fixed] + "/ca.pem");
  }
  return options;
}

net::Awaitable<void> print_when_ready(rpc::Server& server) {
  auto const ready = co_await server.ready(30s);
  if (!ready) throw std::runtime_error{ready.error().text()};
  std::printf("%d\n", server.local_endpoint().port);
  std::fflush(stdout);
}

void serve(Options const& options) {
  asio::io_context io{1};
  rpc::Link link{io.get_executor(), options.link, Random::from_system()};
  rpc::Server::Options server_options;
  server_options.transport = options.transport;
  server_options.tls = options.tls;
  if (char const* threads = std::getenv("RPC_THREADS")) {
    server_options.threads = static_cast<unsigned>(std::stoul(threads));
  }
  rpc::Server::Handler const echo = [](rpc::Request& request) -> net::Awaitable<rpc::Reply> {
    rpc::Reply reply{std::move(request.payload)};
    co_return reply;
  };
  rpc::Server server{io.get_executor(), server_options, echo};
  auto const bound = server.listen({IpAddress{127, 0, 0, 1}, 0});
  if (!bound) throw std::runtime_error{bound.error().message()};
  server.announce(link, options.name);
  asio::co_spawn(io, print_when_ready(server), [](std::exception_ptr thrown) {
    if (thrown) std::rethrow_exception(thrown);
  });
  io.run();
}

struct Load {
  rpc::Client& client;
  Options const& options;
  json::Value payload;
  TimePoint begin;
  TimePoint end;
  std::vector<double> took_us;
  unsigned errors = 0;
  net::AsyncEvent finished;
  unsigned running = 0;
};

net::Awaitable<void> keep_asking(Load& load) {
  ++load.running;
  for (TimePoint now = net::steady_now(); now < load.end;) {
    auto const answer = co_await load.client.request(load.options.name, load.payload);
    TimePoint const after = net::steady_now();
    if (!answer) ++load.errors;
    load.took_us.push_back(std::chrono::duration<double, std::micro>{after - now}.count());
    now = after;
  }
  if (--load.running == 0) load.finished.notify_all();
}

void print(Load& load) {
  double const seconds = std::chrono::duration<double>{net::steady_now() - load.begin}.count();
  std::ranges::sort(load.took_us);
  auto const at = [&](double share) {
    auto const index = static_cast<std::size_t>(share * static_cast<double>(load.took_us.size()));
    return load.took_us.at(std::min(index, load.took_us.size() - 1));
  };
  std::printf("{\"requests\":%zu,\"seconds\":%.3f,\"p50_us\":%.0f,\"p99_us\":%.0f,\"errors\":%u}\n",
              load.took_us.size(), seconds, at(0.5), at(0.99), load.errors);
}

net::Awaitable<void> run_load(Options const& options, asio::io_context& io) {
  rpc::Link link{io.get_executor(), options.link, Random::from_system()};
  rpc::Client::Options client_options;
  client_options.transport = options.transport;
  client_options.tls = options.tls;
  rpc::Client client{io.get_executor(), link, client_options, Random::from_system()};
  json::Value payload = *json::parse(R"({"hello":"world","number":42})");
  // The first request does the lookup.
  auto const first = co_await client.request(options.name, payload);
  if (!first) throw std::runtime_error{first.error().text()};
  TimePoint const begin = net::steady_now();
  auto const length = std::chrono::duration_cast<Duration>(std::chrono::duration<double>{options.seconds});
  Load load{
      client, options, std::move(payload), begin, begin + length, {}, 0, net::AsyncEvent{io.get_executor()}};
  for (unsigned i = 1; i < options.in_flight; ++i) asio::co_spawn(io, keep_asking(load), asio::detached);
  co_await keep_asking(load);
  while (load.running > 0) co_await load.finished.wait();
  print(load);
  co_await client.stop();
  co_await link.stop();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    Options const options = parse({argv + 1, argv + argc});
    if (options.mode == "serve") serve(options);
    asio::io_context io{1};
    asio::co_spawn(io, run_load(options, io), [](std::exception_ptr thrown) {
      if (thrown) std::rethrow_exception(thrown);
    });
    io.run();
  } catch (std::exception const& error) {
    std::fprintf(stderr, "rpc_bench: %s\n", error.what());
    return 1;
  }
}
