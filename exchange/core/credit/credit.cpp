#include "exchange/core/credit/credit.hpp"

#include <algorithm>
#include <iterator>

#include "exchange/messages/order_record.hpp"

namespace grenache::exchange {
namespace {

using Kind = CreditNotice::Kind;
using result::CreditPaymentState;
using result::Failure;
using result::FailureCode;

constexpr std::size_t kDigits = 16;
constexpr std::int64_t kLowPart = 10;  // less than this part of a limit is low

/// Has the same order as the numbers, which are at most kCreditCounterMax.
std::string padded(std::int64_t number) {
  auto const text = std::to_string(number);
  return std::string(kDigits - std::min(kDigits, text.size()), '0') + text;
}

/// Both records without our signatures, which ShowReceipt adds.
std::string version_row(CreditReceipt const& receipt) {
  return json::to_text(json::Value::object({{"low", to_json(receipt.low)}, {"high", to_json(receipt.high)}}));
}

}  // namespace

Credit::Credit(Options options, Self const& self, Peers const& peers)
    : options_{std::move(options)},
      self_{self},
      peers_{peers},
      lines_{options_.lines, self, peers},
      dues_{options_.dues},
      settlements_{options_.settlements, self},
      transits_{options_.transits, self, peers, lines_},
      netting_{options_.netting, self, peers, transits_} {}

void Credit::start(Turn& turn) {
  if (!options_.is_enabled) return;
  transits_.start(turn);
  settlements_.start_up(turn);
  for (auto const& [peer, entry] : lines_.all()) move_dues(peer, turn);
  if (!settlements_.postponed_peers().empty()) next_credit_ = turn.now.steady;
  std::vector<std::string> ids;
  for (auto const& [id, plan] : plans_) ids.push_back(id);
  for (auto const& id : ids) go_on(plans_.at(id), turn);
}

void Credit::handle(RequestId request, PayloadForm form, CreditMessages const& message, Turn& turn) {
  if (!options_.is_enabled) return refuse(request, turn);
  bool const is_genuine = lines_.handle(request, form, message, turn);
  if (message.has_settled && is_genuine) settlements_.look(turn);
}

void Credit::refuse(RequestId request, Turn& turn) {
  turn.reply_error_now(request,
                       to_error_text({RefusalCode::unavailable, "this process keeps no credit lines", {}}));
}

std::string Credit::name_of(PeerId const& peer) const {
  auto const found = lines_.all().find(peer);
  auto const& name = found == lines_.all().end() ? std::string{} : found->second.name;
  return name.empty() ? peers_.name_of(peer) : name;
}

// Payments

std::optional<Failure> Credit::why_not_paid(PeerId const& peer) const {
  auto const* const line = lines_.find(peer);
  if (line && !line->view().is_open && line->is_wanted()) {
    return Failure{FailureCode::refused, "the peer has not accepted the credit line yet", "see: balance",
                   result::CreditRefusal::not_accepted};
  }
  if (!line || !line->view().is_open) {
    return Failure{FailureCode::refused, "there is no open credit line with this peer", "see: propose"};
  }
  auto const view = line->view();
  if (view.is_disputed) {
    return Failure{FailureCode::refused, "the two sides of this credit line disagree",
                   "see: balance, then: reset"};
  }
  if (view.is_frozen) return Failure{FailureCode::refused, "the credit line is frozen", "see: balance"};
  if (view.pending_count >= CreditLine::kPendingMax) {
    return Failure{FailureCode::unavailable, "too many payments to this peer are pending", "try again"};
  }
  return std::nullopt;
}

Failure Credit::no_room(CreditView const& view) {
  return {FailureCode::refused,
          "only " + view.room.to_text() + " USD can be paid over this line: the limit is " +
              view.their_limit.to_text(),
          "settle what is owed, or ask the peer for a higher limit", result::CreditRefusal::over_limit,
          view.their_limit.units()};
}

void Credit::pay(Waiting waiting, Turn& turn) {
  if (auto failure = why_not_paid(waiting.peer)) return turn.answer(waiting.command, *std::move(failure));
  auto const view = lines_.find(waiting.peer)->view();
  if (waiting.amount > view.room) {
    if (!settlements_.is_enabled()) return turn.answer(waiting.command, no_room(view));
    return settlements_.ask_balance([this, waiting](Turn& later) { begin_plan(waiting, later); }, turn);
  }
  CreditEntry const entry{CreditKind::pay, make_uuid(turn.random), waiting.amount,
                          turn.now.wall + options_.payment_life};
  auto const given =
      lines_.act(waiting.peer, turn, [&](CreditLine& line) { return line.give(entry, turn.now.wall); });
  if (!given) {
    return turn.answer(waiting.command, Failure{FailureCode::refused, given.error().message(), {}});
  }
  waiting_.emplace(entry.id, std::move(waiting));
}

void Credit::on_probed(PeerId const& peer, bool has_answered, Turn& turn) {
  auto const [begin, end] = probing_.equal_range(peer);
  std::vector<Waiting> found;
  for (auto it = begin; it != end; ++it) found.push_back(std::move(it->second));
  probing_.erase(begin, end);
  for (auto& each : found) {
    if (has_answered) {
      pay(std::move(each), turn);
    } else {
      turn.answer(each.command, Failure{FailureCode::unavailable,
                                        "the peer does not answer; nothing was paid", "try again"});
    }
  }
  if (!has_answered) {
    // The payments may have arrived, so they are pending.
    end_waiting([&](Waiting const& waiting) { return waiting.peer == peer; }, turn);
  }
}

template <class Predicate>
void Credit::end_waiting(Predicate is_ended, Turn& turn) {
  std::erase_if(waiting_, [&](auto const& each) {
    if (!is_ended(each.second)) return false;
    turn.answer(each.second.command, payment_view(each.first, each.second, CreditPaymentState::pending));
    return true;
  });
}

void Credit::record(PeerId const& peer, CreditNotice const& notice, bool is_ours, Turn& turn) {
  auto const& entry = notice.entry;
  auto const* const line = lines_.find(peer);
  auto body = json::Value::object({{"id", entry.id},
                                   {"peer", peer.hex()},
                                   {"name", name_of(peer)},
                                   {"byUs", is_ours},
                                   {"kind", to_text(entry.kind)},
                                   {"amount", entry.amount.to_text()},
                                   {"expires", to_unix_ms(entry.expires)},
                                   {"at", to_unix_ms(turn.now.wall)}});
  if (notice.receipt) {
    auto const& receipt = *notice.receipt;
    auto const owed = line->side() == CreditSide::low ? receipt.balance() : -receipt.balance();
    body.set("balance", decimal_text(owed, UsdCents::kDigits));
    auto key =
        peer.hex() + '/' + padded(receipt.low.record.counter) + '.' + padded(receipt.high.record.counter);
    if (key != last_version_) {
      turn.save({kVersionKind, key, version_row(receipt)});
      last_version_ = key;
    }
    body.set("version", std::move(key));
    json::Value::Array path;
    for (auto const& [is_left, hash] : receipt.path) path.push_back((is_left ? "l" : "r") + hash.hex());
    body.set("path", std::move(path));
  }
  turn.save({kPaymentKind,
             padded(to_unix_ms(turn.now.wall)) + (is_ours ? "-o-" : "-t-") + peer.hex().substr(0, 16) + '-' +
                 entry.id,
             json::to_text(body)});
}

std::optional<std::string> Credit::receipt_of(Row const& payment, Row const& version) const {
  auto body = json::parse(payment.body);
  auto const records = json::parse(version.body);
  if (!body || !records) return std::nullopt;
  auto const* const hex = body->find_string("peer");
  auto const peer = hex ? PeerId::from_hex(*hex) : std::nullopt;
  auto const parties =
      peer ? CreditParties::of(self_.id, *peer) : Result<CreditParties>{CreditErrc::own_peer};
  auto const* const by_us = body->find("byUs") ? body->find("byUs")->as_bool() : nullptr;
  auto const entry = parse_credit_entry(*body);
  auto const* const path = body->find("path");
  if (!parties || !by_us || !entry || !path) return std::nullopt;
  auto const side = self_.id == parties->low ? CreditSide::low : CreditSide::high;
  auto out = json::Value::object({{"type", "CreditReceipt"},
                                  {"payer", (*by_us ? self_.id : *peer).hex()},
                                  {"payee", (*by_us ? *peer : self_.id).hex()},
                                  {"payment", to_json(*entry)},
                                  {"path", *path}});
  for (auto const* const name : {"low", "high"}) {
    auto record = parse_credit_record(records->find(name));
    if (!record) return std::nullopt;
    if (record->record.counter != 0) sign(*record, side, self_.key);
    out.set(name, to_json(*record));
  }
  auto text = json::to_text(out);
  return verify_receipt(text) ? std::optional{std::move(text)} : std::nullopt;
}

// Outcomes

void Credit::process(Turn& turn) {
  for (;;) {
    auto const outcomes = lines_.take_outcomes();
    auto const settled = settlements_.take_outcomes();
    auto incoming = settlements_.take_incoming();
    auto const ended = transits_.take_outcomes();
    if (outcomes.empty() && settled.empty() && incoming.empty() && ended.empty()) break;
    std::set<PeerId> touched;
    for (auto const& [peer, kind, notice] : outcomes) {
      if (kind == CreditLines::Outcome::Kind::notice) {
        on_notice(peer, notice, turn);
        touched.insert(peer);
      } else {
        bool const has_answered = kind == CreditLines::Outcome::Kind::reached;
        on_probed(peer, has_answered, turn);
        if (has_answered) touched.insert(peer);
        transits_.on_probed(peer, has_answered, turn);
      }
    }
    for (auto const& each : settled) on_settled(each, turn);
    for (auto& each : incoming) on_incoming(std::move(each), turn);
    for (auto const& each : ended) on_transit(each, turn);
    for (auto const& peer : touched) {
      move_dues(peer, turn);
      look_at_room(peer, turn);
    }
  }
  last_version_.clear();
}

void Credit::on_notice(PeerId const& peer, CreditNotice const& notice, Turn& turn) {
  if (transits_.on_notice(peer, notice, turn)) return;
  switch (notice.kind) {
    case Kind::counted:
      return on_counted(peer, notice, turn);
    case Kind::received:
      return on_received(peer, notice, turn);
    case Kind::failed:
    case Kind::overdue:
      return on_failed(peer, notice, turn);
    case Kind::proposal:
      if (auto const* const proposal = lines_.find(peer)->proposal()) {
        std::erase(proposals_, peer);
        proposals_.push_back(peer);
        turn.log(event::CreditProposed{peer, name_of(peer), proposal->limit, proposal->wish});
      }
      return;
    case Kind::opened:
    case Kind::refused:
    case Kind::limits:
    case Kind::frozen:
    case Kind::thawed:
    case Kind::closed:
    case Kind::disputed:
    case Kind::reset_terms:
    case Kind::reset:
      return tell_change(peer, notice, turn);
  }
}

void Credit::on_counted(PeerId const& peer, CreditNotice const& notice, Turn& turn) {
  auto const& entry = notice.entry;
  record(peer, notice, true, turn);
  if (entry.kind == CreditKind::pay) dues_.paid(peer, entry.id, true, entry.amount, turn);
  auto const balance = lines_.find(peer)->view().balance;
  turn.log(event::CreditPaid{entry.id, peer, name_of(peer), entry.kind, entry.amount, balance, {}, false});
  if (auto* const plan = find_plan(entry.id)) {
    plan->last = std::exchange(plan->entry, {});
    return go_on(*plan, turn);
  }
  auto const waiting = waiting_.extract(entry.id);
  if (waiting.empty()) return;
  // The peer has it on its disk; if ours loses it, the peer says it again.
  turn.answer_now(waiting.mapped().command,
                  payment_view(entry.id, waiting.mapped(), CreditPaymentState::counted));
}

void Credit::on_failed(PeerId const& peer, CreditNotice const& notice, Turn& turn) {
  auto const& entry = notice.entry;
  bool const is_undecided = notice.kind == Kind::overdue;
  std::string const text =
      is_undecided ? "its time is over, but the peer may have counted it before"
                   : std::string{notice.error ? describe(*notice.error) : std::string_view{"it failed"}};
  auto const balance = lines_.find(peer)->view().balance;
  turn.log(event::CreditPaid{entry.id, peer, name_of(peer), entry.kind, entry.amount, balance, text,
                             is_undecided});
  if (is_undecided) return;
  // Counted under this id before this peer had lost its data, or before a reset.
  bool const was_counted =
      notice.error == CreditErrc::id_reused || notice.error == CreditErrc::already_counted;
  if (entry.kind == CreditKind::settle) {
    if (was_counted) return;
    // The peer has paid this on the ledger, so it is credited again later.
    return postpone({entry.id, peer, entry.amount}, turn);
  }
  if (dues_.is_due(peer, entry.id)) {
    if (was_counted) return dues_.paid(peer, entry.id, true, entry.amount, turn);
    due_retries_[peer] = later_by(turn.now.steady, options_.settlements.poll_interval);
    return;
  }
  if (auto* const plan = find_plan(entry.id)) {
    plan->left = plan->left + entry.amount;
    return end_plan(std::string{plan->id}, Failure{FailureCode::refused, text, {}}, turn);
  }
  auto const waiting = waiting_.extract(entry.id);
  if (waiting.empty()) return;
  turn.answer(waiting.mapped().command, Failure{FailureCode::refused, text + "; nothing was paid", {}});
}

void Credit::on_received(PeerId const& peer, CreditNotice const& notice, Turn& turn) {
  auto const& entry = notice.entry;
  record(peer, notice, false, turn);
  if (entry.kind == CreditKind::pay) dues_.paid(peer, entry.id, false, entry.amount, turn);
  if (entry.kind == CreditKind::settle) settlements_.credited(peer, entry.id, entry.amount, turn);
  auto const balance = lines_.find(peer)->view().balance;
  turn.log(event::CreditReceived{entry.id, peer, name_of(peer), entry.kind, entry.amount, balance});
}

void Credit::tell_change(PeerId const& peer, CreditNotice const& notice, Turn& turn) {
  auto const view = lines_.find(peer)->view();
  event::CreditLineChanged changed{peer, name_of(peer), {}, {}};
  switch (notice.kind) {
    case Kind::opened:
      changed.what = "opened";
      changed.text = "the line is open: we may owe " + view.their_limit.to_text() +
                     " USD and are owed at most " + view.our_limit.to_text();
      break;
    case Kind::refused:
      changed.what = "refused";
      changed.text = "the peer refuses: " +
                     std::string{notice.error ? describe(*notice.error) : std::string_view{"no reason"}};
      break;
    case Kind::limits:
      changed.what = "limits";
      changed.text = "we may owe " + view.their_limit.to_text() + " USD and are owed at most " +
                     view.our_limit.to_text();
      break;
    case Kind::frozen:
      changed.what = "frozen";
      changed.text = "the peer has frozen the line";
      break;
    case Kind::thawed:
      changed.what = "thawed";
      changed.text = "the peer allows payments again";
      break;
    case Kind::closed:
      changed.what = "closed";
      changed.text = "the line is closed";
      break;
    case Kind::disputed:
      changed.what = "disputed";
      changed.text = "the two sides disagree, and nothing is paid until one accepts the other's terms";
      break;
    case Kind::reset_terms:
      changed.what = "reset-terms";
      changed.text = "the peer would go on from its own terms, see: balance";
      break;
    case Kind::reset:
      changed.what = "reset";
      changed.text = "the two sides agree again";
      break;
    default:
      return;
  }
  turn.log(std::move(changed));
  retry_postponed(peer, turn);
}

void Credit::look_at_room(PeerId const& peer, Turn& turn) {
  auto const* const line = lines_.find(peer);
  if (!line) return;
  auto const view = line->view();
  bool const is_low = view.is_open && !view.is_frozen && !view.is_disputed &&
                      view.room.units() < view.their_limit.units() / kLowPart;
  bool const is_settled_soon =
      std::ranges::any_of(plans_, [&](auto const& each) { return each.second.peer == peer; });
  if (is_settled_soon) return;
  if (!is_low) {
    low_.erase(peer);
  } else if (low_.insert(peer).second) {
    turn.log(event::CreditLow{peer, name_of(peer), view.room, view.their_limit});
  }
}

// Trades

void Credit::add_trade(Due due, Turn& turn) {
  auto const peer = due.peer;
  auto const* const line = lines_.find(peer);
  auto const* const received = line ? line->find_received(due.id) : nullptr;
  auto const [id, amount] = std::pair{due.id, due.amount};
  bool const is_paid = !due.we_pay && received && received->kind == CreditKind::pay;
  dues_.add(std::move(due), turn);
  // The payment may have overtaken the end of the trade.
  if (is_paid) dues_.paid(peer, id, false, received->amount, turn);
  move_dues(peer, turn);
}

void Credit::move_dues(PeerId const& peer, Turn& turn) {
  auto const* const line = lines_.find(peer);
  if (!options_.is_enabled || !line || !line->view().is_open) return;
  if (due_retries_.contains(peer)) return;
  auto room = line->view().room;
  std::vector<CreditEntry> counted;  // by a version that was lost here
  for (auto const* const due : dues_.owed_to(peer)) {
    if (due->amount > room) continue;
    CreditEntry const entry{CreditKind::pay, due->id, due->amount, turn.now.wall + options_.payment_life};
    if (line->is_pending(entry.id)) continue;
    auto const given =
        lines_.act(peer, turn, [&](CreditLine& each) { return each.give(entry, turn.now.wall); });
    if (given) room = room - entry.amount;
    if (!given && (given.error() == CreditErrc::id_reused || given.error() == CreditErrc::already_counted)) {
      counted.push_back(entry);
    }
  }
  for (auto const& entry : counted) dues_.paid(peer, entry.id, true, entry.amount, turn);
}

// Time

void Credit::expire(Turn& turn) {
  if (!options_.is_enabled) return;
  lines_.expire(turn);
  settlements_.expire(turn);
  auto const now = turn.now.steady;
  end_waiting([&](Waiting const& waiting) { return waiting.deadline <= now; }, turn);
  end_waiting_settlements(turn);
  std::vector<PeerId> owed;
  for (auto const& [peer, time] : due_retries_) {
    if (time <= now) owed.push_back(peer);
  }
  for (auto const& peer : owed) {
    due_retries_.erase(peer);
    move_dues(peer, turn);
  }
  transits_.expire(turn);
  netting_.expire(turn);
  end_waiting_transits(turn);
  if (next_credit_ <= now) {
    next_credit_ = TimePoint::max();
    for (auto const& peer : settlements_.postponed_peers()) retry_postponed(peer, turn);
  }
}

TimePoint Credit::next_expiry(Now now) const {
  if (!options_.is_enabled) return TimePoint::max();
  auto out = lines_.next_expiry(now);
  for (auto const& [peer, time] : due_retries_) out = std::min(out, time);
  out = std::min(
      {out, settlements_.next_expiry(), next_credit_, transits_.next_expiry(now), netting_.next_expiry()});
  for (auto const& [id, waiting] : waiting_transits_) out = std::min(out, waiting.deadline);
  for (auto const& [id, waiting] : waiting_) out = std::min(out, waiting.deadline);
  for (auto const& [id, waiting] : waiting_settlement_) out = std::min(out, waiting.deadline);
  for (auto const& [id, plan] : plans_) {
    if (plan.command != 0) out = std::min(out, plan.deadline);
  }
  return leaving_ ? std::min(out, leaving_->deadline) : out;
}

// Rows

std::vector<std::string_view> Credit::row_kinds() {
  std::vector<std::string_view> out{
      CreditLines::kEntryRowKind, CreditLines::kRowKind, Dues::kRowKind, kPlanKind,
      Transits::kPolicyKind,      Transits::kRowKind};
  std::ranges::copy(Settlements::row_kinds(), std::back_inserter(out));
  return out;
}

bool Credit::restore(Row const& row) {
  if (row.kind == kPlanKind) return restore_plan(row);
  if (row.kind == Transits::kRowKind || row.kind == Transits::kPolicyKind) return transits_.restore(row);
  if (row.kind == Dues::kRowKind) return dues_.restore(row);
  bool const is_of_line = row.kind == CreditLines::kEntryRowKind || row.kind == CreditLines::kRowKind;
  return is_of_line ? lines_.restore(row) : settlements_.restore(row);
}

void Credit::dump(std::vector<Row>& out) const {
  lines_.dump(out);
  dues_.dump(out);
  settlements_.dump(out);
  transits_.dump(out);
  for (auto const& [id, plan] : plans_) out.push_back(row_of(plan));
}

}  // namespace grenache::exchange
