// What commands are refused for, what they list, and what a peer reports of trades.
#include <gtest/gtest.h>

#include "exchange/core/trade/invoice.hpp"
#include "tests/support/trader_network.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using namespace samples;
using result::FailureCode;
using result::PurchaseState;
using test::events_of;
using test::TraderNetwork;

class CommandsTest : public testing::Test {
 protected:
  static Trader::Options options() {
    Trader::Options out;
    out.purchases.count_max = 3;
    out.purchases.waiting_count_max = 2;
    out.listed_count_max = 2;
    out.next_order_count_max = 2;
    return out;
  }
  CommandsTest() { network_.look_up(); }

  OrderRecord publish(TraderNetwork::Node& node, Side side = Side::sell, std::int64_t satoshi = 100,
                      std::int64_t cents = 6'000'000, std::int64_t least_take = 0) {
    command::AddOrder order;
    order.side = side;
    order.price = PriceCents{cents};
    order.amount = Satoshi{satoshi};
    order.least_take = Satoshi{least_take};
    auto const result = network_.execute(node, order);
    auto const* const placed = std::get_if<result::Placed>(&result);
    EXPECT_TRUE(placed);
    return placed ? placed->order.order : OrderRecord{};
  }
  static command::AcceptOrder accept(std::string id, std::optional<std::int64_t> satoshi = {}) {
    command::AcceptOrder out;
    out.id = std::move(id);
    if (satoshi) out.amount = Satoshi{*satoshi};
    return out;
  }
  template <class Command>
  std::optional<FailureCode> failure(Command const& command) {
    auto const result = network_.execute(alice_, command);
    auto const* const failure = std::get_if<result::Failure>(&result);
    return failure ? std::optional{failure->code} : std::nullopt;
  }
  template <class Command>
  result::PurchaseView take(Command const& command) {
    auto const result = network_.execute(alice_, command);
    auto const* const view = std::get_if<result::PurchaseView>(&result);
    EXPECT_TRUE(view);
    return view ? *view : result::PurchaseView{};
  }
  static std::vector<PurchaseState> states(TraderNetwork::Node const& node) {
    std::vector<PurchaseState> out;
    for (auto const& each : events_of<event::PurchaseChanged>(node)) out.push_back(each.purchase.state);
    return out;
  }

  TraderNetwork network_;
  TraderNetwork::Node& alice_ = network_.add("Alice", 1, options());
  TraderNetwork::Node& bob_ = network_.add("Bob", 2);
  TraderNetwork::Node& carol_ = network_.add("Carol", 3);
};

// Reports

TEST_F(CommandsTest, bothSidesOfATradeReportItsSteps) {
  auto const sell = publish(bob_);
  auto changes = events_of<event::OrderChanged>(bob_);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_TRUE(changes[0].is_new && changes[0].is_own);
  changes = events_of<event::OrderChanged>(carol_);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_TRUE(changes[0].is_new && !changes[0].is_own);
  EXPECT_EQ(changes[0].order, sell);

  auto const taken = take(accept(sell.id));
  auto const answered = events_of<event::TakeAnswered>(bob_);
  ASSERT_EQ(answered.size(), 1u);
  EXPECT_EQ(answered[0].order_id, sell.id);
  EXPECT_EQ(answered[0].taker, alice_.id.hex());
  EXPECT_EQ(answered[0].amount, Satoshi{100});
  EXPECT_FALSE(answered[0].refusal);
  EXPECT_EQ(states(alice_), std::vector{PurchaseState::invoiced});
  take(command::Pay{taken.invoice});
  EXPECT_EQ(states(alice_),
            (std::vector{PurchaseState::invoiced, PurchaseState::paying, PurchaseState::settled}));
  for (auto* const node : {&alice_, &bob_}) {
    auto const rows = node->rows.read({.kind = "trade"});
    ASSERT_EQ(rows.size(), 1u);
    EXPECT_TRUE(rows[0].key.starts_with("01700000000000-")) << "ordered by time: " << rows[0].key;
    auto const done = events_of<event::TradeDone>(*node);
    ASSERT_EQ(done.size(), 1u);
    EXPECT_EQ(done[0].as_maker, node == &bob_);
    EXPECT_EQ(done[0].side, node == &bob_ ? Side::sell : Side::buy);
    EXPECT_EQ(done[0].counterpart, node == &bob_ ? alice_.id.hex() : bob_.id.hex());
    EXPECT_EQ(done[0].amount, Satoshi{100});
    EXPECT_EQ(done[0].take_id, taken.take_id);
  }
  changes = events_of<event::OrderChanged>(carol_);
  ASSERT_EQ(changes.size(), 2u);
  EXPECT_FALSE(changes[1].is_new);
  EXPECT_EQ(changes[1].order.status, OrderStatus::filled);
}

