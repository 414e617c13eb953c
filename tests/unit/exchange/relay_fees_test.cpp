// Peers that ask for a fee before they tell others of strangers' orders (the question of seed 002).
#include <gtest/gtest.h>

#include "exchange/messages/order_work.hpp"
#include "tests/support/trader_network.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using namespace samples;
using test::TraderNetwork;
using Node = TraderNetwork::Node;

constexpr Satoshi kFee{100};

command::AddOrder sell() {
  command::AddOrder out;
  out.side = Side::sell;
  out.price = PriceCents{6'000'000};
  out.amount = Satoshi{1'000};
  return out;
}

/// Alice asks for a fee; Bob knows Alice alone, and Carol too.
class RelayFeesTest : public testing::Test {
 protected:
  RelayFeesTest() {
    network_.is_cut = [](auto const& from, auto const& to) {
      return (from == "127.0.0.1:2002" && to == "127.0.0.1:2003") ||
             (from == "127.0.0.1:2003" && to == "127.0.0.1:2002");
    };
  }
  static Trader::Options asking() {
    Trader::Options out;
    out.book.work_bits_wanted = kWorkBitsMax + 1;
    out.relay_fees.fee = kFee;
    return out;
  }
  static Trader::Options paying(Satoshi most) {
    Trader::Options out;
    out.relay_fees.pay_max = most;
    return out;
  }
  OrderRecord publish(Node& node) {
    return std::get<result::Placed>(network_.execute(node, sell())).order.order;
  }
  void meet() {
    network_.look_up();
    network_.live(2s);
    network_.on_sent = [this](Node const& from, json::Value const& sent) {
      auto const payload = read_payload(sent);
      auto const request = payload ? parse_request(payload->body) : Result<Request>{MessageErrc::not_json};
      auto const* const inventory = request ? std::get_if<InventoryMessage>(&*request) : nullptr;
      if (inventory && from.at == alice_.at) told_ += inventory->ids.size();
    };
  }

  TraderNetwork network_;
  Node& alice_ = network_.add("Alice", 1, asking());
  std::size_t told_ = 0;
};

TEST_F(RelayFeesTest, whoHasNotPaidIsNotToldOf) {
  auto& bob = network_.add("Bob", 2);
  network_.add("Carol", 3);
  meet();
  publish(bob);
  network_.live(1s);
  EXPECT_EQ(told_, 0u);
  EXPECT_EQ(alice_.trader->book().size(), 1u);
}

TEST_F(RelayFeesTest, whoPaysIsToldOf) {
  auto& bob = network_.add("Bob", 2, paying(kFee));
  auto& carol = network_.add("Carol", 3);
  meet();
  EXPECT_TRUE(alice_.trader->relay_fees().has_paid(bob.id));
  EXPECT_FALSE(alice_.trader->relay_fees().has_paid(carol.id));
  auto const order = publish(bob);
  network_.live(1s);
  EXPECT_EQ(told_, 1u);
  EXPECT_TRUE(carol.trader->book().find(key_of(order)));
}

TEST_F(RelayFeesTest, aPeerThatAsksForTooMuchIsNotPaid) {
  auto& bob = network_.add("Bob", 2, paying(kFee - Satoshi{1}));
  meet();
  EXPECT_FALSE(alice_.trader->relay_fees().has_paid(bob.id));
}

TEST_F(RelayFeesTest, aPaymentIsGoodForSevenDaysAndSurvivesARestart) {
  auto& bob = network_.add("Bob", 2, paying(kFee));
  meet();
  network_.kill(alice_);
  network_.start(alice_);
  EXPECT_TRUE(network_.lost_rows.empty());
  EXPECT_TRUE(alice_.trader->relay_fees().has_paid(bob.id));
  network_.unreachable.insert(alice_.at);  // so that it is not paid again
  network_.advance(7 * 24h + 1s);
  EXPECT_FALSE(alice_.trader->relay_fees().has_paid(bob.id));
}

TEST_F(RelayFeesTest, whatWasStoredBeforeThePaymentIsToldWhenItComes) {
  auto const order = signed_by(50, draft(1, Side::sell));
  network_.add("Carol", 3);
  meet();
  auto const asked = network_.ask(alice_, exchange::to_json(order));
  auto const refusal = parse_refusal(asked.error);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->code, RefusalCode::payment);
  auto const invoice = bolt11::decode(refusal->invoice);
  ASSERT_TRUE(invoice);
  EXPECT_EQ(invoice->payee, alice_.id);
  EXPECT_EQ(invoice->amount_msat, 100'000u);
  EXPECT_EQ(told_, 0u);
  auto const take_id = std::get<std::string>(invoice->description).substr(17, 36);
  PayMessage pay{{1, CreatorType::client, network_.now.wall},
                 kRelayOrderId,
                 take_id,
                 Sha256{invoice->payment_hash},
                 {},
                 {}};
  sign_pay(pay, alice_.id, secret(51));
  EXPECT_EQ(parse_refusal(network_.ask(alice_, to_json(pay)).error)->code, RefusalCode::gone)
      << "another maker's";
  sign_pay(pay, alice_.id, secret(50));
  auto const paid = parse_paid(read_answer(network_.ask(alice_, to_json(pay)).result));
  ASSERT_TRUE(paid);
  EXPECT_EQ(sha256(paid->preimage.view()), pay.payment_hash);
  network_.live(1s);
  EXPECT_EQ(told_, 1u);
  EXPECT_TRUE(network_.ask(alice_, exchange::to_json(signed_by(50, draft(2, Side::sell)))).error.empty());
}

TEST_F(RelayFeesTest, nobodyIsPaidTwice) {
  std::size_t payments = 0;
  auto& bob = network_.add("Bob", 2, paying(kFee));
  network_.on_sent = [&](Node const& from, json::Value const& sent) {
    auto const* const text = sent.as_string();
    if (from.at == bob.at && text && text->find("PayMessage") != std::string::npos) ++payments;
  };
  network_.look_up();
  network_.live(2s);
  EXPECT_EQ(payments, 1u);
  // Alice forgets it, and asks again.
  network_.kill(alice_);
  alice_.rows = {};
  network_.start(alice_);
  network_.look_up();
  network_.live(5h);
  network_.kill(bob);
  network_.start(bob);
  network_.look_up();
  network_.live(5h);
  EXPECT_EQ(payments, 1u);
}

TEST_F(RelayFeesTest, makersThatHavePaidAreBoundedAndNotPushedOut) {
  RelayFees::Options options;
  options.fee = kFee;
  options.paid_count_max = 1;
  Random random{1};
  CallTable calls;
  Turn turn{{TimePoint{}, kNow}, random, calls};
  Self const self{secret(1), secret(1).public_key(), {}, {}, {}, -1};
  RelayFees fees{options, self};
  auto const pay = [&](std::uint64_t maker) {
    auto const id = secret(maker).public_key();
    auto const invoice = bolt11::decode(fees.invoice_for(id, turn).invoice);
    PayMessage message{{},
                       kRelayOrderId,
                       std::get<std::string>(invoice->description).substr(17, 36),
                       Sha256{invoice->payment_hash},
                       {},
                       {}};
    sign_pay(message, self.id, secret(maker));
    return fees.pay(1, PayloadForm::text, message, turn).has_value();
  };
  EXPECT_TRUE(pay(2));
  EXPECT_FALSE(fees.asks());
  EXPECT_FALSE(pay(3));
  EXPECT_FALSE(pay(2)) << "the payment is known";
  EXPECT_TRUE(fees.has_paid(secret(2).public_key()));
}

}  // namespace
}  // namespace grenache::exchange
