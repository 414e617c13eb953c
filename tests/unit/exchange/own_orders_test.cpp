// Own orders alone: their terms, versions, times and rows, with a store that answers when the test says so.
#include "exchange/core/trade/own_orders.hpp"

#include <deque>

#include <gtest/gtest.h>

#include "exchange/journal/memory_journal.hpp"
#include "tests/support/sample_orders.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using namespace samples;
using result::Failure;
using result::FailureCode;

command::AddOrder wanted(std::int64_t satoshi = 100) {
  command::AddOrder out;
  out.side = Side::sell;
  out.price = PriceCents{6'000'000};
  out.amount = Satoshi{satoshi};
  return out;
}

TEST(OrderTerms, amountAndPriceArePositiveAndLimited) {
  auto terms = wanted();
  EXPECT_FALSE(check_terms(terms));
  for (auto const& [amount, is_valid] :
       {std::pair{std::int64_t{0}, false}, {1, true}, {Satoshi::kMax, true}, {Satoshi::kMax + 1, false}}) {
    EXPECT_EQ(!check_terms(wanted(amount)), is_valid) << amount;
  }
  for (auto const& [price, is_valid] : {std::pair{std::int64_t{0}, false},
                                        {1, true},
                                        {PriceCents::kMax, true},
                                        {PriceCents::kMax + 1, false}}) {
    terms.price = PriceCents{price};
    EXPECT_EQ(!check_terms(terms), is_valid) << price;
  }
}

TEST(OrderTerms, theLeastTakeIsAtMostTheAmount) {
  auto terms = wanted();
  for (auto const& [least, is_valid] : {std::pair{-1, false}, {0, true}, {100, true}, {101, false}}) {
    terms.least_take = Satoshi{least};
    EXPECT_EQ(!check_terms(terms), is_valid) << least;
  }
}

TEST(OrderTerms, anOrderLivesAtMostSevenDays) {
  auto terms = wanted();
  for (auto const& [life, is_valid] :
       {std::pair{0ms, false}, {1ms, true}, {std::chrono::milliseconds{168h}, true}, {168h + 1ms, false}}) {
    terms.life = life;
    EXPECT_EQ(!check_terms(terms), is_valid) << life.count();
  }
  terms.life = {};
  terms.time_in_force = TimeInForce::good_till_date;
  EXPECT_EQ(check_terms(terms)->code, FailureCode::invalid) << "a GTD order says how long";
  terms.life = 1h;
  EXPECT_FALSE(check_terms(terms));
}

TEST(OrderTerms, theNameOfAGroupIsShort) {
  auto terms = wanted();
  terms.group = std::string(kGroupNameSizeMax, 'g');
  EXPECT_FALSE(check_terms(terms));
  terms.group += 'g';
  EXPECT_TRUE(check_terms(terms));
}

TEST(OrderTerms, anImmediateOrderIsNotPublished) {
  for (auto const time_in_force : {TimeInForce::immediate_or_cancel, TimeInForce::fill_or_kill}) {
    auto plain = wanted();
    plain.time_in_force = time_in_force;
    EXPECT_FALSE(check_terms(plain));
    auto terms = plain;
    terms.life = 1h;
    EXPECT_TRUE(check_terms(terms));
    terms = plain;
    terms.post_only = true;
    EXPECT_TRUE(check_terms(terms));
    terms = plain;
    terms.least_take = Satoshi{1};
    EXPECT_TRUE(check_terms(terms));
    terms = plain;
    terms.group = "g";
    EXPECT_TRUE(check_terms(terms));
  }
}