TEST_F(CommandsTest, aRefusedTakeIsReportedOnBothSides) {
  auto const sell = publish(bob_);
  (void)network_.execute(carol_, accept(sell.id));
  auto const result = network_.execute(alice_, accept(sell.id));
  auto const* const refused = std::get_if<result::Failure>(&result);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->code, FailureCode::refused);
  EXPECT_EQ(refused->hint, "see: explain " + sell.id.substr(0, 8));
  auto const answered = events_of<event::TakeAnswered>(bob_);
  ASSERT_EQ(answered.size(), 2u);
  EXPECT_EQ(answered[1].taker, alice_.id.hex());
  ASSERT_TRUE(answered[1].refusal);
  EXPECT_EQ(answered[1].refusal->code, RefusalCode::reserved);
  EXPECT_EQ(states(alice_), std::vector{PurchaseState::failed});
  network_.wait(15min);
  auto const expired = events_of<event::SaleExpired>(bob_);
  ASSERT_EQ(expired.size(), 1u);
  EXPECT_EQ(expired[0].taker, carol_.id.hex());
  EXPECT_EQ(expired[0].amount, Satoshi{100});
}

TEST_F(CommandsTest, aBookThatWasReadIsReported) {
  publish(bob_);
  publish(bob_);
  auto& dave = network_.add("Dave", 4);
  network_.look_up();
  std::size_t count = 0;
  for (auto const& read : events_of<event::BookRead>(dave)) count += read.new_count;
  EXPECT_EQ(count, 2u);
  EXPECT_EQ(events_of<event::PeerMet>(dave).size(), 3u);
}

TEST_F(CommandsTest, theRowOfATradeSaysThatItsUsdAreDue) {
  auto const taken = take(accept(publish(bob_).id));
  take(command::Pay{taken.invoice});
  for (auto* const node : {&alice_, &bob_}) {
    auto const rows = node->rows.read({.kind = "trade"});
    ASSERT_EQ(rows.size(), 1u);
    EXPECT_NE(rows[0].body.find("\"usdIsDue\":true"), std::string::npos) << rows[0].body;
  }
}

// Orders by their ids

TEST_F(CommandsTest, anOrderIsNamedByFourCharactersAndItsMaker) {
  auto const sell = publish(bob_);
  auto const list = [&](std::string const& id) { return failure(command::ListMatches{id}); };
  EXPECT_EQ(list(sell.id.substr(0, 3)), FailureCode::invalid);
  EXPECT_EQ(list(sell.id.substr(0, 4)), std::nullopt);
  EXPECT_EQ(list(sell.id + "@"), std::nullopt);
  EXPECT_EQ(list(sell.id + "@" + bob_.id.hex().substr(0, 6)), std::nullopt);
  EXPECT_EQ(list(sell.id + "@" + carol_.id.hex().substr(0, 6)), FailureCode::not_found);
  EXPECT_EQ(list(sell.id + "@" + std::string(kOrderIdSizeMax, 'f')), FailureCode::invalid);
  EXPECT_EQ(list("ffffffff-dead"), FailureCode::not_found);
}

TEST_F(CommandsTest, anUnsignedCopyOfAnIdHidesNoSignedOrder) {
  auto const sell = publish(bob_);
  auto copy = original(1, Side::sell, 1500);
  copy.id = sell.id;
  EXPECT_TRUE(network_.ask(alice_, to_json(copy)).error.empty());
  auto const alone = original(2, Side::sell, 1500);
  EXPECT_TRUE(network_.ask(alice_, to_json(alone)).error.empty());
  EXPECT_EQ(alice_.trader->book().size(), 3u);
  EXPECT_EQ(failure(command::ListMatches{sell.id}), std::nullopt);
  EXPECT_EQ(failure(command::ListMatches{alone.id}), std::nullopt) << "where there is none, it is meant";
}

