// Whom Sync tells of a change, when, and how often.
#include <gtest/gtest.h>

#include "tests/support/sync_fixture.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using namespace samples;

std::string const kBob = "127.0.0.1:2";
std::string const kCarol = "127.0.0.1:3";
std::string const kDave = "127.0.0.1:4";
std::string const kErin = "127.0.0.1:5";

class SyncSpreadTest : public test::SyncFixture {
 protected:
  using SyncFixture::SyncFixture;
  std::size_t told_count(std::vector<std::string> const& endpoints) {
    std::size_t out = 0;
    for (auto const& [endpoint, ids] : told_ids(endpoints)) out += ids.size();
    return out;
  }
};

TEST(RecentIds, rememberTheLastFourOfASet) {
  RecentIds ids;
  EXPECT_FALSE(ids.contains({}));
  // The set is chosen by the low bits of `version`.
  auto const id = [](ShortTag number) { return VersionId{0, 512 * number + 3}; };
  for (ShortTag i = 1; i <= 4; ++i) ids.insert(id(i));
  for (ShortTag i = 1; i <= 4; ++i) EXPECT_TRUE(ids.contains(id(i)));
  ids.insert(id(2));
  ids.insert(id(5));
  EXPECT_FALSE(ids.contains(id(1))) << "the oldest";
  for (ShortTag i = 2; i <= 5; ++i) EXPECT_TRUE(ids.contains(id(i)));
  EXPECT_FALSE(ids.contains({0, 512 * 2 + 4})) << "of another set";
  EXPECT_FALSE(ids.contains({1, id(2).version})) << "of another order";
  ids.insert({0, 512 * 9 + 4});
  EXPECT_TRUE(ids.contains(id(5))) << "sets do not share room";
}

// Own changes

TEST_F(SyncSpreadTest, anOwnChangeIsToldToEachPeerOneAtATime) {
  meet(kBob);
  meet(kCarol);
  auto const first = publish(1);
  auto const second = publish(2);
  for (auto const& at : {kBob, kCarol}) {
    auto const told = one<AddOrderMessage>(at);
    EXPECT_EQ(told.message.order, first);
    EXPECT_EQ(told.after, kNotDurable) << "only once it is durable";
    accept(told.call);
    EXPECT_EQ(one<AddOrderMessage>(at).message.order, second);
  }
  EXPECT_EQ(sync_.load().rumour_count, 0u);
}

TEST_F(SyncSpreadTest, whatAPeerDidNotHearIsToldAgainAfterTwoSeconds) {
  meet(kBob);
  auto const mine = publish(1);
  fail(one<AddOrderMessage>(kBob).call);
  EXPECT_EQ(next(), 2s);
  wait(2s - 1ns);
  EXPECT_TRUE(sent<AddOrderMessage>().empty());
  wait(1ns);
  auto const again = one<AddOrderMessage>(kBob);
  EXPECT_EQ(again.message.order, mine);
  accept(again.call);
  wait(10s);
  EXPECT_TRUE(sent<AddOrderMessage>().empty());
}

TEST_F(SyncSpreadTest, ofARefusalOnlyThatOfTooManyIsRepeated) {
  meet(kBob);
  publish(1);
  refuse(one<AddOrderMessage>(kBob).call, RefusalCode::limit);
  wait(2s);
  refuse(one<AddOrderMessage>(kBob).call, RefusalCode::invalid);
  wait(10s);
  EXPECT_TRUE(sent<AddOrderMessage>().empty());
}

TEST_F(SyncSpreadTest, aPeerThatIsAwayIsToldTheNewestVersionWhenItIsBack) {
  meet(kBob);
  lose(kBob);
  EXPECT_FALSE(sync_.is_here(kBob));
  auto const first = publish(1);
  auto const newest = publish(next_version(first, kSelf));
  wait(1min);
  EXPECT_TRUE(sent<AddOrderMessage>().empty());
  meet(kBob);
  EXPECT_TRUE(sync_.is_here(kBob));
  auto const told = one<AddOrderMessage>(kBob);
  EXPECT_EQ(told.message.order, newest);
  accept(told.call);
  EXPECT_TRUE(sent<AddOrderMessage>().empty());
}

