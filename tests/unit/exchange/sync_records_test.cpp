// Which records Sync asks for, of whom, and which it gives.
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
std::string const kErin = "127.0.0.1:5";
std::string const kFrank = "127.0.0.1:6";

class SyncRecordsTest : public test::SyncFixture {
 protected:
  using SyncFixture::SyncFixture;

  static std::vector<OrderRecord> orders(std::uint64_t count) {
    std::vector<OrderRecord> out;
    for (std::uint64_t i = 1; i <= count; ++i) out.push_back(order(i));
    return out;
  }
  static std::vector<VersionId> ids_of(std::vector<OrderRecord> const& orders) {
    std::vector<VersionId> out;
    for (auto const& each : orders) out.push_back(version_of(each));
    return out;
  }
  static std::vector<OrderRecord> at(std::vector<OrderRecord> const& orders,
                                     std::vector<OrderPosition> const& positions) {
    std::vector<OrderRecord> out;
    for (auto const position : positions) {
      auto const found = std::ranges::find(
          orders, position, [](auto const& each) { return position_of(each.id, *each.maker); });
      if (found != orders.end()) out.push_back(*found);
    }
    return out;
  }
  /// What we answer who asks for these records.
  RecordsAnswer ask_us(std::vector<OrderPosition> const& positions) {
    GetRecordsMessage message;
    message.positions = positions;
    in_turn([&](Turn& turn) { sync_.handle(1, PayloadForm::object, message, turn); });
    auto const replies = outputs<output::Reply>();
    EXPECT_EQ(replies.size(), 1u);
    if (replies.empty()) return {};
    reply_waits_ = replies[0].after != 0;
    auto read = parse_records_answer(replies[0].result, positions.size());
    EXPECT_TRUE(read);
    return read ? *std::move(read) : RecordsAnswer{};
  }
  static OrderPosition position(OrderRecord const& order) { return version_of(order).position; }

  bool reply_waits_ = false;
};

// Ids that are told

TEST_F(SyncRecordsTest, aPeerThatIsNotYetKnownToKnowSyncIsAskedAsTheOriginalIs) {
  meet(kBob);
  (void)tell(kBob, {version_of(order(1))});
  EXPECT_EQ(one<GetRecordsMessage>(kBob).form, PayloadForm::text);
}

TEST_F(SyncRecordsTest, whoHasToldOfAVersionIsNotToldOfIt) {
  for (auto const& each : {kBob, kCarol, kDave}) meet_equal(each);
  for (std::uint64_t i = 1; i <= 8; ++i) {
    (void)tell(kBob, {version_of(order(i))});
    outputs_.clear();
    spread(order(i), kCarol);
    auto const told = told_ids({kBob, kCarol, kDave});
    EXPECT_EQ(told.size(), 1u);
    EXPECT_TRUE(told.contains(kDave));
  }
}

TEST_F(SyncRecordsTest, whoeverTellsOfAnUnknownVersionIsAskedForIt) {
  meet_equal(kBob);
  auto const theirs = order(1);
  EXPECT_EQ(tell(kBob, {version_of(theirs)}), std::vector{true});
  auto const asked = one<GetRecordsMessage>(kBob);
  EXPECT_EQ(asked.message.positions, std::vector{position(theirs)});
  EXPECT_EQ(asked.after, 0u);
  EXPECT_EQ(asked.form, PayloadForm::object);
  deliver(asked.call, {theirs});
  EXPECT_TRUE(book_.find(key_of(theirs)));
  EXPECT_EQ(sync_.load().wanted_count, 0u);
  EXPECT_EQ(tell(kBob, {version_of(theirs)}), std::vector{false});
  EXPECT_TRUE(sent<GetRecordsMessage>().empty());
}

TEST_F(SyncRecordsTest, onlyUnknownVersionsAreAskedFor) {
  meet_equal(kBob);
  auto const old = spread(order(1));
  auto const known = spread(next_version(old));
  auto const heard = order(2);
  sync_.heard(heard);
  sync_.heard(original(3, Side::buy, 5));
  EXPECT_EQ(tell(kBob, {version_of(old), version_of(known), version_of(heard)}),
            (std::vector{false, false, false}));
  EXPECT_TRUE(sent<GetRecordsMessage>().empty());
  auto const newer = next_version(known);
  EXPECT_EQ(tell(kBob, {version_of(newer)}), std::vector{true});
  EXPECT_EQ(sent<GetRecordsMessage>().size(), 1u);
}