class OwnOrdersTest : public testing::Test {
 protected:
  template <class Body>
  auto in_turn(Body body) {
    Turn turn{now_, random_, calls_};
    auto out = body(turn);
    TurnPositions positions;
    std::deque<Output> outputs;
    std::move(turn).close(positions, outputs);
    for (auto& each : outputs) {
      if (auto* const store = std::get_if<output::Store>(&each)) stored_.push_back(std::move(*store));
      if (auto* const save = std::get_if<output::Save>(&each)) rows_.apply(save->batch);
    }
    return out;
  }
  std::optional<Failure> try_to_add(command::AddOrder const& terms) {
    auto const added = in_turn([&](Turn& turn) { return orders_.add(terms, turn); });
    if (auto const* const failure = std::get_if<Failure>(&added)) return *failure;
    last_ = std::get<OrderRecord>(added);
    return std::nullopt;
  }
  OrderRecord add(command::AddOrder const& terms = wanted()) {
    EXPECT_FALSE(try_to_add(terms));
    return last_;
  }
  std::optional<Failure> update(OrderRecord const& order, std::int64_t by, bool close = false) {
    return in_turn([&](Turn& turn) { return orders_.update(7, order.id, Satoshi{by}, close, turn); });
  }
  /// The only command to the store since the last call.
  store::Update asked() {
    EXPECT_EQ(stored_.size(), 1u);
    if (stored_.empty()) return {};
    call_ = stored_.front().call;
    auto const out = std::get<store::Update>(stored_.front().command);
    stored_.clear();
    return out;
  }
  OwnOrders::Ended answer(store::Answer const& answer) {
    auto const tag = calls_.remove(call_);
    EXPECT_TRUE(tag && tag->part == Part::own_orders);
    return in_turn([&](Turn& turn) { return orders_.on_stored(tag ? tag->key : 0, answer, turn); });
  }
  std::vector<OwnOrder> expire_after(std::chrono::milliseconds time) {
    now_.wall += time;
    return in_turn([&](Turn& turn) { return orders_.expire(turn); });
  }
  std::optional<OrderRecord> apply(OrderRecord const& order, OrderTotals const& totals, bool is_shared) {
    return in_turn([&](Turn& turn) { return orders_.apply(order.id, totals, is_shared, turn); });
  }
  std::optional<OrderRecord> observe(OrderRecord const& order, bool is_shared) {
    return in_turn([&](Turn& turn) { return orders_.observe(order, is_shared, turn); });
  }
  static OrderTotals totals(std::int64_t filled, std::int64_t reduced, bool closed = false) {
    return {Satoshi{filled}, Satoshi{reduced}, closed, 0, Satoshi{filled + reduced}};
  }
  static OwnOrders::Options options() {
    OwnOrders::Options out;
    out.order_count_max = 3;
    out.group_size_max = 2;
    return out;
  }
  Row row_of(OrderRecord const& order) {
    auto const rows = rows_.read({.kind = OwnOrders::kRowKind});
    auto const found = std::ranges::find(rows, order.id, &Row::key);
    EXPECT_TRUE(found != rows.end());
    return found != rows.end() ? *found : Row{};
  }

  Now now_{TimePoint{} + 1h, kNow};
  Random random_{1};
  CallTable calls_;
  RowTable rows_;
  std::vector<output::Store> stored_;
  CallId call_ = 0;
  OrderRecord last_;
  Self self_{secret(1), secret(1).public_key(), "Alice", "this", "127.0.0.1:1", 1};
  OwnOrders orders_{options(), self_};
};

TEST_F(OwnOrdersTest, anOrderIsSignedWithItsTermsAndLivesADay) {
  auto terms = wanted();
  terms.least_take = Satoshi{7};
  auto const order = add(terms);
  EXPECT_TRUE(verify_order(order));
  EXPECT_EQ(order.seq, 1);
  EXPECT_EQ(order.status, OrderStatus::open);
  EXPECT_EQ(order.remaining, Satoshi{100});
  EXPECT_EQ(order.least_take, Satoshi{7});
  EXPECT_EQ(order.created, kNow);
  EXPECT_EQ(order.expires, kNow + 24h);
  EXPECT_EQ(order.endpoint, self_.endpoint);
  EXPECT_EQ(order.exchange_id, 1);
  EXPECT_EQ(orders_.find(order.id)->record, order);
  EXPECT_EQ(orders_.known().size(), 1u);
}

TEST_F(OwnOrdersTest, aPeerThatDoesNotListenPublishesNothing) {
  self_.endpoint.clear();
  EXPECT_EQ(try_to_add(wanted())->code, FailureCode::unavailable);
}

TEST_F(OwnOrdersTest, openOrdersAreLimitedInNumber) {
  auto const first = add();
  add(), add();
  EXPECT_EQ(try_to_add(wanted())->code, FailureCode::refused);
  (void)update(first, 0, true);
  auto closed = asked().order.totals;
  closed.closed = true;
  EXPECT_FALSE(answer(store::Updated{closed}).failure);
  add();
  EXPECT_EQ(try_to_add(wanted())->code, FailureCode::refused);
  now_.wall += 24h;
  EXPECT_FALSE(try_to_add(wanted())) << "the others have expired";
}

