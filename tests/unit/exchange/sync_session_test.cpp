// When Sync compares its book with that of a peer, and what it sends it then.
#include <gtest/gtest.h>

#include "tests/support/sync_fixture.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using namespace samples;
using json::Value;

std::string const kBob = "127.0.0.1:2";
std::string const kCarol = "127.0.0.1:3";
std::string const kDave = "127.0.0.1:4";

class SyncSessionTest : public test::SyncFixture {
 protected:
  using SyncFixture::SyncFixture;

  /// Goes on to the next time at which something is due.
  void wait_for_next() { wait(next()); }
  void expect_pause(Duration pause) {
    EXPECT_GE(next(), pause / 4 * 3);
    EXPECT_LE(next(), pause);
  }
  void give_no_answers(std::string const& endpoint) {
    for (int i = 0; i < 3; ++i) fail(one<ReconcileMessage>(endpoint).call);
    EXPECT_TRUE(sent<ReconcileMessage>(endpoint).empty());
  }
  /// Says that the sets differ, but not in what.
  void lie(std::string const& endpoint) {
    auto const asked = one<ReconcileMessage>(endpoint);
    ReconcileNode node;
    node.kind = ReconcileNode::Kind::entries;
    answer(asked.call, {reconcile_answer_to_json(std::vector{node}, 0), {}});
  }
  /// The peer asks us, and has what `theirs` has.
  void ask_us(std::string const& endpoint, std::vector<OrderRecord> const& theirs) {
    OrderIndex index;
    for (auto const& each : theirs) index.put(each);
    Reconciliation walk{index, 5, {}};
    auto message = *walk.next();
    message.endpoint = endpoint;
    in_turn([&](Turn& turn) { sync_.handle(1, PayloadForm::object, message, turn); });
    EXPECT_EQ(outputs<output::Reply>().size(), 1u);
  }
  Sync::Read answer_book(std::string const& endpoint, std::vector<OrderRecord> const& orders) {
    Value::Array list;
    for (auto const& each : orders) list.push_back(to_json(each));
    return answer(one<GetOrderbookMessage>(endpoint).call, {Value{std::move(list)}, {}});
  }
};

// Times

TEST_F(SyncSessionTest, equalBooksAreComparedAboutOnceAMinute) {
  meet(kBob);
  EXPECT_FALSE(sync_.is_read(kBob));
  EXPECT_FALSE(sync_.all_read());
  EXPECT_EQ(reconcile_with(kBob, sync_.index()), 1u);
  EXPECT_TRUE(sync_.is_read(kBob));
  EXPECT_TRUE(sync_.all_read());
  EXPECT_TRUE(outputs<output::Notice>().empty()) << "there is nothing to say";
  for (int i = 0; i < 5; ++i) {
    expect_pause(1min);
    wait(next() - 1ns);
    EXPECT_TRUE(sent<ReconcileMessage>().empty());
    wait(1ns);
    EXPECT_EQ(reconcile_with(kBob, sync_.index()), 1u);
  }
}

TEST_F(SyncSessionTest, aPeerThatDoesNotAnswerIsAskedThreeTimesAndThenAfterLongerAndLongerTimes) {
  meet(kBob);
  give_no_answers(kBob);
  EXPECT_TRUE(sync_.is_read(kBob)) << "it could not be";
  for (auto const pause : {1min, 2min, 4min, 8min, 16min, 16min}) {
    EXPECT_EQ(next(), pause);
    wait_for_next();
    if (pause == 16min) {
      EXPECT_EQ(sync_.load().call_count, 1u);
    }
    give_no_answers(kBob);
  }
  wait_for_next();
  (void)reconcile_with(kBob, sync_.index());
  expect_pause(1min);
}

TEST_F(SyncSessionTest, aRefusalEndsTheComparison) {
  meet(kBob);
  refuse(one<ReconcileMessage>(kBob).call, RefusalCode::limit);
  EXPECT_EQ(next(), 1min);
  EXPECT_TRUE(sent<ReconcileMessage>().empty());
  EXPECT_TRUE(sent<GetOrderbookMessage>().empty());
  wait_for_next();
  (void)reconcile_with(kBob, sync_.index());
  wait_for_next();
  refuse(one<ReconcileMessage>(kBob).call, RefusalCode::invalid);
  EXPECT_EQ(next(), 2min);
  EXPECT_TRUE(sent<GetOrderbookMessage>().empty()) << "it has understood before";
}

