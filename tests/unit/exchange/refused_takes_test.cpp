#include "exchange/core/trade/refused_takes.hpp"

#include <gtest/gtest.h>

#include "tests/support/sample_orders.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;

class RefusedTakesTest : public testing::Test {
 protected:
  /// The rows that `body` saves or erases.
  template <class Body>
  std::vector<RowChange> rows_of(Body body) {
    Turn turn{now_, random_, calls_};
    body(turn);
    std::deque<Output> out;
    std::move(turn).close(positions_, out);
    auto* const save = out.empty() ? nullptr : std::get_if<output::Save>(&out.front());
    return save ? std::move(save->batch.changes) : std::vector<RowChange>{};
  }
  std::vector<RowChange> add(std::string const& order, std::string const& taker,
                             RefusalCode code = RefusalCode::price) {
    return rows_of([&](Turn& turn) { refused_.add(order, taker, Satoshi{1}, {code, "why", {}}, turn); });
  }
  std::vector<Row> dumped() const {
    std::vector<Row> out;
    refused_.dump(out);
    return out;
  }

  Now now_{TimePoint{} + 1h, samples::kNow};
  Random random_{1};
  CallTable calls_;
  TurnPositions positions_;
  RefusedTakes refused_{{}};
};

TEST_F(RefusedTakesTest, aRowIsReplacedAtMostOnceAMinute) {
  EXPECT_EQ(add("order", "alice").size(), 1u);
  now_.wall += 59s;
  EXPECT_EQ(add("order", "bob").size(), 0u);
  EXPECT_EQ(add("order", "bob", RefusalCode::amount).size(), 1u) << "each code has a row of its own";
  now_.wall += 1s;
  EXPECT_EQ(add("order", "bob").size(), 1u);
  now_.wall -= 1h;
  EXPECT_EQ(add("order", "carol").size(), 1u) << "a clock that was set back does not silence it";
  EXPECT_EQ(dumped().size(), 2u);
}

TEST_F(RefusedTakesTest, theRowsOfAnOrderEndWithIt) {
  add("order", "alice");
  add("order", "alice", RefusalCode::amount);
  add("other", "alice");
  EXPECT_EQ(rows_of([&](Turn& turn) { refused_.forget("order", turn); }).size(), 2u);
  ASSERT_EQ(dumped().size(), 1u);
  EXPECT_EQ(dumped()[0].key, "other/price");
}

TEST_F(RefusedTakesTest, isRestoredFromItsRows) {
  add("order", "alice");
  auto const row = dumped().at(0);
  RefusedTakes restored{{}};
  EXPECT_TRUE(restored.restore(row));
  std::vector<Row> again;
  restored.dump(again);
  EXPECT_EQ(again, dumped());
  for (Row const& bad : {Row{row.kind, "other/price", row.body}, Row{row.kind, row.key, "{}"},
                         Row{row.kind, row.key, "no JSON"}}) {
    EXPECT_FALSE(RefusedTakes{{}}.restore(bad)) << bad.key << bad.body;
  }
}

}  // namespace
}  // namespace grenache::exchange
