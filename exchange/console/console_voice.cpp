#include "exchange/console/console_voice.hpp"

#include <algorithm>
#include <cctype>
#include <sstream>
#include <utility>
#include <vector>

#include <grenache/log/printable.hpp>

namespace grenache::exchange {
namespace {

using result::CreditRefusal;
using result::Failure;
using result::FailureCode;

constexpr std::string_view kNudge = "🤷 Unrecognized instruction. Try again, virtuoso.";
constexpr std::string_view kBadAmount = "🤔 Hmm, that doesn't look like a valid amount or format.";

std::string lower_case(std::string_view text) {
  std::string out{text};
  std::ranges::transform(out, out.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

std::vector<std::string> words_of(std::string const& line) {
  std::istringstream in{line};
  std::vector<std::string> out;
  for (std::string word; in >> word;) out.push_back(word);
  return out;
}

std::string decimal(std::int64_t cents) { return decimal_text(cents, UsdCents::kDigits); }

/// The display name of a peer, or the beginning of its id.
std::string called(std::string const& name, PeerId const& peer) {
  return name.empty() ? peer.hex().substr(0, 8) : printable(name);
}

// Seed 000

OrFailure<CommandRequest> read_peering(std::string_view line) {
  auto const words = words_of(lower_case(line));
  auto const is = [&](std::size_t i, std::string_view word) { return i < words.size() && words[i] == word; };
  if (words.size() == 2 && is(0, "check") && is(1, "balance")) return CommandRequest{"balance", {}};
  if (!is(0, "send")) return Failure{FailureCode::invalid, std::string{kNudge}, {}};
  bool const is_sentence = words.size() == 3 && (is(2, "credits") || is(2, "credit"));
  auto const amount = is_sentence ? UsdCents::parse(words[1]) : Result<UsdCents>{MoneyErrc::not_a_number};
  if (!amount || amount->units() == 0) return Failure{FailureCode::invalid, std::string{kBadAmount}, {}};
  return CommandRequest{"pay", {{"amount", words[1]}}};
}

std::optional<std::string> peering_answer(CommandResult const& result, Command const*) {
  if (auto const* const failure = std::get_if<Failure>(&result)) {
    bool const is_ours = failure->code == FailureCode::invalid;
    return is_ours ? failure->text + "\n" : "🚧 Not sent: " + printable(failure->text) + ".\n";
  }
  if (auto const* const payment = std::get_if<result::CreditPayment>(&result)) {
    bool const is_pending = payment->state == result::CreditPaymentState::pending;
    return is_pending ? "⏳ On its way: no answer yet. It counts once, or not at all.\n"
                      : "📤 Funds dispatched. Smooth as silk.\n";
  }
  if (auto const* const balance = std::get_if<result::CreditBalance>(&result)) {
    return "💼 Current balance: " + decimal(balance->total) + " credits\n";
  }
  if (std::holds_alternative<result::CreditLeave>(result)) return "";
  return std::nullopt;
}

std::optional<std::string> peering_event(Event const& event) {
  if (auto const* const received = std::get_if<event::CreditReceived>(&event)) {
    return "💸 Incoming transfer detected: +" + received->amount.to_text() + " credits received.\n";
  }
  if (auto const* const changed = std::get_if<event::CreditLineChanged>(&event)) {
    if (changed->what == "opened")
      return "🤝 Connected with " + called(changed->name, changed->peer) + ".\n";
    if (changed->what == "disputed") return "⚠️ The two ledgers disagree, see: exchange ctl balance\n";
  }
  if (auto const* const paid = std::get_if<event::CreditPaid>(&event); paid && !paid->failure.empty()) {
    return "🚧 " + paid->amount.to_text() + " credits: " + printable(paid->failure) + ".\n";
  }
  return "";
}

// Seed 001

std::string amount_of(Command const* command) {
  if (!command) return "?";
  if (auto const* const pay = std::get_if<command::PayCredit>(command)) return pay->amount.to_text();
  auto const* const settle = std::get_if<command::SettleCredit>(command);
  return settle && settle->amount ? settle->amount->to_text() : "?";
}

std::string peer_of(Command const* command) {
  if (!command) return "?";
  if (auto const* const pay = std::get_if<command::PayCredit>(command)) return printable(pay->peer);
  auto const* const settle = std::get_if<command::SettleCredit>(command);
  return settle ? printable(settle->peer) : "?";
}

std::string trustline_failure(Failure const& failure, Command const* command) {
  switch (failure.credit) {
    case CreditRefusal::over_limit:
      return "Err: Payment of " + amount_of(command) + " exceeds trustline limit of " +
             decimal(failure.cents);
    case CreditRefusal::not_accepted:
      return "Err: Connection with " + peer_of(command) + " is waiting to be accepted.";
    case CreditRefusal::nothing_to_settle:
      return "Err: Nothing to settle as HostBalance is " + decimal(failure.cents) +
             " - your peer must settle!";
    case CreditRefusal::no_funds:
      return "Err: Insufficient funds to settle with " + peer_of(command) +
             " at amount: " + decimal(failure.cents);
    case CreditRefusal::none:
      break;
  }
  return "Err: " + printable(failure.text) +
         (failure.hint.empty() ? "" : " (" + printable(failure.hint) + ")");
}

std::optional<std::string> trustline_answer(CommandResult const& result, Command const* command) {
  if (auto const* const failure = std::get_if<Failure>(&result))
    return trustline_failure(*failure, command) + "\n";
  if (auto const* const payment = std::get_if<result::CreditPayment>(&result)) {
    return "Payment of " + payment->amount.to_text() + " with " + called(payment->name, payment->peer) +
           " queued\n";
  }
  if (auto const* const settlement = std::get_if<result::CreditSettlement>(&result)) {
    return "Settlement with " + called(settlement->name, settlement->peer) + " queued\n";
  }
  if (auto const* const balance = std::get_if<result::CreditBalance>(&result)) {
    std::string out;
    for (auto const& line : balance->lines) {
      out += called(line.name, line.peer) + ": " + decimal(line.balance) + "\n";
    }
    return out + "Total: " + decimal(balance->total) + "\n";
  }
  return std::nullopt;
}

std::optional<std::string> trustline_event(Event const& event) {
  if (auto const* const proposed = std::get_if<event::CreditProposed>(&event)) {
    auto const name = called(proposed->name, proposed->peer);
    return name + " (" + proposed->peer.hex().substr(0, 8) + "): you may owe " + proposed->limit.to_text() +
           ", and " + name + " up to " + proposed->wish.to_text() + ".\n" + name +
           " wants to start a trustline, accept? [Y/n]\n";
  }
  if (auto const* const received = std::get_if<event::CreditReceived>(&event)) {
    if (received->kind == CreditKind::settle) return "";
    return called(received->name, received->peer) + " has paid you " + received->amount.to_text() + "!\n";
  }
  // Our settle entry credits a payment that the peer made on the ledger.
  if (auto const* const paid = std::get_if<event::CreditPaid>(&event); paid && paid->failure.empty()) {
    if (paid->kind == CreditKind::pay) return "";
    return called(paid->name, paid->peer) + " has settled a payment of " + paid->amount.to_text() + "!\n";
  }
  if (auto const* const settled = std::get_if<event::CreditSettled>(&event)) {
    if (settled->failure.empty()) return "";
  }
  return std::nullopt;
}

}  // namespace

ConsoleVoice peering_voice() {
  ConsoleVoice out;
  out.greeting = "🎩 Welcome to the Peering Ledger – where trust meets code.\n";
  out.farewell = "🫡 Session ended. Stay solvent, friend.\n";
  out.is_farewell = [](std::string_view line) { return lower_case(line) == "farewell"; };
  out.read = read_peering;
  out.answer = peering_answer;
  out.event = peering_event;
  return out;
}

ConsoleVoice trustline_voice() {
  ConsoleVoice out;
  out.answer = trustline_answer;
  out.event = trustline_event;
  return out;
}

}  // namespace grenache::exchange