TEST_F(OwnOrdersTest, aPreparedOrderThatHasExpiredIsNotPublished) {
  auto terms = wanted();
  terms.life = 1min;
  auto prepared = in_turn([&](Turn& turn) { return orders_.prepare(terms, turn); });
  auto const order = std::get<OwnOrder>(prepared);
  EXPECT_TRUE(orders_.all().empty());
  now_.wall += 1min - 1ms;
  EXPECT_TRUE(
      std::holds_alternative<OrderRecord>(in_turn([&](Turn& turn) { return orders_.publish(order, turn); })));
  now_.wall += 1ms;
  auto const late = in_turn([&](Turn& turn) { return orders_.publish(order, turn); });
  EXPECT_EQ(std::get<Failure>(late).code, FailureCode::refused);
}

TEST_F(OwnOrdersTest, aGroupIsLimitedAndClosedByTheFirstSale) {
  auto terms = wanted();
  terms.group = "g";
  auto const first = add(terms);
  auto const second = add(terms);
  EXPECT_EQ(try_to_add(terms)->code, FailureCode::refused);
  EXPECT_EQ(orders_.rivals_of(*orders_.find(first.id)), std::vector{second.id});
  auto const close = [&](std::string const& id) {
    return in_turn([&](Turn& turn) { return orders_.close_rivals(id, turn); });
  };
  EXPECT_TRUE(close(first.id).empty()) << "nothing is sold";
  EXPECT_TRUE(close("unknown").empty());
  (void)apply(first, totals(1, 0), false);
  auto const closed = close(first.id);
  ASSERT_EQ(closed.size(), 1u);
  EXPECT_EQ(closed[0].id, second.id);
  EXPECT_EQ(closed[0].status, OrderStatus::cancelled);
  EXPECT_EQ(closed[0].seq, 2);
  EXPECT_TRUE(close(first.id).empty()) << "once";
}

TEST_F(OwnOrdersTest, noOrderJoinsAGroupThatHasSold) {
  auto terms = wanted();
  terms.group = "g";
  auto const first = add(terms);
  (void)apply(first, totals(0, 1), false);
  auto other = wanted();
  other.group = "h";
  add(other);
  (void)apply(first, totals(1, 1), false);
  EXPECT_EQ(try_to_add(terms)->code, FailureCode::refused);
  EXPECT_TRUE(orders_.rivals_of(*orders_.find(first.id)).empty());
  // A group ends with its last order.
  terms.life = 48h;
  terms.group = "h";
  add(terms);
  terms.group = "g";
  EXPECT_EQ(expire_after(26h).size(), 2u);
  OwnOrder stranger;
  stranger.group = "h";
  EXPECT_EQ(orders_.rivals_of(stranger).size(), 1u);
  EXPECT_FALSE(try_to_add(terms));
}

TEST_F(OwnOrdersTest, aReductionIsPositiveAndAtMostWhatRemains) {
  auto const order = add();
  EXPECT_EQ(update(order, 0)->code, FailureCode::invalid);
  EXPECT_EQ(update(order, 101)->code, FailureCode::invalid);
  EXPECT_EQ(update(OrderRecord{}, 1)->code, FailureCode::not_found);
  EXPECT_TRUE(stored_.empty());
  EXPECT_FALSE(update(order, 100));
  EXPECT_EQ(update(order, 1)->code, FailureCode::unavailable) << "one at a time";
  auto const first = asked();
  EXPECT_EQ(first.reduce_by, Satoshi{100});
  EXPECT_FALSE(first.close);
  EXPECT_EQ(first.order.id, order.id);
  auto const ended = answer(store::Updated{totals(0, 100)});
  EXPECT_EQ(ended.command, 7u);
  EXPECT_FALSE(ended.failure);
  ASSERT_TRUE(ended.changed);
  EXPECT_EQ(ended.changed->status, OrderStatus::cancelled) << "nothing was sold";
  EXPECT_EQ(ended.changed->remaining, Satoshi{0});
  EXPECT_EQ(update(order, 1)->code, FailureCode::not_found) << "it is closed";
  EXPECT_NE(update(order, 1)->text.find(to_text(OrderStatus::cancelled)), std::string::npos);
  auto const late = add();
  now_.wall = late.expires;
  EXPECT_EQ(update(late, 0, true)->code, FailureCode::not_found);
  EXPECT_NE(update(late, 0, true)->text.find("EXPIRED"), std::string::npos);
}