TEST_F(CommandsTest, anExpiredOrderIsInNoAnswer) {
  auto const sell = publish(bob_);
  auto const book = [&] {
    auto const answer = network_.ask(bob_, to_json(GetOrderbookMessage{{1, CreatorType::client, {}}, true}));
    return parse_orders(read_answer(answer.result), 10)->orders.size();
  };
  EXPECT_EQ(book(), 1u);
  network_.now.wall = sell.expires;
  EXPECT_EQ(book(), 0u);
}

TEST_F(CommandsTest, whetherAnOrderMatchesIsDescribedWhileItIsLive) {
  auto const sell = publish(bob_);
  auto const describe = [&] { return alice_.trader->describe_match(sell.id, network_.now); };
  EXPECT_NE(describe().find("matches no"), std::string::npos) << describe();
  auto const buy = publish(carol_, Side::buy);
  EXPECT_NE(describe().find(buy.id), std::string::npos) << describe();
  EXPECT_EQ(alice_.trader->describe_match("ffffffff", network_.now), "");
  network_.execute(bob_, command::CancelOrder{sell.id});
  EXPECT_EQ(describe(), "");
}

TEST_F(CommandsTest, anOrderThatMeetsItsOwnMakerIsDescribedSo) {
  auto const sell = publish(bob_, Side::sell);
  auto const buy = publish(bob_, Side::buy);
  for (auto const& id : {sell.id, buy.id}) {
    auto const text = alice_.trader->describe_match(id, network_.now);
    EXPECT_NE(text.find("of the same maker"), std::string::npos) << text;
  }
}

TEST_F(CommandsTest, anAmbiguousIdIsRefusedWithWhatMakesItUnique) {
  auto const hint = [&](std::string const& id) {
    auto const result = network_.execute(alice_, command::ListMatches{id});
    auto const* const failure = std::get_if<result::Failure>(&result);
    EXPECT_TRUE(failure && failure->code == FailureCode::ambiguous);
    return failure ? failure->hint : "";
  };
  for (auto const& order : {signed_by(5, draft(1, Side::sell)), signed_by(6, draft(2, Side::sell))}) {
    EXPECT_EQ(network_.ask(alice_, to_json(order)).error, "");
  }
  EXPECT_EQ(hint(uuid(1).substr(0, 8)), "give more of the id");
  EXPECT_EQ(network_.ask(alice_, to_json(signed_by(7, draft(1, Side::sell)))).error, "");
  EXPECT_EQ(hint(uuid(1)), "add @ and the first characters of the maker's key");
}

TEST_F(CommandsTest, listsAreLimited) {
  publish(bob_), publish(bob_);
  auto result = network_.execute(alice_, command::ListOrders{});
  EXPECT_EQ(std::get<result::OrderList>(result).orders.size(), 2u);
  EXPECT_EQ(std::get<result::OrderList>(result).left_out, 0u);
  publish(bob_, Side::sell, 100, 6'100'000);
  publish(bob_, Side::sell, 100, 6'200'000);
  result = network_.execute(alice_, command::ListOrders{});
  EXPECT_EQ(std::get<result::OrderList>(result).orders.size(), 2u);
  EXPECT_EQ(std::get<result::OrderList>(result).left_out, 2u);
  auto const book = network_.execute(alice_, command::ShowBook{});
  auto const& ladder = std::get<result::Ladder>(book);
  EXPECT_TRUE(ladder.bids.empty());
  ASSERT_EQ(ladder.asks.size(), 2u);
  EXPECT_EQ(ladder.asks[0].order_count, 2u);
  EXPECT_EQ(ladder.asks[0].amount, Satoshi{200});
}

// Takes

TEST_F(CommandsTest, anAmountIsPositiveAndAtMostWhatRemains) {
  auto const sell = publish(bob_, Side::sell, 100, 6'000'000, 10);
  network_.call_count = 0;
  for (auto const amount : {-1, 0, 101, 9}) {
    EXPECT_EQ(failure(accept(sell.id, amount)), FailureCode::refused) << amount;
  }
  EXPECT_EQ(network_.call_count, 0u) << "nobody is asked";
  EXPECT_EQ(failure(accept(sell.id, 10)), std::nullopt);
}

TEST_F(CommandsTest, theSameTakeIsAskedForOnceAndAnotherAmountIsAnotherTake) {
  auto const sell = publish(bob_);
  auto const first = take(accept(sell.id, 60));
  EXPECT_EQ(take(accept(sell.id, 60)).take_id, first.take_id);
  EXPECT_EQ(take(accept(sell.id)).take_id, first.take_id) << "the one that is under way";
  EXPECT_EQ(failure(accept(sell.id, 40)), FailureCode::refused) << "a taker has one at a time";
}