TEST_F(SyncSessionTest, anAnswerThatDoesNotFitEndsTheComparison) {
  meet(kBob);
  answer(one<ReconcileMessage>(kBob).call, {Value{"ok"}, {}});
  EXPECT_EQ(next(), 1min);
  EXPECT_TRUE(sync_.is_read(kBob));
}

TEST_F(SyncSessionTest, theBookOfAnOlderPeerIsReadEachMinute) {
  meet(kBob);
  refuse(one<ReconcileMessage>(kBob).call, RefusalCode::invalid);
  EXPECT_FALSE(sync_.is_read(kBob));
  auto const theirs = order(1);
  auto const read = answer_book(kBob, {theirs});
  EXPECT_EQ(read.endpoint, kBob);
  EXPECT_TRUE(read.is_book);
  EXPECT_FALSE(read.is_original);
  EXPECT_EQ(read.list.orders, std::vector{theirs});
  EXPECT_TRUE(sync_.is_read(kBob));
  EXPECT_EQ(next(), 1min);
  wait_for_next();
  EXPECT_TRUE(sent<ReconcileMessage>().empty());
  fail(one<GetOrderbookMessage>(kBob).call);
  EXPECT_EQ(next(), 2min);
  wait_for_next();
  answer(one<GetOrderbookMessage>(kBob).call, {Value{"?"}, {}});
  EXPECT_EQ(next(), 4min);
  wait_for_next();
  answer_book(kBob, {});
  EXPECT_EQ(next(), 1min);
}

TEST_F(SyncSessionTest, theBookOfAPeerOfTheOriginalIsReadEachFiveSeconds) {
  meet(kBob, true);
  auto const read = answer_book(kBob, {});
  EXPECT_TRUE(read.is_original);
  EXPECT_EQ(next(), 5s);
  wait_for_next();
  fail(one<GetOrderbookMessage>(kBob).call);
  EXPECT_EQ(next(), 1min) << "after a failure like any other";
}

class SyncOneReaderTest : public SyncSessionTest {
 protected:
  static Sync::Options options() {
    Sync::Options out;
    out.read_count_max = 1;
    out.order_count_max = 2;
    return out;
  }
  SyncOneReaderTest() : SyncSessionTest{options()} {}
};

TEST_F(SyncOneReaderTest, theOneThatWaitsLongestIsReadFirst) {
  meet(kDave);
  wait(1s);
  meet(kCarol);
  wait(1s);
  meet(kBob);
  EXPECT_EQ(sync_.next_expiry(), later_by(now_.steady, 28s)) << "the patience with Dave";
  EXPECT_TRUE(sent<ReconcileMessage>(kBob).empty() && sent<ReconcileMessage>(kCarol).empty());
  (void)reconcile_with(kDave, sync_.index());
  EXPECT_EQ(next(), -1s);
  wait(0s);
  EXPECT_TRUE(sent<ReconcileMessage>(kBob).empty());
  EXPECT_EQ(reconcile_with(kCarol, sync_.index()), 1u);
  wait(0s);
  EXPECT_EQ(reconcile_with(kBob, sync_.index()), 1u);
}

TEST_F(SyncOneReaderTest, aPeerThatLeavesMakesRoomForAnother) {
  meet(kBob);
  auto const asked = one<ReconcileMessage>(kBob);
  lose(kBob);
  meet(kCarol);
  auto const next_asked = one<ReconcileMessage>(kCarol);
  forget(kCarol);
  meet(kDave, true);
  auto const book = one<GetOrderbookMessage>(kDave);
  forget(kDave);
  answer(asked.call, {Value{"late"}, {}});
  answer(next_asked.call, {Value{"late"}, {}});
  EXPECT_EQ(answer(book.call, {Value{Value::Array{}}, {}}).endpoint, "");
  meet(kCarol);
  EXPECT_EQ(sent<ReconcileMessage>(kCarol).size(), 1u);
}

TEST_F(SyncOneReaderTest, aBookThatIsReadIsBounded) {
  meet(kBob, true);
  auto const read = answer_book(kBob, {order(1), order(2), order(3)});
  EXPECT_EQ(read.list.orders.size(), 2u);
  EXPECT_EQ(read.list.dropped, 1u);
}

TEST_F(SyncSessionTest, aPeerThatHangsIsGivenUpAfterHalfAMinute) {
  meet(kBob);
  EXPECT_EQ(next(), 30s);
  wait(30s - 1ns);
  EXPECT_FALSE(sync_.is_read(kBob));
  wait(1ns);
  EXPECT_TRUE(sync_.is_read(kBob));
  EXPECT_EQ(next(), 1min);
}

