// The commands about credit lines, and `pay`.
#include <cstdint>

#include "exchange/control/command_entry.hpp"
#include "exchange/messages/message_header.hpp"

namespace grenache::exchange {
namespace {

using namespace std::string_view_literals;

constexpr std::size_t kInvoiceTextMax = kInvoiceSizeMax + "lightning:"sv.size();
constexpr UsdCents kDefaultLimit{10'000};
constexpr std::int64_t kPaymentCountMax = 10'000;

/// `pay INVOICE` pays for a take, `pay PEER AMOUNT` over a credit line.
ParsedCommand read_pay(ArgumentReader& reader) {
  if (!reader.has("amount") && !reader.has("peer") && !reader.has("dryRun")) {
    return command::Pay{reader.text("invoice", "an invoice or the id of a take", 4, kInvoiceTextMax)};
  }
  command::PayCredit out;
  if (reader.has("peer") || reader.has("invoice"))
    out.peer = reader.peer(reader.has("peer") ? "peer" : "invoice");
  out.amount = reader.usd("amount");
  out.dry_run = reader.flag("dryRun");
  if (reader.has("maxFee")) out.fee_max = reader.usd_or_zero("maxFee");
  return out;
}

bool read_switch(ArgumentReader& reader) {
  auto const word = to_lower(reader.text("state", "on or off", 2, 3));
  if (word != "on" && word != "off") reader.fail("state", "on or off");
  return word == "on";
}
ParsedCommand read_forward(ArgumentReader& reader) {
  constexpr std::int64_t kPpmPerUnit = 100;
  command::ForwardCredit out{reader.peer("peer"), read_switch(reader), {}, 0};
  if (reader.has("fee")) out.fee = reader.usd_or_zero("fee");
  out.ppm = reader.percent("share") * kPpmPerUnit;
  return out;
}
ParsedCommand read_netting(ArgumentReader& reader) {
  auto peer = reader.peer("peer");
  return command::AllowNetting{std::move(peer), read_switch(reader)};
}

ParsedCommand read_propose(ArgumentReader& reader) {
  command::ProposeCredit out;
  out.peer = reader.peer("peer");
  out.limit = reader.has("limit") ? reader.usd_or_zero("limit") : kDefaultLimit;
  out.wish = reader.has("wish") ? reader.usd_or_zero("wish") : out.limit;
  return out;
}

ParsedCommand read_accept(ArgumentReader& reader) {
  command::AnswerProposal out{reader.has("peer") ? reader.peer("peer") : "", true};
  if (reader.has("limit")) out.limit = reader.usd_or_zero("limit");
  if (reader.has("wish")) out.wish = reader.usd_or_zero("wish");
  return out;
}
ParsedCommand read_reject(ArgumentReader& reader) {
  return command::AnswerProposal{reader.has("peer") ? reader.peer("peer") : "", false};
}
ParsedCommand read_limit(ArgumentReader& reader) {
  command::LimitCredit out{reader.peer("peer"), {}};
  out.limit = reader.usd_or_zero("limit");
  return out;
}
ParsedCommand read_ask(ArgumentReader& reader) {
  command::AskCredit out{reader.peer("peer"), {}};
  out.wish = reader.usd_or_zero("limit");
  return out;
}
ParsedCommand read_freeze(ArgumentReader& reader) { return command::FreezeCredit{reader.peer("peer"), true}; }
ParsedCommand read_thaw(ArgumentReader& reader) { return command::FreezeCredit{reader.peer("peer"), false}; }
ParsedCommand read_close(ArgumentReader& reader) { return command::CloseCredit{reader.peer("peer")}; }
ParsedCommand read_reset(ArgumentReader& reader) { return command::ResetCredit{reader.peer("peer")}; }
ParsedCommand read_settle(ArgumentReader& reader) {
  command::SettleCredit out{reader.peer("peer"), {}};
  out.amount = reader.find_usd("amount");
  return out;
}
ParsedCommand read_receipt(ArgumentReader& reader) { return command::ShowReceipt{reader.id("id")}; }

ParsedCommand read_payments(ArgumentReader& reader) {
  command::ListPayments out;
  if (auto const count = reader.find_integer("count", 1, kPaymentCountMax)) {
    out.count_max = static_cast<std::size_t>(*count);
  }
  return out;
}

}  // namespace

std::vector<Entry> credit_entries() {
  return {
      {{"pay", "", "INVOICE|TAKE, or PEER AMOUNT [dryRun] [--max-fee USD]",
        "Pay the invoice of a take, or USD over credit lines", "pay bob 10.50"},
       {{"invoice"}, {"amount"}, {"peer", Use::by_name}, {"dryRun", Use::flag}, {"maxFee", Use::by_name}},
       read_pay},
      {{"send", "", "AMOUNT credits [to PEER]", "Pay over a credit line, in words", "send 10 credits to bob"},
       {},
       nullptr},
      {{"balance", "", "", "Show what we and others owe each other", "balance"},
       {},
       [](ArgumentReader&) -> ParsedCommand { return command::ShowBalance{}; }},
      {{"check", "", "balance", "The same, in words", "check balance"},
       {{"balance", Use::flag}},
       [](ArgumentReader&) -> ParsedCommand { return command::ShowBalance{}; }},
      {{"settle", "", "PEER [AMOUNT]", "Pay a debt of a credit line on the settlement ledger",
        "settle bob 10"},
       {{"peer"}, {"amount"}},
       read_settle},
      {{"propose", "", "PEER [LIMIT] [wish=USD]",
        "Propose a line: what the peer may owe us [100], and we it [same]", "propose bob 100"},
       {{"peer"}, {"limit"}, {"wish", Use::by_name}},
       read_propose},
      {{"acceptCredit", "", "[PEER] [limit=USD] [wish=USD]", "Accept the credit line that a peer proposes",
        "acceptCredit alice"},
       {{"peer"}, {"limit", Use::by_name}, {"wish", Use::by_name}},
       read_accept},
      {{"rejectCredit", "", "[PEER]", "Reject it", "rejectCredit alice"}, {{"peer"}}, read_reject},
      {{"limit", "", "PEER LIMIT", "Set how much a peer may owe us; more needs its consent", "limit bob 250"},
       {{"peer"}, {"limit"}},
       read_limit},
      {{"ask", "", "PEER LIMIT", "Ask a peer to let us owe as much", "ask bob 250"},
       {{"peer"}, {"limit"}},
       read_ask},
      {{"forward", "", "PEER on|off [fee=USD] [share=PERCENT]",
        "Let payments of others go over a credit line, for a fee", "forward bob on fee=0.01 share=0.1"},
       {{"peer"}, {"state"}, {"fee", Use::by_name}, {"share", Use::by_name}},
       read_forward},
      {{"netting", "", "PEER on|off", "Let cycles of debts be removed, and show this one to all",
        "netting bob on"},
       {{"peer"}, {"state"}},
       read_netting},
      {{"net", "", "", "Look for cycles of debts among peers, and remove them", "net"},
       {},
       [](ArgumentReader&) -> ParsedCommand { return command::NetDebts{}; }},
      {{"freeze", "", "PEER", "Stop payments over a credit line, in both directions", "freeze bob"},
       {{"peer"}},
       read_freeze},
      {{"thaw", "", "PEER", "Allow them again", "thaw bob"}, {{"peer"}}, read_thaw},
      {{"closeCredit", "", "PEER", "Close a credit line on which nothing is owed", "closeCredit bob"},
       {{"peer"}},
       read_close},
      {{"reset", "", "PEER", "After a disagreement, go on from the peer's terms", "reset bob"},
       {{"peer"}},
       read_reset},
      {{"users", "", "", "List the accounts of the settlement ledger", "users"},
       {},
       [](ArgumentReader&) -> ParsedCommand { return command::ListUsers{}; }},
      {{"delete", "", "", "Delete all accounts of the settlement ledger, as its operator", "delete"},
       {},
       [](ArgumentReader&) -> ParsedCommand { return command::DeleteUsers{}; }},
      {{"leave", "", "", "Settle what can be settled, and say what is left", "leave"},
       {},
       [](ArgumentReader&) -> ParsedCommand { return command::LeaveCredit{}; }},
      {{"payments", "", "[COUNT]", "List the payments over credit lines, the newest first", "payments 20"},
       {{"count"}},
       read_payments},
      {{"receipt", "", "ID", "Print the receipt of a payment, see exchange verify-receipt",
        "receipt 7c01d2e4"},
       {{"id"}},
       read_receipt},
  };
}

OrFailure<json::Value::Object> read_send(CommandInfo const& command, std::span<std::string const> words) {
  auto const is_word = [&](std::size_t i, std::string_view word) {
    return i < words.size() && to_lower(words[i]) == word;
  };
  bool const has_unit = is_word(1, "credits") || is_word(1, "credit") || is_word(1, "usd");
  std::size_t const next = has_unit ? 2 : 1;
  bool const has_peer = words.size() == next + 2 && is_word(next, "to");
  if (words.empty() || (words.size() != next && !has_peer)) {
    return usage_failure(command, "an amount is needed, then 'credits', and 'to' with a peer");
  }
  json::Value::Object out{{"amount", words[0]}};
  if (has_peer) out.emplace_back("peer", words[next + 1]);
  return out;
}

}  // namespace grenache::exchange
