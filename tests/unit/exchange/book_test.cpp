#include "exchange/core/book.hpp"

#include <algorithm>
#include <limits>

#include <gtest/gtest.h>

#include "exchange/core/match_words.hpp"
#include "exchange/messages/message.hpp"
#include "tests/support/sample_orders.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using namespace samples;

std::vector<std::string> ids(std::vector<Match> const& matches) {
  std::vector<std::string> out;
  for (auto const& match : matches) out.push_back(match.order.id);
  return out;
}

class BookTest : public testing::Test {
 protected:
  ~BookTest() override { book_.check(); }
  Added add(OrderRecord const& order) {
    auto const added = book_.add(order, kNow);
    EXPECT_TRUE(added) << added.error().message();
    return added ? *added : Added::nothing;
  }
  std::vector<std::string> matches_of(OrderRecord const& order) { return ids(book_.matches(order, kNow)); }

  Book book_{Book::Options{}};
};

TEST_F(BookTest, sameVersionAgainIsNoNews) {
  auto const order = signed_by(1, draft(1, Side::buy));
  EXPECT_EQ(add(order), Added::order);
  EXPECT_EQ(add(order), Added::nothing);
  EXPECT_EQ(book_.live(kNow), std::vector{order});
}

TEST_F(BookTest, anotherSignatureOfAKnownVersionIsNoNews) {
  auto const order = signed_by(1, draft(1, Side::buy));
  add(order);
  auto other = order;
  other.signature = {};
  EXPECT_EQ(book_.check_new(other, kNow).value(), Added::nothing);
}

TEST_F(BookTest, anIdThatNoOrderHasIsNotFoundAmongOthers) {
  add(signed_by(1, draft(1, Side::buy)));
  add(signed_by(1, draft(3, Side::buy)));
  EXPECT_EQ(book_.find(uuid(0), secret(1).public_key()), nullptr);
  EXPECT_EQ(book_.find(uuid(2), secret(1).public_key()), nullptr);
  EXPECT_EQ(book_.find(uuid(4), secret(1).public_key()), nullptr);
}

TEST_F(BookTest, theTimesOfAnOrderMayReachTheirBounds) {
  Book::Options const options;
  auto order = draft(1, Side::buy);
  order.created = kNow + options.clock_skew_max;
  order.expires = kNow + kOrderLifeMax + options.clock_skew_max;
  EXPECT_TRUE(book_.check_new(signed_by(1, order), kNow));
  auto late = order;
  late.expires += 1ms;
  EXPECT_EQ(book_.check_new(signed_by(1, late), kNow).error(), BookErrc::lives_too_long);
  order.created += 1ms;
  EXPECT_EQ(book_.check_new(signed_by(1, order), kNow).error(), BookErrc::from_the_future);
}

TEST_F(BookTest, highestSeqWinsInWhateverOrderTheyCome) {
  auto first = draft(1, Side::buy);
  auto second = first;
  second.seq = 2;
  second.remaining = Satoshi{5};
  first = signed_by(1, first), second = signed_by(1, second);

  EXPECT_EQ(add(first), Added::order);
  EXPECT_EQ(add(second), Added::version);
  EXPECT_EQ(add(first), Added::nothing);
  EXPECT_EQ(*book_.find(key_of(first)), second);
}

TEST_F(BookTest, twoVersionsWithOneSeqLeaveTheSameOneEverywhere) {
  auto const a = signed_by(1, priced(draft(1, Side::buy), 100));
  auto const b = signed_by(1, priced(draft(1, Side::sell), 200));
  Book other{Book::Options{}};
  add(a), add(b);
  ASSERT_TRUE(other.add(b, kNow));
  ASSERT_TRUE(other.add(a, kNow));
  EXPECT_EQ(book_.live(kNow), other.live(kNow));
  other.check();
}

TEST_F(BookTest, refusesWhatTheMakerDidNotSign) {
  auto order = signed_by(1, draft(1, Side::buy));
  order.price = PriceCents{1};
  EXPECT_EQ(book_.add(order, kNow).error(), BookErrc::bad_signature);
  EXPECT_EQ(book_.size(), 0u);

  auto const known = signed_by(1, draft(2, Side::buy));
  add(known);
  auto forged = known;
  forged.seq = 2;
  forged.status = OrderStatus::cancelled;
  EXPECT_EQ(book_.add(forged, kNow).error(), BookErrc::bad_signature);
  EXPECT_EQ(*book_.find(key_of(known)), known);
}