TEST_F(SyncSpreadTest, aPeerThatIsLostWhileItIsToldHearsTheRestLater) {
  meet(kBob);
  publish(1);
  auto const second = publish(2);
  auto const told = one<AddOrderMessage>(kBob);
  lose(kBob);
  accept(told.call);
  EXPECT_TRUE(sent<AddOrderMessage>().empty());
  meet(kBob);
  EXPECT_EQ(one<AddOrderMessage>(kBob).message.order, second);
}

TEST_F(SyncSpreadTest, whatAForgottenPeerDidNotHearIsForgotten) {
  meet(kBob);
  publish(1);
  auto const told = one<AddOrderMessage>(kBob);
  forget(kBob);
  EXPECT_EQ(sync_.load().call_count, 0u);
  fail(told.call);
  meet(kBob);
  EXPECT_TRUE(sent<AddOrderMessage>().empty()) << "the comparison of books will show it";
}

class SyncUntoldTest : public SyncSpreadTest {
 protected:
  static Sync::Options options() {
    Sync::Options out;
    out.untold_count_max = 3;
    return out;
  }
  SyncUntoldTest() : SyncSpreadTest{options()} {}
};

TEST_F(SyncUntoldTest, changesOfAPeerThatIsAwayAreBounded) {
  meet(kBob);
  lose(kBob);
  for (std::uint64_t i = 1; i <= 4; ++i) publish(i);
  meet(kBob);
  std::size_t count = 0;
  for (auto told = sent<AddOrderMessage>(kBob); !told.empty(); told = sent<AddOrderMessage>(kBob)) {
    count += told.size();
    accept(told[0].call);
  }
  EXPECT_EQ(count, 3u);
}

TEST_F(SyncSpreadTest, aPeerThatKnowsSyncIsToldManyOrdersInOneMessage) {
  meet_equal(kBob);
  lose(kBob);
  std::vector<OrderRecord> orders;
  for (std::uint64_t i = 1; i <= 70; ++i) orders.push_back(publish(i));
  meet_equal(kBob);
  // It may be another process: it is not known yet what it knows.
  accept(one<AddOrderMessage>(kBob).call);
  auto const first = one<InventoryMessage>(kBob);
  EXPECT_EQ(first.after, kNotDurable);
  EXPECT_EQ(first.message.endpoint, self_.endpoint);
  EXPECT_TRUE(first.message.ids.empty());
  // A record counts 700 bytes and its endpoint.
  EXPECT_EQ(first.message.orders.size(), 48u * 1024 / 714);
  accept_ids(first.call, {});
  EXPECT_EQ(one<InventoryMessage>(kBob).message.orders.size(), 69 - 48u * 1024 / 714);
}

TEST_F(SyncSpreadTest, anOrderThatHasExpiredIsNotTold) {
  meet_equal(kBob);
  publish(1);
  auto const told = one<InventoryMessage>(kBob);
  publish(2);
  publish(next_version(order(3, kSelf), kSelf));
  now_.wall += 1h;  // the end of the second one
  accept_ids(told.call, {});
  auto const rest = one<InventoryMessage>(kBob).message.orders;
  ASSERT_EQ(rest.size(), 1u);
  EXPECT_EQ(rest[0].id, uuid(3));
}

TEST_F(SyncSpreadTest, aPeerOfTheOriginalIsToldOurLiveOrdersAlone) {
  auto const mine = publish(1);
  auto closed = order(2, kSelf);
  closed.status = OrderStatus::cancelled;
  publish(signed_by(kSelf, closed));
  auto late = order(3, kSelf);
  late.expires = now_.wall;
  publish(signed_by(kSelf, late));
  spread(order(4));
  meet(kBob, true);
  auto const told = one<AddOrderMessage>(kBob);
  EXPECT_EQ(told.message.order, mine);
  auto last = mine;
  ++last.seq;
  last.status = OrderStatus::cancelled;
  publish(signed_by(kSelf, last));
  accept(told.call);
  EXPECT_TRUE(sent<AddOrderMessage>().empty()) << "it knows no closed orders";
  publish(5);
  EXPECT_EQ(one<AddOrderMessage>(kBob).message.order.id, uuid(5));
  EXPECT_EQ(told_count({kBob}), 0u) << "it knows no ids";
}

// Changes of others

