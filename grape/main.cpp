// The program `grape`: the flags of Node.js' grape, signals, exit codes.
#include <algorithm>
#include <csignal>
#include <cstdint>
#include <exception>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include "grape/core/profile.hpp"
#include "grape/grape.hpp"
#include <grenache/log/command_line.hpp>
#include <grenache/log/log.hpp>
#include <grenache/net/descriptors.hpp>
#include <grenache/net/hangup.hpp>
#include <grenache/net/local_address.hpp>
#include <grenache/net/rethrow.hpp>
#include <grenache/net/web_access_flags.hpp>

namespace grenache::grape {
namespace {

namespace asio = boost::asio;

// Parses `127.0.0.1:20002,host:20003`; empty for a grape that starts a network.
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
  std::string api_bind;
  std::string bootstrap;
  std::string state_folder;
  std::string profile = "cluster";
  // Unset: the value of the profile.
  std::optional<std::size_t> concurrency;
  std::optional<std::uint32_t> max_tables;
  std::optional<std::uint32_t> max_values;
  std::optional<std::int64_t> peer_age_ms;
  std::optional<std::int64_t> liveness_ms;
  std::int64_t cache_age_ms = 0;
  LogOptions log;
};

void declare_limits(Command& app, Flags& flags) {
  constexpr std::int64_t kDayMs = 86'400'000;
  auto const shown = options_of(Profile::cluster);
  auto const ms = [](Duration duration) {
    return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
  };
  add_number(app, "--dc,--dht_concurrency", flags.concurrency, 1, 1'000,
             "Queries of lookups and announcements in flight")
      ->default_str(std::to_string(shown.concurrency));
  add_number(app, "--dht_maxTables", flags.max_tables, 1, 10'000'000, "Service names kept for others")
      ->default_str(std::to_string(shown.peers.name_count_max));
  add_number(app, "--dht_maxValues", flags.max_values, 1, 10'000'000, "Items (BEP 44) kept for others")
      ->default_str(std::to_string(shown.items.item_count_max));
  add_number(app, "--dpa,--dht_peer_maxAge", flags.peer_age_ms, 1, kDayMs,
             "Lifetime of an announcement that is not repeated, ms")
      ->default_str(ms(shown.peers.age_max));
  add_number(app, "--dnl,--dht_nodeLiveness", flags.liveness_ms, 1'000, kDayMs,
             "Silence after which a node is pinged, ms")
      ->default_str(ms(shown.table.liveness));
  add_number(app, "--cache_maxAge", flags.cache_age_ms, 0, kDayMs, "Ignored; accepted for compatibility, ms");
}

std::string check_address(std::string const& text) {
  return IpAddress::parse(text) ? "" : "'" + text + "' is not an IP address";
}

void declare_access(Command& app, Flags& flags, Grape::Options& options) {
  app.add_option("--api-bind", flags.api_bind, "Address that the HTTP API listens on [as --bind]")
      ->check(check_address);
  net::add_web_access(app, options.api.web_access, "use the HTTP API");
}

void declare(Command& app, Flags& flags, Grape::Options& options) {
  app.add_option("-b,--bind", flags.bind,
                 "Address to listen on, UDP and HTTP [all IPv4 addresses]; :: for IPv6 as well")
      ->check(check_address);
  add_port(app, "--dp,--dht_port", options.dht_port, "UDP port of the DHT; 0 chooses a free one")->required();
  add_port(app, "--aph,--api_port", options.api_port, "TCP port of the HTTP API; 0 chooses a free one")
      ->required();
  app.add_option("--bn,--bootstrap", flags.bootstrap, "Grapes to join, host:port,host:port…; may be empty")
      ->required()
      ->check([](std::string const& text) {
        std::vector<HostPort> ignored;
        return parse_bootstrap(text, ignored);
      });
  app.add_option(
         "--profile", flags.profile,
         "cluster: grapes of one operator; public: limits for untrusted nodes, as in the mainline DHT")
      ->one_of({"cluster", "public"})
      ->capture_default_str();
  app.add_option("--state-dir", flags.state_folder,
                 "Folder for node id, known nodes, services and items of users over restarts [no state]");
  declare_access(app, flags, options);
  declare_limits(app, flags);
  add_number(app, "--check_maxPayloadSize", options.api.body_bytes_max, 1, 1'048'576,
             "Largest HTTP body, bytes")
      ->capture_default_str();
  app.add_flag("--strict", options.api.strict,
               "Answer errors with status 4xx or 5xx and a JSON object, unlike Node.js' Grape");
  add_log_options(app, flags.log);
}

// Derives re-announcement from the lifetime of an announcement: three times within it, until the owner has
// been silent for that time.
void set_peer_age(NodeOptions& node, Duration age) {
  node.peers.age_max = age;
  node.keeper.announce_every = std::max<Duration>(age / 3, std::chrono::seconds{1});
  node.keeper.owner_patience = age;
}

NodeOptions node_options(Flags const& flags) {
  NodeOptions node = options_of(parse_profile(flags.profile).value());
  if (flags.concurrency) node.concurrency = *flags.concurrency;
  if (flags.max_tables) node.peers.name_count_max = *flags.max_tables;
  if (flags.max_values) node.items.item_count_max = *flags.max_values;
  if (flags.peer_age_ms) set_peer_age(node, std::chrono::milliseconds{*flags.peer_age_ms});
  if (flags.liveness_ms) node.table.liveness = std::chrono::milliseconds{*flags.liveness_ms};
  return node;
}

/// Whether strangers on the Internet can reach a socket that is bound to `address`, as far as the host knows.
bool is_public(IpAddress const& address) {
  if (!address.is_unspecified()) return !address.is_private();
  // 0.0.0.0 means IPv4 alone.
  return std::ranges::any_of(net::interface_addresses(), [&](IpAddress const& each) {
    return !each.is_private() && (address.is_v6() || !each.is_v6());
  });
}

void warn_of_exposure(Grape const& grape, Profile profile, Log const& log) {
  IpAddress const api = grape.api_endpoint().address;
  if (!api.is_loopback()) {
    log.warn("warning", {{"text", "the HTTP API has no authentication and listens on " + api.to_string() +
                                      ": every host that can reach it can announce and store; --api-bind "
                                      "127.0.0.1 restricts it to this host"}});
  }
  IpAddress const dht = grape.dht_endpoint().address;
  if (profile == Profile::cluster && is_public(dht)) {
    log.warn("warning", {{"text",
                          "this host has a public address, and the profile cluster trusts those who "
                          "ask: forged queries can make it send up to 14 times their size to "
                          "others; --profile public answers strangers less"}});
  }
}

int run(int argc, char** argv) {
  Command app{"A Grenache grape: a DHT node with an HTTP API to announce and look up services.", "grape"};
  app.set_version_flag("--version", "grape " GRENACHE_VERSION);
  app.footer(
      "Two grapes on one machine:\n"
      "  grape --dp 20001 --aph 30001 --bn '127.0.0.1:20002'\n"
      "  grape --dp 20002 --aph 40001 --bn '127.0.0.1:20001'");
  Flags flags;
  Grape::Options options;
  declare(app, flags, options);
  if (auto const done = parse_command_line(app, argc, argv)) return *done;
  options.node = node_options(flags);
  if (!flags.bind.empty()) options.bind = IpAddress::parse(flags.bind);
  if (!flags.api_bind.empty()) options.api_bind = IpAddress::parse(flags.api_bind);
  options.state_folder = flags.state_folder;
  parse_bootstrap(flags.bootstrap, options.bootstrap);

  ignore_broken_pipes();
  net::survive_hangup();
  net::raise_descriptor_limit();
  Log const log = flags.log.make();
  asio::io_context io{1};
  Grape grape{io.get_executor(), options, log};
  asio::signal_set signals{io, SIGINT, SIGTERM};
  if (auto const failure = grape.start()) {
    log.flush();
    return fail(app, *failure);
  }
  warn_of_exposure(grape, parse_profile(flags.profile).value(), log);
  signals.async_wait([&](boost::system::error_code error, int) {
    if (!error) asio::co_spawn(io, grape.stop(), net::kRethrow);
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
