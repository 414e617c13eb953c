// Which contacts are forgotten, and that others hear of it.
#include "exchange/core/network/peers.hpp"

#include <deque>

#include <gtest/gtest.h>

#include "tests/support/sample_orders.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;

class PeersTest : public testing::Test {
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
    }
    return calls;
  }
  void find(std::string const& endpoint) {
    auto const pings = in_turn([&](Turn& turn) { peers_.found({endpoint}, ContactSource::dht, turn); });
    ASSERT_EQ(pings.size(), 1u);
    ping_ = pings[0].call;
  }
  void answer_ping(bool answers) {
    CallAnswer answer{{}, answers ? "" : "nobody there"};
    PingPongMessage const pong{
        {1, CreatorType::server, samples::kNow}, true, samples::secret(2).public_key(), "other", "Bob"};
    if (answers) answer.result = to_json(pong);
    auto const tag = calls_.remove(ping_);
    ASSERT_TRUE(tag);
    in_turn([&](Turn& turn) { (void)peers_.on_answered(tag->key, answer, turn); });
  }
  std::vector<std::string> expire_after(Duration time) {
    now_.steady = later_by(now_.steady, time);
    std::vector<std::string> forgotten;
    auto const pings = in_turn([&](Turn& turn) { forgotten = peers_.expire(turn); });
    if (!pings.empty()) ping_ = pings[0].call;
    return forgotten;
  }
  static Peers::Options options() {
    Peers::Options out;
    out.contact_count_max = 1;
    return out;
  }

  Now now_{TimePoint{} + 1h, samples::kNow};
  Random random_{1};
  CallTable calls_;
  TurnPositions positions_;
  Self self_{samples::secret(1), samples::secret(1).public_key(), "Alice", "this", "127.0.0.1:1", 1};
  Peers peers_{options(), self_};
  CallId ping_ = 0;
};

TEST_F(PeersTest, aContactThatAnsweredAndFellSilentIsForgottenAloud) {
  find("127.0.0.1:2");
  answer_ping(true);
  EXPECT_EQ(peers_.met().size(), 1u);
  EXPECT_TRUE(expire_after(1min).empty());
  answer_ping(false);
  EXPECT_TRUE(peers_.met().empty());
  EXPECT_EQ(expire_after(2min), std::vector<std::string>{"127.0.0.1:2"});
  EXPECT_TRUE(peers_.all().empty());
}

TEST_F(PeersTest, aContactThatMadeRoomIsForgottenAloud) {
  find("127.0.0.1:2");
  answer_ping(false);
  find("127.0.0.1:3");
  EXPECT_FALSE(peers_.find("127.0.0.1:2"));
  EXPECT_EQ(expire_after(0s), std::vector<std::string>{"127.0.0.1:2"});
  EXPECT_TRUE(expire_after(0s).empty());
}

}  // namespace
}  // namespace grenache::exchange
