#include "exchange/console/credit_tables.hpp"

#include <grenache/log/printable.hpp>

namespace grenache::exchange {
namespace {

constexpr std::size_t kPeerIdWidth = 8;
constexpr std::size_t kPeerNameWidth = 32;

std::string usd(std::int64_t cents) { return decimal_text(cents, UsdCents::kDigits); }

std::string who(PeerId const& peer, std::string const& name) {
  auto const id = peer.hex().substr(0, kPeerIdWidth);
  return name.empty() ? id : cut_to_width(printable(name), kPeerNameWidth);
}

Cell balance_cell(std::int64_t cents) {
  return {usd(cents), cents < 0 ? Tone::bad : cents > 0 ? Tone::good : Tone::plain};
}

/// Ends with a newline.
std::string line(std::string const& text, TextStyle const& style) {
  return wrapped(text, style.width, 2) + "\n";
}

std::string state_of(result::CreditLineView const& view) {
  if (view.our_terms) return "disagreement";
  if (view.proposal) return "asks us";
  if (view.is_proposed) return "proposed";
  if (!view.is_open) return "closed";
  return view.is_frozen ? "frozen" : "open";
}

std::string details(result::CreditLineView const& view, TextStyle const& style) {
  auto const name = who(view.peer, view.name);
  std::string out;
  if (view.proposal) {
    out += line(name + " proposes a credit line: we may owe " + view.proposal->limit.to_text() +
                    " USD, and " + name + " wishes to owe up to " + view.proposal->wish.to_text() +
                    ". See: acceptCredit, rejectCredit.",
                style);
  }
  if (view.our_terms) {
    auto text =
        "We and " + name + " disagree. We would go on from a balance of " + usd(*view.our_terms) + " USD";
    text += view.their_terms
                ? ", " + name + " from " + usd(*view.their_terms) + ". 'reset " + name + "' accepts that."
                : "; what " + name + " says is not known yet.";
    out += line(text, style);
  }
  if (view.forwards) {
    out += line("Payments of others go over the line to " + name + " for " + view.fee.to_text() +
                    " USD and " + decimal_text(view.fee_ppm, 4) + " %.",
                style);
  }
  if (view.nets) out += line("Cycles of debts over the line to " + name + " may be removed.", style);
  if (view.settling.units() > 0) {
    out += line(view.settling.to_text() + " USD of our debt to " + name + " are being settled.", style);
  }
  if (view.due_to_us.units() > 0) {
    out += line(name + " owes " + view.due_to_us.to_text() + " USD of trades besides.", style);
  }
  if (view.due_to_them.units() > 0) {
    out += line("We owe " + name + " " + view.due_to_them.to_text() + " USD of trades besides.", style);
  }
  return out;
}

TextTable lines_table() {
  return TextTable{{{"peer", Align::left, 0, true},
                    {"id", Align::left, 2},
                    {"balance", Align::point},
                    {"pending", Align::point, 3},
                    {"can pay", Align::point, 1},
                    {"may owe us", Align::point, 2},
                    {"we may owe", Align::point, 2},
                    {"state"}}};
}

void add(TextTable& table, result::CreditLineView const& view) {
  table.add({who(view.peer, view.name), view.peer.hex().substr(0, kPeerIdWidth), balance_cell(view.balance),
             view.pending.to_text(), view.room.to_text(), view.limit.to_text(), view.their_limit.to_text(),
             state_of(view)});
}

std::string verb(CreditKind kind) { return kind == CreditKind::settle ? "settled " : "paid "; }

}  // namespace

std::string credit_text(result::CreditLineView const& view, TextStyle const& style) {
  auto table = lines_table();
  add(table, view);
  return table.text(style.width, style.colour) + details(view, style);
}

std::string credit_text(result::CreditBalance const& balance, TextStyle const& style) {
  std::string out;
  if (balance.lines.empty()) {
    out = "There are no credit lines. 'propose PEER' proposes one.\n";
  } else {
    auto table = lines_table();
    std::string more;
    for (auto const& view : balance.lines) {
      add(table, view);
      more += details(view, style);
    }
    out = table.text(style.width, style.colour) + "Total: " + usd(balance.total) + "\n" + more;
  }
  if (!balance.has_ledger) return out;
  auto const account = "Account '" + printable(balance.account) + "' on the ledger: ";
  return out +
         line(account + (balance.on_ledger ? balance.on_ledger->to_text() + " USD" : "no answer"), style);
}

std::string credit_text(result::CreditPayment const& payment, TextStyle const& style) {
  auto const head = "Payment " + payment.id.substr(0, kPeerIdWidth) + " of " + payment.amount.to_text() +
                    " USD to " + who(payment.peer, payment.name);
  if (payment.state == result::CreditPaymentState::pending) {
    return line(head + " is pending: no answer yet. It is counted once, or fails when its time is over.",
                style);
  }
  if (payment.is_over_others) {
    return line(head + " is counted. It went over other peers, for a fee of " +
                    payment.fee.value_or(UsdCents{}).to_text() + " USD.",
                style);
  }
  return line(head + " is counted. The balance is " + usd(payment.balance) + ".", style);
}

std::string credit_text(result::CreditForecast const& forecast, TextStyle const& style) {
  auto const name = who(forecast.peer, forecast.name);
  auto const head = forecast.amount.to_text() + " USD to " + name;
  if (!forecast.is_possible) return line(head + " cannot be paid: " + printable(forecast.text) + ".", style);
  auto text = head + " can be paid over the line, which has room for " + forecast.room.to_text();
  if (forecast.to_settle.units() > 0) {
    text += ", after " + forecast.to_settle.to_text() + " are settled on the ledger";
  }
  text += ". Nothing was paid.";
  if (forecast.on_ledger) {
    text += " Then we owe " + forecast.debts.to_text() + " USD in all and have " +
            forecast.on_ledger->to_text() + " on the ledger: " +
            (forecast.debts <= *forecast.on_ledger ? "all debts could be settled."
                                                   : "not all debts could be settled.");
  }
  return line(text, style);
}

std::string credit_text(result::NettingDone const& done, TextStyle const& style) {
  auto const count = [](std::size_t number, std::string const& what) {
    return std::to_string(number) + " " + what + (number == 1 ? "" : "s");
  };
  auto text = "Looked at " + count(done.debt_count, "debt") + " of us and " +
              count(done.peer_count, "other peer") + " and removed " + count(done.cycle_count, "cycle") +
              ": the debts are smaller by " + done.removed.to_text() + " USD in all.";
  if (done.failed_count > 0) text += " Not removed: " + count(done.failed_count, "cycle") + ".";
  if (done.undecided_count > 0) text += " Not decided yet: " + count(done.undecided_count, "cycle") + ".";
  return line(text, style);
}

std::string credit_text(result::Receipt const& receipt, TextStyle const&) { return receipt.text + "\n"; }

std::string credit_text(result::CreditSettlement const& settlement, TextStyle const& style) {
  auto const name = who(settlement.peer, settlement.name);
  auto const head = "Settlement " + settlement.id.substr(0, kPeerIdWidth) + " of " +
                    settlement.amount.to_text() + " USD with " + name;
  switch (settlement.state) {
    case result::CreditSettlementState::pending:
      return line(head + " is pending: the ledger does not answer. It is asked until it does.", style);
    case result::CreditSettlementState::paid:
      return line(head + " is paid on the ledger; " + name + " has not credited it yet.", style);
    case result::CreditSettlementState::credited:
      break;
  }
  return line(head + " is done. The balance is " + usd(settlement.balance) + ".", style);
}

std::string credit_text(result::LedgerUsers const& users, TextStyle const& style) {
  if (users.users.empty()) return "The ledger has no accounts.\n";
  TextTable table{
      {{"name", Align::left, 0, true}, {"peer"}, {"balance", Align::point}, {"endpoint", Align::left, 1}}};
  for (auto const& user : users.users) {
    table.add({cut_to_width(printable(user.name), kPeerNameWidth), user.peer.hex().substr(0, kPeerIdWidth),
               user.balance.to_text(), printable(user.endpoint)});
  }
  return table.text(style.width, style.colour);
}

std::string credit_text(result::LedgerDeleted const& deleted, TextStyle const&) {
  return std::to_string(deleted.count) + (deleted.count == 1 ? " account was" : " accounts were") +
         " deleted.\n";
}

std::string credit_text(result::CreditLeave const& leave, TextStyle const& style) {
  auto out = "Settled: " + leave.settled.to_text() + " USD";
  if (leave.unconfirmed.units() > 0) {
    out += ", of which " + leave.unconfirmed.to_text() + " are not confirmed yet";
  }
  out += ".\n";
  if (leave.left.empty()) return out + "Nothing is owed.\n";
  for (auto const& view : leave.left) {
    auto const name = who(view.peer, view.name);
    auto const amount = usd(view.balance < 0 ? -view.balance : view.balance) + " USD";
    out += line(view.balance < 0 ? "Left: we owe " + name + " " + amount + "."
                                 : "Left: " + name + " owes us " + amount + ".",
                style);
  }
  return out;
}

Sentence credit_sentence(event::CreditProposed const& proposed) {
  auto const name = who(proposed.peer, proposed.name);
  return {name + " wants to start a trustline: we may owe " + proposed.limit.to_text() + " USD, and " + name +
              " up to " + proposed.wish.to_text() + ", accept? [Y/n]",
          Tone::bold};
}
Sentence credit_sentence(event::CreditReceived const& received) {
  return {who(received.peer, received.name) + " has " + verb(received.kind) + received.amount.to_text() +
              " USD; the balance is " + usd(received.balance),
          Tone::good};
}
Sentence credit_sentence(event::CreditPaid const& paid) {
  auto const to = " USD to " + who(paid.peer, paid.name);
  auto const id = paid.id.substr(0, kPeerIdWidth);
  if (paid.failure.empty()) {
    return {"payment " + id + ": " + verb(paid.kind) + paid.amount.to_text() + to + "; the balance is " +
            usd(paid.balance)};
  }
  return {"payment " + id + " of " + paid.amount.to_text() + to + (paid.is_undecided ? ": " : " failed: ") +
              printable(paid.failure),
          Tone::bad};
}
Sentence credit_sentence(event::CreditTransit const& transit) {
  auto const amount = transit.amount.to_text() + " USD";
  auto const head = "payment " + transit.id.substr(0, kPeerIdWidth);
  auto const fee = "; the fee is " + transit.fee.to_text();
  auto const to = who(transit.to, transit.to_name);
  if (transit.what == "forwarded") {
    return {head + " of " + amount + " from " + who(transit.from, transit.from_name) + " passed on to " + to +
                fee,
            Tone::faint};
  }
  if (transit.what == "netted") return {"a cycle of debts of " + amount + " was removed", Tone::good};
  if (transit.what == "sent") return {head + ": paid " + amount + " to " + to + " over other peers" + fee};
  return {head + " of " + amount + " over other peers failed: " + printable(transit.text), Tone::bad};
}
Sentence credit_sentence(event::CreditLow const& low) {
  return {"only " + low.room.to_text() + " of " + low.limit.to_text() + " USD can still be paid to " +
              who(low.peer, low.name),
          Tone::bad};
}
Sentence credit_sentence(event::CreditSettled const& settled) {
  auto const head = "settlement " + settled.id.substr(0, kPeerIdWidth) + " of " + settled.amount.to_text() +
                    " USD with " + who(settled.peer, settled.name);
  if (settled.what == "paid") return {head + ": paid on the ledger"};
  if (settled.what == "credited") return {head + ": credited", Tone::good};
  return {head + " failed: " + printable(settled.failure), Tone::bad};
}
Sentence credit_sentence(event::CreditLineChanged const& changed) {
  bool const is_bad = changed.what == "disputed" || changed.what == "refused" || changed.what == "frozen";
  return {"credit line with " + who(changed.peer, changed.name) + ": " + printable(changed.text),
          is_bad ? Tone::bad : Tone::plain};
}

}  // namespace grenache::exchange
