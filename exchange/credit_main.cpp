#include "exchange/credit_main.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

#include "exchange/console/password.hpp"
#include "exchange/control/data_dir.hpp"
#include "exchange/credit_flags.hpp"
#include "exchange/locked_identity.hpp"
#include "exchange/peer_program.hpp"
#include <grenache/file/private_file.hpp>
#include <grenache/log/log.hpp>
#include <grenache/net/descriptors.hpp>
#include <grenache/net/hangup.hpp>
#include <grenache/net/local_address.hpp>
#include <grenache/rpc/grape_flags.hpp>

namespace grenache::exchange {
namespace {

constexpr char const* kLockedIdentity = "identity.locked";
constexpr Duration kPairRetryMax = std::chrono::seconds{5};

struct CreditProgramFlags {
  std::vector<std::string> arguments;
  std::uint16_t port = 0;
  bool local = false;
  std::string name;
  std::string data_dir;
  std::string password_file;
  std::string limit = "1000000";
  std::string service = "exchange";
  std::vector<std::string> grapes{"http://127.0.0.1:30001"};
  rpc::GrapeTlsFlags grape_tls;
  CreditFlags credit{.ledger = "exchange:ledger"};
  LogOptions log;
};

bool is_port(std::string const& text) {
  auto const port = parse_decimal(text, 0, 65'535);
  return port && *port > 0;
}

void declare(grenache::Command& app, CreditProgramFlags& flags) {
  app.column_width(27);
  app.add_option("arguments", flags.arguments,
                 "LOCAL_PORT REMOTE_PORT HOST: two peers, without grape and ledger\n"
                 "USERNAME STARTING_BALANCE: a peer with an account on the ledger")
      ->type_name("ARGUMENT");
  add_port(app, "--port", flags.port, "TCP port of a peer with an account; 0 takes a free one")
      ->capture_default_str();
  app.add_flag("--local", flags.local, "Listen on this host alone, and be found there");
  app.add_option("--name", flags.name, "Name to show to the other one of two peers")
      ->type_name("NAME")
      ->check([](std::string const& text) {
        return text.size() <= kPeerNameSizeMax
                   ? ""
                   : "a name has at most " + std::to_string(kPeerNameSizeMax) + " bytes";
      });
  app.add_option("--limit", flags.limit, "How much each of two peers may owe the other")
      ->type_name("USD")
      ->capture_default_str()
      ->check([](std::string const& text) {
        return UsdCents::parse(text) ? "" : "'" + text + "' is not an amount of USD";
      });
  app.add_option("--data-dir", flags.data_dir,
                 "Folder of identity, journal and control socket, made when\n"
                 "missing [$XDG_DATA_HOME/grenache/exchange/USERNAME, or\ncredit-LOCAL_PORT]")
      ->type_name("FOLDER");
  app.add_option("--password-file", flags.password_file,
                 "Read the password of the key from the first line of this\nfile [from the terminal]")
      ->type_name("FILE");
  app.add_option("--service", flags.service, "Name to announce and to look up in the DHT")
      ->type_name("NAME")
      ->capture_default_str();
  app.add_option("--grape", flags.grapes, "HTTP API of a grape; may be repeated")
      ->type_name("URL")
      ->allow_extra_args(false)
      ->check([](std::string const& text) {
        return rpc::parse_grape_url(text) ? "" : "'" + text + "' is no URL like http://127.0.0.1:30001";
      });
  rpc::add_grape_tls(app, flags.grape_tls);
  add_credit_flags(app, flags.credit);
  add_log_options(app, flags.log);
}

std::vector<rpc::GrapeUrl> grapes_of(CreditProgramFlags const& flags) {
  std::vector<rpc::GrapeUrl> out;
  for (auto const& text : flags.grapes) out.push_back(*rpc::parse_grape_url(text));
  return out;
}

bool is_pair(CreditProgramFlags const& flags) { return flags.arguments.size() == 3; }

void check_arguments(CreditProgramFlags const& flags) {
  auto const& words = flags.arguments;
  if (words.size() == 3) {
    if (!is_port(words[0])) throw UsageError{"LOCAL_PORT must be from 1 to 65535, not '" + words[0] + "'"};
    if (!is_port(words[1])) throw UsageError{"REMOTE_PORT must be from 1 to 65535, not '" + words[1] + "'"};
    if (!HostPort::parse(words[2] + ":1")) throw UsageError{"'" + words[2] + "' is not a host"};
    return;
  }
  if (words.size() != 2) {
    throw UsageError{"give LOCAL_PORT REMOTE_PORT HOST, or USERNAME STARTING_BALANCE"};
  }
  if (!is_account_name(words[0])) throw UsageError{"'" + words[0] + "' cannot be the name of an account"};
  if (!UsdCents::parse(words[1]))
    throw UsageError{"STARTING_BALANCE must be an amount of USD, not '" + words[1] + "'"};
}

/// Opens a line with the peer at `endpoint` whenever there is none.
class Pairing {
 public:
  Pairing(std::string endpoint, UsdCents limit) : endpoint_{std::move(endpoint)}, limit_{limit} {}

  void on_event(Exchange& peer, Event const& event) {
    if (auto const* const met = std::get_if<event::PeerMet>(&event)) {
      if (met->endpoint != endpoint_ || !met->peer) return;
      partner_ = met->peer;
      auto const* const line = peer.trader().credit().lines().find(*partner_);
      bool const is_asked = line && line->proposal();
      if (!line || (!line->is_wanted() && !is_asked)) {
        peer.execute(command::ProposeCredit{partner_->hex(), limit_, limit_}, [](CommandResult const&) {});
      } else if (is_asked) {
        accept(peer);
      }
    }
    auto const* const proposed = std::get_if<event::CreditProposed>(&event);
    if (proposed && partner_ == proposed->peer) accept(peer);
  }

 private:
  /// Only what is within our own limit.
  void accept(Exchange& peer) {
    auto const* const line = peer.trader().credit().lines().find(*partner_);
    auto const* const asked = line ? line->proposal() : nullptr;
    if (!asked || asked->wish > limit_) return;
    peer.execute(command::AnswerProposal{partner_->hex(), true, asked->limit, asked->wish},
                 [](CommandResult const&) {});
  }

  std::string endpoint_;
  UsdCents limit_;
  std::optional<PeerId> partner_;
};

PeerProgram pair_program(CreditProgramFlags const& flags) {
  PeerProgram out;
  out.options.port = static_cast<std::uint16_t>(std::stoi(flags.arguments[0]));
  out.options.bind = net::all_addresses();
  auto const endpoint = flags.arguments[2] + ":" + flags.arguments[1];
  out.options.connect = {endpoint};
  out.options.service = flags.service;
  out.options.trader.name = flags.name;
  out.options.trader.peers.retry_max = kPairRetryMax;
  out.options.trader.credit.lines.retry_max = kPairRetryMax;
  out.voice = peering_voice();
  auto pairing = std::make_shared<Pairing>(endpoint, *UsdCents::parse(flags.limit));
  out.on_event = [pairing](Exchange& peer, Event const& event) { pairing->on_event(peer, event); };
  return out;
}

/// Reads the password; the error is a sentence for an operator.
std::optional<std::string> ask_password(CreditProgramFlags const& flags, bool is_new, std::string& out) {
  if (!flags.password_file.empty()) {
    auto text = read_private_file(flags.password_file, kPasswordSizeMax + 1);
    if (!text) return "cannot read " + flags.password_file + ": " + text.error().message();
    text->erase(std::min(text->find('\n'), text->size()));
    out = std::move(*text);
    return std::nullopt;
  }
  auto password = read_password(is_new ? "New password: " : "Password: ");
  if (!password) return "no password: " + password.error().message();
  out = std::move(*password);
  if (!is_new || ::isatty(STDIN_FILENO) != 1) return std::nullopt;
  auto again = read_password("The same again: ");
  bool const is_same = again && *again == out;
  if (again) wipe(*again);
  return is_same ? std::nullopt : std::optional{std::string{"the two passwords differ"}};
}

boost::system::result<SecretKey, std::string> load_locked(CreditProgramFlags const& flags,
                                                          std::filesystem::path const& folder,
                                                          Random& random) {
  auto const path = folder / kLockedIdentity;
  std::error_code failure;
  if (std::filesystem::exists(folder / "identity", failure)) {
    return "the folder " + folder.string() +
           " belongs to a peer without a password; choose another --data-dir";
  }
  bool const is_new = std::filesystem::create_directories(folder, failure);
  if (is_new && !failure) std::filesystem::permissions(folder, std::filesystem::perms::owner_all, failure);
  if (failure) return "cannot make " + folder.string() + ": " + failure.message();
  std::string password;
  auto const problem = ask_password(flags, !std::filesystem::exists(path, failure), password);
  if (problem) {
    wipe(password);
    return *problem;
  }
  auto key = load_or_create_locked_identity(path, password, random);
  wipe(password);
  if (!key) return "cannot open the key " + path.string() + ": " + key.error().message();
  return *key;
}

PeerProgram account_program(CreditProgramFlags const& flags) {
  PeerProgram out;
  auto const& name = flags.arguments[0];
  out.options.port = flags.port;
  out.options.bind = flags.local ? IpAddress{127, 0, 0, 1} : net::all_addresses();
  if (flags.local) out.options.advertised_host = "127.0.0.1";
  out.options.service = flags.service;
  out.options.grapes = grapes_of(flags);
  out.options.trader.name = name;
  auto credit = flags.credit;
  if (credit.account.empty()) credit.account = name;
  credit.start = flags.arguments[1];
  apply(credit, out.options.trader);
  out.voice = trustline_voice();
  out.load_identity = [&flags](std::filesystem::path const& folder, Random& random) {
    return load_locked(flags, folder, random);
  };
  return out;
}

}  // namespace

int credit_main(int argc, char** argv) {
  grenache::Command app{"A console for credit lines: two peers owe each other, and settle on a ledger.",
                        "exchange credit"};
  CreditProgramFlags flags;
  declare(app, flags);
  app.footer(
      "Two peers, each line in a terminal of its own; then: send 10 credits, check balance, farewell\n"
      "  exchange credit 5000 5001 localhost --name alice\n"
      "  exchange credit 5001 5000 localhost --name bob\n"
      "Any number of peers, found by a grape, with a ledger; then: help, propose, pay, settle, balance, "
      "exit\n"
      "  grape --dp 20001 --aph 30001 --bn ''\n"
      "  exchange ledger --port 4000 --data-dir ledger\n"
      "  exchange credit --port 4001 --local alice 500\n"
      "  exchange credit --port 4002 --local bob 500\n"
      "The password protects the key of a peer with an account; it is asked for twice when the key is made.");
  app.final_callback([&flags] {
    check_arguments(flags);
    rpc::check_grape_tls(flags.grape_tls, grapes_of(flags));
  });
  if (auto const done = parse_command_line(app, argc, argv)) return *done;
  auto program = is_pair(flags) ? pair_program(flags) : account_program(flags);
  auto const folder = is_pair(flags) ? "credit-" + flags.arguments[0] : flags.arguments[0];
  auto const selected =
      select_data_dir(flags.data_dir, folder, [](char const* name) { return std::getenv(name); });
  if (!selected) return fail(app, selected.error());
  program.data_dir = *selected;
  if (!is_pair(flags)) {
    auto tls = rpc::load_grape_tls(flags.grape_tls, grapes_of(flags));
    if (!tls) return fail(app, tls.error());
    program.options.grape_tls = std::move(*tls);
  }
  ignore_broken_pipes();
  net::survive_hangup();
  quiet_log_below_console(app, flags.log);
  net::raise_descriptor_limit();
  Log const log = flags.log.make();
  return run_peer(app, std::move(program), log, Random::from_system());
}

}  // namespace grenache::exchange