TEST_F(SyncSessionTest, aPeerThatSaysThatBooksDifferButNotInWhatIsBlamedTheThirdTime) {
  meet(kBob);
  for (int i = 0; i < 2; ++i) {
    lie(kBob);
    expect_pause(1min);
    wait_for_next();
  }
  lie(kBob);
  EXPECT_EQ(next(), 1min);
  wait_for_next();
  lie(kBob);
  EXPECT_EQ(next(), 2min);
}

TEST_F(SyncSessionTest, atMostFourQuestionsAreUnderWay) {
  meet(kBob);
  auto asked = one<ReconcileMessage>(kBob);
  EXPECT_EQ(asked.message.endpoint, self_.endpoint);
  EXPECT_EQ(asked.after, 0u);
  // It says that it has something under each prefix.
  auto const answer_all = [&](test::SyncFixture::Sent<ReconcileMessage> const& each) {
    std::vector<ReconcileNode> nodes(each.message.prefixes.size());
    for (auto& node : nodes) {
      node.kind = ReconcileNode::Kind::children;
      node.children.assign(std::size_t{1} << (4 * each.message.expand), 1);
    }
    answer(each.call, {reconcile_answer_to_json(nodes, each.message.length), {}});
  };
  answer_all(asked);
  asked = one<ReconcileMessage>(kBob);
  EXPECT_EQ(asked.message.prefixes.size(), 256u);
  answer_all(asked);
  auto const first = sent<ReconcileMessage>(kBob);
  ASSERT_EQ(first.size(), 4u);
  answer_all(first[0]);
  EXPECT_EQ(sent<ReconcileMessage>(kBob).size(), 1u);
}

// What a peer lacks

TEST_F(SyncSessionTest, aPeerIsSentWhatItLacks) {
  auto const others = keep(order(1));
  meet(kBob);
  (void)reconcile_with(kBob, std::vector<OrderRecord>{});
  auto const pushed = one<InventoryMessage>(kBob);
  EXPECT_EQ(pushed.message.orders, std::vector{others});
  EXPECT_EQ(pushed.after, 0u);
  EXPECT_FALSE(sync_.is_read(kBob));
  accept_ids(pushed.call, {});
  EXPECT_TRUE(sync_.is_read(kBob));
  expect_pause(1min);
}

TEST_F(SyncSessionTest, anOwnOrderIsSentOnceItIsDurable) {
  book_.put_own(order(1, kSelf));
  sync_.add(order(1, kSelf));
  meet(kBob);
  (void)reconcile_with(kBob, std::vector<OrderRecord>{});
  EXPECT_EQ(one<InventoryMessage>(kBob).after, kNotDurable);
}

TEST_F(SyncSessionTest, whatAPeerDoesNotKeepIsSentAgainAfterAnHour) {
  auto ours = draft(1, Side::sell);
  ours.expires += 2h;
  keep(signed_by(kMaker, ours));
  meet(kBob);
  auto const end = later_by(now_.steady, 1h);
  (void)reconcile_with(kBob, std::vector<OrderRecord>{});
  accept_ids(one<InventoryMessage>(kBob).call, {}, 1);
  expect_pause(1min);
  auto longest = Duration{};
  while (sync_.next_expiry() < end) {
    longest = std::max(longest, next());
    wait_for_next();
    EXPECT_EQ(reconcile_with(kBob, std::vector<OrderRecord>{}), 1u);
    EXPECT_TRUE(sent<InventoryMessage>(kBob).empty());
  }
  EXPECT_GT(longest, 3min) << "a comparison in vain is repeated after a longer time";
  EXPECT_LE(longest, 4min) << "a quarter of that after failures";
  wait_for_next();
  (void)reconcile_with(kBob, std::vector<OrderRecord>{});
  EXPECT_EQ(sent<InventoryMessage>(kBob).size(), 1u);
}

TEST_F(SyncSessionTest, aPeerThatKeepsWhatItIsSentIsComparedEachMinute) {
  keep(order(1));
  meet(kBob);
  (void)reconcile_with(kBob, std::vector<OrderRecord>{});
  accept_ids(one<InventoryMessage>(kBob).call, {}, 1);
  wait_for_next();
  keep(order(2));
  (void)reconcile_with(kBob, std::vector<OrderRecord>{});
  auto const pushed = one<InventoryMessage>(kBob);
  EXPECT_EQ(pushed.message.orders, std::vector{order(2)}) << "the first one was sent before";
  accept_ids(pushed.call, {}, 0);
  expect_pause(1min);
  wait_for_next();
  keep(order(3));
  (void)reconcile_with(kBob, std::vector<OrderRecord>{});
  accept_ids(one<InventoryMessage>(kBob).call, {}, 1);
  expect_pause(2min);
}