TEST_F(SyncRecordsTest, whoIsNotMetIsAnsweredAndNotAsked) {
  EXPECT_EQ(tell(kBob, ids_of(orders(1))), std::vector{true});
  EXPECT_EQ(tell("", ids_of(orders(1))), std::vector{true});
  meet_equal(kCarol);
  lose(kCarol);
  EXPECT_EQ(tell(kCarol, ids_of(orders(1))), std::vector{true});
  EXPECT_TRUE(sent<GetRecordsMessage>().empty());
  EXPECT_EQ(sync_.load().wanted_count, 0u);
}

TEST_F(SyncRecordsTest, aRecordThatDoesNotComeIsAskedForAtThreeOthers) {
  for (auto const& each : {kBob, kCarol, kDave, kErin, kFrank}) meet_equal(each);
  auto const ids = ids_of(orders(1));
  EXPECT_EQ(tell(kBob, ids), std::vector{true});
  for (auto const& each : {kCarol, kCarol, kBob, kDave, kErin, kFrank}) {
    EXPECT_EQ(tell(each, ids), std::vector{false}) << "it is being asked for";
  }
  fail(one<GetRecordsMessage>(kBob).call);
  EXPECT_TRUE(sent<GetRecordsMessage>(kDave).empty()) << "one at a time";
  lose(kDave);
  refuse(one<GetRecordsMessage>(kCarol).call, RefusalCode::limit);
  fail(one<GetRecordsMessage>(kErin).call);
  EXPECT_TRUE(sent<GetRecordsMessage>().empty());
  EXPECT_EQ(sync_.load().wanted_count, 0u);
}

TEST_F(SyncRecordsTest, aPeerThatLeavesIsReplacedByTheNext) {
  for (auto const& each : {kBob, kCarol, kDave}) meet_equal(each);
  auto const ids = ids_of(orders(2));
  for (auto const& each : {kBob, kCarol, kDave}) (void)tell(each, ids);
  auto const asked = one<GetRecordsMessage>(kBob);
  forget(kBob);
  std::size_t count = 0;
  for (auto const& again : sent<GetRecordsMessage>(kCarol)) count += again.message.positions.size();
  EXPECT_EQ(count, 2u);
  EXPECT_TRUE(sent<GetRecordsMessage>().empty());
  deliver(asked.call, orders(2));
  EXPECT_EQ(sync_.load().wanted_count, 2u) << "that peer is gone";
}

TEST_F(SyncRecordsTest, aRecordIsAskedForElsewhereAfterTwoSeconds) {
  meet_equal(kBob);
  meet_equal(kCarol);
  auto const theirs = order(1);
  (void)tell(kBob, {version_of(theirs)});
  (void)tell(kCarol, {version_of(theirs)});
  auto const asked = one<GetRecordsMessage>(kBob);
  EXPECT_EQ(next(), 2s);
  wait(2s - 1ns);
  EXPECT_TRUE(sent<GetRecordsMessage>().empty());
  wait(1ns);
  auto const again = one<GetRecordsMessage>(kCarol);
  EXPECT_EQ(again.message.positions, std::vector{position(theirs)});
  deliver(asked.call, {theirs});
  EXPECT_TRUE(book_.find(key_of(theirs))) << "a late answer is read all the same";
}

TEST_F(SyncRecordsTest, idsOfAPeerThatDoesNotDeliverAreIgnoredUntilTheNextComparison) {
  meet_equal(kBob);
  for (std::uint64_t i = 1; i <= 3; ++i) {
    (void)tell(kBob, {version_of(order(i))});
    deliver(one<GetRecordsMessage>(kBob).call, {});
  }
  EXPECT_EQ(tell(kBob, {version_of(order(4))}), std::vector{true});
  EXPECT_TRUE(sent<GetRecordsMessage>().empty());
  wait(next());
  EXPECT_EQ(reconcile_with(kBob, sync_.index()), 1u);
  (void)tell(kBob, {version_of(order(4))});
  EXPECT_EQ(sent<GetRecordsMessage>().size(), 1u);
}

