// The program `exchange`: a trading peer, or the playbook with three of them.
#include <cstdint>
#include <exception>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>

#include "exchange/console/playbook.hpp"
#include "exchange/exchange.hpp"
#include "exchange/identity.hpp"
#include <grenache/log/command_line.hpp>
#include <grenache/log/log.hpp>
#include <grenache/net/descriptors.hpp>
#include <grenache/net/hangup.hpp>
#include <grenache/net/local_address.hpp>
#include <grenache/net/termination_signals.hpp>
#include <grenache/net/web_access_flags.hpp>
#include <grenache/rpc/grape_flags.hpp>
#include <grenache/rpc/link.hpp>

namespace grenache::exchange {
namespace {

namespace asio = boost::asio;

struct Flags {
  bool playbook = false;
  bool json = false;
  bool signed_only = false;
  std::vector<std::string> grapes{"http://127.0.0.1:30001"};
  rpc::GrapeTlsFlags grape_tls_flags;
  net::TlsOptions grape_tls;  // from load_grape_tls()
  std::string redis;
  std::string bind;
  std::string advertise;
  std::uint16_t port = 0;
  net::WebAccess web_access;
  std::string name;
  std::string data_dir;
  std::string service = "exchange";
  LogOptions log;
};

void declare_addresses(Command& app, Flags& flags) {
  add_port(app, "--port", flags.port, "TCP port of the RPC server; 0 takes a free one")
      ->capture_default_str();
  app.add_option("--bind", flags.bind, "Address to listen on [all, IPv4 and IPv6]")
      ->type_name("ADDRESS")
      ->check([](std::string const& text) {
        return IpAddress::parse(text) ? "" : "'" + text + "' is not an IP address";
      });
  app.add_option("--advertise", flags.advertise,
                 "Host in our orders, for takers who do not find us in the\nDHT [the address that the DHT "
                 "shows, if it is of this host\nor the only one with our port]")
      ->type_name("HOST")
      ->check([](std::string const& text) {
        return HostPort::parse(text + ":1") ? "" : "'" + text + "' is not a host";
      });
  net::add_web_access(app, flags.web_access, "call the RPC server");
}

void declare_identity(Command& app, Flags& flags) {
  app.add_option("--name", flags.name, "Name to show to other peers, at most 64 bytes [none]")
      ->type_name("NAME")
      ->check([](std::string const& text) {
        return text.size() <= kPeerNameSizeMax
                   ? ""
                   : "a name has at most " + std::to_string(kPeerNameSizeMax) + " bytes";
      });
  app.add_option("--data-dir", flags.data_dir,
                 "Folder of the identity, made when missing\n[a new identity for this run]")
      ->type_name("FOLDER");
  app.add_option("--service", flags.service, "Name to announce and to look up in the DHT")
      ->type_name("NAME")
      ->capture_default_str();
}

void declare(Command& app, Flags& flags) {
  app.column_width(27);
  app.add_flag("--playbook", flags.playbook,
               "Play Alice, Bob and Carol in this process: announce, ping,\npublish, match, execute, refuse; "
               "exit 0 when every check held.\nWith --grape, --service, --redis, --json and --log-* alone");
  app.add_option(
         "--grape", flags.grapes,
         "HTTP API of a grape, http(s)://host:port/path\n[http://127.0.0.1:30001]; repeat it for more "
         "to ask when\none is away")
      ->type_name("URL")
      ->allow_extra_args(false)
      ->check([](std::string const& text) {
        return rpc::parse_grape_url(text) ? "" : "'" + text + "' is no URL like http://127.0.0.1:30001";
      });
  rpc::add_grape_tls(app, flags.grape_tls_flags);
  app.add_option("--redis", flags.redis,
                 "Keep reservations in Redis,\nredis://[:password@]host[:port][/database] [in this process]")
      ->type_name("URL")
      ->check([](std::string const& text) {
        return RedisUrl::parse(text) ? "" : "'" + text + "' is not redis://host:port/database";
      });
  declare_addresses(app, flags);
  declare_identity(app, flags);
  app.add_flag("--signed-only", flags.signed_only,
               "Refuse orders and takes without a signature\n(of other programs)");
  app.add_flag("--json", flags.json, "Tell the playbook as JSON lines, or log as with\n--log-format json");
  add_log_options(app, flags.log);
}

std::vector<rpc::GrapeUrl> grapes_of(Flags const& flags) {
  std::vector<rpc::GrapeUrl> out;
  for (auto const& text : flags.grapes) out.push_back(*rpc::parse_grape_url(text));
  return out;
}

Exchange::Options options_of(Flags const& flags) {
  Exchange::Options out;
  out.grapes = grapes_of(flags);
  out.service = flags.service;
  out.grape_tls = flags.grape_tls;
  out.bind = flags.bind.empty() ? net::all_addresses() : *IpAddress::parse(flags.bind);
  out.port = flags.port;
  out.web_access = flags.web_access;
  out.advertised_host = flags.advertise;
  out.redis = RedisUrl::parse(flags.redis);
  out.peer.name = flags.name;
  out.peer.book.accept_unsigned = !flags.signed_only;
  out.peer.takes.accept_unsigned = !flags.signed_only;
  return out;
}

/// `||` does not end when one of its sides throws.
net::Awaitable<std::optional<std::string>> start(Exchange& peer) {
  std::optional<std::string> failure;
  try {
    failure = co_await peer.start();
  } catch (std::exception const& error) {
    failure = std::string{"cannot start: "} + error.what();
  }
  co_return failure;
}

net::Awaitable<std::optional<std::string>> run_until_signal(Exchange& peer,
                                                            net::TerminationSignals& signals) {
  using namespace asio::experimental::awaitable_operators;
  auto starting = start(peer) || signals.received();
  auto const first = co_await std::move(starting);
  std::optional<std::string> failure;
  if (first.index() == 0) failure = std::get<0>(first);
  if (!failure) co_await signals.received();
  (void)co_await peer.stop();
  co_return failure;
}

// Runs `task` on `io` until it has ended.
std::optional<std::string> run(asio::io_context& io, net::Awaitable<std::optional<std::string>> task) {
  std::optional<std::string> failure;
  std::exception_ptr thrown;
  asio::co_spawn(io, std::move(task), [&](std::exception_ptr error, std::optional<std::string> result) {
    thrown = error;
    failure = std::move(result);
    io.stop();
  });
  io.run();
  if (thrown) std::rethrow_exception(thrown);
  return failure;
}

int play(Command const& app, Flags const& flags, Log const& log, Random random) {
  PlaybookOptions options;
  options.grapes = grapes_of(flags);
  options.grape_tls = flags.grape_tls;
  options.service = flags.service;
  options.redis = RedisUrl::parse(flags.redis);
  auto const form = flags.json ? Narrator::Form::json : Narrator::Form::text;
  Narrator narrator{std::cout, form, !flags.json && stdout_has_colour()};
  asio::io_context io{1};
  auto const failure =
      run(io, exchange::play(io.get_executor(), std::move(options), std::move(random), narrator, log));
  return failure ? fail(app, *failure) : 0;
}

int serve(Command const& app, Flags const& flags, Log const& log, Random random) {
  auto key = SecretKey::generate(random);
  if (!flags.data_dir.empty()) {
    auto const loaded = load_or_make_identity(flags.data_dir, random);
    if (!loaded) return fail(app, loaded.error());
    key = *loaded;
  }
  asio::io_context io{1};
  net::TerminationSignals signals{io.get_executor()};
  Exchange peer{io.get_executor(), options_of(flags), key, std::move(random), log};
  if (auto const failure = run(io, run_until_signal(peer, signals))) {
    log.flush();
    return fail(app, *failure);
  }
  log.info("stopped");
  return 0;
}

int run(int argc, char** argv) {
  Command app{"A peer of a P2P exchange: order book, matching and Lightning invoices over Grenache.",
              "exchange"};
  app.set_version_flag("--version", "exchange " GRENACHE_VERSION);
  app.footer(
      "The DHT shows a peer at the address of the grape that announces it: use a grape on the same host, "
      "and\n"
      "let others reach this host at that address. A warning tells when the DHT shows the peer where it "
      "does\n"
      "not listen. One that is shown at 127.0.0.1 is found on this host alone.\n"
      "The grape's API and what the peers say to each other are not encrypted, unless --grape is https.\n"
      "Exit codes: 0 stopped by SIGINT or SIGTERM, or the playbook held, 1 it did not or cannot start,\n"
      "2 wrong usage.\n"
      "A trade from end to end, with two grapes on one machine:\n"
      "  grape --dp 20001 --aph 30001 --bn '127.0.0.1:20002'\n"
      "  grape --dp 20002 --aph 40001 --bn '127.0.0.1:20001'\n"
      "  exchange --playbook");
  Flags flags;
  declare(app, flags);
  app.final_callback([&flags] { rpc::check_grape_tls(flags.grape_tls_flags, grapes_of(flags)); });
  if (auto const done = parse_command_line(app, argc, argv)) return *done;
  auto grape_tls = rpc::load_grape_tls(flags.grape_tls_flags, grapes_of(flags));
  if (!grape_tls) return fail(app, grape_tls.error());
  flags.grape_tls = std::move(*grape_tls);
  ignore_broken_pipes();
  net::survive_hangup();
  // The playbook prints its own steps.
  if (flags.playbook && app.count("--log-level") == 0) flags.log.level = "error";
  if (flags.json) flags.log.format = "json";
  net::raise_descriptor_limit();
  Log const log = flags.log.make();
  auto random = Random::from_system();
  return flags.playbook ? play(app, flags, log, std::move(random))
                        : serve(app, flags, log, std::move(random));
}

}  // namespace
}  // namespace grenache::exchange

int main(int argc, char** argv) {
  try {
    return grenache::exchange::run(argc, argv);
  } catch (std::exception const& error) {
    std::cerr << "exchange: " << error.what() << '\n';
    return grenache::kExitFailure;
  }
}