TEST_F(OwnOrdersTest, anOrderOfWhichNothingIsFreeIsNotReduced) {
  auto const order = add();
  EXPECT_FALSE(update(order, 1));
  (void)asked();
  auto const ended = answer(store::Updated{totals(0, 0)});
  ASSERT_TRUE(ended.failure);
  EXPECT_EQ(ended.failure->code, FailureCode::refused);
  EXPECT_FALSE(update(order, 1));
  (void)asked();
  EXPECT_FALSE(answer(store::Updated{totals(0, 1)}).failure);
}

TEST_F(OwnOrdersTest, onlyReductionsOfOneOrderWaitForEachOther) {
  auto const order = add();
  EXPECT_FALSE(update(order, 1));
  EXPECT_EQ(update(order, 1)->code, FailureCode::unavailable);
  auto const other = add();
  EXPECT_FALSE(update(other, 0, true));
  EXPECT_FALSE(update(other, 1)) << "it is not closed yet";
  EXPECT_FALSE(update(order, 0, true)) << "an order can be closed at any time";
  EXPECT_EQ(stored_.size(), 4u);
  auto const unknown =
      in_turn([&](Turn& turn) { return orders_.on_stored(99, store::Updated{totals(0, 1)}, turn); });
  EXPECT_EQ(unknown.command, 0u);
  EXPECT_FALSE(unknown.changed);
}

TEST_F(OwnOrdersTest, ofTwoPreparedOrdersTheLimitAdmitsOne) {
  add(), add();
  auto const prepare = [&] {
    return std::get<OwnOrder>(in_turn([&](Turn& turn) { return orders_.prepare(wanted(), turn); }));
  };
  auto const first = prepare();
  auto const second = prepare();
  auto const publish = [&](OwnOrder const& order) {
    return in_turn([&](Turn& turn) { return orders_.publish(order, turn); });
  };
  EXPECT_TRUE(std::holds_alternative<OrderRecord>(publish(first)));
  EXPECT_TRUE(std::holds_alternative<Failure>(publish(second)));
  EXPECT_TRUE(
      std::holds_alternative<Failure>(in_turn([&](Turn& turn) { return orders_.prepare(wanted(), turn); })));
  EXPECT_EQ(try_to_add(wanted(0))->code, FailureCode::invalid);
}

TEST_F(OwnOrdersTest, withoutTheStoreNothingIsChanged) {
  auto const order = add();
  EXPECT_FALSE(update(order, 0, true));
  EXPECT_TRUE(asked().close);
  auto const ended = answer(store::Refused{store::RefusalReason::unavailable, {}, {}});
  EXPECT_EQ(ended.failure->code, FailureCode::unavailable);
  EXPECT_FALSE(ended.changed);
  EXPECT_EQ(orders_.find(order.id)->record, order);
}

TEST_F(OwnOrdersTest, aFilledOrderIsFilledAlsoWhenAPartWasWithdrawn) {
  auto const order = add();
  auto const changed = apply(order, totals(1, 99), false);
  ASSERT_TRUE(changed);
  EXPECT_EQ(changed->status, OrderStatus::filled);
}

TEST_F(OwnOrdersTest, totalsThatSayNothingNewSignNothing) {
  auto const order = add();
  auto same = totals(0, 0);
  same.seq = 9;
  EXPECT_FALSE(apply(order, same, false));
  auto const changed = apply(order, totals(10, 0), false);
  ASSERT_TRUE(changed);
  EXPECT_EQ(changed->remaining, Satoshi{90});
  EXPECT_EQ(changed->seq, 2);
  EXPECT_FALSE(apply(order, totals(5, 0), false)) << "older";
  EXPECT_FALSE(apply(OrderRecord{}, totals(5, 0), false));
  // With a shared store, only the store gives out the seq.
  EXPECT_FALSE(apply(order, totals(20, 0), true));
  EXPECT_EQ(asked().order.totals.filled, Satoshi{20});
  OwnOrders later{options(), self_};
  EXPECT_TRUE(later.restore(row_of(order)));
  EXPECT_EQ(later.find(order.id)->totals.filled, Satoshi{20}) << "it is not forgotten meanwhile";
  in_turn([&](Turn& turn) { return later.renew(turn), 0; });
  EXPECT_EQ(asked().order.id, order.id) << "its version is outdated";
  in_turn([&](Turn& turn) { return orders_.renew(turn), 0; });
  EXPECT_EQ(asked().order.id, order.id);
  auto next = totals(20, 0);
  next.seq = 12;
  auto const ended = answer(store::Updated{next});
  EXPECT_EQ(ended.command, 0u);
  EXPECT_EQ(ended.changed->seq, 12);
  EXPECT_EQ(ended.changed->remaining, Satoshi{80});
  EXPECT_EQ(ended.changed->expires, order.expires) << "only a refresh extends it";
}

