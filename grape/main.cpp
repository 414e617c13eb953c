// The program `grape`: flags as those of the Node one, signals, exit codes.
#include <csignal>
#include <cstdint>
#include <exception>
#include <string>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include "grape/grape.hpp"
#include "proto/log/command_line.hpp"

namespace grenache::grape {
namespace {

namespace asio = boost::asio;

// `127.0.0.1:20002,host:20003`; empty for a grape that waits to be found.
std::string parse_bootstrap(std::string const& text, std::vector<HostPort>& out) {
  std::size_t begin = 0;
  while (begin < text.size()) {
    auto const comma = std::min(text.find(',', begin), text.size());
    std::string const item = text.substr(begin, comma - begin);
    auto const address = HostPort::parse(item);
    if (!address) return "'" + item + "' is not host:port with a port from 1 to 65535";
    out.push_back(*address);
    begin = comma + 1;
  }
  return {};
}

struct Flags {
  std::string bind;
  std::string bootstrap;
  std::int64_t peer_age_ms = 240'000;
  std::int64_t liveness_ms = 300'000;
  std::int64_t cache_age_ms = 0;
  LogOptions log;
};

void declare(CLI::App& app, Flags& flags, Grape::Options& options) {
  constexpr std::int64_t kDayMs = 86'400'000;
  app.add_option("-b,--bind", flags.bind, "Address to listen on, UDP and HTTP [all IPv4 addresses]")
      ->check([](std::string const& text) {
        return IpAddress::parse(text) ? "" : "'" + text + "' is not an IP address";
      });
  app.add_option("--dp,--dht_port", options.dht_port, "UDP port of the DHT; 0 takes a free one")->required();
  app.add_option("--aph,--api_port", options.api_port, "TCP port of the HTTP API; 0 takes a free one")
      ->required();
  app.add_option("--bn,--bootstrap", flags.bootstrap, "Grapes to join, host:port,host:port…; may be empty")
      ->required()
      ->check([](std::string const& text) {
        std::vector<HostPort> ignored;
        return parse_bootstrap(text, ignored);
      });
  app.add_option("--dc,--dht_concurrency", options.node.concurrency,
                 "Queries of lookups and announcements in flight")
      ->check(CLI::Range(1, 1'000))
      ->capture_default_str();
  app.add_option("--dht_maxTables", options.node.peers.name_count_max, "Service names kept for others")
      ->check(CLI::Range(1, 10'000'000))
      ->capture_default_str();
  app.add_option("--dht_maxValues", options.node.items.item_count_max, "Items (BEP 44) kept for others")
      ->check(CLI::Range(1, 10'000'000))
      ->capture_default_str();
  app.add_option("--dpa,--dht_peer_maxAge", flags.peer_age_ms,
                 "Life of an announced service that is not announced again, ms")
      ->check(CLI::Range(std::int64_t{1}, kDayMs))
      ->capture_default_str();
  app.add_option("--dnl,--dht_nodeLiveness", flags.liveness_ms,
                 "Silence after which a node is asked whether it is alive, ms")
      ->check(CLI::Range(std::int64_t{1'000}, kDayMs))
      ->capture_default_str();
  app.add_option("--cache_maxAge", flags.cache_age_ms, "Accepted for compatibility; nothing is cached here")
      ->check(CLI::Range(std::int64_t{0}, kDayMs));
  app.add_option("--check_maxPayloadSize", options.api.body_bytes_max, "Largest HTTP body, bytes")
      ->check(CLI::Range(1, 1'048'576))
      ->capture_default_str();
  app.add_flag("--strict", options.api.strict,
               "Answer errors with status 4xx or 5xx and a JSON object, not as Node's Grape does");
  add_log_options(app, flags.log);
}

// What we keep alive for our own users follows the life of an announcement: it is announced again three times
// within it, and taken back when its owner has been silent for as long.
void set_peer_age(NodeOptions& node, Duration age) {
  node.peers.age_max = age;
  node.keeper.announce_every = std::max<Duration>(age / 3, std::chrono::seconds{1});
  node.keeper.owner_patience = age;
}

int run(int argc, char** argv) {
  CLI::App app{
      "A Grenache grape: a node of the DHT with an HTTP API to announce services and to look them up.",
      "grape"};
  app.set_version_flag("--version", "grape " GRENACHE_VERSION);
  app.footer(
      "Two grapes on one machine:\n"
      "  grape --dp 20001 --aph 30001 --bn '127.0.0.1:20002'\n"
      "  grape --dp 20002 --aph 40001 --bn '127.0.0.1:20001'");
  Flags flags;
  Grape::Options options;
  declare(app, flags, options);
  if (auto const done = parse_command_line(app, argc, argv)) return *done;
  set_peer_age(options.node, std::chrono::milliseconds{flags.peer_age_ms});
  options.node.table.liveness = std::chrono::milliseconds{flags.liveness_ms};
  if (!flags.bind.empty()) options.bind = IpAddress::parse(flags.bind);
  parse_bootstrap(flags.bootstrap, options.bootstrap);

  Log const log = flags.log.make();
  asio::io_context io{1};
  Grape grape{io.get_executor(), options, log};
  asio::signal_set signals{io, SIGINT, SIGTERM};
  if (auto const failure = grape.start()) return fail(app, *failure);
  signals.async_wait([&](boost::system::error_code error, int) {
    if (!error) asio::co_spawn(io, grape.stop(), asio::detached);
  });
  io.run();
  log.info("stopped");
  return 0;
}

}  // namespace
}  // namespace grenache::grape

int main(int argc, char** argv) {
  try {
    return grenache::grape::run(argc, argv);
  } catch (std::exception const& error) {
    std::cerr << "grape: " << error.what() << '\n';
    return grenache::kExitFailure;
  }
}
