// Peers alone: its tests answer its calls.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "exchange/core/network/peers.hpp"
#include "exchange/journal/memory_journal.hpp"
#include "tests/support/sample_orders.hpp"

namespace grenache::exchange::test {

class PeersFixture : public testing::Test {
 protected:
  /// The calls that `body` makes.
  template <class Body>
  std::vector<output::Call> in_turn(Body body) {
    Turn turn{now_, random_, calls_};
    body(turn);
    std::deque<Output> out;
    std::move(turn).close(positions_, out);
    std::vector<output::Call> calls;
    for (auto& each : out) {
      if (auto* const call = std::get_if<output::Call>(&each)) calls.push_back(std::move(*call));
      if (auto* const save = std::get_if<output::Save>(&each)) rows_.apply(save->batch);
      if (auto* const reply = std::get_if<output::Reply>(&each)) replies_.push_back(std::move(*reply));
      if (auto* const answer = std::get_if<output::Answer>(&each)) answers_.push_back(std::move(*answer));
      if (auto* const notice = std::get_if<output::Notice>(&each)) events_.push_back(notice->event);
    }
    return calls;
  }
  void find(std::string const& endpoint, ContactSource source = ContactSource::dht) {
    auto const pings = in_turn([&](Turn& turn) { peers_.found({endpoint}, source, turn); });
    if (!pings.empty()) ping_ = pings.back();
  }
  /// A pong of Bob, whose proof names `endpoint`.
  static PingPongMessage pong_of_bob(PingNonce const& nonce, std::string endpoint) {
    PingPongMessage pong{{1, CreatorType::server, samples::kNow}, true, {}, "other", "Bob", {}, {}};
    sign_pong(pong, nonce, std::move(endpoint), samples::secret(2));
    return pong;
  }
  static PingNonce nonce_of(output::Call const& ping) {
    auto const request = read_payload(ping.payload);
    auto const nonce = PingNonce::from_hex(*request->body.find_string("nonce"));
    EXPECT_TRUE(nonce);
    return nonce.value_or(PingNonce{});
  }
  Peers::Outcome answer(CallAnswer answer) {
    Peers::Outcome out;
    auto const tag = ping_ ? calls_.remove(ping_->call) : std::nullopt;
    EXPECT_TRUE(tag);
    ping_.reset();
    if (tag) in_turn([&](Turn& turn) { out = peers_.on_answered(tag->key, std::move(answer), turn); });
    return out;
  }
  void refuse_ping() { answer({{}, "nobody there"}); }
  Peers::Outcome answer_ping(PingPongMessage const& pong) { return answer({to_json(pong), {}}); }
  void prove() { answer_ping(pong_of_bob(nonce_of(*ping_), std::string{ping_->endpoint})); }
  void pong_without_proof() {
    answer_ping({{1, CreatorType::server, samples::kNow},
                 true,
                 samples::secret(2).public_key(),
                 "other",
                 "Bob",
                 {},
                 {}});
  }
  bool is_proven(std::string_view endpoint) const {
    auto const* const contact = peers_.find(endpoint);
    return contact && contact->is_proven;
  }
  bool is_kept(std::string_view endpoint) const {
    auto const* const contact = peers_.find(endpoint);
    return contact && contact->is_kept;
  }
  std::vector<std::string> expire_after(Duration time) {
    now_.steady = later_by(now_.steady, time);
    std::vector<std::string> forgotten;
    auto const pings = in_turn([&](Turn& turn) { forgotten = peers_.expire(turn); });
    if (!pings.empty()) ping_ = pings.back();
    return forgotten;
  }
  static Peers::Options options() {
    Peers::Options out;
    out.contact_count_max = 4;
    out.kept_count_max = 2;
    out.named_by_peers_max = 3;
    out.named_by_one_max = 1;
    return out;
  }

  Now now_{TimePoint{} + std::chrono::hours{1}, samples::kNow};
  Random random_{1};
  CallTable calls_;
  RowTable rows_;
  TurnPositions positions_;
  Self self_{samples::secret(1), samples::secret(1).public_key(), "Alice", "this", "127.0.0.1:1", 1};
  Book book_{{}};
  Heartbeats heartbeats_{{}, self_, book_};
  Peers peers_{options(), self_, heartbeats_};
  std::vector<output::Reply> replies_;
  std::vector<output::Answer> answers_;
  std::vector<Event> events_;
  std::optional<output::Call> ping_;  // the last one, until it is answered
};

}  // namespace grenache::exchange::test
