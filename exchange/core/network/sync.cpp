#include "exchange/core/network/sync.hpp"

#include <algorithm>
#include <utility>

namespace grenache::exchange {
namespace {

constexpr std::size_t kReconcileCallsMax = 4;
constexpr std::size_t kSessionFailuresMax = 2;
constexpr std::size_t kPageSize = 100;  // records asked for at once
constexpr std::size_t kPushCallsMax = 2;
constexpr std::size_t kSentBytesMax = 48 * 1024;       // of records in a request, below kRequestBytesMax
constexpr std::size_t kAnsweredBytesMax = 160 * 1024;  // of records in an answer
constexpr std::size_t kRecordBytes = 700;              // of a record without its endpoint, at most
constexpr std::size_t kSamePositionMax = 4;            // records at one position
constexpr std::size_t kOthersMax = 3;                  // further peers that may be asked for a record
constexpr std::size_t kRefusedMax = 1'024;
constexpr std::size_t kMissesMax = 3;
constexpr std::size_t kRelayCount = 2;
constexpr Duration kRefusedAge = std::chrono::minutes{10};
constexpr Duration kHeldAge = std::chrono::hours{1};
constexpr Duration kAskingTime = std::chrono::seconds{10};
constexpr std::size_t kManyRecords = 1'000;  // a session that has brought as many is followed by another
/// The interval of reading a peer whose set differs for ever, as one with other limits, is at most that of
/// failures divided by this.
constexpr int kUselessPart = 4;

std::size_t size_of(OrderRecord const& order) { return kRecordBytes + order.endpoint.size(); }

Duration jittered(Duration interval, Turn& turn) { return turn.random.between(interval / 4 * 3, interval); }

}  // namespace

void RecentIds::insert(VersionId const& id) {
  if (contains(id)) return;
  if (slots_.empty()) slots_.resize(kSets * kWays);
  auto const mixed = id.position << 16 ^ id.version;
  auto* const first = slots_.data() + set_of(mixed);
  std::move_backward(first, first + kWays - 1, first + kWays);
  *first = mixed;
}

bool RecentIds::contains(VersionId const& id) const {
  if (slots_.empty()) return false;
  auto const mixed = id.position << 16 ^ id.version;
  auto const* const first = slots_.data() + set_of(mixed);
  return std::find(first, first + kWays, mixed) != first + kWays;
}

// Peers

Sync::State* Sync::find(std::string const& endpoint) {
  auto const found = states_.find(endpoint);
  return found == states_.end() ? nullptr : &found->second;
}

void Sync::met(std::string const& endpoint, bool is_original, Turn& turn) {
  auto& state = states_[endpoint];
  end_session(state);
  state.is_here = true;
  state.is_original = is_original;
  // It may be another process than before, with an empty book.
  state.knows_sync.reset();
  state.shown.clear();
  state.held.clear();
  state.refused.clear();
  state.lacking.clear();
  state.miss_count = state.false_count = 0;
  // A peer of the original reads books only when it starts.
  if (is_original) {
    book_.for_each_live(turn.now.wall, [&](OrderRecord const& order) {
      if (order.maker == self_.id) add_untold(state, key_of(order));
    });
  }
  state.next_read = state.next_tell = turn.now.steady;
  expire(turn);
}

void Sync::lost(std::string const& endpoint, Turn& turn) {
  auto* const state = find(endpoint);
  if (!state) return;
  state->is_here = false;
  state->lacking.clear();
  end_session(*state);
  drop_queue(endpoint, *state, turn);
}

void Sync::forget(std::string const& endpoint, Turn& turn) {
  lost(endpoint, turn);
  states_.erase(endpoint);
  // Answers to these calls are not those of a peer that is met there later.
  for (auto it = asked_.begin(); it != asked_.end();) {
    auto const& asked = it->second;
    if (asked.endpoint != endpoint) {
      ++it;
      continue;
    }
    if (asked.kind == Kind::read) --reading_count_;
    if (asked.kind == Kind::relay || asked.kind == Kind::inventory) --relaying_count_;
    if (asked.kind == Kind::records) {
      record_deadlines_.erase({asked.deadline, it->first});
      for (auto const position : std::vector{asked.positions}) fail_over(position, endpoint, turn);
    }
    it = asked_.erase(it);
  }
}

bool Sync::is_here(std::string_view endpoint) const {
  auto const found = states_.find(endpoint);
  return found != states_.end() && found->second.is_here;
}

std::uint64_t Sync::remember(Asked asked) {
  asked_.emplace(++last_key_, std::move(asked));
  return last_key_;
}

InventoryMessage Sync::inventory(Turn const& turn) const {
  InventoryMessage out;
  out.header = self_.header(CreatorType::client, turn.now.wall);
  out.endpoint = self_.endpoint;
  return out;
}

template <class Keys>
bool Sync::fill(InventoryMessage& message, Keys& keys, State const* skips, Asked& asked, WallTime now) const {
  bool has_own = false;
  for (std::size_t bytes = 0; !keys.empty() && message.orders.size() < kInventoryOrdersMax;) {
    auto const* const order = book_.find(*keys.begin());
    if (order && bytes + size_of(*order) > kSentBytesMax) break;
    keys.erase(keys.begin());
    if (!order || !order->is_signed() || order->expires <= now) continue;
    auto const id = version_of(*order);
    if (skips && skips->held.contains(id)) continue;
    bytes += size_of(*order);
    has_own = has_own || order->maker == self_.id;
    message.orders.push_back(*order);
    asked.orders.push_back(key_of(*order));
    asked.ids.push_back(id);
  }
  return has_own;
}

// Own changes

void Sync::add_untold(State& state, OrderKey const& key) const {
  // What is beyond the limit is left to the next reading of our book.
  if (state.untold.size() < options_.untold_count_max) state.untold.insert(key);
}

void Sync::spread(OrderRecord const& order, bool is_own, std::string const& from, Turn& turn) {
  if (!order.is_signed()) return;
  bool const is_new = !index_.find(key_of(order));
  index_.put(order);
  auto const id = version_of(order);
  seen_.insert(id);
  if (auto* const state = find(from)) state->shown.insert(id);
  if (is_own) {
    for (auto& [endpoint, state] : states_) {
      add_untold(state, key_of(order));
      if (state.is_here && !state.is_telling) tell(endpoint, state, turn);
    }
    return;
  }
  if (auto* const maker = find(order.endpoint)) maker->shown.insert(id);
  if (!maker_rates_.admit(key_of(order), is_new, turn.now.steady)) return;
  // A maker tells all peers that it knows, so the others very likely know it.
  add_rumour(id, from == order.endpoint ? 1 : kRelayCount, turn);
}

void Sync::tell(std::string const& endpoint, State& state, Turn& turn) {
  Asked asked{.kind = Kind::tell, .endpoint = endpoint};
  auto message = inventory(turn);
  if (state.knows_sync.value_or(false)) {
    // An own version may only leave when it is durable.
    (void)fill(message, state.untold, nullptr, asked, turn.now.wall);
    if (message.orders.empty()) return;
    state.is_telling = true;
    turn.call({Part::sync, remember(std::move(asked))}, endpoint,
              write_payload(to_json(message), PayloadForm::text));
    return;
  }
  while (!state.untold.empty()) {
    auto const key = state.untold.extract(state.untold.begin()).value();
    auto const* const order = book_.find(key);
    // The original knows no closed orders, and keeps the first version of each.
    bool const is_heard = order && (!state.is_original || order->is_live(turn.now.wall));
    if (!is_heard) continue;
    state.is_telling = true;
    asked.orders.push_back(key);
    asked.ids.push_back(version_of(*order));
    turn.call({Part::sync, remember(std::move(asked))}, endpoint,
              write_payload(to_json(*order), PayloadForm::text));
    return;
  }
}

void Sync::on_told(Asked& asked, CallAnswer const& answer, Turn& turn) {
  auto* const state = find(asked.endpoint);
  if (!state) return;
  state->is_telling = false;
  // A refusal is an answer: telling it again would change nothing, unless we told too much at once.
  auto const refusal = parse_refusal(answer.error);
  bool const is_heard = answer.error.empty() || (refusal && refusal->code != RefusalCode::limit);
  if (!is_heard) {
    for (auto const& key : asked.orders) add_untold(*state, key);
    state->next_tell = later_by(turn.now.steady, options_.retry);
    return;
  }
  for (auto const& id : asked.ids) {
    state->held.insert(id);
    state->shown.insert(id);
  }
  if (state->is_here) tell(asked.endpoint, *state, turn);
}

// Changes of others

void Sync::add_rumour(VersionId const& id, std::size_t count, Turn& turn) {
  if (rumours_.size() >= options_.rumour_count_max) return;
  rumours_.push_back({id, count});
  if (next_relay_ != TimePoint::max()) return;
  next_relay_ =
      later_by(turn.now.steady, turn.random.between(options_.relay_delay, 2 * options_.relay_delay));
}

void Sync::relay(Turn& turn) {
  next_relay_ = TimePoint::max();
  struct Peer {
    std::string const* endpoint;
    State* state;
    std::vector<VersionId> ids;
  };
  std::vector<Peer> peers;
  for (auto& [endpoint, state] : states_) {
    if (state.is_here && !state.is_original) peers.push_back({&endpoint, &state, {}});
  }
  turn.random.shuffle(peers);
  auto const free = options_.relay_call_count_max - std::min(relaying_count_, options_.relay_call_count_max);
  bool const must_wait = free == 0 && !peers.empty();
  if (must_wait) {
    next_relay_ = later_by(turn.now.steady, options_.relay_delay);
    return;
  }
  peers.resize(std::min(peers.size(), free));
  std::size_t start = 0;
  for (auto const& rumour : std::exchange(rumours_, {})) {
    // Of a version that is gone, the newer one is told.
    if (!index_.find(rumour.id)) continue;
    auto left = rumour.count;
    for (std::size_t i = 0; i < peers.size() && left > 0; ++i) {
      auto& peer = peers[(start + i) % peers.size()];
      if (peer.ids.size() >= kInventoryIdsMax || peer.state->shown.contains(rumour.id)) continue;
      peer.state->shown.insert(rumour.id);
      peer.ids.push_back(rumour.id);
      --left;
    }
    ++start;
  }
  for (auto& peer : peers) {
    if (!peer.ids.empty()) send_ids(*peer.endpoint, *peer.state, std::move(peer.ids), turn);
  }
}

void Sync::send_ids(std::string const& endpoint, State& state, std::vector<VersionId> ids, Turn& turn) {
  if (state.knows_sync.value_or(true)) {
    ++relaying_count_;
    auto message = inventory(turn);
    message.ids = ids;
    Asked asked{.kind = Kind::inventory, .endpoint = endpoint, .ids = std::move(ids)};
    turn.call_now({Part::sync, remember(std::move(asked))}, endpoint,
                  write_payload(to_json(message), PayloadForm::text));
    return;
  }
  for (auto const& id : ids) {
    auto const* const item = index_.find(id);
    auto const* const order = item ? book_.find(item->order) : nullptr;
    if (!order || relaying_count_ >= options_.relay_call_count_max) continue;
    ++relaying_count_;
    turn.call_now({Part::sync, remember({.kind = Kind::relay, .endpoint = endpoint})}, endpoint,
                  write_payload(to_json(*order), PayloadForm::text));
  }
}

void Sync::on_ids_answered(Asked const& asked, CallAnswer answer, Turn& turn) {
  --relaying_count_;
  if (!answer.error.empty()) {
    for (auto const& id : asked.ids) add_rumour(id, 1, turn);  // another peer is told
    return;
  }
  auto const read = parse_inventory_answer(read_answer(std::move(answer.result)), asked.ids.size());
  if (!read) return;
  for (std::size_t i = 0; i < asked.ids.size(); ++i) {
    if (read->unknown[i]) add_rumour(asked.ids[i], kRelayCount, turn);
  }
}

std::vector<bool> Sync::on_inventory(std::string const& from, std::vector<VersionId> const& ids, Turn& turn) {
  std::vector<bool> out;
  auto* const state = find(from);
  for (auto const& id : ids) {
    bool const is_known = seen_.contains(id) || unwanted_.contains(id) || index_.find(id) != nullptr;
    out.push_back(!is_known && !wanted_.contains(id.position));
    if (!state) continue;
    state->shown.insert(id);
    auto const refused = state->refused.find(id.position);
    bool const is_refused = refused != state->refused.end() && refused->second.version == id.version;
    bool const is_wanted = !is_known && !is_refused && state->is_here && state->miss_count < kMissesMax &&
                           state->false_count < kMissesMax;
    if (is_wanted) (void)want(id.position, false, from, *state);
  }
  if (state) ask_for_records(from, *state, turn);
  return out;
}

// Whole books

void Sync::read(std::string const& endpoint, State& state, Turn& turn) {
  state.is_reading = true;
  ++reading_count_;
  auto const key = remember({.kind = Kind::read, .endpoint = endpoint});
  GetOrderbookMessage const message{self_.header(CreatorType::client, turn.now.wall), true};
  turn.call_now({Part::sync, key}, endpoint, write_payload(to_json(message), PayloadForm::text));
}

Sync::Read Sync::on_read(std::string const& endpoint, State* state, CallAnswer answer, Turn& turn) {
  Read out;
  if (!state) return out;
  out.endpoint = endpoint;
  out.is_original = state->is_original;
  out.is_book = true;
  state->is_reading = false;
  state->was_read = true;
  Result<OrderList> list = MessageErrc::bad_answer;
  if (answer.error.empty()) {
    auto const payload = read_payload(std::move(answer.result));
    if (payload) list = parse_orders(payload->body, options_.order_count_max);
  }
  if (!list) {
    blame(endpoint, turn);
    return out;
  }
  state->interval = state->is_original ? options_.original_reread_interval : options_.reread_interval;
  state->next_read = later_by(turn.now.steady, state->interval);
  out.list = *std::move(list);
  return out;
}

// Reconciliation

void Sync::begin_session(std::string const& endpoint, State& state, Turn& turn) {
  state.is_reading = true;
  ++reading_count_;
  state.session = std::make_unique<Session>(++last_session_, index_, turn.random(), options_.reconciliation);
  state.session->counts.endpoint = endpoint;
  state.session->deadline = later_by(turn.now.steady, options_.session_patience);
  continue_session(endpoint, state, turn);
}

void Sync::end_session(State& state) {
  if (!state.session) return;
  state.lacking.clear();
  state.session.reset();
  state.is_reading = false;
  --reading_count_;
}

/// Nothing that the peer has listed came for a while.
void Sync::give_up_session(std::string const& endpoint, State& state, Turn& turn) {
  bool const is_hanging = !state.session->walk.is_done() || state.queue.size() > kPageSize;
  drop_queue(endpoint, state, turn);
  // A session that is done stays open only because new ids of the peer keep coming.
  if (!is_hanging) return finish_session(endpoint, state, turn);
  state.was_read = true;
  end_session(state);
  blame(endpoint, turn);
}

void Sync::on_reconciled(Asked const& asked, CallAnswer answer, Turn& turn) {
  auto* const state = find(asked.endpoint);
  if (!state || !state->session || state->session->id != asked.session) return;
  auto& session = *state->session;
  --session.call_count;
  auto const fail = [&] {
    state->was_read = true;
    end_session(*state);
    blame(asked.endpoint, turn);
  };
  if (!answer.error.empty()) {
    auto const refusal = parse_refusal(answer.error);
    bool const is_older =
        refusal && refusal->code == RefusalCode::invalid && !state->knows_sync.value_or(false);
    if (is_older) {
      state->knows_sync = false;
      end_session(*state);
      return read(asked.endpoint, *state, turn);
    }
    if (refusal || ++session.failure_count > kSessionFailuresMax) return fail();
    session.walk.retry(asked.reconcile);
    return continue_session(asked.endpoint, *state, turn);
  }
  auto const nodes = parse_reconcile_answer(read_answer(std::move(answer.result)), asked.reconcile);
  if (!nodes) return fail();
  state->knows_sync = true;
  session.walk.on_answer(asked.reconcile, *nodes);
  continue_session(asked.endpoint, *state, turn);
}

void Sync::take_differences(std::string const& endpoint, State& state, Turn& turn) {
  auto& session = *state.session;
  if (later_by(state.held_since, kHeldAge) <= turn.now.steady) {
    state.held.clear();  // it may take now what it had no room or time for
    state.held_since = turn.now.steady;
  }
  if (later_by(state.refused_since, kRefusedAge) <= turn.now.steady) {
    state.refused.clear();
    state.refused_since = turn.now.steady;
  }
  for (auto const& wanted : session.walk.take_wanted()) {
    session.has_found = true;
    auto const refused = state.refused.find(wanted.position);
    if (refused != state.refused.end() && refused->second.rank == wanted.rank) continue;
    // Another peer is asked for it already.
    auto const known = wanted_.find(wanted.position);
    if (known != wanted_.end() && known->second.from != endpoint) session.is_useful = true;
    (void)want(wanted.position, true, endpoint, state);
  }
  for (auto& order : session.walk.take_ours()) {
    session.has_found = true;
    state.lacking.push_back(std::move(order));
  }
}

void Sync::continue_session(std::string const& endpoint, State& state, Turn& turn) {
  if (!state.session) return;
  auto& session = *state.session;
  take_differences(endpoint, state, turn);
  while (session.call_count < kReconcileCallsMax) {
    auto message = session.walk.next();
    if (!message) break;
    message->header = self_.header(CreatorType::client, turn.now.wall);
    message->endpoint = self_.endpoint;
    auto body = write_payload(to_json(*message), PayloadForm::text);
    ++session.call_count;
    auto const key = remember({.kind = Kind::reconcile,
                               .endpoint = endpoint,
                               .session = session.id,
                               .reconcile = *std::move(message)});
    turn.call_now({Part::sync, key}, endpoint, std::move(body));
  }
  ask_for_records(endpoint, state, turn);
  if (!session.walk.is_done()) return;
  push(endpoint, state, turn);
  bool const is_over = state.queue.empty() && state.record_call_count == 0 && state.push_count == 0;
  if (is_over) finish_session(endpoint, state, turn);
}

void Sync::finish_session(std::string const& endpoint, State& state, Turn& turn) {
  auto const session = std::move(state.session);
  state.is_reading = false;
  --reading_count_;
  state.was_read = true;
  if (session->counts.order_count > 0 || session->counts.dropped_count > 0) turn.log(session->counts);
  bool const is_equal = !session->walk.has_difference();
  // It says that its set differs, but not in what.
  bool const is_lie = session->walk.is_endless() || (!is_equal && !session->has_found);
  if (is_lie || (session->walk.is_cut() && !session->is_useful)) {
    state.next_read = later_by(turn.now.steady, jittered(options_.reread_interval, turn));
    return add_miss(endpoint, state, turn);
  }
  if (is_equal || session->is_useful) {
    state.miss_count = state.false_count = 0;
    state.interval = options_.reread_interval;
  } else {
    auto const longest = std::max(options_.reread_interval, options_.interval_max / kUselessPart);
    state.interval = std::clamp(2 * state.interval, options_.reread_interval, longest);
  }
  bool const goes_on = session->walk.is_cut() && session->counts.new_count >= kManyRecords;
  auto const pause = goes_on ? Duration{} : jittered(state.interval, turn);
  state.next_read = later_by(turn.now.steady, pause);
}

void Sync::handle(RequestId request, PayloadForm form, ReconcileMessage const& message, Turn& turn) {
  auto const nodes = reconcile(index_, message);
  auto* const state = find(message.endpoint);
  bool const differs = nodes.front().kind != ReconcileNode::Kind::equal;
  if (state && differs) state->asks_us_until = later_by(turn.now.steady, kAskingTime);
  turn.reply_now(request, write_payload(reconcile_answer_to_json(nodes, message.length), form));
}

// Records

bool Sync::want(OrderPosition position, bool is_listed, std::string const& endpoint, State& state) {
  auto const [entry, is_new] = wanted_.try_emplace(position);
  auto& wanted = entry->second;
  if (!is_new) {
    bool const is_told =
        wanted.from == endpoint || std::ranges::find(wanted.others, endpoint) != wanted.others.end();
    if (!is_told && wanted.others.size() < kOthersMax) wanted.others.push_back(endpoint);
    return false;
  }
  // One peer has at most half of the room.
  if (wanted_.size() > options_.wanted_count_max || 2 * state.queue.size() >= options_.wanted_count_max) {
    wanted_.erase(entry);
    return true;
  }
  wanted.from = endpoint;
  wanted.is_listed = is_listed;
  state.queue.push_back(position);
  return true;
}

void Sync::ask_for_records(std::string const& endpoint, State& state, Turn& turn) {
  while (state.is_here && state.record_call_count < options_.record_call_count_max && !state.queue.empty()) {
    GetRecordsMessage message;
    while (!state.queue.empty() && message.positions.size() < kPageSize) {
      auto const position = state.queue.front();
      state.queue.pop_front();
      auto const wanted = wanted_.find(position);
      if (wanted != wanted_.end() && wanted->second.from == endpoint) message.positions.push_back(position);
    }
    if (message.positions.empty()) return;
    message.header = self_.header(CreatorType::client, turn.now.wall);
    ++state.record_call_count;
    auto const deadline = later_by(turn.now.steady, options_.record_timeout);
    auto const key = remember(
        {.kind = Kind::records, .endpoint = endpoint, .positions = message.positions, .deadline = deadline});
    record_deadlines_.emplace(deadline, key);
    // The answer has the form of the request; records as text in text would be quoted and parsed twice.
    auto const form = state.knows_sync.value_or(false) ? PayloadForm::object : PayloadForm::text;
    turn.call_now({Part::sync, key}, endpoint, write_payload(to_json(message), form));
  }
}

void Sync::handle(RequestId request, PayloadForm form, GetRecordsMessage const& message, Turn& turn) {
  std::vector<json::Value> orders;
  bool has_own = false;
  std::size_t done = 0;
  std::size_t bytes = 0;
  for (auto const position : message.positions) {
    if (bytes >= kAnsweredBytesMax || orders.size() + kSamePositionMax > kRecordsMax) break;
    ++done;
    auto const [first, last] = index_.under(position, kPositionDigits);
    std::size_t found = 0;
    std::vector<OrderKey> gone;
    for (auto it = first; it != last && found < kSamePositionMax; ++it) {
      auto const* const order = book_.find(it->second.order);
      if (!order) gone.push_back(it->second.order);
      if (!order || order->expires <= turn.now.wall) continue;
      ++found;
      bytes += size_of(*order);
      has_own = has_own || order->maker == self_.id;
      orders.push_back(to_json(*order));
    }
    // The book may have dropped it; it is not to be listed again.
    for (auto const& key : gone) index_.erase(key);
  }
  auto answer =
      write_payload(records_answer_to_json(std::move(orders), message.positions.size() - done), form);
  // An answer with own versions waits until their rows are durable; versions of others promise nothing.
  if (has_own) return turn.reply(request, std::move(answer));
  turn.reply_now(request, std::move(answer));
}

Sync::Read Sync::on_records(Asked& asked, CallAnswer answer, Turn& turn) {
  auto* const state = find(asked.endpoint);
  if (state) --state->record_call_count;
  Result<RecordsAnswer> read = MessageErrc::bad_answer;
  if (answer.error.empty()) {
    read = parse_records_answer(read_answer(std::move(answer.result)), asked.positions.size());
  }
  if (!state || !read) {
    for (auto const position : asked.positions) fail_over(position, asked.endpoint, turn);
    if (!state) return {};
    if (!parse_refusal(answer.error)) add_miss(asked.endpoint, *state, turn);
    ask_for_records(asked.endpoint, *state, turn);
    continue_session(asked.endpoint, *state, turn);
    return {};
  }
  if (!state->is_here) {
    for (auto const position : asked.positions) fail_over(position, asked.endpoint, turn);
    read->left = 0;
  }
  auto const looked_up = asked.positions.size() - read->left;
  for (auto i = asked.positions.size(); i-- > looked_up;) state->queue.push_front(asked.positions[i]);
  asked.positions.resize(looked_up);
  return {asked.endpoint, false, false, std::move(read->list), std::move(asked.positions)};
}

void Sync::record_offered(std::string const& endpoint, OrderRecord const& order, Result<Added> const& added) {
  auto* const state = find(endpoint);
  if (!state || !order.maker) return;
  auto const id = version_of(order);
  state->shown.insert(id);
  if (state->session) ++state->session->counts.order_count;
  if (!added) {
    if (state->session) ++state->session->counts.dropped_count;
    // Another peer may have one that its maker has signed.
    if (added.error() == BookErrc::bad_signature || added.error() == BookErrc::busy) return;
    if (state->refused.size() < kRefusedMax) state->refused[id.position] = {version_rank(order), id.version};
  }
  state->held.insert(id);
  auto const wanted = wanted_.find(id.position);
  bool const was_listed = wanted != wanted_.end() && wanted->second.is_listed;
  if (wanted != wanted_.end()) wanted_.erase(wanted);
  if (!added) return;
  if (*added != Added::nothing) {
    state->miss_count = 0;
    if (!state->session) return;
    state->session->is_useful = true;
    ++state->session->counts.new_count;
    state->session->is_progress = state->session->is_progress || was_listed;
    return;
  }
  // Its version is older than ours, though its rank was not.
  auto const* const known = book_.find(key_of(order));
  if (known && version_of(*known) != id) state->lacking.push_back(key_of(order));
}

void Sync::records_done(Read const& read, Turn& turn) {
  auto* const state = find(read.endpoint);
  if (!state) {
    for (auto const position : read.asked) fail_over(position, read.endpoint, turn);
    return;
  }
  if (state->session && std::exchange(state->session->is_progress, false)) {
    state->session->deadline = later_by(turn.now.steady, options_.session_patience);
  }
  std::size_t missing = 0;
  bool is_listed = false;
  for (auto const position : read.asked) {
    auto const wanted = wanted_.find(position);
    if (wanted == wanted_.end() || wanted->second.from != read.endpoint) continue;
    ++missing;
    is_listed = is_listed || wanted->second.is_listed;
    fail_over(position, read.endpoint, turn);
  }
  if (state->session) state->session->counts.dropped_count += read.list.dropped;
  if (missing > 0 && missing == read.asked.size()) {
    if (is_listed) {
      add_miss(read.endpoint, *state, turn);
    } else {
      if (++state->false_count >= kMissesMax) drop_queue(read.endpoint, *state, turn);
    }
  }
  ask_for_records(read.endpoint, *state, turn);
  if (!state->session) return push(read.endpoint, *state, turn);
  continue_session(read.endpoint, *state, turn);
}

void Sync::fail_over(OrderPosition position, std::string const& from, Turn& turn) {
  auto const found = wanted_.find(position);
  if (found == wanted_.end() || found->second.from != from) return;
  auto& wanted = found->second;
  while (!wanted.others.empty()) {
    wanted.from = std::move(wanted.others.front());
    wanted.is_listed = false;
    wanted.others.erase(wanted.others.begin());
    auto* const state = find(wanted.from);
    if (!state || !state->is_here) continue;
    state->queue.push_back(position);
    return ask_for_records(std::string{wanted.from}, *state, turn);
  }
  wanted_.erase(found);
}

void Sync::add_miss(std::string const& endpoint, State& state, Turn& turn) {
  if (++state.miss_count < kMissesMax) return;
  blame(endpoint, turn);
  drop_queue(endpoint, state, turn);
}

void Sync::expire_record_calls(Turn& turn) {
  while (!record_deadlines_.empty() && record_deadlines_.begin()->first <= turn.now.steady) {
    auto const key = record_deadlines_.extract(record_deadlines_.begin()).value().second;
    auto const asked = asked_.find(key);
    if (asked == asked_.end()) continue;
    // Its answer is still read if it comes.
    auto const endpoint = asked->second.endpoint;
    auto const positions = asked->second.positions;
    for (auto const position : positions) fail_over(position, endpoint, turn);
    if (auto* const state = find(endpoint)) add_miss(endpoint, *state, turn);
  }
}

void Sync::drop_queue(std::string const& endpoint, State& state, Turn& turn) {
  for (auto const position : std::exchange(state.queue, {})) fail_over(position, endpoint, turn);
}

void Sync::push(std::string const& endpoint, State& state, Turn& turn) {
  // It takes by itself what it lacks.
  bool const takes_itself = state.asks_us_until > turn.now.steady || !state.is_here;
  if (takes_itself && !state.lacking.empty()) {
    if (state.session) state.session->is_useful = true;
    state.lacking.clear();
  }
  while (state.push_count < kPushCallsMax && !state.lacking.empty()) {
    Asked asked{.kind = Kind::push, .endpoint = endpoint};
    auto message = inventory(turn);
    bool const has_own = fill(message, state.lacking, &state, asked, turn.now.wall);
    if (message.orders.empty()) return;
    ++state.push_count;
    if (state.session) asked.session = state.session->id;
    CallTag const tag{Part::sync, remember(std::move(asked))};
    // An own version may only leave when it is durable.
    if (has_own) {
      turn.call(tag, endpoint, write_payload(to_json(message), PayloadForm::text));
    } else {
      turn.call_now(tag, endpoint, write_payload(to_json(message), PayloadForm::text));
    }
  }
}

void Sync::on_pushed(Asked const& asked, CallAnswer answer, Turn& turn) {
  auto* const state = find(asked.endpoint);
  if (!state) return;
  --state->push_count;
  auto* const session = state->session.get();
  auto const read = answer.error.empty() ? parse_inventory_answer(read_answer(std::move(answer.result)), 0)
                                         : Result<InventoryAnswer>{MessageErrc::bad_answer};
  if (read) {
    for (auto const& id : asked.ids) state->held.insert(id);
    bool const was_taken = read->refused < asked.ids.size();
    if (was_taken && session && session->id == asked.session) session->is_useful = true;
    push(asked.endpoint, *state, turn);
  } else {
    state->lacking.clear();  // left to the next reconciliation
  }
  continue_session(asked.endpoint, *state, turn);
}

// Answers and time

Sync::Read Sync::on_answered(std::uint64_t key, CallAnswer answer, Turn& turn) {
  auto entry = asked_.extract(key);
  if (entry.empty()) return {};
  auto& asked = entry.mapped();
  switch (asked.kind) {
    case Kind::relay:
      --relaying_count_;
      return {};
    case Kind::read:
      --reading_count_;
      return on_read(asked.endpoint, find(asked.endpoint), std::move(answer), turn);
    case Kind::tell:
      on_told(asked, answer, turn);
      return {};
    case Kind::reconcile:
      on_reconciled(asked, std::move(answer), turn);
      return {};
    case Kind::records:
      record_deadlines_.erase({asked.deadline, key});
      return on_records(asked, std::move(answer), turn);
    case Kind::inventory:
      on_ids_answered(asked, std::move(answer), turn);
      return {};
    case Kind::push:
      on_pushed(asked, std::move(answer), turn);
      return {};
  }
  return {};
}

void Sync::blame(std::string const& endpoint, Turn& turn) {
  auto* const state = find(endpoint);
  if (!state) return;
  state->interval = std::max(options_.reread_interval, std::min(2 * state->interval, options_.interval_max));
  state->next_read = later_by(turn.now.steady, state->interval);
}

void Sync::expire(Turn& turn) {
  for (auto& [endpoint, state] : states_) {
    bool const tells =
        state.is_here && !state.is_telling && !state.untold.empty() && state.next_tell <= turn.now.steady;
    if (tells) tell(endpoint, state, turn);
    if (state.session && state.session->deadline <= turn.now.steady) give_up_session(endpoint, state, turn);
  }
  expire_record_calls(turn);
  if (later_by(unwanted_since_, kRefusedAge) <= turn.now.steady) {
    unwanted_.clear();
    unwanted_since_ = turn.now.steady;
  }
  for (auto const& key : maker_rates_.due(turn.now.steady)) {
    auto const* const order = book_.find(key);
    if (order && index_.find(key)) add_rumour(version_of(*order), kRelayCount, turn);
  }
  if (next_relay_ <= turn.now.steady) relay(turn);
  while (reading_count_ < options_.read_count_max) {
    auto const first = std::ranges::min_element(states_, {}, [](auto const& each) {
      bool const is_ready = each.second.is_here && !each.second.is_reading;
      return is_ready ? each.second.next_read : TimePoint::max();
    });
    if (first == states_.end() || !first->second.is_here || first->second.is_reading ||
        first->second.next_read > turn.now.steady) {
      return;
    }
    auto& [endpoint, state] = *first;
    if (state.is_original || !state.knows_sync.value_or(true)) {
      read(endpoint, state, turn);
    } else {
      begin_session(endpoint, state, turn);
    }
  }
}

TimePoint Sync::next_expiry() const {
  auto next = std::min(next_relay_, maker_rates_.next_expiry());
  if (!record_deadlines_.empty()) next = std::min(next, record_deadlines_.begin()->first);
  for (auto const& [endpoint, state] : states_) {
    if (!state.is_here) continue;
    if (state.session) next = std::min(next, state.session->deadline);
    if (!state.is_reading && reading_count_ < options_.read_count_max) next = std::min(next, state.next_read);
    if (!state.is_telling && !state.untold.empty()) next = std::min(next, state.next_tell);
  }
  return next;
}

bool Sync::all_read() const {
  return std::ranges::all_of(states_,
                             [](auto const& each) { return !each.second.is_here || each.second.was_read; });
}

bool Sync::is_read(std::string_view endpoint) const {
  auto const found = states_.find(endpoint);
  return found != states_.end() && found->second.was_read;
}

}  // namespace grenache::exchange