TEST_F(CommandsTest, takesAreLimitedInNumber) {
  for (int i = 0; i < 3; ++i) EXPECT_EQ(failure(accept(publish(bob_).id)), std::nullopt);
  EXPECT_EQ(failure(accept(publish(bob_).id)), FailureCode::unavailable);
}

TEST_F(CommandsTest, commandsThatWaitForOneTakeAreLimited) {
  auto const sell = publish(bob_);
  network_.hanging.insert(bob_.at);
  auto const first = network_.begin(alice_, accept(sell.id));
  auto const second = network_.begin(alice_, accept(sell.id));
  EXPECT_FALSE(alice_.answers.contains(first) || alice_.answers.contains(second));
  EXPECT_EQ(failure(accept(sell.id)), FailureCode::unavailable);
}

TEST_F(CommandsTest, aTakeIsPaidByFourCharactersOfItsId) {
  auto const taken = take(accept(publish(bob_).id));
  EXPECT_EQ(failure(command::Pay{taken.take_id.substr(0, 3)}), FailureCode::not_found);
  EXPECT_EQ(take(command::Pay{taken.take_id.substr(0, 4)}).state, PurchaseState::settled);
}

TEST_F(CommandsTest, theNextOrdersAreTriedAsFarAsTheLimit) {
  std::vector<OrderRecord> sells;
  for (int i = 0; i < 4; ++i) sells.push_back(publish(bob_, Side::sell, 100, 6'000'000));
  for (auto const& sell : sells) (void)network_.execute(carol_, accept(sell.id));
  auto wanted = accept(sells[0].id);
  wanted.or_next = true;
  EXPECT_EQ(failure(wanted), FailureCode::refused);
  EXPECT_EQ(states(alice_), std::vector(3, PurchaseState::failed));
}

TEST_F(CommandsTest, aTakeForAnOrderMatchesIt) {
  auto const sell = publish(bob_);
  auto const low = publish(alice_, Side::buy, 100, 5'000'000);
  auto const buy = publish(alice_, Side::buy, 60, 6'000'000);
  auto wanted = accept(sell.id);
  wanted.for_order = low.id;
  EXPECT_EQ(failure(wanted), FailureCode::refused);
  wanted.for_order = sell.id;
  EXPECT_EQ(failure(wanted), FailureCode::not_found) << "not an own one";
  wanted.for_order = buy.id;
  EXPECT_EQ(take(wanted).amount, Satoshi{60});
  EXPECT_EQ(failure(accept(buy.id)), FailureCode::refused) << "the own one";
}

TEST_F(CommandsTest, anImmediateOrderTakesNoMoreThanMayBeUnderWay) {
  for (int i = 0; i < 3; ++i) take(accept(publish(bob_).id));
  publish(bob_, Side::sell, 100, 5'900'000);
  command::AddOrder order;
  order.side = Side::buy;
  order.price = PriceCents{5'900'000};
  order.amount = Satoshi{100};
  order.time_in_force = TimeInForce::immediate_or_cancel;
  EXPECT_EQ(failure(order), FailureCode::refused);
}

