#include "exchange/core/network/heartbeats.hpp"

#include <iterator>
#include <set>

#include <gtest/gtest.h>

#include "tests/support/trader_network.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using test::TraderNetwork;
using Node = TraderNetwork::Node;

class HeartbeatsTest : public testing::Test {
 protected:
  explicit HeartbeatsTest(Heartbeats::Options options = {}) : heartbeats_{options, self_, book_} {
    now_.steady = TimePoint{} + 24h;
  }
  template <class Body>
  void in_turn(Body body) {
    Turn turn{now_, random_, calls_};
    body(turn);
  }
  static PeerId maker(std::uint64_t key) { return samples::secret(key).public_key(); }
  /// The book gets an order of a maker.
  void add(std::uint64_t key, milliseconds age = 0ms) {
    auto order = samples::draft(key, Side::sell);
    order.created = now_.wall - age;
    order.expires = now_.wall + 24h;
    EXPECT_TRUE(book_.add(samples::signed_by(key, order), now_.wall).has_value());
    in_turn([&](Turn& turn) { EXPECT_FALSE(heartbeats_.add(maker(key), order.created, turn)); });
  }
  Heartbeat beat(std::uint64_t key, milliseconds age = 0ms) {
    return sign_heartbeat(samples::secret(key), now_.wall - age);
  }
  std::vector<PeerId> learn(std::vector<Heartbeat> const& heartbeats) {
    std::vector<PeerId> out;
    in_turn([&](Turn& turn) { out = heartbeats_.learn(heartbeats, turn); });
    return out;
  }
  std::vector<PeerId> wanted() {
    std::vector<PeerId> out;
    in_turn([&](Turn& turn) { out = heartbeats_.wanted(turn); });
    return out;
  }
  std::vector<Heartbeat> answer(std::vector<PeerId> const& makers) {
    std::vector<Heartbeat> out;
    in_turn([&](Turn& turn) { out = heartbeats_.answer(makers, turn); });
    return out;
  }
  Heartbeats::Changes live(milliseconds time) {
    Heartbeats::Changes out;
    now_.wall += time;
    now_.steady += time;
    in_turn([&](Turn& turn) { out = heartbeats_.expire(turn); });
    return out;
  }

  Now now_{{}, samples::kNow};
  Self self_{samples::secret(99), samples::secret(99).public_key(), "Alice", "this", "127.0.0.1:1", 1};
  Book book_{{}};
  Heartbeats heartbeats_;

 private:
  Random random_{1};
  CallTable calls_;
};

TEST_F(HeartbeatsTest, aMakerIsSilentAQuarterOfAnHourAfterItsLastSignOfLife) {
  add(1);
  EXPECT_TRUE(learn({beat(1)}).empty());
  EXPECT_TRUE(live(15min - 1ms).silent.empty());
  EXPECT_EQ(live(30s).silent, std::vector{maker(1)});
  EXPECT_TRUE(live(30s).silent.empty()) << "it is told once";
  EXPECT_EQ(learn({beat(1)}), std::vector{maker(1)});
  EXPECT_TRUE(learn({beat(1, -1ms)}).empty()) << "it is back once";
}

TEST_F(HeartbeatsTest, aMakerThatHasNeverGivenOneIsNotSilent) {
  add(1);
  EXPECT_TRUE(live(10h).silent.empty());
}

TEST_F(HeartbeatsTest, anOldOneRevivesNobody) {
  add(1);
  (void)learn({beat(1)});
  auto const kept_back = beat(1, -1min);
  EXPECT_EQ(live(16min).silent.size(), 1u);
  EXPECT_TRUE(learn({kept_back}).empty()) << "it is 15 minutes old";
  EXPECT_TRUE(learn({beat(1, 15min)}).empty());
  EXPECT_EQ(learn({beat(1, 15min - 1ms)}).size(), 1u);
}

TEST_F(HeartbeatsTest, aNewOrderIsASignOfLife) {
  add(1);
  (void)learn({beat(1)});
  EXPECT_EQ(live(16min).silent.size(), 1u);
  in_turn([&](Turn& turn) {
    EXPECT_FALSE(heartbeats_.add(maker(1), now_.wall - 15min, turn));
    EXPECT_TRUE(heartbeats_.add(maker(1), now_.wall - 14min, turn));
  });
}

TEST_F(HeartbeatsTest, onlyTheMakerCanSignOneAndNotForLater) {
  add(1);
  add(2);
  auto forged = beat(2);
  forged.maker = maker(1);
  auto moved = beat(1);
  moved.at += 1ms;
  auto const early = beat(1, -20min - 1ms);
  for (auto const& each : {forged, moved, early}) EXPECT_TRUE(learn({each}).empty());
  EXPECT_TRUE(learn({forged, beat(2)}).empty());
  EXPECT_EQ(answer({maker(1), maker(2)}).size(), 1u)
      << "none is known but the own one: a forger is not read on";
  (void)learn({beat(1, -20min)});
  EXPECT_EQ(answer({maker(1)}).size(), 2u);
}