TEST_F(BookTest, refusesOrdersOutsideOfTheirTime) {
  auto order = signed_by(1, draft(1, Side::buy));
  EXPECT_EQ(book_.add(order, order.expires).error(), BookErrc::expired);
  EXPECT_EQ(book_.add(order, order.created - 121s).error(), BookErrc::from_the_future);
  EXPECT_TRUE(book_.add(order, order.created - 119s)) << "clocks differ a little";
}

TEST_F(BookTest, anOrderEndsNoLaterThanItsLifeFromNowHoweverOftenItIsRefreshed) {
  auto order = draft(1, Side::buy);
  order.expires = kNow + kOrderLifeMax + 121s;
  EXPECT_EQ(book_.add(signed_by(1, order), kNow).error(), BookErrc::lives_too_long);
  EXPECT_EQ(book_.size(), 0u);
  order.expires = kNow + kOrderLifeMax + 119s;
  EXPECT_EQ(add(signed_by(1, order)), Added::order) << "clocks differ a little";

  auto refreshed = order;
  refreshed.seq = 2;
  refreshed.expires += 24h;
  EXPECT_EQ(book_.add(signed_by(1, refreshed), kNow).error(), BookErrc::lives_too_long);
  auto const added = book_.add(signed_by(1, refreshed), kNow + 24h);
  ASSERT_TRUE(added) << added.error().message();
  EXPECT_EQ(*added, Added::version);
}

TEST_F(BookTest, aCancelledOrderStaysAsItsTombstoneUntilItExpires) {
  auto const open = signed_by(1, draft(1, Side::sell));
  auto closed = open;
  closed.seq = 2;
  closed.status = OrderStatus::cancelled;
  closed = signed_by(1, closed);

  EXPECT_EQ(add(closed), Added::order) << "the removal may come first";
  EXPECT_EQ(add(open), Added::nothing);
  EXPECT_TRUE(book_.live(kNow).empty());
  EXPECT_TRUE(matches_of(signed_by(2, draft(2, Side::buy))).empty());

  book_.expire(open.expires);
  EXPECT_EQ(book_.size(), 0u);
  EXPECT_EQ(book_.add(open, open.expires).error(), BookErrc::expired);
}

TEST_F(BookTest, ordersThatAMakerPublishesAndClosesAreBounded) {
  Book::Options options;
  options.maker_closed_count_max = 2;
  Book book{options};
  for (std::uint64_t i = 1; i <= 2; ++i) {
    auto const open = without_work(1, draft(i, Side::sell), i);
    auto closed = open;
    closed.seq = 2;
    closed.status = OrderStatus::cancelled;
    ASSERT_TRUE(book.add(open, kNow));
    EXPECT_EQ(*book.add(signed_by(1, closed), kNow), Added::version);
  }
  EXPECT_EQ(book.add(without_work(1, draft(3, Side::sell), 3), kNow).error(), BookErrc::maker_full);
  EXPECT_TRUE(book.add(signed_by(2, draft(3, Side::sell)), kNow));
  book.check();
}

TEST_F(BookTest, expiredOrdersGoAndMatchNoMoreEvenBefore) {
  add(signed_by(1, draft(1, Side::sell)));
  auto late = draft(2, Side::sell);
  late.expires += 1h;
  add(signed_by(1, late));
  auto buyer = draft(3, Side::buy);
  buyer.expires += 2h;
  EXPECT_EQ(ids(book_.matches(buyer, kNow + 1h)), std::vector{uuid(2)});
  book_.expire(kNow + 1h);
  EXPECT_EQ(book_.size(), 1u);
}