TEST_F(SyncRecordsTest, anAnswerThatBringsSomethingIsNoFault) {
  meet_equal(kBob);
  auto const all = orders(8);
  for (std::size_t i = 0; i < 8; i += 2) {
    (void)tell(kBob, {version_of(all[i]), version_of(all[i + 1])});
    auto const asked = one<GetRecordsMessage>(kBob);
    EXPECT_EQ(asked.message.positions.size(), 2u);
    deliver(asked.call, {all[i]});
  }
}

TEST_F(SyncRecordsTest, aPeerThatDoesNotAnswerThreeTimesIsAskedLater) {
  meet_equal(kBob);
  for (std::uint64_t i = 1; i <= 2; ++i) {
    (void)tell(kBob, {version_of(order(i))});
    fail(one<GetRecordsMessage>(kBob).call);
  }
  EXPECT_LE(next(), 1min);
  (void)tell(kBob, {version_of(order(3))});
  refuse(one<GetRecordsMessage>(kBob).call, RefusalCode::limit);
  EXPECT_LE(next(), 1min) << "a refusal is an answer";
  (void)tell(kBob, {version_of(order(3))});
  fail(one<GetRecordsMessage>(kBob).call);
  EXPECT_EQ(next(), 2min);
  (void)tell(kBob, {version_of(order(4))});
  EXPECT_TRUE(sent<GetRecordsMessage>().empty());
}

TEST_F(SyncRecordsTest, whatTheBookRefusesIsNotAskedForAgain) {
  for (auto const code : {BookErrc::maker_full, BookErrc::busy, BookErrc::bad_signature}) {
    SCOPED_TRACE(describe(code));
    forget(kBob);
    meet_equal(kBob);
    auto const theirs = order(1);
    (void)tell(kBob, {version_of(theirs)});
    deliver(one<GetRecordsMessage>(kBob).call, {theirs}, 0, code);
    EXPECT_EQ(tell(kBob, {version_of(theirs)}), std::vector{true});
    bool const may_be_another = code != BookErrc::maker_full;
    EXPECT_EQ(sent<GetRecordsMessage>().size(), may_be_another ? 1u : 0u);
    (void)tell(kBob, {version_of(next_version(theirs))});
    EXPECT_EQ(sent<GetRecordsMessage>().size(), may_be_another ? 0u : 1u);
  }
}

TEST_F(SyncRecordsTest, aPeerThatIsMetAgainIsAskedForWhatWasRefused) {
  meet_equal(kBob);
  auto const theirs = order(1);
  (void)tell(kBob, {version_of(theirs)});
  deliver(one<GetRecordsMessage>(kBob).call, {theirs}, 0, BookErrc::maker_full);
  meet_equal(kBob);  // it may be another process
  (void)tell(kBob, {version_of(theirs)});
  EXPECT_EQ(sent<GetRecordsMessage>().size(), 1u);
}

class SyncFewRecordsTest : public SyncRecordsTest {
 protected:
  static Sync::Options options() {
    Sync::Options out;
    out.wanted_count_max = 10;
    return out;
  }
  SyncFewRecordsTest() : SyncRecordsTest{options()} {}
};

TEST_F(SyncFewRecordsTest, whatIsAskedForIsBoundedAndOnePeerHasHalfOfIt) {
  for (auto const& each : {kBob, kCarol, kDave}) meet_equal(each);
  auto const ids = ids_of(orders(30));
  (void)tell(kBob, {ids.begin(), ids.begin() + 10});
  EXPECT_EQ(one<GetRecordsMessage>(kBob).message.positions.size(), 5u);
  (void)tell(kCarol, {ids.begin() + 10, ids.begin() + 14});
  EXPECT_EQ(one<GetRecordsMessage>(kCarol).message.positions.size(), 4u);
  (void)tell(kDave, {ids.begin() + 20, ids.end()});
  EXPECT_EQ(one<GetRecordsMessage>(kDave).message.positions.size(), 1u);
  EXPECT_EQ(sync_.load().wanted_count, 10u);
}

// What a comparison finds