TEST_F(HeartbeatsTest, thoseOfStrangersAreNotKept) {
  (void)learn({beat(7)});
  EXPECT_EQ(heartbeats_.size(), 0u);
  EXPECT_EQ(answer({maker(7)}).size(), 1u);
}

TEST_F(HeartbeatsTest, theOwnOneIsSignedEveryMinute) {
  auto const first = answer({}).at(0);
  EXPECT_EQ(first.maker, self_.id);
  EXPECT_TRUE(is_genuine(first));
  (void)live(1min - 1ms);
  EXPECT_EQ(answer({}).at(0), first);
  (void)live(1ms);
  EXPECT_EQ(answer({}).at(0).at, now_.wall);
  now_.wall -= 1h;
  EXPECT_EQ(answer({}).at(0).at, now_.wall) << "the clock was set back";
}

TEST_F(HeartbeatsTest, asksForMakersOfWhichNothingWasHeard) {
  add(1);
  add(2, 5min);
  EXPECT_EQ(wanted(), std::vector{maker(2)});
  (void)learn({beat(2)});
  EXPECT_TRUE(wanted().empty());
  (void)live(5min - 1ms);
  EXPECT_TRUE(wanted().empty());
  (void)live(1ms);
  EXPECT_EQ(wanted().size(), 2u);
}

TEST_F(HeartbeatsTest, asksForAFewAtATimeAndForAllInTurn) {
  for (std::uint64_t key = 1; key <= 70; ++key) add(key);
  for (std::uint64_t key = 1; key <= 20; ++key) (void)learn({beat(key)});
  EXPECT_EQ(live(16min).silent.size(), 20u);
  auto asked = wanted();
  EXPECT_EQ(asked.size(), Heartbeats::kWantedMax);
  std::ranges::move(wanted(), std::back_inserter(asked));
  EXPECT_EQ((std::set<PeerId>{asked.begin(), asked.end()}.size()), 70u);
  for (std::uint64_t key = 1; key <= 70; ++key) (void)learn({beat(key)});
  EXPECT_EQ(answer(std::vector(70, maker(1))).size(), kHeartbeatsMax);
}

