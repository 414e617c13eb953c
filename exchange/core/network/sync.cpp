#include "exchange/core/network/sync.hpp"

#include <algorithm>
#include <utility>

#include "exchange/messages/message.hpp"

namespace grenache::exchange {

void Sync::met(std::string const& endpoint, bool is_original, Turn& turn) {
  auto& state = states_[endpoint];
  state.is_here = true;
  state.is_original = is_original;
  // A peer of the original reads books only when it starts.
  if (is_original) {
    for (auto const& order : book_.live(turn.now.wall)) {
      if (order.maker == self_.id) add_untold(state, key_of(order));
    }
  }
  state.next_read = state.next_tell = turn.now.steady;
  expire(turn);
}

void Sync::lost(std::string const& endpoint) {
  auto const found = states_.find(endpoint);
  if (found != states_.end()) found->second.is_here = false;
}

void Sync::forget(std::string const& endpoint) { states_.erase(endpoint); }

void Sync::add_untold(State& state, OrderKey const& key) const {
  // What is beyond the limit is left to the next reading of our book.
  if (state.untold.size() < options_.untold_count_max) state.untold.insert(key);
}

void Sync::spread(OrderRecord const& order, bool is_own, std::string const& from, Turn& turn) {
  if (!order.is_signed()) return;
  if (is_own) {
    for (auto& [endpoint, state] : states_) {
      add_untold(state, key_of(order));
      if (state.is_here && !state.is_telling) tell(endpoint, state, turn);
    }
    return;
  }
  std::vector<std::string const*> others;
  for (auto const& [endpoint, state] : states_) {
    if (state.is_here && !state.is_original && endpoint != from && endpoint != order.endpoint) {
      others.push_back(&endpoint);
    }
  }
  turn.random.shuffle(others);
  others.resize(std::min(others.size(), options_.relay_count));
  for (auto const* const endpoint : others) {
    if (relaying_count_ >= options_.relay_call_count_max) return;
    ++relaying_count_;
    send(Kind::relay, *endpoint, order, turn);
  }
}

void Sync::send(Kind kind, std::string const& endpoint, OrderRecord const& order, Turn& turn) {
  asked_.emplace(++last_key_, Asked{kind, endpoint, key_of(order)});
  auto payload = write_payload(to_json(order), PayloadForm::text);
  // An own version may only leave when it is durable; others' versions are no promise of ours.
  if (kind == Kind::tell) {
    turn.call({Part::sync, last_key_}, endpoint, std::move(payload));
  } else {
    turn.call_now({Part::sync, last_key_}, endpoint, std::move(payload));
  }
}

void Sync::tell(std::string const& endpoint, State& state, Turn& turn) {
  while (!state.untold.empty()) {
    auto const key = state.untold.extract(state.untold.begin()).value();
    auto const* const order = book_.find(key);
    // The original knows no closed orders, and keeps the first version of each.
    bool const is_heard = order && (!state.is_original || order->is_live(turn.now.wall));
    if (!is_heard) continue;
    state.is_telling = true;
    return send(Kind::tell, endpoint, *order, turn);
  }
}

void Sync::read(std::string const& endpoint, State& state, Turn& turn) {
  state.is_reading = true;
  ++reading_count_;
  asked_.emplace(++last_key_, Asked{Kind::read, endpoint, {}});
  GetOrderbookMessage const message{self_.header(CreatorType::client, turn.now.wall), true};
  turn.call_now({Part::sync, last_key_}, endpoint, write_payload(to_json(message), PayloadForm::text));
}

Sync::Read Sync::on_answered(std::uint64_t key, CallAnswer answer, Turn& turn) {
  auto asked = asked_.extract(key);
  if (asked.empty()) return {};
  auto& [kind, endpoint, order] = asked.mapped();
  auto const found = states_.find(endpoint);
  auto* const state = found == states_.end() ? nullptr : &found->second;
  switch (kind) {
    case Kind::relay:
      --relaying_count_;
      return {};
    case Kind::read:
      --reading_count_;
      return on_read(endpoint, state, std::move(answer), turn);
    case Kind::tell:
      break;
  }
  if (!state) return {};
  state->is_telling = false;
  // A refusal is an answer: telling it again would change nothing.
  if (!answer.error.empty() && !parse_refusal(answer.error)) {
    add_untold(*state, order);
    state->next_tell = later_by(turn.now.steady, options_.retry);
  } else if (state->is_here) {
    tell(endpoint, *state, turn);
  }
  return {};
}

Sync::Read Sync::on_read(std::string const& endpoint, State* state, CallAnswer answer, Turn& turn) {
  Read out;
  out.endpoint = endpoint;
  if (!state) return out;
  out.is_original = state->is_original;
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

void Sync::blame(std::string const& endpoint, Turn& turn) {
  auto const found = states_.find(endpoint);
  if (found == states_.end()) return;
  auto& state = found->second;
  state.interval = std::max(options_.reread_interval, std::min(2 * state.interval, options_.interval_max));
  state.next_read = later_by(turn.now.steady, state.interval);
}

void Sync::expire(Turn& turn) {
  for (auto& [endpoint, state] : states_) {
    if (state.is_here && !state.is_telling && state.next_tell <= turn.now.steady) tell(endpoint, state, turn);
  }
  while (reading_count_ < options_.read_count_max) {
    auto const first = std::ranges::min_element(states_, {}, [](auto const& each) {
      bool const is_ready = each.second.is_here && !each.second.is_reading;
      return is_ready ? each.second.next_read : TimePoint::max();
    });
    if (first == states_.end() || !first->second.is_here || first->second.is_reading ||
        first->second.next_read > turn.now.steady) {
      return;
    }
    read(first->first, first->second, turn);
  }
}

TimePoint Sync::next_expiry() const {
  auto next = TimePoint::max();
  for (auto const& [endpoint, state] : states_) {
    if (!state.is_here) continue;
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