TEST_F(SyncRecordsTest, whatAPeerListsIsAskedForInPagesOfAHundredFourAtATime) {
  auto const theirs = orders(450);
  meet(kBob);
  EXPECT_GE(reconcile_with(kBob, theirs), 1u);
  auto asked = sent<GetRecordsMessage>(kBob);
  ASSERT_EQ(asked.size(), 4u);
  for (auto const& each : asked) EXPECT_EQ(each.message.positions.size(), 100u);
  deliver(asked[0].call, at(theirs, asked[0].message.positions));
  asked.push_back(one<GetRecordsMessage>(kBob));
  EXPECT_EQ(asked[4].message.positions.size(), 50u);
  for (std::size_t i = 1; i < 5; ++i) {
    EXPECT_FALSE(sync_.is_read(kBob));
    deliver(asked[i].call, at(theirs, asked[i].message.positions));
  }
  EXPECT_TRUE(sync_.is_read(kBob));
  EXPECT_EQ(book_.size(), 450u);
  auto const notices = outputs<output::Notice>();
  ASSERT_EQ(notices.size(), 1u);
  auto const read = std::get<event::BookRead>(notices[0].event);
  EXPECT_EQ(read.endpoint, kBob);
  EXPECT_EQ(read.order_count, 450u);
  EXPECT_EQ(read.new_count, 450u);
  EXPECT_EQ(read.dropped_count, 0u);
  EXPECT_GE(next(), 15ms) << "ids of them are told";
}

TEST_F(SyncRecordsTest, aSingleRecordIsReported) {
  meet(kBob);
  (void)reconcile_with(kBob, orders(1));
  deliver(one<GetRecordsMessage>(kBob).call, orders(1));
  EXPECT_EQ(outputs<output::Notice>().size(), 1u);
}

TEST_F(SyncRecordsTest, whatALostPeerWasNotYetAskedForIsAskedForAtAnother) {
  auto const theirs = orders(450);
  meet(kBob);
  meet_equal(kCarol);
  (void)reconcile_with(kBob, theirs);
  EXPECT_EQ(sent<GetRecordsMessage>(kBob).size(), 4u);
  (void)tell(kCarol, ids_of(theirs));
  EXPECT_TRUE(sent<GetRecordsMessage>().empty());
  lose(kBob);
  EXPECT_FALSE(sent<GetRecordsMessage>(kCarol).empty());
  EXPECT_TRUE(sent<GetRecordsMessage>(kBob).empty());
}

TEST_F(SyncRecordsTest, whatIsRefusedIsCounted) {
  meet(kBob);
  auto const theirs = orders(3);
  (void)reconcile_with(kBob, theirs);
  deliver(one<GetRecordsMessage>(kBob).call, theirs, 0, BookErrc::maker_full);
  auto const notices = outputs<output::Notice>();
  ASSERT_EQ(notices.size(), 1u);
  auto const read = std::get<event::BookRead>(notices[0].event);
  EXPECT_EQ(read.order_count, 3u);
  EXPECT_EQ(read.new_count, 0u);
  EXPECT_EQ(read.dropped_count, 3u);
}

TEST_F(SyncRecordsTest, whatTheBookRefusesIsAskedForAgainAfterTenMinutes) {
  meet(kBob);
  auto const begin = now_.steady;
  auto const theirs = order(1);
  (void)reconcile_with(kBob, {theirs});
  deliver(one<GetRecordsMessage>(kBob).call, {theirs}, 0, BookErrc::maker_full);
  std::size_t count = 0;
  while (later_by(now_.steady, next()) < later_by(begin, 10min)) {
    wait(next());
    EXPECT_GE(reconcile_with(kBob, {theirs}), 1u);
    EXPECT_TRUE(sent<GetRecordsMessage>().empty());
    ++count;
  }
  EXPECT_GE(count, 3u);
  wait(next());
  (void)reconcile_with(kBob, {theirs});
  EXPECT_EQ(sent<GetRecordsMessage>().size(), 1u);
}

TEST_F(SyncRecordsTest, whatTheBookRefusesIsAskedForAgainAfterExactlyTenMinutes) {
  meet(kBob);
  auto const theirs = order(1);
  (void)reconcile_with(kBob, {theirs});
  deliver(one<GetRecordsMessage>(kBob).call, {theirs}, 0, BookErrc::maker_full);
  wait(10min);
  (void)reconcile_with(kBob, {theirs});
  EXPECT_EQ(sent<GetRecordsMessage>().size(), 1u);
}