TEST_F(SyncSpreadTest, theIdOfAnothersVersionIsToldToTwoPeersThatDoNotHaveIt) {
  for (auto const& at : {kBob, kCarol, kDave, kErin}) meet_equal(at);
  auto const version = version_of(spread(order(1), kBob));
  EXPECT_GE(next(), 15ms);
  EXPECT_LE(next(), 30ms) << "ids are collected";
  wait(15ms - 1ns);
  EXPECT_TRUE(sent<InventoryMessage>().empty());
  wait(15ms + 1ns);
  auto const told = sent<InventoryMessage>();
  ASSERT_EQ(told.size(), 2u);
  for (auto const& each : told) {
    EXPECT_EQ(each.message.ids, std::vector{version});
    EXPECT_TRUE(each.message.orders.empty());
    EXPECT_EQ(each.after, 0u) << "it waits for nothing";
    accept_ids(each.call, {false});
  }
  auto const more = told_ids({kBob, kCarol, kDave, kErin});
  EXPECT_TRUE(more.empty());
}

TEST_F(SyncSpreadTest, whatItsMakerHasBroughtIsToldToOnePeer) {
  for (auto const& at : {kBob, kCarol, kDave, kErin}) meet_equal(at);
  auto mine = draft(1, Side::sell);
  mine.endpoint = kBob;
  spread(signed_by(kMaker, mine), kBob);
  auto told = told_ids({kBob, kCarol, kDave, kErin});
  EXPECT_EQ(told.size(), 1u);
  EXPECT_FALSE(told.contains(kBob));
  // Its maker is not told either if another one has brought it.
  auto last = signed_by(kMaker, mine);
  for (int i = 0; i < 5; ++i) {
    last = spread(next_version(last), kCarol);
    told = told_ids({kBob, kCarol, kDave, kErin});
    EXPECT_EQ(told.size(), 2u);
    EXPECT_TRUE(told.contains(kDave) && told.contains(kErin));
  }
}

TEST_F(SyncSpreadTest, anIdThatWasUnknownIsToldToTwoMoreAndOneThatDidNotArriveToAnother) {
  std::vector<std::string> peers;
  for (int i = 2; i <= 12; ++i) peers.push_back("127.0.0.1:" + std::to_string(i));
  for (auto const& at : peers) meet_equal(at);
  spread(order(1));
  wait(30ms);
  auto told = sent<InventoryMessage>();
  ASSERT_EQ(told.size(), 2u);
  accept_ids(told[0].call, {true});
  fail(told[1].call);
  EXPECT_EQ(sync_.load().rumour_count, 2u);
  wait(30ms);
  told = sent<InventoryMessage>();
  EXPECT_EQ(told.size(), 2u + 1u);
  // An answer that does not fit says nothing.
  accept_ids(told[0].call, std::vector<bool>(9, true));
  EXPECT_EQ(sync_.load().rumour_count, 0u);
}

TEST_F(SyncSpreadTest, anIdIsToldOnlyAsLongAsItIsTheNewest) {
  meet_equal(kBob);
  meet_equal(kCarol);
  auto const first = spread(order(1));
  auto const second = spread(next_version(first));
  sync_.remove(key_of(spread(order(2))));
  auto told = told_ids({kBob, kCarol});
  EXPECT_EQ(told[kBob], std::vector{version_of(second)});
  EXPECT_EQ(told[kCarol], std::vector{version_of(second)});
}

TEST_F(SyncSpreadTest, anUnsignedOrderIsNotTold) {
  meet_equal(kBob);
  in_turn([&](Turn& turn) { sync_.spread(original(1, Side::buy, 5), false, {}, turn); });
  in_turn([&](Turn& turn) { sync_.spread(original(2, Side::buy, 5), true, {}, turn); });
  EXPECT_EQ(sync_.load().rumour_count, 0u);
  EXPECT_TRUE(outputs<output::Call>().empty());
}

TEST_F(SyncSpreadTest, anOlderPeerIsSentRecordsInsteadOfIds) {
  meet(kBob);
  refuse(one<ReconcileMessage>(kBob).call, RefusalCode::invalid);
  auto const book = one<GetOrderbookMessage>(kBob);
  answer(book.call, {json::Value{json::Value::Array{}}, {}});
  auto const first = spread(order(1));
  auto const second = spread(order(2));
  wait(30ms);
  auto const told = sent<AddOrderMessage>(kBob);
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[0].message.order, first);
  EXPECT_EQ(told[1].message.order, second);
  EXPECT_EQ(told[0].after, 0u);
  EXPECT_TRUE(sent<InventoryMessage>().empty());
}