TEST_F(SyncSessionTest, aPeerThatWasMetAgainIsComparedAndSentAllAnew) {
  keep(order(1));
  meet(kBob);
  auto const asked = one<ReconcileMessage>(kBob);
  meet(kBob);
  fail(asked.call);
  (void)reconcile_with(kBob, std::vector<OrderRecord>{});
  accept_ids(one<InventoryMessage>(kBob).call, {}, 1);
  EXPECT_TRUE(sync_.is_read(kBob));
  meet(kBob);
  (void)reconcile_with(kBob, std::vector<OrderRecord>{});
  EXPECT_EQ(sent<InventoryMessage>(kBob).size(), 1u);
}

TEST_F(SyncSessionTest, afterAnOrderThatDidNotArriveTheRestIsLeftToTheNextComparison) {
  for (std::uint64_t i = 1; i <= 210; ++i) keep(order(i));
  meet(kBob);
  (void)reconcile_with(kBob, std::vector<OrderRecord>{});
  auto const pushed = sent<InventoryMessage>(kBob);
  ASSERT_EQ(pushed.size(), 2u);
  fail(pushed[0].call);
  EXPECT_TRUE(sent<InventoryMessage>().empty());
  accept_ids(pushed[1].call, {});
  EXPECT_TRUE(sent<InventoryMessage>().empty());
  EXPECT_TRUE(sync_.is_read(kBob));
}

TEST_F(SyncSessionTest, whatDidNotReachAPeerIsSentWithTheNextComparison) {
  keep(order(1));
  meet(kBob);
  (void)reconcile_with(kBob, std::vector<OrderRecord>{});
  fail(one<InventoryMessage>(kBob).call);
  EXPECT_TRUE(sync_.is_read(kBob));
  EXPECT_TRUE(sent<InventoryMessage>().empty());
  wait_for_next();
  (void)reconcile_with(kBob, std::vector<OrderRecord>{});
  EXPECT_EQ(sent<InventoryMessage>(kBob).size(), 1u);
}

TEST_F(SyncSessionTest, manyOrdersAreSentInTwoCallsAtATime) {
  for (std::uint64_t i = 1; i <= 210; ++i) keep(order(i));
  meet(kBob);
  (void)reconcile_with(kBob, std::vector<OrderRecord>{});
  auto pushed = sent<InventoryMessage>(kBob);
  ASSERT_EQ(pushed.size(), 2u);
  EXPECT_EQ(pushed[0].message.orders.size(), 68u);
  accept_ids(pushed[0].call, {});
  auto const third = one<InventoryMessage>(kBob);
  accept_ids(pushed[1].call, {});
  auto const last = one<InventoryMessage>(kBob);
  EXPECT_EQ(last.message.orders.size(), 210u - 3 * 68);
  accept_ids(last.call, {});
  EXPECT_FALSE(sync_.is_read(kBob));
  accept_ids(third.call, {});
  EXPECT_TRUE(sync_.is_read(kBob));
}

TEST_F(SyncSessionTest, aPeerThatComparesByItselfIsSentNothingForTenSeconds) {
  keep(order(1));
  meet(kBob);
  ask_us(kBob, {});
  wait(10s - 1ms);
  (void)reconcile_with(kBob, std::vector<OrderRecord>{});
  EXPECT_TRUE(sent<InventoryMessage>(kBob).empty());
  expect_pause(1min);
  wait_for_next();
  ask_us(kBob, {});
  wait(10s);
  (void)reconcile_with(kBob, std::vector<OrderRecord>{});
  EXPECT_EQ(sent<InventoryMessage>(kBob).size(), 1u);
}

TEST_F(SyncSessionTest, aPeerWhoseComparisonFindsNothingIsSentWhatItLacks) {
  auto const others = keep(order(1));
  meet(kBob);
  ask_us(kBob, {others});
  (void)reconcile_with(kBob, std::vector<OrderRecord>{});
  EXPECT_EQ(sent<InventoryMessage>(kBob).size(), 1u);
}

}  // namespace
}  // namespace grenache::exchange