// Times

TEST_F(OwnOrdersTest, anOrderIsRefreshedWhenAQuarterOfItsLifeIsLeft) {
  auto const order = add();
  EXPECT_EQ(orders_.next_expiry(), kNow + 18h);
  EXPECT_TRUE(expire_after(18h - 1ms).empty());
  EXPECT_TRUE(stored_.empty());
  expire_after(1ms);
  EXPECT_EQ(asked().reduce_by, Satoshi{0});
  expire_after(0ms);
  EXPECT_TRUE(stored_.empty()) << "it waits for the answer";
  (void)answer(store::Refused{store::RefusalReason::unavailable, {}, {}});
  EXPECT_EQ(orders_.next_expiry(), now_.wall + 10s);
  expire_after(10s);
  (void)asked();
  auto const ended = answer(store::Updated{totals(0, 0)});
  ASSERT_TRUE(ended.changed);
  EXPECT_EQ(ended.changed->expires, now_.wall + 24h);
  EXPECT_EQ(ended.changed->seq, 2);
  EXPECT_EQ(ended.changed->created, order.created);
  EXPECT_EQ(orders_.next_expiry(), now_.wall + 18h);
}

TEST_F(OwnOrdersTest, anOrderWithADateIsNotRefreshedNorIsAClosedOne) {
  auto terms = wanted();
  terms.time_in_force = TimeInForce::good_till_date;
  terms.life = 4h;
  add(terms);
  EXPECT_EQ(orders_.next_expiry(), kNow + 4h + 2h) << "it is forgotten";
  auto const order = add();
  EXPECT_EQ(orders_.next_expiry(), kNow + 6h);
  (void)apply(order, totals(0, 0, true), false);
  EXPECT_TRUE(expire_after(6h - 1ms).empty());
  EXPECT_EQ(expire_after(1ms).size(), 1u);
  EXPECT_TRUE(expire_after(12h).empty());
  EXPECT_TRUE(stored_.empty());
  EXPECT_EQ(expire_after(8h).size(), 1u);
  EXPECT_TRUE(rows_.read({.kind = OwnOrders::kRowKind}).empty());
  EXPECT_EQ(orders_.next_expiry(), WallTime::max());
}

TEST_F(OwnOrdersTest, anAnswerForAnOrderThatIsForgottenEndsItsCommand) {
  auto const order = add();
  EXPECT_FALSE(update(order, 1));
  (void)asked();
  expire_after(26h);
  auto const ended = answer(store::Updated{totals(0, 1)});
  EXPECT_EQ(ended.command, 7u);
  EXPECT_EQ(ended.failure->code, FailureCode::not_found);
}

TEST_F(OwnOrdersTest, afterTheEndpointHasChangedLiveOrdersGetANewVersion) {
  auto const order = add();
  auto const closed = add();
  (void)apply(closed, totals(0, 0, true), false);
  auto const renew = [&] { return in_turn([&](Turn& turn) { return orders_.renew(turn), 0; }); };
  renew();
  EXPECT_TRUE(stored_.empty());
  self_.endpoint = "127.0.0.1:2";
  renew();
  EXPECT_EQ(asked().order.id, order.id);
  auto const ended = answer(store::Updated{totals(0, 0)});
  EXPECT_EQ(ended.command, 0u);
  EXPECT_EQ(ended.changed->endpoint, "127.0.0.1:2");
  EXPECT_EQ(ended.changed->expires, order.expires);
  renew();
  EXPECT_TRUE(stored_.empty());
}

// Versions of other processes