TEST_F(SyncRecordsTest, aVersionThatTheBookRefusedIsUnknownAgainAfterExactlyTenMinutes) {
  wait(0s);
  auto const theirs = order(1);
  sync_.heard(theirs);
  meet(kBob);
  EXPECT_EQ(tell(kBob, {version_of(theirs)}), std::vector{false});
  wait(10min);
  EXPECT_EQ(tell(kBob, {version_of(theirs)}), std::vector{true});
}

TEST_F(SyncRecordsTest, aNewerVersionThanTheOneRefusedIsAskedFor) {
  meet(kBob);
  auto const theirs = order(1);
  (void)reconcile_with(kBob, {theirs});
  deliver(one<GetRecordsMessage>(kBob).call, {theirs}, 0, BookErrc::maker_full);
  wait(next());
  (void)reconcile_with(kBob, {next_version(theirs)});
  EXPECT_EQ(sent<GetRecordsMessage>().size(), 1u);
}

TEST_F(SyncRecordsTest, whatAnotherPeerIsAskedForAlreadyIsNotAskedForTwice) {
  meet(kBob);
  meet(kCarol);
  auto const theirs = orders(2);
  (void)reconcile_with(kBob, theirs);
  (void)reconcile_with(kCarol, theirs);
  EXPECT_EQ(sent<GetRecordsMessage>(kBob).size(), 1u);
  EXPECT_TRUE(sent<GetRecordsMessage>(kCarol).empty());
  EXPECT_TRUE(sync_.is_read(kCarol));
}

TEST_F(SyncRecordsTest, recordsThatComeExtendTheTimeOfASession) {
  auto const theirs = orders(450);
  meet(kBob);
  (void)reconcile_with(kBob, theirs);
  auto const asked = sent<GetRecordsMessage>(kBob);
  ASSERT_EQ(asked.size(), 4u);
  now_.steady = later_by(now_.steady, 1s);
  deliver(asked[0].call, at(theirs, asked[0].message.positions));
  EXPECT_FALSE(sync_.is_read(kBob));
  wait(30s - 1ns);
  EXPECT_FALSE(sync_.is_read(kBob));
  wait(1ns);
  EXPECT_TRUE(sync_.is_read(kBob)) << "30 s after the last one that was new";
}

TEST_F(SyncRecordsTest, whatAPeerHasNotLookedUpIsAskedForAgain) {
  auto const theirs = orders(3);
  meet(kBob);
  (void)reconcile_with(kBob, theirs);
  auto const asked = one<GetRecordsMessage>(kBob);
  auto const& positions = asked.message.positions;
  ASSERT_EQ(positions.size(), 3u);
  deliver(asked.call, at(theirs, {positions[0]}), 2);
  auto const rest = one<GetRecordsMessage>(kBob);
  EXPECT_EQ(rest.message.positions, (std::vector{positions[1], positions[2]}));
}

TEST_F(SyncRecordsTest, aPeerThatListsWhatItDoesNotDeliverIsBlamedTheThirdTime) {
  meet(kBob);
  for (int i = 0; i < 3; ++i) {
    (void)reconcile_with(kBob, orders(1));
    deliver(one<GetRecordsMessage>(kBob).call, {});
    EXPECT_TRUE(sync_.is_read(kBob));
    if (i < 2) {
      EXPECT_LE(next(), i == 0 ? 2min : 4min);
    }
    wait(next());
  }
  (void)tell(kBob, ids_of(orders(1)));
  EXPECT_TRUE(sent<GetRecordsMessage>().empty()) << "nor are its ids believed";
}

TEST_F(SyncRecordsTest, aPeerThatHasAnOlderVersionIsSentOurs) {
  auto const old = order(1);
  auto const ours = keep(next_version(old));
  meet(kBob);
  // By its rank its version is the newer one.
  auto const theirs = next_version(next_version(old));
  (void)reconcile_with(kBob, {theirs});
  deliver(one<GetRecordsMessage>(kBob).call, {old});
  auto const pushed = one<InventoryMessage>(kBob);
  EXPECT_EQ(pushed.message.orders, std::vector{ours});
}