TEST_F(BookTest, theNextExpiryIsThatOfTheFirstOrderToExpireAfterEachChange) {
  EXPECT_EQ(book_.next_expiry(), WallTime::max());
  auto order = draft(1, Side::sell);
  add(signed_by(1, order));
  auto late = draft(2, Side::sell);
  late.expires += 2h;
  add(signed_by(1, late));
  EXPECT_EQ(book_.next_expiry(), order.expires);

  order.seq = 2;
  order.expires += 1h;
  add(signed_by(1, order));
  EXPECT_EQ(book_.next_expiry(), order.expires);
  auto const version = book_.version();
  book_.expire(order.expires - 1ms);
  EXPECT_EQ(book_.version(), version) << "nothing has expired";

  book_.expire(order.expires);
  EXPECT_EQ(book_.next_expiry(), late.expires);
  EXPECT_EQ(book_.size(), 1u);
}

TEST_F(BookTest, levelsCountWhatIsLiveAndNeverOverflow) {
  auto order = sized(draft(1, Side::sell), 10);
  add(signed_by(1, order));
  auto late = sized(draft(2, Side::sell), 20);
  late.expires += 2h;
  add(signed_by(2, late));
  auto const amounts = [&](WallTime now) {
    std::vector<std::int64_t> out;
    for (auto const& level : book_.levels(Side::sell, 10, now)) out.push_back(level.amount.units());
    return out;
  };
  EXPECT_EQ(amounts(kNow), std::vector<std::int64_t>{30});
  EXPECT_EQ(amounts(order.expires), std::vector<std::int64_t>{20}) << "before expire() too";
  book_.expire(order.expires);
  EXPECT_EQ(amounts(order.expires), std::vector<std::int64_t>{20});

  auto reduced = late;
  reduced.seq = 2;
  reduced.remaining = Satoshi{5};
  add(signed_by(2, reduced));
  EXPECT_EQ(amounts(kNow), std::vector<std::int64_t>{5});
  auto const maker = secret(3).public_key();
  for (std::int64_t i = 0; i < 4'400; ++i) {
    auto own = sized(draft(static_cast<std::uint64_t>(100 + i), Side::sell), Satoshi::kMax);
    own.maker = maker;
    book_.put_own(own);
  }
  EXPECT_EQ(amounts(kNow), std::vector{std::numeric_limits<std::int64_t>::max()});
  EXPECT_EQ(amounts(kNow + 1h), std::vector<std::int64_t>{5});
}

TEST_F(BookTest, anOrderKeepsItsRankWhenItIsReducedAndLeavesItWhenItsTermsChange) {
  auto first = draft(1, Side::sell);
  add(signed_by(1, first));
  add(signed_by(2, draft(2, Side::sell)));
  auto const probe = signed_by(7, draft(8, Side::buy));
  first.seq = 2;
  first.remaining = Satoshi{5};
  add(signed_by(1, first));
  EXPECT_EQ(matches_of(probe), (std::vector{uuid(1), uuid(2)}));
  EXPECT_EQ(book_.matches(probe, kNow).front().amount, Satoshi{5});
  first.seq = 3;
  first.remaining = Satoshi{7};
  add(signed_by(1, first));
  EXPECT_EQ(matches_of(probe), (std::vector{uuid(1), uuid(2)}));
  first.seq = 4;
  first.created += 1s;
  add(signed_by(1, first));
  EXPECT_EQ(matches_of(probe), (std::vector{uuid(2), uuid(1)}));
}

TEST_F(BookTest, twoMakersWithOneIdAndTimeRankByTheirKeys) {
  std::vector<PeerId> makers;
  for (std::uint64_t maker = 1; maker <= 6; ++maker) {
    add(signed_by(maker, draft(1, Side::sell)));
    makers.push_back(secret(maker).public_key());
  }
  std::ranges::sort(makers);
  std::vector<PeerId> found;
  for (auto const& match : book_.matches(signed_by(7, draft(8, Side::buy)), kNow)) {
    found.push_back(*match.order.maker);
  }
  EXPECT_EQ(found, makers);
}

TEST_F(BookTest, ranksByPriceThenTimeThenId) {
  auto early = draft(5, Side::sell);
  early.created -= 1s;
  add(signed_by(1, draft(4, Side::sell)));
  add(signed_by(2, draft(3, Side::sell)));
  add(signed_by(1, early));
  add(signed_by(3, priced(draft(9, Side::sell), 5'999'999)));
  add(signed_by(3, priced(draft(1, Side::sell), 6'000'001)));
  EXPECT_EQ(matches_of(signed_by(7, draft(8, Side::buy))), (std::vector{uuid(9), uuid(5), uuid(3), uuid(4)}));
}