TEST_F(OwnOrdersTest, anOrderThatNobodyExecutesIsClosed) {
  EXPECT_FALSE(observe(signed_by(2, draft(1, Side::sell)), false)) << "of another maker";
  auto const closed = observe(signed_by(1, draft(1, Side::sell)), false);
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->status, OrderStatus::cancelled);
  EXPECT_EQ(closed->seq, 2);
  EXPECT_FALSE(observe(signed_by(1, draft(2, Side::sell)), true)) << "another process executes it";
  EXPECT_EQ(orders_.find(uuid(2))->time_in_force, TimeInForce::good_till_date);
  EXPECT_TRUE(orders_.find(uuid(2))->totals.reduced == Satoshi{0});
}

TEST_F(OwnOrdersTest, aNewerVersionOfAnotherProcessIsFollowed) {
  auto newer = add();
  newer.seq = 5;
  newer.remaining = Satoshi{60};
  newer.expires += 1h;
  newer = signed_by(1, newer);
  EXPECT_FALSE(observe(newer, false));
  auto const* const own = orders_.find(newer.id);
  EXPECT_EQ(own->record, newer);
  EXPECT_EQ(own->totals.spent, Satoshi{40});
  EXPECT_EQ(own->totals.reduced, Satoshi{40}) << "what the journal does not know";
  EXPECT_EQ(own->totals.seq, 5);
  EXPECT_EQ(own->refresh_at, newer.expires - 6h);
  OwnOrders later{options(), self_};
  EXPECT_TRUE(later.restore(row_of(newer)));
  EXPECT_EQ(later.find(newer.id)->record, newer);
  auto same_seq = newer;
  same_seq.remaining = Satoshi{50};
  EXPECT_FALSE(observe(signed_by(1, same_seq), false));
  EXPECT_EQ(orders_.find(newer.id)->record.remaining, Satoshi{50});
  auto closed = newer;
  closed.seq = 6;
  closed.status = OrderStatus::expired;
  EXPECT_FALSE(observe(signed_by(1, closed), false));
  EXPECT_TRUE(orders_.find(newer.id)->totals.closed);
}

TEST_F(OwnOrdersTest, anOlderVersionCountsOnlyIfItSaysThatLessIsLeft) {
  auto const first = add();
  (void)apply(first, totals(10, 0), false);
  EXPECT_FALSE(observe(first, false));
  auto sold = first;
  sold.remaining = Satoshi{90};
  EXPECT_FALSE(observe(signed_by(1, sold), false)) << "known";
  sold.remaining = Satoshi{70};
  auto const changed = observe(signed_by(1, sold), false);
  ASSERT_TRUE(changed);
  EXPECT_EQ(changed->remaining, Satoshi{70});
  EXPECT_EQ(changed->seq, 3);
  sold.remaining = Satoshi{60};
  EXPECT_FALSE(observe(signed_by(1, sold), true));
  EXPECT_FALSE(asked().close);
  auto const ended = answer(store::Updated{totals(10, 30)});
  EXPECT_EQ(ended.command, 0u);
  EXPECT_EQ(ended.changed->expires, first.expires);
  EXPECT_EQ(ended.changed->remaining, Satoshi{60});
  sold.status = OrderStatus::cancelled;
  EXPECT_FALSE(observe(signed_by(1, sold), true));
  EXPECT_TRUE(asked().close);
  EXPECT_FALSE(observe(signed_by(1, sold), true)) << "known";
  EXPECT_TRUE(stored_.empty());
}

TEST_F(OwnOrdersTest, whatAnOlderVersionSaysDoesNotExtendTheLife) {
  auto const first = add();
  (void)apply(first, totals(10, 0), false);
  now_.wall += 1h;
  auto sold = first;
  sold.remaining = Satoshi{60};
  EXPECT_FALSE(observe(signed_by(1, sold), true));
  (void)asked();
  auto next = totals(10, 30);
  next.seq = 9;
  auto const ended = answer(store::Updated{next});
  ASSERT_TRUE(ended.changed);
  EXPECT_EQ(ended.changed->expires, first.expires);
}