class SyncFewCallsTest : public SyncSpreadTest {
 protected:
  static Sync::Options options() {
    Sync::Options out;
    out.relay_call_count_max = 2;
    out.rumour_count_max = 3;
    return out;
  }
  SyncFewCallsTest() : SyncSpreadTest{options()} {}
};

TEST_F(SyncFewCallsTest, idsWaitForAFreeCall) {
  for (auto const& at : {kBob, kCarol, kDave}) meet_equal(at);
  spread(order(1));
  wait(30ms);
  auto told = sent<InventoryMessage>();
  ASSERT_EQ(told.size(), 2u);
  spread(order(2));
  wait(30ms);
  EXPECT_TRUE(sent<InventoryMessage>().empty());
  EXPECT_EQ(sync_.load().rumour_count, 1u);
  EXPECT_LE(next(), 15ms);
  accept_ids(told[0].call, {false});
  wait(15ms);
  EXPECT_EQ(sent<InventoryMessage>().size(), 1u) << "one call is free";
}

TEST_F(SyncFewCallsTest, idsToBeToldAreBounded) {
  meet_equal(kBob);
  meet_equal(kCarol);
  for (std::uint64_t i = 1; i <= 4; ++i) spread(order(i));
  EXPECT_EQ(sync_.load().rumour_count, 3u);
  wait(30ms);
  for (auto const& each : sent<InventoryMessage>()) EXPECT_EQ(each.message.ids.size(), 3u);
}

TEST_F(SyncFewCallsTest, recordsForAnOlderPeerAreNoMoreCallsThanIds) {
  meet(kBob);
  refuse(one<ReconcileMessage>(kBob).call, RefusalCode::invalid);
  answer(one<GetOrderbookMessage>(kBob).call, {json::Value{json::Value::Array{}}, {}});
  for (std::uint64_t i = 1; i <= 3; ++i) spread(order(i));
  wait(30ms);
  auto const told = sent<AddOrderMessage>(kBob);
  EXPECT_EQ(told.size(), 2u);
  accept(told[0].call);
  accept(told[1].call);
  spread(order(4));
  wait(30ms);
  EXPECT_EQ(sent<AddOrderMessage>(kBob).size(), 1u);
}

TEST_F(SyncFewCallsTest, whatWasAskedOfAForgottenPeerFreesItsCall) {
  meet_equal(kBob);
  meet_equal(kCarol);
  spread(order(1));
  wait(30ms);
  EXPECT_EQ(sent<InventoryMessage>().size(), 2u);
  forget(kBob);
  forget(kCarol);
  meet_equal(kDave);
  meet_equal(kErin);
  spread(order(2));
  wait(30ms);
  EXPECT_EQ(sent<InventoryMessage>().size(), 2u);
}

TEST_F(SyncSpreadTest, ofAMakerThatChangesTooMuchTheNewestVersionIsToldLater) {
  Sync::Options options;
  options.maker_rates.versions_per_second = 1;
  options.maker_rates.versions_max = 4;
  options.maker_rates.order_cost = 4;
  Sync sync{options, self_, book_};
  auto const put = [&](OrderRecord const& version) {
    EXPECT_TRUE(book_.add_verified(version, now_.wall));
    in_turn([&](Turn& turn) { sync.spread(version, false, {}, turn); });
    return version;
  };
  auto const first = put(order(1));
  EXPECT_EQ(sync.load().rumour_count, 1u);
  put(next_version(first));
  EXPECT_EQ(sync.load().rumour_count, 1u);
  EXPECT_EQ(sync.load().delayed_count, 1u);
  now_.steady = later_by(now_.steady, 30ms);
  in_turn([&](Turn& turn) { sync.expire(turn); });
  EXPECT_EQ(sync.load().rumour_count, 0u) << "told to all that are here";
  EXPECT_LE(sync.next_expiry(), later_by(now_.steady, 1s));
  now_.steady = later_by(now_.steady, 1s);
  in_turn([&](Turn& turn) { sync.expire(turn); });
  EXPECT_EQ(sync.load().delayed_count, 0u);
  EXPECT_EQ(sync.load().rumour_count, 1u);
}

}  // namespace
}  // namespace grenache::exchange
