// Payments over others: what payers ask for, and what they are answered.
#include <utility>

#include "exchange/core/credit/transits.hpp"

namespace grenache::exchange {
namespace {

constexpr std::chrono::milliseconds kBusyRetry = std::chrono::seconds{1};

void refuse(RequestId request, RefusalCode code, std::string text, Turn& turn) {
  turn.reply_error_now(request, to_error_text({code, std::move(text), kBusyRetry}));
}

Transits::Transit transit_of(PrepareMessage const& message) {
  Transits::Transit out;
  out.id = message.id;
  out.hash = message.hash;
  out.payee = message.payee;
  out.amount = message.amount;
  out.deliver = message.deliver;
  out.hops_left = message.hops_left;
  out.expires = message.expires;
  out.path = message.path;
  out.is_netting = message.is_netting;
  out.payer = message.payer;
  return out;
}

}  // namespace

void Transits::handle(RequestId request, PayloadForm form, TransitInvoiceMessage const& message,
                      Turn& turn) const {
  TransitInvoice invoice{self_.header(CreatorType::server, turn.now.wall),
                         message.id,
                         message.amount,
                         sha256(transit_secret(message.id, message.amount, self_.key).view()),
                         self_.id,
                         {}};
  invoice.signature = self_.key.sign(invoice_digest(invoice));
  turn.reply_now(request, write_payload(to_json(invoice), form));
}

void Transits::handle(RequestId request, PayloadForm form, PrepareMessage const& message, Turn& turn) {
  auto const& payer = message.payer;
  if (payer == self_.id)
    return refuse(request, RefusalCode::invalid, "this is the receiver's own identity", turn);
  if (!verify(payer, prepare_digest(message, self_.id), message.signature)) {
    return refuse(request, RefusalCode::signature, "the payer has not signed this", turn);
  }
  Transit::Waiting const waiting{request, form, later_by(turn.now.steady, options_.answer_wait), false};
  auto const key = key_of(message.id, payer, message.hops_left);
  if (auto const found = transits_.find(key); found != transits_.end()) {
    return wait_or_answer(found->second, waiting, turn);
  }
  auto transit = transit_of(message);
  bool const is_payee = message.payee == self_.id && message.path.empty();
  auto const end = is_payee ? message.expires : message.expires - options_.hop_time;
  if (end <= turn.now.wall) {
    // Stays true, so that no row is needed.
    transit.state = TransitState::aborted;
    transit.reason = TransitReason::expired;
    return answer(transit, waiting, turn);
  }
  if (message.expires > turn.now.wall + options_.life_max) {
    return refuse(request, RefusalCode::invalid, "the payment would expire too late", turn);
  }
  if (!lines_.find(payer)) {
    return refuse(request, RefusalCode::unavailable, "there is no credit line with the payer", turn);
  }
  auto const count = payer_counts_.find(payer);
  if (transits_.size() >= options_.transit_count_max ||
      (count != payer_counts_.end() && count->second >= options_.per_payer_max)) {
    return refuse(request, RefusalCode::limit, "too many payments are under way here", turn);
  }
  if (message.record) lines_.learn(payer, *message.record, turn);
  if (!lines_.find(payer)->view().is_open) {
    return refuse(request, RefusalCode::unavailable, "there is no open credit line with the payer", turn);
  }
  auto reason = why_not(message);
  auto& added = add(std::move(transit));
  if (!reason) reason = hold_theirs(added);
  if (reason) {
    abort(added, *reason, turn);
  } else if (is_payee) {
    added.secret = transit_secret(message.id, message.deliver, self_.key);
    added.is_paid = true;
    added.claimed = message.deliver;
    commit(added, turn);
  } else {
    added.is_search = true;
    save(added, turn);
    try_next(added, turn);
  }
  wait_or_answer(added, waiting, turn);
}

/// Without regard to the room of the line.
std::optional<TransitReason> Transits::why_not(PrepareMessage const& message) const {
  auto const allowed = policy(message.payer);
  bool const is_payee = message.payee == self_.id && message.path.empty();
  if (message.is_netting ? !allowed.nets : !is_payee && !allowed.forwards) return TransitReason::not_allowed;
  bool is_started = false;  // netting, by us
  for (auto it = transits_.lower_bound(message.id + '/');
       it != transits_.end() && it->second.id == message.id; ++it) {
    auto const& other = it->second;
    if (is_payee) {
      if (other.payer && other.state == TransitState::committed) return TransitReason::already_paid;
      is_started = is_started || (!other.payer && other.state == TransitState::pending && other.is_netting);
    } else {
      if (!other.payer || other.state != TransitState::aborted) return TransitReason::loop;
      if (other.is_search && other.hops_left >= message.hops_left) return TransitReason::no_route;
    }
  }
  bool const is_near = message.hops_left > 0 && (message.is_netting || message.hops_left < options_.hop_max);
  if (!is_payee) return is_near ? std::nullopt : std::optional{TransitReason::no_route};
  auto const secret = transit_secret(message.id, message.deliver, self_.key);
  bool const is_known = sha256(secret.view()) == message.hash && message.is_netting == is_started;
  return is_known ? std::nullopt : std::optional{TransitReason::unknown_invoice};
}

std::optional<TransitReason> Transits::hold_theirs(Transit const& transit) {
  auto const held = lines_.hold(*transit.payer, false, entry_from(transit), transit.amount, kind_of(transit));
  if (held) return std::nullopt;
  if (held.error() != CreditErrc::over_limit) return TransitReason::no_line;
  return transit.is_netting ? TransitReason::no_debt : TransitReason::no_room;
}

void Transits::wait_or_answer(Transit& transit, Transit::Waiting const& waiting, Turn& turn) {
  answer_waiting(transit, turn);
  if (transit.state != TransitState::pending) return answer(transit, waiting, turn);
  transit.waiting = waiting;
  plan(transit, transit.next_try);
}

void Transits::answer_waiting(Transit& transit, Turn& turn) {
  if (auto const waiting = std::exchange(transit.waiting, {})) answer(transit, *waiting, turn);
}

void Transits::answer(Transit const& transit, Transit::Waiting const& waiting, Turn& turn) const {
  auto const header = self_.header(CreatorType::server, turn.now.wall);
  if (waiting.is_netting) {
    NettingAnswer const out{header, transit.id, transit.state};
    return turn.reply(waiting.request, write_payload(to_json(out), waiting.form));
  }
  TransitOutcome out{header,        transit.id,     transit.hops_left, *transit.payer,  self_.id,
                     transit.state, transit.reason, transit.secret,    transit.claimed, {}};
  if (transit.state != TransitState::committed) out.secret = {}, out.claimed = {};
  out.signature = self_.key.sign(outcome_digest(out));
  turn.reply(waiting.request, write_payload(to_json(out), waiting.form));
}

}  // namespace grenache::exchange