TEST_F(CommandsTest, onlyThePreimageOfTheInvoiceIsAProofOfPayment) {
  // A maker of whose answers each is given by the test.
  auto sell = draft(1, Side::sell);
  sell.endpoint = "127.0.0.1:666";
  sell = signed_by(9, sell);
  std::function<void(ExecuteOrderResponse&)> change_invoice = [](auto&) {};
  InvoiceTerms terms{sell.id, {}, 1, sell.amount, network_.now.wall};
  std::function<void(PaidMessage&)> change_proof = [](auto&) {};
  network_.strangers[sell.endpoint] = [&](json::Value const& payload) -> CallAnswer {
    auto const request = parse_request(read_payload(payload)->body);
    MessageHeader const header{1, CreatorType::server, network_.now.wall};
    if (auto const* const execute = std::get_if<ExecuteOrderMessage>(&*request)) {
      terms.take_id = store_take_id(execute->take->take_id, alice_.id.hex());
      terms.reserved_at = network_.now.wall;
      ExecuteOrderResponse out{header,
                               sell.id,
                               *issue_invoice(terms, secret(9)),
                               invoice_expiry(terms),
                               execute->take->take_id,
                               sell.amount};
      change_invoice(out);
      return {to_json(out), {}};
    }
    if (auto const* const pay = std::get_if<PayMessage>(&*request)) {
      PaidMessage out{header, sell.id, pay->take_id, preimage_of(terms, secret(9))};
      change_proof(out);
      return {to_json(out), {}};
    }
    return {{}, "?"};
  };
  EXPECT_TRUE(network_.ask(alice_, to_json(sell)).error.empty());
  change_invoice = [](auto& out) { out.take_id = uuid(5); };
  EXPECT_EQ(failure(accept(sell.id)).has_value(), true);
  network_.wait(30s);
  change_invoice = [](auto& out) { out.order_id = uuid(5); };
  (void)network_.begin(alice_, accept(sell.id));
  network_.wait(30s);
  EXPECT_EQ(states(alice_), std::vector(2, PurchaseState::failed));
  change_invoice = [](auto&) {};
  auto const taken = take(accept(sell.id));
  EXPECT_EQ(taken.state, PurchaseState::invoiced);
  change_proof = [](auto& out) { out.preimage = sha256("?"); };
  (void)network_.begin(alice_, command::Pay{taken.invoice});
  EXPECT_EQ(states(alice_).back(), PurchaseState::paying);
  change_proof = [](auto& out) { out.take_id = uuid(5); };
  network_.wait(5s);
  EXPECT_EQ(states(alice_).back(), PurchaseState::paying);
  EXPECT_TRUE(events_of<event::TradeDone>(alice_).empty());
  change_proof = [](auto&) {};
  network_.wait(30s);
  EXPECT_EQ(states(alice_).back(), PurchaseState::settled);
  EXPECT_EQ(events_of<event::TradeDone>(alice_).size(), 1u);
}

TEST_F(CommandsTest, aStoreThatHasLostItsDataIsToldOfWhatIsReservedAlone) {
  auto const sell = publish(bob_);
  take(command::Pay{take(accept(sell.id, 40)).take_id});
  auto const held = network_.execute(carol_, accept(sell.id, 10));
  EXPECT_TRUE(std::holds_alternative<result::PurchaseView>(held));
  network_.lose_store(bob_.id, 1s);
  network_.wait(40s);
  EXPECT_EQ(failure(accept(sell.id, 51)), FailureCode::refused) << "10 are reserved";
  EXPECT_EQ(take(accept(sell.id, 50)).state, PurchaseState::invoiced) << "what was settled is no reservation";
  network_.wait(16min);
  network_.lose_store(bob_.id, 1s);
  network_.wait(40s);
  EXPECT_EQ(take(accept(sell.id, 60)).state, PurchaseState::invoiced) << "nor is what has expired";
}

TEST_F(CommandsTest, theStatusCountsWhatIsOpen) {
  auto const sell = publish(bob_);
  auto const own = publish(alice_, Side::buy, 100, 5'000'000);
  publish(alice_, Side::buy, 100, 5'000'000);
  network_.execute(alice_, command::CancelOrder{own.id});
  take(accept(sell.id));
  auto const status = [&](TraderNetwork::Node& node) {
    return std::get<result::StatusView>(network_.execute(node, command::ShowStatus{}));
  };
  auto const ours = status(alice_);
  EXPECT_EQ(ours.peer_count, 2u);
  EXPECT_EQ(ours.order_count, 2u);
  EXPECT_EQ(ours.own_order_count, 1u);
  EXPECT_EQ(ours.purchase_count, 1u);
  EXPECT_EQ(ours.sale_count, 0u);
  EXPECT_EQ(status(bob_).sale_count, 1u);
  EXPECT_TRUE(alice_.trader->has_orders(Side::buy, network_.now.wall));
  EXPECT_FALSE(alice_.trader->has_orders(Side::sell, network_.now.wall));
}

TEST_F(CommandsTest, aPeerIsListedWithWhatIsKnownOfIt) {
  network_.unreachable.insert(carol_.at);
  network_.wait(2min);
  auto const result = network_.execute(alice_, command::ListPeers{});
  auto const& peers = std::get<result::PeerList>(result).peers;
  ASSERT_FALSE(peers.empty());
  EXPECT_EQ(peers[0].endpoint, bob_.at);
  EXPECT_EQ(peers[0].name, "Bob");
  for (auto const& each : peers) {
    EXPECT_NE(each.endpoint, alice_.at);
    EXPECT_FALSE(each.is_convicted);
  }
}

}  // namespace
}  // namespace grenache::exchange