TEST_F(HeartbeatsTest, makersThatGiveNoneTakeNoPlaceFromOthers) {
  for (std::uint64_t key = 1; key <= 500; ++key) add(key, 1h);
  add(1'001);
  (void)learn({beat(1'001)});
  EXPECT_EQ(live(16min).silent.size(), 1u);
  add(1'002);
  (void)learn({beat(1'002)});
  (void)live(5min);
  for (int i = 0; i < 3; ++i) {
    auto const asked = wanted();
    EXPECT_NE(std::ranges::find(asked, maker(1'001)), asked.end()) << "hidden";
    EXPECT_NE(std::ranges::find(asked, maker(1'002)), asked.end()) << "not hidden";
  }
}

TEST_F(HeartbeatsTest, clocksThatDifferHideNobody) {
  add(1, 1h);
  for (int i = 0; i < 60; ++i) {
    (void)learn({beat(1, 20min)});
    EXPECT_TRUE(live(1min).silent.empty()) << i;
  }
  // The own clock is set.
  now_.wall += 15min;
  for (int i = 0; i < 60; ++i) {
    EXPECT_TRUE(live(1min).silent.empty()) << i;
    (void)learn({beat(1, 20min)});
  }
}

TEST_F(HeartbeatsTest, whoAnswersIsThereWhateverItsClockSays) {
  add(1, 1h);
  (void)learn({beat(1, 24h)});
  EXPECT_EQ(live(1ms).silent.size(), 1u);
  in_turn([&](Turn& turn) {
    EXPECT_TRUE(heartbeats_.answered(maker(1), turn));
    EXPECT_FALSE(heartbeats_.answered(maker(1), turn));
    EXPECT_FALSE(heartbeats_.answered(maker(2), turn));
  });
  EXPECT_TRUE(live(15min - 1ms).silent.empty());
}

TEST_F(HeartbeatsTest, oneFromTheTimeOfAWrongClockGivesWay) {
  add(1);
  now_.wall += 24h;
  (void)live(1s);
  (void)learn({beat(1)});
  now_.wall -= 24h;
  (void)live(1s);
  auto const right = beat(1);
  (void)learn({right});
  EXPECT_EQ(answer({maker(1)}).back(), right);
}

TEST_F(HeartbeatsTest, makersWithoutOrdersAreForgotten) {
  add(1);
  (void)learn({beat(1)});
  EXPECT_EQ(live(16min).silent.size(), 1u);
  auto closed = samples::draft(1, Side::sell);
  closed.seq = 2;
  closed.status = OrderStatus::cancelled;
  closed.expires = now_.wall + 24h;
  ASSERT_TRUE(book_.add(samples::signed_by(1, closed), now_.wall)) << "closed ones do not count";
  EXPECT_EQ(live(30s).back, std::vector{maker(1)});
  EXPECT_EQ(heartbeats_.size(), 0u);
  EXPECT_EQ(heartbeats_.next_expiry(), TimePoint::max());
}

class FewHeartbeatsTest : public HeartbeatsTest {
 protected:
  FewHeartbeatsTest() : HeartbeatsTest{{.maker_count_max = 2}} {}
};

TEST_F(FewHeartbeatsTest, makersBeyondTheLimitAreNotFollowed) {
  for (std::uint64_t key = 1; key <= 3; ++key) add(key);
  EXPECT_EQ(heartbeats_.size(), 2u);
}

// In a network

command::AddOrder terms(Side side) {
  command::AddOrder out;
  out.side = side;
  out.price = PriceCents{6'000'000};
  out.amount = Satoshi{1'000};
  return out;
}

class SilentMakers : public testing::Test {
 protected:
  /// Each peer reaches the next one alone.
  void make_line() {
    network_.is_cut = [](std::string const& from, std::string const& to) {
      return std::abs(from.back() - to.back()) > 1;
    };
  }
  void add_peers(std::size_t count) {
    for (std::uint64_t key = 1; key <= count; ++key) network_.add("peer", key);
    network_.look_up();
    network_.live(2s);
  }
  /// The maker restarts, and grapes name all peers every 10 s.
  void live(std::chrono::seconds time) {
    for (; time > 0s; time -= 10s) {
      network_.look_up();
      network_.live(10s);
    }
  }
  result::OrderList listed(Node& node) {
    return std::get<result::OrderList>(network_.execute(node, command::ListOrders{}));
  }
  /// How many peers but the maker list an order, and how many hide it.
  std::pair<std::size_t, std::size_t> shown_and_hidden() {
    std::pair<std::size_t, std::size_t> out;
    for (std::size_t i = 1; i < network_.nodes.size(); ++i) {
      auto const list = listed(*network_.nodes[i]);
      out.first += list.orders.size();
      out.second += list.hidden_count;
      network_.nodes[i]->trader->book().check();
    }
    return out;
  }
  using Counts = std::pair<std::size_t, std::size_t>;

  TraderNetwork network_;
};

TEST_F(SilentMakers, theirOrdersAreHiddenAndComeBackWithThem) {
  add_peers(3);
  auto& maker = *network_.nodes[0];
  network_.execute(maker, terms(Side::sell));
  live(2min);
  network_.kill(maker);
  live(14min);
  EXPECT_EQ(shown_and_hidden(), Counts(2, 0));
  live(2min);
  EXPECT_EQ(shown_and_hidden(), Counts(0, 2));
  auto& other = *network_.nodes[1];
  auto const ladder = std::get<result::Ladder>(network_.execute(other, command::ShowBook{}));
  EXPECT_TRUE(ladder.asks.empty());
  EXPECT_EQ(ladder.hidden_count, 1u);
  network_.start(maker);
  live(2min);
  EXPECT_EQ(shown_and_hidden(), Counts(2, 0));
}

TEST_F(SilentMakers, whoIsReachedThroughOthersIsNotSilent) {
  make_line();
  add_peers(6);
  auto& maker = *network_.nodes[0];
  network_.execute(maker, terms(Side::sell));
  for (int i = 0; i < 24; ++i) {
    live(5min);
    EXPECT_EQ(shown_and_hidden(), Counts(5, 0)) << 5 * i << " minutes";
  }
  network_.kill(maker);
  live(25min);
  EXPECT_EQ(shown_and_hidden(), Counts(0, 5));
}

TEST_F(SilentMakers, aNewcomerHearsThatAMakerIsGone) {
  add_peers(2);
  auto& maker = *network_.nodes[0];
  network_.execute(maker, terms(Side::sell));
  live(2min);
  network_.kill(maker);
  live(40min);
  network_.add("newcomer", 3);
  live(3min);
  EXPECT_EQ(network_.nodes[2]->trader->book().size(), 1u);
  EXPECT_EQ(shown_and_hidden(), Counts(0, 2));
}

TEST_F(SilentMakers, theirOrdersAreTakenOnceTheyAreBack) {
  network_.add("maker", 1);
  Trader::Options options;
  options.crossing.is_enabled = true;
  network_.add("taker", 2, options);
  live(1min);
  auto& maker = *network_.nodes[0];
  auto& taker = *network_.nodes[1];
  network_.execute(maker, terms(Side::sell));
  live(2min);
  network_.kill(maker);
  live(16min);
  network_.execute(taker, terms(Side::buy));
  live(1min);
  EXPECT_TRUE(taker.rows.read({.kind = "trade"}).empty());
  EXPECT_TRUE(taker.rows.read({.kind = std::string{Purchases::kRowKind}}).empty());
  network_.start(maker);
  live(2min);
  EXPECT_EQ(taker.rows.read({.kind = "trade"}).size(), 1u);
}

}  // namespace
}  // namespace grenache::exchange
