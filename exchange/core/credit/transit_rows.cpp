// The rows of payments over others, and what is done when.
#include <algorithm>

#include "exchange/core/credit/transits.hpp"
#include "exchange/core/row_fields.hpp"

namespace grenache::exchange {
namespace {

using json::Value;

Value::Array hex_of(std::vector<PeerId> const& peers) {
  Value::Array out;
  for (auto const& peer : peers) out.push_back(peer.hex());
  return out;
}

std::vector<PeerId> read_peers(RowFields& row, std::string_view name) {
  std::vector<PeerId> out;
  auto const* const list = row.value().find(name);
  auto const* const items = list ? list->as_array() : nullptr;
  if (!items) row.fail();
  for (auto const& item : items ? *items : Value::Array{}) {
    auto const* const text = item.as_string();
    auto const peer = text ? PeerId::from_hex(*text) : std::nullopt;
    if (!peer) row.fail();
    out.push_back(peer.value_or(PeerId{}));
  }
  return out;
}

/// Empty: none.
std::optional<PeerId> read_peer(RowFields& row, std::string_view name) {
  auto const text = row.text(name);
  if (text.empty()) return std::nullopt;
  auto const peer = PeerId::from_hex(text);
  if (!peer) row.fail();
  return peer;
}

std::string hex_of(std::optional<PeerId> const& peer) { return peer ? peer->hex() : std::string{}; }

}  // namespace

// Time

void Transits::plan(Transit& transit, TimePoint at) {
  transit.next_try = at;
  auto const due = transit.waiting ? std::min(at, transit.waiting->deadline) : at;
  if (due == transit.due) return;
  auto const key = key_of(transit);
  due_.erase({transit.due, key});
  transit.due = due;
  if (due != TimePoint::max()) due_.emplace(due, key);
}

void Transits::retry_later(Transit& transit, TimePoint now) {
  transit.delay = std::clamp(2 * transit.delay, options_.retry_min, options_.retry_max);
  plan(transit, later_by(now, transit.delay));
}

void Transits::start(Turn& turn) {
  std::vector<std::string> keys;
  for (auto const& [key, transit] : transits_) {
    keys.push_back(key);
    if (transit.payer && !transit.is_received) {
      auto const amount = transit.state == TransitState::committed ? transit.claimed : transit.amount;
      lines_.set_hold(*transit.payer, false, entry_from(transit), amount);
    }
    if (transit.next && !transit.is_paid) {
      lines_.set_hold(*transit.next, true, entry_to(transit, *transit.next), transit.passed);
    }
  }
  for (auto const& key : keys) {
    auto& transit = transits_.at(key);
    if (transit.state == TransitState::committed) {
      if (!transit.is_paid) give(transit, turn);
    } else if (transit.next) {
      plan(transit, turn.now.steady);
    } else if (transit.state == TransitState::pending) {
      try_next(transit, turn);
    }
  }
}

void Transits::expire(Turn& turn) {
  auto const now = turn.now.steady;
  while (!due_.empty() && due_.begin()->first <= now) {
    auto& transit = transits_.at(due_.begin()->second);
    bool const is_retry = transit.next_try <= now;
    if (transit.waiting && transit.waiting->deadline <= now) answer_waiting(transit, turn);
    plan(transit, is_retry ? TimePoint::max() : transit.next_try);
    if (!is_retry) continue;
    if (transit.state == TransitState::committed && !transit.is_paid) give(transit, turn);
    if (transit.state == TransitState::pending && transit.next) send(transit, turn);
  }
  while (!finished_.empty() && finished_.begin()->first <= turn.now.wall) {
    auto const key = finished_.begin()->second;
    forget(key, turn);
  }
}

TimePoint Transits::next_expiry(Now now) const {
  auto const due = due_.empty() ? TimePoint::max() : due_.begin()->first;
  if (finished_.empty()) return due;
  auto const left = std::max(finished_.begin()->first - now.wall, std::chrono::milliseconds{0});
  return std::min(due, later_by(now.steady, left));
}

// Rows

Transits::Transit& Transits::add(Transit transit) {
  auto const key = key_of(transit);
  auto& added = transits_.emplace(key, std::move(transit)).first->second;
  index(added);
  return added;
}

void Transits::index(Transit const& transit) {
  auto const key = key_of(transit);
  if (transit.payer) {
    ++payer_counts_[*transit.payer];
    received_[{*transit.payer, entry_from(transit)}] = key;
  } else if (transit.is_netting) {
    ++started_count_;
  }
  if (transit.next) given_[{*transit.next, entry_to(transit, *transit.next)}] = key;
}

void Transits::save(Transit& transit, Turn& turn) {
  turn.save(row_of(transit));
  bool const is_finished = transit.state != TransitState::pending && transit.is_paid && transit.is_received;
  if (is_finished) finished_.emplace(transit.expires, key_of(transit));
}

void Transits::forget(std::string const& key, Turn& turn) {
  auto const found = transits_.find(key);
  auto& transit = found->second;
  finished_.erase({transit.expires, key});
  transit.waiting.reset();
  plan(transit, TimePoint::max());
  if (transit.payer) {
    received_.erase({*transit.payer, entry_from(transit)});
    if (--payer_counts_[*transit.payer] == 0) payer_counts_.erase(*transit.payer);
  } else if (transit.is_netting) {
    --started_count_;
  }
  if (transit.next) given_.erase({*transit.next, entry_to(transit, *transit.next)});
  turn.erase(kRowKind, key);
  transits_.erase(found);
}

Row Transits::row_of(Transit const& transit) {
  bool const is_aborted = transit.state == TransitState::aborted;
  auto const body = Value::object({{"id", transit.id},
                                   {"hash", transit.hash.hex()},
                                   {"payee", transit.payee.hex()},
                                   {"amount", transit.amount.to_text()},
                                   {"deliver", transit.deliver.to_text()},
                                   {"hopsLeft", std::int64_t{transit.hops_left}},
                                   {"expires", to_unix_ms(transit.expires)},
                                   {"path", hex_of(transit.path)},
                                   {"isNetting", transit.is_netting},
                                   {"payer", hex_of(transit.payer)},
                                   {"state", to_text(transit.state)},
                                   {"reason", is_aborted ? to_text(transit.reason) : ""},
                                   {"isSearch", transit.is_search},
                                   {"next", hex_of(transit.next)},
                                   {"passed", transit.passed.to_text()},
                                   {"tried", hex_of(transit.tried)},
                                   {"secret", transit.secret.hex()},
                                   {"claimed", transit.claimed.to_text()},
                                   {"isPaid", transit.is_paid},
                                   {"isReceived", transit.is_received}});
  return {kRowKind, key_of(transit), json::to_text(body)};
}

bool Transits::restore(Row const& row) {
  if (row.kind == kPolicyKind) return restore_policy(row);
  RowFields fields{row.body};
  auto const hash = [](std::string_view text) { return Sha256::from_hex(text); };
  auto const state_of = [](std::string_view text) -> std::optional<TransitState> {
    for (auto const state : {TransitState::pending, TransitState::committed, TransitState::aborted}) {
      if (to_text(state) == text) return state;
    }
    return std::nullopt;
  };
  Transit out;
  out.id = fields.text("id");
  out.hash = fields.parsed("hash", hash);
  out.payee = fields.parsed("payee", [](std::string_view text) { return PeerId::from_hex(text); });
  out.amount = fields.money<UsdCents>("amount");
  out.deliver = fields.money<UsdCents>("deliver");
  out.hops_left = static_cast<int>(fields.integer("hopsLeft"));
  out.expires = fields.time("expires");
  out.path = read_peers(fields, "path");
  out.is_netting = fields.boolean("isNetting");
  out.payer = read_peer(fields, "payer");
  out.state = fields.parsed("state", state_of);
  out.reason = fields.parsed("reason", parse_transit_reason);
  out.is_search = fields.boolean("isSearch");
  out.next = read_peer(fields, "next");
  out.passed = fields.money<UsdCents>("passed");
  out.tried = read_peers(fields, "tried");
  out.secret = fields.parsed("secret", hash);
  out.claimed = fields.money<UsdCents>("claimed");
  out.is_paid = fields.boolean("isPaid");
  out.is_received = fields.boolean("isReceived");
  if (!fields.ok() || row.key != key_of(out) || transits_.contains(row.key)) return false;
  auto const& added = add(std::move(out));
  if (added.state != TransitState::pending && added.is_paid && added.is_received) {
    finished_.emplace(added.expires, row.key);
  }
  return true;
}

void Transits::dump(std::vector<Row>& out) const {
  for (auto const& [key, transit] : transits_) out.push_back(row_of(transit));
  for (auto const& [peer, policy] : policies_) out.push_back(row_of(peer, policy));
}

// Policies

void Transits::set_policy(PeerId const& peer, TransitPolicy const& policy, Turn& turn) {
  if (policy == TransitPolicy{}) {
    if (policies_.erase(peer) > 0) turn.erase(kPolicyKind, peer.hex());
    return;
  }
  policies_[peer] = policy;
  turn.save(row_of(peer, policy));
}

Row Transits::row_of(PeerId const& peer, TransitPolicy const& policy) {
  auto const body = Value::object({{"forwards", policy.forwards},
                                   {"feeFixed", policy.fee_fixed.to_text()},
                                   {"feePpm", policy.fee_ppm},
                                   {"nets", policy.nets}});
  return {kPolicyKind, peer.hex(), json::to_text(body)};
}

bool Transits::restore_policy(Row const& row) {
  RowFields fields{row.body};
  auto const peer = PeerId::from_hex(row.key);
  TransitPolicy policy;
  policy.forwards = fields.boolean("forwards");
  policy.fee_fixed = fields.money<UsdCents>("feeFixed");
  policy.fee_ppm = fields.integer("feePpm");
  policy.nets = fields.boolean("nets");
  bool const is_good = fields.ok() && peer && policy.fee_ppm >= 0 && policy.fee_ppm <= kFeePpmMax;
  return is_good && policies_.emplace(*peer, policy).second;
}

}  // namespace grenache::exchange
