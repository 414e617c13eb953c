// The program `exchange`: a trading peer, or the playbook with three of them.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <iostream>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "exchange/console/playbook.hpp"
#include "exchange/console/terminal.hpp"
#include "exchange/control/ctl.hpp"
#include "exchange/control/data_dir.hpp"
#include "exchange/control/receipt.hpp"
#include "exchange/credit_flags.hpp"
#include "exchange/credit_main.hpp"
#include "exchange/exchange.hpp"
#include "exchange/guard_flags.hpp"
#include "exchange/ledger/ledger_main.hpp"
#include "exchange/peer_program.hpp"
#include <grenache/log/command_line.hpp>
#include <grenache/log/log.hpp>
#include <grenache/net/descriptors.hpp>
#include <grenache/net/hangup.hpp>
#include <grenache/net/local_address.hpp>
#include <grenache/net/web_access_flags.hpp>
#include <grenache/rpc/grape_flags.hpp>
#include <grenache/rpc/link.hpp>

namespace grenache::exchange {
namespace {

namespace asio = boost::asio;
using CommandLine = grenache::Command;  // Command is one of the peer here

struct Flags {
  bool playbook = false;
  bool json = false;
  bool signed_only = false;
  bool auto_take = false;
  GuardFlags guard;
  CreditFlags credit;
  bool in_memory = false;
  bool no_grape = false;
  std::vector<std::string> connect;
  std::vector<std::string> indexes;
  double index_interval_s = 10;
  double index_age_s = 600;
  double peg_threshold = 0.1;  // percent
  double peg_interval_s = 30;
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

void declare_addresses(CommandLine& app, Flags& flags) {
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

void declare_indexes(CommandLine& app, Flags& flags) {
  app.add_option(
         "--index", flags.indexes,
         "Index for pegged orders, and the keys that publish its\nprice as BEP 44 items: NAME=KEY[:SALT],"
         "KEY[:SALT],…; may\nbe repeated")
      ->type_name("INDEX")
      ->allow_extra_args(false)
      ->check([](std::string const& text) {
        return parse_index_source(text) ? "" : "'" + text + "' is not NAME=KEY[:SALT],KEY[:SALT],…";
      });
  app.add_decimal("--index-interval", flags.index_interval_s, 0.1, 300,
                  "Between reads of the indexes, 0.1 to 300")
      ->type_name("SECONDS")
      ->capture_default_str();
  app.add_decimal("--index-age", flags.index_age_s, 1, 86'400,
                  "How long a published price counts, 1 to 86400")
      ->type_name("SECONDS")
      ->capture_default_str();
  app.add_decimal("--peg-threshold", flags.peg_threshold, 0, 100,
                  "Replace a pegged order when its price moves by this")
      ->type_name("PERCENT")
      ->capture_default_str();
  app.add_decimal("--peg-interval", flags.peg_interval_s, 0.1, 86'400,
                  "Replace pegged orders at most once in this time")
      ->type_name("SECONDS")
      ->capture_default_str();
}

std::chrono::milliseconds from_seconds(double seconds) {
  return std::chrono::milliseconds{std::llround(seconds * 1000)};
}

void declare_identity(CommandLine& app, Flags& flags) {
  app.add_option("--name", flags.name, "Name to show to other peers, at most 64 bytes [none]")
      ->type_name("NAME")
      ->check([](std::string const& text) {
        return text.size() <= kPeerNameSizeMax
                   ? ""
                   : "a name has at most " + std::to_string(kPeerNameSizeMax) + " bytes";
      });
  app.add_option("--data-dir", flags.data_dir,
                 "Folder of identity, journal and control socket, made when\n"
                 "missing [$XDG_DATA_HOME/grenache/exchange/NAME]")
      ->type_name("FOLDER");
  app.add_flag("--in-memory", flags.in_memory, "Keep nothing: a new identity for this run");
  app.add_option("--service", flags.service, "Name to announce and to look up in the DHT")
      ->type_name("NAME")
      ->capture_default_str();
}

void declare(CommandLine& app, Flags& flags) {
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
  app.add_flag("--no-grape", flags.no_grape,
               "Use no DHT: only the peers of --connect, and those that they know");
  app.add_option("--connect", flags.connect, "Peer that is known without the DHT; may be repeated")
      ->type_name("HOST:PORT")
      ->allow_extra_args(false)
      ->check([](std::string const& text) {
        return HostPort::parse(text) ? "" : "'" + text + "' is not host:port";
      });
  app.add_option("--redis", flags.redis,
                 "Keep reservations in Redis, shared by all processes of one\n"
                 "identity: redis://[[user]:password@]host[:port][/database],\n"
                 "rediss://…, unix:/path, redis+sentinel://host,host/master\n[in this process]")
      ->type_name("URL")
      ->check([](std::string const& text) {
        auto const url = RedisUrl::parse(text);
        return url ? std::string{} : "the URL is not valid: " + url.error();
      });
  declare_addresses(app, flags);
  declare_identity(app, flags);
  declare_indexes(app, flags);
  app.add_flag("--signed-only", flags.signed_only,
               "Refuse orders and takes without a signature\n(of other programs)");
  app.add_flag("--auto-take", flags.auto_take,
               "Take and pay orders of others that cross own ones,\nif the own one is the later of the two");
  add_guard_flags(app, flags.guard);
  add_credit_flags(app, flags.credit);
  app.add_flag("--json", flags.json, "Tell the playbook as JSON lines, or log as with\n--log-format json");
  add_log_options(app, flags.log);
}

void check_indexes(Flags const& flags) {
  if (flags.indexes.empty()) return;
  if (flags.no_grape) throw UsageError{"--index needs a grape"};
  std::set<std::string> names;
  for (auto const& text : flags.indexes) {
    auto name = parse_index_source(text)->name;
    if (!names.insert(name).second) throw UsageError{"--index gives '" + name + "' twice"};
  }
}

std::vector<rpc::GrapeUrl> grapes_of(Flags const& flags) {
  std::vector<rpc::GrapeUrl> out;
  for (auto const& text : flags.grapes) out.push_back(*rpc::parse_grape_url(text));
  return out;
}

std::optional<RedisUrl> redis_of(Flags const& flags) {
  if (flags.redis.empty()) return std::nullopt;
  return *RedisUrl::parse(flags.redis);
}

Exchange::Options options_of(Flags const& flags) {
  Exchange::Options out;
  if (!flags.no_grape) out.grapes = grapes_of(flags);
  out.connect = flags.connect;
  out.service = flags.service;
  out.grape_tls = flags.grape_tls;
  out.bind = flags.bind.empty() ? net::all_addresses() : *IpAddress::parse(flags.bind);
  out.port = flags.port;
  out.web_access = flags.web_access;
  out.advertised_host = flags.advertise;
  out.redis = redis_of(flags);
  out.trader.name = flags.name;
  out.trader.book.accept_unsigned = !flags.signed_only;
  out.trader.sales.takes.accept_unsigned = !flags.signed_only;
  out.trader.crossing.is_enabled = flags.auto_take;
  apply(flags.guard, out.trader);
  apply(flags.credit, out.trader);
  for (auto const& text : flags.indexes) out.indexes.push_back(*parse_index_source(text));
  out.index_interval = from_seconds(flags.index_interval_s);
  out.trader.reference_prices.age_max = from_seconds(flags.index_age_s);
  out.trader.pegged_orders.interval = from_seconds(flags.peg_interval_s);
  out.trader.pegged_orders.threshold = std::llround(flags.peg_threshold * 100);
  return out;
}

int play(CommandLine const& app, Flags const& flags, Log const& log, Random random) {
  PlaybookOptions options;
  options.grapes = grapes_of(flags);
  options.grape_tls = flags.grape_tls;
  options.service = flags.service;
  options.redis = redis_of(flags);
  auto const form = flags.json ? Narrator::Form::json : Narrator::Form::text;
  Narrator narrator{std::cout, form, !flags.json && stdout_has_colour()};
  asio::io_context io{1};
  auto const failure =
      run_to_end(io, exchange::play(io.get_executor(), std::move(options), std::move(random), narrator, log));
  return failure ? fail(app, *failure) : 0;
}

int serve(CommandLine const& app, Flags const& flags, Log const& log, Random random) {
  PeerProgram program;
  program.options = options_of(flags);
  if (!flags.in_memory) {
    auto const selected =
        select_data_dir(flags.data_dir, flags.name, [](char const* name) { return std::getenv(name); });
    if (!selected) return fail(app, selected.error());
    program.data_dir = *selected;
  }
  return run_peer(app, std::move(program), log, std::move(random));
}

int run(int argc, char** argv) {
  if (argc > 1 && std::string_view{argv[1]} == "ctl") return ctl(argc - 1, argv + 1);
  if (argc > 1 && std::string_view{argv[1]} == "verify-receipt") {
    return verify_receipt_command(argc - 1, argv + 1);
  }
  if (argc > 1 && std::string_view{argv[1]} == "credit") return credit_main(argc - 1, argv + 1);
  if (argc > 1 && std::string_view{argv[1]} == "ledger") return ledger_main(argc - 1, argv + 1);
  CommandLine app{"A peer of a P2P exchange: order book, matching and Lightning invoices over Grenache.",
                  "exchange"};
  app.set_version_flag("--version", "exchange " GRENACHE_VERSION);
  app.footer(
      "The DHT shows a peer at the address of the grape that announces it: use a grape on the same host,\n"
      "and let others reach this host at that address. A warning tells when the DHT shows the peer where it\n"
      "does not listen. One that is shown at 127.0.0.1 is found on this host alone.\n"
      "The grape's API and what the peers say to each other are not encrypted, unless --grape is https.\n"
      "At a terminal the peer has a console; then the log, on stderr, has errors alone, unless --log-level\n"
      "is given or stderr is no terminal. 'exchange ctl' sends commands from elsewhere: exchange ctl --help\n"
      "'exchange verify-receipt FILE' says what a receipt of a credit line proves.\n"
      "'exchange ledger' runs a settlement ledger: exchange ledger --help\n"
      "'exchange credit' is a console for credit lines alone: exchange credit --help\n"
      "Exit codes: 0 stopped by a signal or the command stop, or the playbook held; 1 it did not, or the "
      "peer\n"
      "cannot start or write its journal; 2 wrong usage.\n"
      "A trade between two peers on one machine, without a grape, each line in a terminal of its own:\n"
      "  exchange --data-dir client1 --port 3001 --no-grape\n"
      "  exchange --data-dir client2 --port 3002 --no-grape --connect 127.0.0.1:3001\n"
      "  exchange ctl --data-dir client1 sell 1 BTC at 50000\n"
      "The same in one process, with two grapes:\n"
      "  grape --dp 20001 --aph 30001 --bn '127.0.0.1:20002'\n"
      "  grape --dp 20002 --aph 40001 --bn '127.0.0.1:20001'\n"
      "  exchange --playbook");
  Flags flags;
  declare(app, flags);
  app.final_callback([&flags] {
    rpc::check_grape_tls(flags.grape_tls_flags, grapes_of(flags));
    check_indexes(flags);
    if (flags.in_memory && !flags.data_dir.empty()) throw UsageError{"--in-memory excludes --data-dir"};
  });
  if (auto const done = parse_command_line(app, argc, argv)) return *done;
  auto grape_tls = rpc::load_grape_tls(flags.grape_tls_flags, grapes_of(flags));
  if (!grape_tls) return fail(app, grape_tls.error());
  flags.grape_tls = std::move(*grape_tls);
  ignore_broken_pipes();
  net::survive_hangup();
  // The playbook prints its own steps.
  if (flags.playbook && app.count("--log-level") == 0) flags.log.level = "error";
  if (!flags.playbook) quiet_log_below_console(app, flags.log);
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