TEST_F(BookTest, aSellerGetsTheHighestBidFirst) {
  add(signed_by(1, priced(draft(1, Side::buy), 6'000'000)));
  add(signed_by(2, priced(draft(2, Side::buy), 6'100'000)));
  add(signed_by(3, priced(draft(3, Side::buy), 5'900'000)));
  EXPECT_EQ(matches_of(signed_by(7, draft(8, Side::sell))), (std::vector{uuid(2), uuid(1)}));
}

TEST_F(BookTest, matchesArePartial) {
  add(signed_by(1, sized(draft(1, Side::sell), 40'000'000)));
  add(signed_by(2, sized(draft(2, Side::sell), 300'000'000)));
  auto const matches = book_.matches(signed_by(7, draft(8, Side::buy)), kNow);
  ASSERT_EQ(matches.size(), 2u);
  EXPECT_EQ(matches[0].amount, Satoshi{40'000'000});
  EXPECT_EQ(matches[1].amount, Satoshi{100'000'000});
}

TEST_F(BookTest, aMatchIsLeftOutIfItIsLessThanTheLeastAmount) {
  EXPECT_TRUE(book_.add(signed_by(2, sized(draft(1, Side::sell), 100)), kNow));
  auto const buy = signed_by(3, sized(draft(2, Side::buy), 1'000));
  EXPECT_EQ(book_.signed_matches(buy, Satoshi{100}, 10, kNow).size(), 1u);
  EXPECT_TRUE(book_.signed_matches(buy, Satoshi{101}, 10, kNow).empty());
}

TEST_F(BookTest, ownOrdersNeverMatchEachOther) {
  add(signed_by(1, draft(1, Side::sell)));
  EXPECT_TRUE(matches_of(signed_by(1, draft(2, Side::buy))).empty());
}

TEST_F(BookTest, twoMakersMayUseOneId) {
  auto const a = signed_by(1, draft(1, Side::sell));
  auto const b = signed_by(2, priced(draft(1, Side::sell), 5));
  EXPECT_EQ(add(a), Added::order);
  EXPECT_EQ(add(b), Added::order);
  EXPECT_EQ(*book_.find(uuid(1), *a.maker), a);
  EXPECT_EQ(*book_.find(uuid(1), *b.maker), b);
  EXPECT_NE(book_.find(uuid(1), secret(9).public_key()), nullptr);
  EXPECT_EQ(book_.find(uuid(2), *a.maker), nullptr);
}

TEST_F(BookTest, ordersOfTheOriginalMatchEachOtherAsThere) {
  add(original(1, Side::sell, 1500));
  EXPECT_EQ(matches_of(original(2, Side::buy, 1500)), std::vector{uuid(1)}) << "even of one program";
  EXPECT_TRUE(matches_of(sized(original(3, Side::buy, 1501), 2)).empty()) << "equal amounts only";
}

TEST_F(BookTest, ordersOfTheOriginalMatchOursAtOneDollarAndAsAWhole) {
  add(original(1, Side::sell, 1500));
  EXPECT_EQ(matches_of(signed_by(1, priced(draft(2, Side::buy), 100))), std::vector{uuid(1)});
  EXPECT_TRUE(matches_of(signed_by(1, priced(draft(2, Side::buy), 99))).empty());
  EXPECT_TRUE(matches_of(signed_by(1, sized(draft(2, Side::buy), 200'000'000))).empty());
}

TEST_F(BookTest, aSecondUnsignedOrderWithOneIdIsIgnored) {
  add(original(1, Side::sell, 1500));
  EXPECT_EQ(add(original(1, Side::buy, 1600)), Added::nothing);
  EXPECT_EQ(book_.live(kNow).front().exchange_id, 1500);
}

TEST(BookLimits, unsignedOrdersCanBeRefused) {
  Book book{Book::Options{.accept_unsigned = false}};
  EXPECT_EQ(book.add(original(1, Side::sell, 1), kNow).error(), BookErrc::unsigned_refused);
}

OrderRecord plain(std::uint64_t maker, std::uint64_t number) {
  return without_work(maker, draft(number, Side::buy), number);
}

TEST(BookLimits, aMakerHasNoMoreThanItsShare) {
  Book book{Book::Options{.order_count_max = 4, .maker_order_count_max = 2, .unsigned_count_max = 1}};
  ASSERT_TRUE(book.add(plain(1, 1), kNow));
  ASSERT_TRUE(book.add(plain(1, 2), kNow));
  EXPECT_EQ(book.add(plain(1, 3), kNow).error(), BookErrc::maker_full);
  ASSERT_TRUE(book.add(original(4, Side::buy, 1), kNow));
  EXPECT_EQ(book.add(original(5, Side::buy, 1), kNow).error(), BookErrc::maker_full);

  auto update = plain(1, 1);
  update.seq = 2;
  EXPECT_TRUE(book.add(signed_by(1, update), kNow)) << "a new version needs no new room";

  auto older = draft(6, Side::buy);
  older.created -= 1s;
  ASSERT_TRUE(book.add(without_work(1, older, 6), kNow));
  EXPECT_EQ(book.take_evicted(), std::vector{key_of(plain(1, 2))});
  book.check();
}

TEST(BookLimits, whenTheBookIsFullTheNewestOfTheMakerWithTheMostOrdersGoes) {
  Book book{Book::Options{.order_count_max = 4, .maker_order_count_max = 3}};
  for (std::uint64_t i = 1; i <= 3; ++i) ASSERT_TRUE(book.add(plain(1, i), kNow));
  ASSERT_TRUE(book.add(plain(2, 4), kNow));
  EXPECT_TRUE(book.add(plain(3, 5), kNow));
  EXPECT_EQ(book.take_evicted(), std::vector{key_of(plain(1, 3))});
  EXPECT_EQ(book.add(plain(1, 3), kNow).error(), BookErrc::book_full);
  EXPECT_TRUE(book.add(plain(4, 6), kNow));
  EXPECT_EQ(book.size(), 4u);
  auto const rest = [](OrderRecord const& order) { return work_of(order).rest; };
  bool const is_least =
      std::ranges::all_of(book.live(kNow), [&](auto const& each) { return rest(each) < rest(plain(5, 7)); });
  EXPECT_EQ(book.add(plain(5, 7), kNow).has_value(), !is_least) << "all have one, so the hashes decide";
  book.check();
  book.expire(kNow + 1h);
  EXPECT_TRUE(book.add(plain(5, 7), kNow)) << "room again";
  book.check();
}

TEST(BookLimits, ownOrdersAreCountedAndNeverGo) {
  Book book{Book::Options{.order_count_max = 3}};
  for (std::uint64_t i = 1; i <= 2; ++i) book.put_own(plain(1, i));
  for (std::uint64_t i = 1; i <= 5; ++i) (void)book.add(plain(2, i), kNow);
  EXPECT_EQ(book.size(), 3u);
  for (std::uint64_t i = 3; i <= 6; ++i) book.put_own(plain(1, i));
  EXPECT_EQ(book.size(), 6u);
  EXPECT_EQ(book.take_evicted().size(), 1u);
  book.check();
}

TEST(Book, anOrderThatOnlyHiddenOnesWouldMatchSaysSo) {
  Book book{{}};
  auto const hidden = signed_by(1, draft(1, Side::sell));
  auto const buyer = signed_by(3, draft(9, Side::buy));
  auto unaffordable = draft(4, Side::sell);
  unaffordable.price = PriceCents{buyer.price.units() + 1};
  ASSERT_TRUE(book.add(signed_by(1, unaffordable), kNow));
  ASSERT_TRUE(book.add(signed_by(1, draft(5, Side::buy)), kNow));
  book.hide(*hidden.maker, true);
  EXPECT_EQ(match_words(book, buyer, true, kNow), "It matches nothing: nobody sells.");
  ASSERT_TRUE(book.add(hidden, kNow));
  EXPECT_EQ(
      match_words(book, buyer, true, kNow),
      "It matches nothing: nobody sells. An order that it would match is hidden, since its maker is silent.");
  ASSERT_TRUE(book.add(signed_by(1, draft(2, Side::sell)), kNow));
  EXPECT_EQ(
      match_words(book, buyer, true, kNow),
      "It matches nothing: nobody sells. 2 orders that it would match are hidden, since their makers are "
      "silent.");
  book.hide(*hidden.maker, false);
  EXPECT_TRUE(match_words(book, buyer, true, kNow).starts_with("It matches 2 orders; "));
}

TEST(Book, hiddenOrdersAreNotListedAndNotMatched) {
  Book book{{}};
  auto const hidden = signed_by(1, draft(1, Side::sell));
  auto const buyer = signed_by(3, draft(9, Side::buy));
  ASSERT_TRUE(book.add(hidden, kNow));
  ASSERT_TRUE(book.add(signed_by(2, draft(2, Side::sell)), kNow));
  book.hide(*hidden.maker, true);
  ASSERT_TRUE(book.add(signed_by(1, draft(3, Side::sell)), kNow)) << "later ones are hidden, too";
  book.check();
  EXPECT_EQ(book.hidden_count(), 2u);
  EXPECT_EQ(book.open_count(), 3u);
  EXPECT_EQ(book.live(kNow).size(), 1u);
  EXPECT_EQ(book.matches(buyer, kNow).size(), 1u);
  EXPECT_EQ(book.levels(Side::sell, 9, kNow).at(0).order_count, 1u);
  EXPECT_EQ(book.size(), 3u);
  EXPECT_TRUE(book.find(key_of(hidden)));
  EXPECT_TRUE(book.has_open_orders_of(*hidden.maker));

  auto less = hidden;
  less.seq = 2;
  less.remaining = Satoshi{1};
  ASSERT_EQ(book.add(signed_by(1, less), kNow).value(), Added::version);
  auto closed = signed_by(1, draft(3, Side::sell));
  closed.seq = 2;
  closed.status = OrderStatus::cancelled;
  ASSERT_EQ(book.add(signed_by(1, closed), kNow).value(), Added::version);
  book.check();
  book.hide(*hidden.maker, false);
  book.check();
  EXPECT_EQ(book.hidden_count(), 0u);
  auto const matches = book.matches(buyer, kNow);
  ASSERT_EQ(matches.size(), 2u);
  EXPECT_EQ(matches.front().amount, Satoshi{1});
  book.hide(*hidden.maker, true);
  book.expire(kNow + std::chrono::hours{2});
  book.check();
  EXPECT_EQ(book.hidden_count(), 0u);
}

TEST(BookLimits, closedOwnOrdersAreSubjectToNoLimitEither) {
  Book book{Book::Options{
      .closed_count_max = 3, .maker_closed_count_max = 2, .work_bits_wanted = 30, .cheap_count_max = 2}};
  for (std::uint64_t i = 1; i <= 4; ++i) {
    auto closed = draft(i, Side::buy);
    closed.status = OrderStatus::cancelled;
    book.put_own(signed_by(1, closed));
  }
  EXPECT_EQ(book.size(), 4u);
  EXPECT_TRUE(book.take_evicted().empty());
  book.check();
}

TEST(BookLimits, aFullBookFitsIntoOneAnswer) {
  auto order = draft(1, Side::sell);
  order.endpoint.assign(kEndpointSizeMax - 6, 'h');
  order.endpoint += ":65535";
  order.amount = order.remaining = Satoshi{Satoshi::kMax - 1};
  order.least_take = order.amount;
  auto const body = json::Value::array({to_json(signed_by(1, order))});
  // Quoted twice: in the payload, and in the envelope around it.
  auto const text = json::to_text(write_payload(body, PayloadForm::text));
  EXPECT_LE(text.size() * Book::Options{}.order_count_max, kAnswerBytesMax) << text.size();
  EXPECT_LE(text.size(), kRequestBytesMax);
}

TEST(BookLimits, matchesAreBounded) {
  Book book{Book::Options{.match_count_max = 3}};
  for (std::uint64_t i = 1; i <= 5; ++i) ASSERT_TRUE(book.add(signed_by(1, draft(i, Side::buy)), kNow));
  EXPECT_EQ(book.matches(signed_by(2, draft(9, Side::sell)), kNow).size(), 3u);
}

}  // namespace
}  // namespace grenache::exchange
