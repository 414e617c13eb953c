// Requests for the whole book.
#include "exchange/core/network/book_answers.hpp"

#include <algorithm>
#include <deque>
#include <map>

#include <gtest/gtest.h>

#include "tests/support/sample_orders.hpp"

namespace grenache::exchange {
namespace {

using namespace samples;

class BookAnswersTest : public testing::Test {
 protected:
  explicit BookAnswersTest(BookAnswers::Options options = {.slice_size = 4}) : answers_{options, book_} {}

  void add(std::uint64_t number, OrderStatus status = OrderStatus::open) {
    auto order = draft(number, Side::buy);
    order.status = status;
    ASSERT_TRUE(book_.add_verified(signed_by(1, order), kNow));
  }
  void add_orders(std::uint64_t count) {
    for (std::uint64_t i = 1; i <= count; ++i) add(i);
  }
  template <class Body>
  void in_turn(Body body) {
    Turn turn{now_, random_, calls_};
    body(turn);
    std::deque<Output> out;
    std::move(turn).close(positions_, out);
    for (auto& each : out) {
      auto& reply = std::get<output::Reply>(each);
      CallAnswer answer{std::move(reply.result), std::move(reply.error)};
      EXPECT_TRUE(replies_.emplace(reply.request, std::move(answer)).second);
    }
  }
  void ask(RequestId request, PayloadForm form = PayloadForm::text, bool with_closed = false) {
    GetOrderbookMessage const message{{1, CreatorType::client, kNow}, with_closed};
    in_turn([&](Turn& turn) { answers_.handle(request, form, message, turn); });
  }
  /// Writes what is due; returns how many slices that took.
  int write() {
    int count = 0;
    for (; answers_.next_expiry() <= now_.steady; ++count) {
      in_turn([&](Turn& turn) { answers_.expire(turn); });
    }
    return count;
  }
  /// The ids of the orders in an answer.
  std::vector<std::string> ids(RequestId request) {
    auto const found = replies_.find(request);
    if (found == replies_.end()) return {"no answer"};
    auto const orders = parse_orders(read_answer(found->second.result), 1'000);
    if (!orders) return {"no orders"};
    std::vector<std::string> out;
    for (auto const& order : orders->orders) out.push_back(order.id);
    std::ranges::sort(out);
    return out;
  }
  static std::vector<std::string> uuids(std::uint64_t count) {
    std::vector<std::string> out;
    for (std::uint64_t i = 1; i <= count; ++i) out.push_back(uuid(i));
    return out;
  }

  Now now_{TimePoint{} + std::chrono::hours{1}, kNow};
  Random random_{1};
  CallTable calls_;
  TurnPositions positions_;
  Book book_{{}};
  BookAnswers answers_;
  std::map<RequestId, CallAnswer> replies_;
};

TEST_F(BookAnswersTest, aShortBookIsAnsweredAtOnce) {
  ask(1);
  EXPECT_EQ(ids(1), uuids(0));
  add_orders(3);
  ask(2);
  EXPECT_EQ(ids(2), uuids(3));
  ask(3, PayloadForm::text, true);
  EXPECT_EQ(ids(3), uuids(3));
  EXPECT_EQ(write(), 0);
}

TEST_F(BookAnswersTest, aLongBookIsWrittenInSlices) {
  add_orders(10);
  ask(1);
  ask(2);
  EXPECT_TRUE(replies_.empty());
  EXPECT_EQ(write(), 2);
  EXPECT_EQ(ids(1), uuids(10));
  EXPECT_EQ(ids(2), uuids(10));
  ask(3);
  EXPECT_EQ(ids(3), uuids(10)) << "the text is used again";
}

TEST_F(BookAnswersTest, whoAsksAfterAChangeIsAnsweredWithIt) {
  add_orders(10);
  ask(1);
  add(0);
  ask(2);
  write();
  EXPECT_EQ(ids(1), uuids(10)) << "its place was written already";
  auto expected = uuids(10);
  expected.insert(expected.begin(), uuid(0));
  EXPECT_EQ(ids(2), expected);
}

TEST_F(BookAnswersTest, ordersThatGoWhileTheBookIsWrittenAreSkipped) {
  add_orders(10);
  ask(1);
  book_.expire(kNow + std::chrono::hours{2});
  write();
  EXPECT_EQ(ids(1), uuids(4));
}

TEST_F(BookAnswersTest, everyOrderIsWrittenOnceWhereverItBegins) {
  for (std::uint64_t i = 1; i <= 30; ++i) {
    auto order = draft(i, Side::buy);
    order.id = make_uuid(random_);  // among the random places at which a text begins
    order.status = i % 3 == 0 ? OrderStatus::cancelled : OrderStatus::open;
    ASSERT_TRUE(book_.add_verified(signed_by(1, order), kNow));
  }
  for (RequestId request = 1; request <= 20; ++request) {
    ask(request, PayloadForm::text, true);
    write();
    auto const found = ids(request);
    EXPECT_EQ(found.size(), 29 + request);
    EXPECT_TRUE(std::ranges::adjacent_find(found) == found.end());
    add(request);  // another text is needed
  }
}

TEST_F(BookAnswersTest, closedOrdersAreAnsweredIfWanted) {
  add_orders(2);
  add(3, OrderStatus::cancelled);
  ask(1);
  EXPECT_EQ(ids(1), uuids(2));
  ask(2, PayloadForm::text, true);
  EXPECT_EQ(ids(2), uuids(3));
}

TEST_F(BookAnswersTest, anAnswerHasTheFormOfItsRequest) {
  add_orders(2);
  ask(1);
  EXPECT_TRUE(replies_[1].result.as_string());
  ask(2, PayloadForm::object);
  EXPECT_TRUE(replies_[2].result.as_array());
  EXPECT_EQ(ids(2), uuids(2));
}

class BookAnswersLimitsTest : public BookAnswersTest {
 protected:
  BookAnswersLimitsTest()
      : BookAnswersTest{
            {.slice_size = 4, .closed_count_max = 3, .object_bytes_max = 2'000, .waiting_count_max = 2}} {}
};

TEST_F(BookAnswersLimitsTest, aLongAnswerIsTextInEitherForm) {
  add_orders(20);
  ask(1, PayloadForm::object);
  write();
  EXPECT_TRUE(replies_[1].result.as_string());
  EXPECT_EQ(ids(1), uuids(20));
}

TEST_F(BookAnswersLimitsTest, tooManyWhoWaitAreRefused) {
  add_orders(10);
  for (RequestId request = 1; request <= 3; ++request) ask(request);
  ASSERT_EQ(replies_.size(), 1u);
  EXPECT_EQ(parse_refusal(replies_[3].error)->code, RefusalCode::limit);
  write();
  EXPECT_EQ(replies_.size(), 3u);
}

TEST_F(BookAnswersLimitsTest, closedOrdersAreBounded) {
  for (std::uint64_t i = 1; i <= 10; ++i) add(i, OrderStatus::cancelled);
  ask(1, PayloadForm::text, true);
  write();
  EXPECT_EQ(ids(1).size(), 3u);
}

}  // namespace
}  // namespace grenache::exchange