class SyncCutTest : public SyncRecordsTest {
 protected:
  static Sync::Options options() {
    Sync::Options out;
    out.reconciliation.wanted_count_max = 1'000;
    return out;
  }
  SyncCutTest() : SyncRecordsTest{options()} {}
  /// Runs a session that is cut and brings all but `missing` of a thousand. True if another one follows at
  /// once.
  bool goes_on_after_all_but(std::size_t missing) {
    auto theirs = std::vector<OrderRecord>(1'001, draft(1, Side::sell));
    for (auto& each : theirs) {
      each.maker = PeerId::random(random_);
      each.id = make_uuid(random_);
      each.signature = Signature::random(random_);
    }
    meet(kBob);
    (void)reconcile_with(kBob, theirs);
    for (auto asked = sent<GetRecordsMessage>(kBob); !asked.empty(); asked = sent<GetRecordsMessage>(kBob)) {
      for (auto const& each : asked) {
        auto page = at(theirs, each.message.positions);
        page.resize(page.size() - std::exchange(missing, 0));
        deliver(each.call, page);
      }
    }
    EXPECT_TRUE(sync_.is_read(kBob));
    wait(0s);
    return !sent<ReconcileMessage>(kBob).empty();
  }
};

TEST_F(SyncCutTest, aSessionThatHasBroughtAThousandIsFollowedByAnotherAtOnce) {
  EXPECT_TRUE(goes_on_after_all_but(0));
}

TEST_F(SyncCutTest, aSessionThatHasBroughtLessIsNot) { EXPECT_FALSE(goes_on_after_all_but(1)); }

// Records that we give

TEST_F(SyncRecordsTest, aRequestIsAnsweredWithTheNewestVersions) {
  auto const known = keep(next_version(order(1)));
  auto const ids = std::vector{position(known), position(order(2))};
  auto const read = ask_us(ids);
  EXPECT_EQ(read.list.orders, std::vector{known});
  EXPECT_EQ(read.left, 0u);
  EXPECT_FALSE(reply_waits_);
  now_.wall = known.expires - 1ms;
  EXPECT_EQ(ask_us(ids).list.orders.size(), 1u);
  now_.wall = known.expires;
  EXPECT_TRUE(ask_us(ids).list.orders.empty()) << "expired";
}

TEST_F(SyncRecordsTest, anOwnVersionIsGivenOnceItIsDurable) {
  publish(1);
  keep(order(2));
  outputs_.clear();
  EXPECT_EQ(ask_us({position(order(1, kSelf)), position(order(2))}).list.orders.size(), 2u);
  EXPECT_TRUE(reply_waits_);
}

TEST_F(SyncRecordsTest, whatTheBookHasDroppedIsListedNoMore) {
  sync_.add(order(1));
  EXPECT_EQ(sync_.index().size(), 1u);
  EXPECT_TRUE(ask_us({position(order(1))}).list.orders.empty());
  EXPECT_EQ(sync_.index().size(), 0u);
}

TEST_F(SyncRecordsTest, anAnswerIsBoundedInNumberAndSize) {
  auto const put = [&](std::size_t endpoint_size) {
    std::vector<OrderPosition> out;
    for (std::size_t i = 0; i < 200; ++i) {
      auto each = draft(1, Side::sell);
      each.maker = PeerId::random(random_);
      each.id = make_uuid(random_);
      each.signature = Signature::random(random_);
      each.endpoint = std::string(endpoint_size - 2, 'h') + ":1";
      keep(each);
      out.push_back(position(each));
    }
    return out;
  };
  auto read = ask_us(put(50));
  EXPECT_EQ(read.list.orders.size(), 197u) << "four may have one position";
  EXPECT_EQ(read.left, 3u);
  read = ask_us(put(200));
  EXPECT_EQ(read.list.orders.size(), 160u * 1024 / 900 + 1);
  EXPECT_EQ(read.left, 200 - read.list.orders.size());
}

TEST_F(SyncRecordsTest, anAnswerEndsWithTheRecordThatFillsIt) {
  std::vector<OrderPosition> positions;
  for (std::size_t i = 0; i < 190; ++i) {
    auto each = draft(1, Side::sell);
    each.maker = PeerId::random(random_);
    each.id = make_uuid(random_);
    each.signature = Signature::random(random_);
    // 140 of 910 bytes and 40 of 911 are 160 KB.
    each.endpoint = std::string(i < 140 ? 208 : 209, 'h') + ":1";
    keep(each);
    positions.push_back(position(each));
  }
  auto const read = ask_us(positions);
  EXPECT_EQ(read.list.orders.size(), 180u);
  EXPECT_EQ(read.left, 10u);
}

}  // namespace
}  // namespace grenache::exchange
