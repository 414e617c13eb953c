#include "exchange/ledger/ledger_main.hpp"

#include <cstdint>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "exchange/data_folder.hpp"
#include "exchange/ledger/ledger_service.hpp"
#include <grenache/log/command_line.hpp>
#include <grenache/log/log.hpp>
#include <grenache/net/descriptors.hpp>
#include <grenache/net/hangup.hpp>
#include <grenache/net/local_address.hpp>
#include <grenache/net/termination_signals.hpp>
#include <grenache/rpc/grape_flags.hpp>

namespace grenache::exchange {
namespace {

namespace asio = boost::asio;

struct LedgerFlags {
  std::uint16_t port = 0;
  std::string bind;
  std::vector<std::string> grapes{"http://127.0.0.1:30001"};
  rpc::GrapeTlsFlags grape_tls;
  bool no_grape = false;
  std::string service = kLedgerService;
  std::string name;
  std::string data_dir;
  std::string start_max = "1000000";
  std::vector<std::string> operators;
  std::int64_t transfers_max = Ledger::Options{}.transfer_count_max;
  LogOptions log;
};

void declare_ledger(grenache::Command& app, LedgerFlags& flags) {
  app.column_width(27);
  add_port(app, "--port", flags.port, "TCP port of the RPC server; 0 takes a free one")
      ->capture_default_str();
  app.add_option("--bind", flags.bind, "Address to listen on [all, IPv4 and IPv6]")
      ->type_name("ADDRESS")
      ->check([](std::string const& text) {
        return IpAddress::parse(text) ? "" : "'" + text + "' is not an IP address";
      });
  app.add_option("--grape", flags.grapes,
                 "HTTP API of a grape that announces the ledger,\nhttp(s)://host:port/path "
                 "[http://127.0.0.1:30001]; repeat it\nfor more to ask when one is away")
      ->type_name("URL")
      ->allow_extra_args(false)
      ->check([](std::string const& text) {
        return rpc::parse_grape_url(text) ? "" : "'" + text + "' is no URL like http://127.0.0.1:30001";
      });
  rpc::add_grape_tls(app, flags.grape_tls);
  app.add_flag("--no-grape", flags.no_grape, "Announce nothing: clients must know host and port");
  app.add_option("--service", flags.service, "Name to announce in the DHT")
      ->type_name("NAME")
      ->capture_default_str();
  app.add_option("--name", flags.name, "Name to show to clients, at most 64 bytes [none]")
      ->type_name("NAME")
      ->check([](std::string const& text) {
        return text.size() <= kPeerNameSizeMax
                   ? ""
                   : "a name has at most " + std::to_string(kPeerNameSizeMax) + " bytes";
      });
  app.add_option("--data-dir", flags.data_dir,
                 "Folder of identity and journal, made when missing; no\nother ledger or peer may use it")
      ->type_name("FOLDER")
      ->required();
  app.add_option("--start-max", flags.start_max, "Greatest starting balance of an account")
      ->type_name("USD")
      ->capture_default_str()
      ->check([](std::string const& text) {
        return UsdCents::parse(text) ? "" : "'" + text + "' is no amount in USD like 1000.50";
      });
  app.add_option("--operator", flags.operators,
                 "Peer id of one who may delete all accounts [nobody]; may be\nrepeated")
      ->type_name("PEERID")
      ->allow_extra_args(false)
      ->check([](std::string const& text) {
        return PeerId::from_hex(text) ? "" : "'" + text + "' is no peer id, which has 66 hex digits";
      });
  add_bounded(app, "--transfers-max", flags.transfers_max, 0, kLedgerSeqMax,
              "Make no more transfers than this in all; each is kept for\never, about 1 kB on the disk")
      ->type_name("COUNT")
      ->capture_default_str();
  add_log_options(app, flags.log);
}

std::vector<rpc::GrapeUrl> grapes_of(LedgerFlags const& flags) {
  std::vector<rpc::GrapeUrl> out;
  for (auto const& text : flags.grapes) out.push_back(*rpc::parse_grape_url(text));
  return out;
}

LedgerService::Options ledger_options(LedgerFlags const& flags) {
  LedgerService::Options out;
  if (!flags.no_grape) out.grapes = grapes_of(flags);
  out.service = flags.service;
  out.bind = flags.bind.empty() ? net::all_addresses() : *IpAddress::parse(flags.bind);
  out.port = flags.port;
  out.ledger.name = flags.name;
  out.ledger.start_max = *UsdCents::parse(flags.start_max);
  out.ledger.transfer_count_max = flags.transfers_max;
  for (auto const& text : flags.operators) out.ledger.operators.insert(*PeerId::from_hex(text));
  return out;
}

net::Awaitable<std::optional<std::string>> run_until_signal(LedgerService& ledger,
                                                            net::TerminationSignals& signals) {
  auto failure = co_await ledger.start();
  if (!failure) co_await signals.received();
  (void)co_await ledger.stop();
  co_return failure;
}

int run_ledger(grenache::Command const& app, LedgerFlags const& flags, net::TlsOptions grape_tls) {
  Log const log = flags.log.make();
  auto random = Random::from_system();
  auto folder = open_data_folder(flags.data_dir, random);
  if (!folder) return fail(app, folder.error());
  log.info("starting", {{"data_dir", flags.data_dir}, {"ledger_id", folder->identity.public_key().hex()}});
  auto options = ledger_options(flags);
  options.grape_tls = std::move(grape_tls);
  options.on_failure = [&app, &log](std::string const& why) {
    log.flush();
    std::_Exit(fail(app, why));
  };
  asio::io_context io{1};
  net::TerminationSignals signals{io.get_executor()};
  LedgerService ledger{io.get_executor(), std::move(options),         folder->identity,
                       std::move(random), std::move(folder->journal), log};
  std::optional<std::string> failure;
  std::exception_ptr thrown;
  asio::co_spawn(io, run_until_signal(ledger, signals),
                 [&](std::exception_ptr error, std::optional<std::string> result) {
                   thrown = error;
                   failure = std::move(result);
                   io.stop();
                 });
  io.run();
  if (thrown) std::rethrow_exception(thrown);
  if (failure) {
    log.flush();
    return fail(app, *failure);
  }
  log.info("stopped");
  return 0;
}

int try_ledger(int argc, char** argv) {
  grenache::Command app{"A settlement ledger: accounts in USD that peers pay each other from.",
                        "exchange ledger"};
  app.footer(
      "Peers find the ledger in the DHT by --service, and trust the key that it shows at first use, or the\n"
      "one that they were given: the id in the first lines of the log. Keep the data folder: it holds that\n"
      "key and every balance. Anyone can open accounts, each with up to --start-max.\n"
      "What clients and ledger say to each other is signed, not encrypted.\n"
      "Exit codes: 0 stopped by a signal; 1 it cannot start or write its journal; 2 wrong usage.\n"
      "Example:\n"
      "  exchange ledger --port 4000 --grape http://127.0.0.1:30001 --data-dir ledger --name main");
  LedgerFlags flags;
  declare_ledger(app, flags);
  app.final_callback([&flags] { rpc::check_grape_tls(flags.grape_tls, grapes_of(flags)); });
  if (auto const done = parse_command_line(app, argc, argv)) return *done;
  auto grape_tls = rpc::load_grape_tls(flags.grape_tls, grapes_of(flags));
  if (!grape_tls) return fail(app, grape_tls.error());
  ignore_broken_pipes();
  net::survive_hangup();
  net::raise_descriptor_limit();
  return run_ledger(app, flags, std::move(*grape_tls));
}

}  // namespace

int ledger_main(int argc, char** argv) {
  try {
    return try_ledger(argc, argv);
  } catch (std::exception const& error) {
    std::cerr << "exchange ledger: " << error.what() << '\n';
    return kExitFailure;
  }
}

}  // namespace grenache::exchange