TEST_F(OwnOrdersTest, whoeverSignedANewerVersionMayNotHaveKnownWhatWeKnow) {
  for (bool const is_shared : {false, true}) {
    auto const order = add();
    (void)apply(order, totals(40, 0), false);
    auto newer = order;
    newer.seq = 5;
    auto const changed = observe(signed_by(1, newer), is_shared);
    EXPECT_EQ(changed.has_value(), !is_shared);
    if (is_shared) {
      EXPECT_FALSE(asked().close);
      auto next = totals(40, 0);
      next.seq = 6;
      auto const ended = answer(store::Updated{next});
      EXPECT_EQ(ended.command, 0u);
      EXPECT_EQ(ended.changed->expires, order.expires);
    }
    EXPECT_EQ(orders_.find(order.id)->record.remaining, Satoshi{60});
    EXPECT_EQ(orders_.find(order.id)->record.seq, 6);
  }
}

// Rows

TEST_F(OwnOrdersTest, aRowRestoresAllOfAnOrder) {
  auto terms = wanted();
  terms.group = "g";
  terms.post_only = true;
  terms.life = 2h;
  auto const order = add(terms);
  (void)apply(order, totals(10, 5), false);
  auto const row = row_of(order);
  OwnOrders later{options(), self_};
  EXPECT_TRUE(later.restore(row));
  EXPECT_FALSE(later.restore(row)) << "twice";
  auto const* const restored = later.find(order.id);
  ASSERT_TRUE(restored);
  auto const* const known = orders_.find(order.id);
  EXPECT_EQ(restored->record, known->record);
  EXPECT_EQ(restored->totals, known->totals);
  EXPECT_EQ(restored->life, 2h);
  EXPECT_EQ(restored->refresh_at, order.expires - 30min);
  EXPECT_TRUE(restored->post_only);
  EXPECT_EQ(restored->group, "g");
  std::vector<Row> dumped;
  later.dump(dumped);
  EXPECT_EQ(dumped, std::vector{row});
}

TEST_F(OwnOrdersTest, totalsOfARowThatExceedTheAmountAreReduced) {
  auto const order = add();
  (void)apply(order, totals(60, 30), false);
  auto body = *json::parse(row_of(order).body)->as_object();
  for (auto& [name, value] : body) {
    if (name == "reduced") value = json::Value{Satoshi{50}.to_text()};
  }
  OwnOrders later{options(), self_};
  ASSERT_TRUE(later.restore({OwnOrders::kRowKind, order.id, json::to_text(json::Value{body})}));
  auto const& restored = later.find(order.id)->totals;
  EXPECT_LE(restored.filled + restored.reduced, Satoshi{100});
}

TEST_F(OwnOrdersTest, rowsOfTheFirstReleaseLackSomeMembers) {
  auto const order = add();
  (void)apply(order, totals(10, 0), false);
  auto body = *json::parse(row_of(order).body)->as_object();
  std::erase_if(body, [](auto const& each) { return each.first == "spent" || each.first == "postOnly"; });
  OwnOrders later{options(), self_};
  EXPECT_TRUE(later.restore({OwnOrders::kRowKind, order.id, json::to_text(json::Value{body})}));
  EXPECT_EQ(later.find(order.id)->totals.spent, Satoshi{10});
  EXPECT_FALSE(later.find(order.id)->post_only);
}

TEST_F(OwnOrdersTest, aMalformedRowIsNotRestored) {
  auto const order = add();
  auto const row = row_of(order);
  auto const whole = *json::parse(row.body)->as_object();
  OwnOrders later{options(), self_};
  for (std::string const name : {"order", "timeInForce", "lifeMs", "filled", "reduced", "closed", "seq"}) {
    auto body = whole;
    std::erase_if(body, [&](auto const& each) { return each.first == name; });
    EXPECT_FALSE(later.restore({row.kind, row.key, json::to_text(json::Value{body})})) << name;
  }
  auto body = whole;
  for (auto& [name, value] : body) {
    if (name == "spent") value = json::Value{"much"};
  }
  EXPECT_FALSE(later.restore({row.kind, row.key, json::to_text(json::Value{body})}));
  EXPECT_FALSE(later.restore({row.kind, uuid(5), row.body})) << "of another order";
  EXPECT_FALSE(later.restore({row.kind, row.key, "{"}));
  Self const other{secret(2), secret(2).public_key(), "Bob", "that", "127.0.0.1:2", 2};
  OwnOrders foreign{options(), other};
  EXPECT_FALSE(foreign.restore(row)) << "of another maker";
  EXPECT_TRUE(later.restore(row));
}

}  // namespace
}  // namespace grenache::exchange
