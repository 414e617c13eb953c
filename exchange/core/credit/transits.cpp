#include "exchange/core/credit/transits.hpp"

#include <algorithm>

#include "exchange/core/credit/dues.hpp"

namespace grenache::exchange {
namespace {

/// The other side has this id already.
bool is_counted_before(Error const& error) {
  return error == CreditErrc::id_reused || error == CreditErrc::already_counted;
}

}  // namespace

UsdCents fee_of(TransitPolicy const& policy, UsdCents amount) {
  __extension__ using Wide = __int128;
  auto const share = (Wide{amount.units()} * policy.fee_ppm + kFeePpmMax - 1) / kFeePpmMax;
  return policy.fee_fixed + UsdCents{static_cast<std::int64_t>(share)};
}

UsdCents before_fee(TransitPolicy const& policy, UsdCents amount) {
  __extension__ using Wide = __int128;
  auto const rest = Wide{amount.units()} - policy.fee_fixed.units();
  // With a sum of x + x * share <= rest, x + ceil(x * share) <= rest too, since x and rest are whole.
  return UsdCents{static_cast<std::int64_t>(rest * kFeePpmMax / (kFeePpmMax + policy.fee_ppm))};
}

std::string Transits::key_of(std::string const& id, std::optional<PeerId> const& payer, int hops_left) {
  return id + '/' + std::to_string(hops_left) + '/' + (payer ? payer->hex() : "own");
}

std::string Transits::entry_to(Transit const& transit, PeerId const& receiver) const {
  return uuid_of(transit_entry_hash(self_.id, receiver, transit.id, transit.hops_left - 1));
}

std::string Transits::entry_from(Transit const& transit) const {
  return uuid_of(transit_entry_hash(*transit.payer, self_.id, transit.id, transit.hops_left));
}

TransitPolicy Transits::policy(PeerId const& peer) const {
  auto const found = policies_.find(peer);
  return found == policies_.end() ? TransitPolicy{} : found->second;
}

// Our payments

std::string Transits::pay(PeerId const& payee, UsdCents deliver, UsdCents fee_max, Turn& turn) {
  auto id = make_uuid(turn.random);
  auto const endpoints = peers_.endpoints_of(payee);
  if (endpoints.empty() || transits_.size() >= options_.transit_count_max) {
    outcomes_.push_back({id, payee, deliver, {}, false, false, TransitState::aborted, {}});
    return id;
  }
  TransitInvoiceMessage const message{self_.header(CreatorType::client, turn.now.wall), id, deliver};
  invoice_calls_.emplace(++last_call_, AskedInvoice{id, payee, deliver, fee_max});
  turn.call({Part::transits, last_call_}, endpoints.front(), to_json(message));
  return id;
}

void Transits::on_invoice(AskedInvoice const& asked, CallAnswer const& answer, Turn& turn) {
  auto const invoice = answer.error.empty() ? parse_transit_invoice(read_answer(answer.result))
                                            : Result<TransitInvoice>{MessageErrc::bad_answer};
  bool const is_good = invoice && invoice->id == asked.id && invoice->amount == asked.deliver &&
                       invoice->payee == asked.payee &&
                       verify(invoice->payee, invoice_digest(*invoice), invoice->signature);
  if (!is_good) {
    outcomes_.push_back({asked.id, asked.payee, asked.deliver, {}, false, false, TransitState::aborted, {}});
    return;
  }
  Transit transit;
  transit.id = asked.id;
  transit.hash = invoice->hash;
  transit.payee = asked.payee;
  transit.deliver = asked.deliver;
  transit.amount = UsdCents{std::min(UsdCents::kMax, asked.deliver.units() + asked.fee_max.units())};
  transit.hops_left = options_.hop_max;
  transit.expires = turn.now.wall + options_.life;
  transit.is_search = transit.is_received = true;
  auto& added = add(std::move(transit));
  save(added, turn);
  try_next(added, turn);
}

Result<void> Transits::net(std::string const& id, std::vector<PeerId> const& path, UsdCents amount,
                           Turn& turn) {
  auto const distinct = std::set<PeerId>{path.begin(), path.end()}.size();
  bool const is_cycle = path.size() >= 3 && path.size() <= kTransitPathMax && path.back() == self_.id &&
                        distinct == path.size();
  auto const known = transits_.lower_bound(id + '/');
  bool const is_known = known != transits_.end() && known->second.id == id;
  if (!is_cycle || is_known) return CreditErrc::bad_id;
  if (!policy(path.front()).nets || !policy(path[path.size() - 2]).nets) return CreditErrc::bad_id;
  if (transits_.size() >= options_.transit_count_max || started_count_ >= options_.netting_count_max) {
    return CreditErrc::too_many;
  }
  Transit transit;
  transit.id = id;
  transit.hash = sha256(transit_secret(id, amount, self_.key).view());
  transit.payee = self_.id;
  transit.amount = transit.deliver = amount;
  transit.hops_left = static_cast<int>(path.size());
  transit.path = path;
  transit.is_netting = true;
  transit.expires = turn.now.wall + options_.life + transit.hops_left * options_.hop_time;
  transit.is_search = transit.is_received = true;
  auto& added = add(std::move(transit));
  save(added, turn);
  try_next(added, turn);
  return {};
}

// Passing on

std::optional<Transits::Candidate> Transits::candidate(Transit& transit, PeerId const& peer,
                                                       CreditLine const& line) const {
  bool const is_used = transit.payer == peer || transit.silent.contains(peer) ||
                       std::ranges::count(transit.tried, peer) > 0 || !lines_.is_known(peer);
  auto const view = line.view();
  if (is_used || !view.is_open || view.is_frozen || view.is_disputed) return std::nullopt;
  auto const allowed = policy(peer);
  if (transit.is_netting) {
    return allowed.nets ? std::optional{Candidate{peer, transit.deliver}} : std::nullopt;
  }
  bool const is_payee = peer == transit.payee;
  if (!is_payee && transit.hops_left < 2) return std::nullopt;
  if (transit.payer && !allowed.forwards) return std::nullopt;
  auto const most = transit.payer ? before_fee(allowed, transit.amount) : transit.amount;
  auto reason = TransitReason::none;
  if (most < transit.deliver) reason = TransitReason::fee;
  if (reason == TransitReason::none && view.room < transit.deliver) reason = TransitReason::no_room;
  if (reason != TransitReason::none) {
    transit.reason = std::max(transit.reason, reason);
    return std::nullopt;
  }
  return Candidate{peer, is_payee ? transit.deliver : std::min(most, view.room)};
}

/// The payee if it is a neighbour, else the peer to whose line has the most room.
std::optional<Transits::Candidate> Transits::next_candidate(Transit& transit) const {
  std::optional<Candidate> best;
  auto const look = [&](PeerId const& peer) {
    auto const* const line = lines_.find(peer);
    auto const found = line ? candidate(transit, peer, *line) : std::nullopt;
    if (found && (!best || found->passed > best->passed)) best = found;
  };
  if (!transit.path.empty()) return look(transit.path.front()), best;
  if (transit.is_netting || transit.tried.size() >= options_.try_count_max) return std::nullopt;
  look(transit.payee);
  if (best) return best;
  for (auto const& [peer, entry] : lines_.all()) look(peer);
  return best;
}

void Transits::try_next(Transit& transit, Turn& turn) {
  if (transit.expires - options_.hop_time <= turn.now.wall)
    return abort(transit, TransitReason::expired, turn);
  while (auto const found = next_candidate(transit)) {
    if (!lines_.is_fresh(found->peer, turn.now.steady)) {
      transit.probing = found->peer;
      probing_.emplace(found->peer, key_of(transit));
      return lines_.probe(found->peer, turn);
    }
    if (ask(transit, *found, turn)) return;
  }
  abort(transit, std::max(transit.reason, TransitReason::no_route), turn);
}

void Transits::met(PeerId const& peer, Turn& turn) {
  for (auto it = given_.lower_bound({peer, {}}); it != given_.end() && it->first.first == peer; ++it) {
    auto& transit = transits_.at(it->second);
    if (transit.state == TransitState::pending && transit.next == peer) send(transit, turn);
  }
}

void Transits::on_probed(PeerId const& peer, bool has_answered, Turn& turn) {
  auto const [begin, end] = probing_.equal_range(peer);
  std::vector<std::string> keys;
  for (auto it = begin; it != end; ++it) keys.push_back(it->second);
  probing_.erase(begin, end);
  for (auto const& key : keys) {
    auto const found = transits_.find(key);
    if (found == transits_.end() || found->second.probing != peer) continue;
    auto& transit = found->second;
    transit.probing.reset();
    if (!has_answered) transit.silent.insert(peer);
    try_next(transit, turn);
  }
}

/// False if its line does not take the hold.
bool Transits::ask(Transit& transit, Candidate const& candidate, Turn& turn) {
  auto const& [peer, passed] = candidate;
  if (auto const held = lines_.hold(peer, true, entry_to(transit, peer), passed, kind_of(transit)); !held) {
    auto const reason = transit.is_netting ? TransitReason::no_debt : TransitReason::no_room;
    transit.reason = std::max(transit.reason, reason);
    transit.silent.insert(peer);
    return false;
  }
  transit.tried.push_back(peer);
  transit.next = peer;
  transit.passed = passed;
  given_[{peer, entry_to(transit, peer)}] = key_of(transit);
  transit.delay = {};
  transit.failures = 0;
  save(transit, turn);
  send(transit, turn);
  return true;
}

void Transits::send(Transit& transit, Turn& turn) {
  auto const& peer = *transit.next;
  retry_later(transit, turn.now.steady);
  auto const endpoints = peers_.endpoints_of(peer);
  auto const* const line = lines_.find(peer);
  if (transit.is_calling || endpoints.empty() || !line) return;
  PrepareMessage message;
  message.header = self_.header(CreatorType::client, turn.now.wall);
  message.id = transit.id;
  message.hash = transit.hash;
  message.payee = transit.payee;
  message.amount = transit.passed;
  message.deliver = transit.deliver;
  message.hops_left = transit.hops_left - 1;
  message.expires = transit.expires - options_.hop_time;
  if (!transit.path.empty()) message.path = {transit.path.begin() + 1, transit.path.end()};
  message.is_netting = transit.is_netting;
  message.payer = self_.id;
  message.signature = self_.key.sign(prepare_digest(message, peer));
  if (auto record = line->record(other_side(line->side())); record.record.counter != 0) {
    sign(record, line->side(), self_.key);
    message.record = std::move(record);
  }
  transit.is_calling = true;
  calls_.emplace(++last_call_, key_of(transit));
  turn.call({Part::transits, last_call_}, endpoints[transit.failures % endpoints.size()], to_json(message));
}

void Transits::on_answered(std::uint64_t call, CallAnswer const& answer, Turn& turn) {
  if (auto const asked = invoice_calls_.extract(call)) return on_invoice(asked.mapped(), answer, turn);
  auto const key = calls_.extract(call);
  auto const found = key ? transits_.find(key.mapped()) : transits_.end();
  if (found == transits_.end()) return;
  auto& transit = found->second;
  transit.is_calling = false;
  if (transit.state != TransitState::pending || !transit.next) return;
  auto const outcome = answer.error.empty() ? parse_transit_outcome(read_answer(answer.result))
                                            : Result<TransitOutcome>{MessageErrc::bad_answer};
  bool const is_genuine = outcome && outcome->id == transit.id && outcome->payer == self_.id &&
                          outcome->hops_left == transit.hops_left - 1 && outcome->receiver == *transit.next &&
                          verify(*transit.next, outcome_digest(*outcome), outcome->signature);
  if (!is_genuine) {
    ++transit.failures;
    return retry_later(transit, turn.now.steady);
  }
  on_outcome(transit, *outcome, turn);
}

void Transits::on_outcome(Transit& transit, TransitOutcome const& outcome, Turn& turn) {
  auto const& peer = *transit.next;
  auto const entry = entry_to(transit, peer);
  if (outcome.state == TransitState::aborted) {
    lines_.release(peer, true, entry);
    given_.erase({peer, entry});
    transit.reason = std::max(transit.reason, outcome.reason);
    transit.next.reset();
    save(transit, turn);
    return try_next(transit, turn);
  }
  bool const is_proven =
      outcome.state == TransitState::committed && sha256(outcome.secret.view()) == transit.hash;
  if (!is_proven) {
    if (outcome.state == TransitState::pending) transit.delay = {};
    return retry_later(transit, turn.now.steady);
  }
  // More than was promised is not paid, and less than the payee gets is a fault.
  transit.passed = std::clamp(outcome.claimed, std::min(transit.deliver, transit.passed), transit.passed);
  lines_.set_hold(peer, true, entry, transit.passed);
  transit.secret = outcome.secret;
  transit.claimed = transit.passed;
  if (transit.payer && !transit.is_netting) {
    transit.claimed = std::min(transit.amount, transit.passed + fee_of(policy(peer), transit.passed));
    turn.log(event::CreditTransit{transit.id,
                                  "forwarded",
                                  *transit.payer,
                                  peers_.name_of(*transit.payer),
                                  peer,
                                  peers_.name_of(peer),
                                  transit.passed,
                                  transit.claimed - transit.passed,
                                  {}});
  }
  commit(transit, turn);
  transit.delay = {};
  give(transit, turn);
}

/// Pays the hop, once it is committed.
void Transits::give(Transit& transit, Turn& turn) {
  auto const& peer = *transit.next;
  auto const* const line = lines_.find(peer);
  CreditEntry const entry{CreditKind::pay, entry_to(transit, peer), transit.passed,
                          turn.now.wall + options_.entry_life};
  if (line && line->is_pending(entry.id)) return plan(transit, TimePoint::max());
  auto const given =
      lines_.act(peer, turn, [&](CreditLine& each) { return each.give(entry, turn.now.wall); });
  // A frozen line, for example: it is tried again.
  if (given) return plan(transit, TimePoint::max());
  if (is_counted_before(given.error())) return paid(transit, turn);
  retry_later(transit, turn.now.steady);
}

/// Our entry is counted.
void Transits::paid(Transit& transit, Turn& turn) {
  transit.is_paid = true;
  lines_.release(*transit.next, true, entry_to(transit, *transit.next));
  plan(transit, TimePoint::max());
  save(transit, turn);
}

bool Transits::on_notice(PeerId const& peer, CreditNotice const& notice, Turn& turn) {
  using Kind = CreditNotice::Kind;
  bool const is_ours =
      notice.kind == Kind::counted || notice.kind == Kind::failed || notice.kind == Kind::overdue;
  if (!is_ours && notice.kind != Kind::received) return false;
  auto& keys = is_ours ? given_ : received_;
  if (keys.empty()) return false;
  auto const key = keys.find({peer, notice.entry.id});
  auto const found = key == keys.end() ? transits_.end() : transits_.find(key->second);
  if (found == transits_.end()) return false;
  auto& transit = found->second;
  if (notice.kind == Kind::overdue) return true;
  if (notice.kind == Kind::failed) {
    // Counted under this id by a version that this peer, or a reset, has lost.
    if (notice.error && is_counted_before(make_error_code(*notice.error))) {
      paid(transit, turn);
      return true;
    }
    // It was not counted, and is owed still.
    retry_later(transit, turn.now.steady);
    return true;
  }
  if (!is_ours && notice.entry.amount < transit.claimed) {
    turn.log(event::Warning{"the peer " + peer.hex() + " has paid less than it promised: " +
                            notice.entry.amount.to_text() + " of " + transit.claimed.to_text() + " USD"});
  }
  if (is_ours) {
    paid(transit, turn);
    return false;
  }
  transit.is_received = true;
  save(transit, turn);
  return false;
}

// Decisions

void Transits::commit(Transit& transit, Turn& turn) {
  transit.state = TransitState::committed;
  transit.reason = TransitReason::none;
  if (transit.payer) lines_.set_hold(*transit.payer, false, entry_from(transit), transit.claimed);
  decided(transit, turn);
}

void Transits::abort(Transit& transit, TransitReason reason, Turn& turn) {
  transit.state = TransitState::aborted;
  transit.reason = reason;
  if (transit.payer) lines_.release(*transit.payer, false, entry_from(transit));
  transit.is_paid = transit.is_received = true;
  decided(transit, turn);
}

void Transits::decided(Transit& transit, Turn& turn) {
  save(transit, turn);
  plan(transit, TimePoint::max());
  answer_waiting(transit, turn);
  if (transit.payer) return;
  auto const fee = transit.state == TransitState::committed ? transit.claimed - transit.deliver : UsdCents{};
  outcomes_.push_back({transit.id, transit.payee, transit.deliver, fee, transit.is_netting, true,
                       transit.state, transit.reason});
}

}  // namespace grenache::exchange
