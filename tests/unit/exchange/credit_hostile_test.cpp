// A side of a credit line whose peer signs whatever it likes. CREDIT_SEED=n runs one seed.
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "exchange/core/credit/credit_line.hpp"
#include <grenache/base/random.hpp>

namespace grenache::exchange {
namespace {

using std::chrono::milliseconds;

constexpr std::uint64_t kSeedCount = 300;
constexpr int kStepCount = 200;

/// Messages of a peer that knows the protocol and breaks its rules. What both must have signed is not among
/// them, unless it was: signatures are verified elsewhere.
class HostilePeer {
 public:
  HostilePeer(std::uint64_t seed, PeerId const& self, PeerId const& other)
      : random_{seed}, self_{self}, other_{other}, line_{*CreditLine::create(self, other)} {}

  void run() {
    for (int i = 0; i < kStepCount && !testing::Test::HasFailure(); ++i) {
      now_ += milliseconds{static_cast<std::int64_t>(random_.below(50))};
      if (random_.chance(1, 3)) {
        act();
      } else {
        keep(line_.receive(message(), now_));
      }
      check();
    }
  }

 private:
  void check() {
    ASSERT_TRUE(line_.check());
    auto const row = line_.rows();
    auto const restored = CreditLine::from_rows(row, self_, other_);
    ASSERT_TRUE(restored);
    ASSERT_EQ(restored->rows(), row);
    // Their debt never grows beyond our limit, whatever they sign.
    auto const view = line_.view();
    if (view.balance > balance_) {
      EXPECT_LE(view.balance, std::max(view.our_limit, limit_).units());
    }
    EXPECT_LE(-view.balance + view.pending.units(), std::max(view.their_limit.units(), our_debt_));
    balance_ = view.balance;
    limit_ = view.our_limit;
    our_debt_ = std::max<std::int64_t>(-view.balance + view.pending.units(), 0);
  }
  void keep(CreditStep step) {
    EXPECT_LE(step.send.size(), 4U);
    for (auto& each : step.send) {
      if (auto const* const update = std::get_if<CreditUpdate>(&each.body)) last_ = *update;
    }
  }
  void keep(Result<CreditStep> step) {
    if (step) keep(std::move(*step));
  }

  UsdCents money() {
    auto const cents = static_cast<std::int64_t>(random_.below(100));
    return UsdCents{random_.chance(1, 20) ? UsdCents::kMax - cents : cents};
  }
  std::string id() {
    auto const digit = static_cast<char>('0' + random_.below(10));
    return std::string(8, digit) + "-0000-4000-8000-000000000000";
  }
  CreditEntry entry() {
    return {random_.chance(1, 4) ? CreditKind::settle : CreditKind::pay, id(),
            UsdCents{1 + money().units() / 2},
            now_ + milliseconds{static_cast<std::int64_t>(random_.below(1000))} - milliseconds{100}};
  }

  void act() {
    switch (random_.below(9)) {
      case 0:
        return keep(line_.propose(money(), money(), now_));
      case 1:
        return keep(line_.accept(now_));
      case 2:
        return keep(line_.raise(money(), now_));
      case 3:
        return keep(line_.lower(money(), now_));
      case 4:
        return keep(line_.freeze(random_.chance(1, 4), now_));
      case 5:
        return keep(random_.chance(1, 4) ? line_.close(now_) : line_.ask(money(), now_));
      case 6:
        return keep(line_.accept_reset());
      case 7:
        return keep(line_.expire(now_));
      default:
        return keep(line_.give(entry(), now_));
    }
  }

  CreditMessage message() {
    CreditMessage out{line_.parties().line(), std::nullopt, CreditAccepted{}};
    auto const theirs = other_side(line_.side());
    switch (random_.below(6)) {
      case 0:
      case 1:
        if (last_) out.body = CreditAccepted{last_->record};
        return out;
      case 2: {
        CreditRefused refused;
        if (!last_) return out;
        refused.counter = last_->record.record.counter;
        refused.digest = credit_digest(last_->record.record);
        for (auto const& each : last_->entries) {
          if (random_.chance(1, 2)) refused.faults.push_back({each.id, code()});
        }
        if (random_.chance(1, 2)) refused.faults.push_back({random_.chance(1, 2) ? "" : id(), code()});
        out.body = std::move(refused);
        return out;
      }
      case 3: {
        CreditReset reset{line_.record(CreditSide::low), line_.record(CreditSide::high)};
        auto const counter = static_cast<std::int64_t>(random_.below(1'000));
        for (auto* const each : {&reset.low, &reset.high}) {
          if (random_.chance(7, 8)) each->record.counter = each->record.previous + counter + 1;
          if (random_.chance(7, 8)) each->record.paid = each->record.settled = UsdCents{};
          if (random_.chance(1, 4)) each->record.paid = money();
          each->record.root = Sha256{};
        }
        if (random_.chance(3, 4)) reset.high.record.counter = reset.low.record.counter;
        out.body = std::move(reset);
        return out;
      }
      case 4:
        out.body = CreditSync{line_.record(CreditSide::low), line_.record(CreditSide::high)};
        return out;
      default:
        break;
    }
    CreditUpdate update{line_.record(theirs), {}};
    auto& record = update.record.record;
    record.previous = record.counter;
    // Counters that were refused are used up.
    record.counter = std::max(record.counter, counter_) + 1 + static_cast<std::int64_t>(random_.below(3));
    counter_ = record.counter;
    if (random_.chance(1, 50)) record.counter = counter_ = kCreditCounterMax;
    if (random_.chance(1, 4)) record.limit = money();
    if (random_.chance(1, 4)) record.wish = money();
    if (random_.chance(1, 4)) record.open = !record.open;
    if (random_.chance(1, 8)) record.frozen = !record.frozen;
    for (auto count = random_.below(4); count > 0; --count) update.entries.push_back(entry());
    for (auto const& each : update.entries) {
      auto& sum = each.kind == CreditKind::pay ? record.paid : record.settled;
      if (sum.units() <= UsdCents::kMax - each.amount.units()) sum = sum + each.amount;
    }
    record.root = entries_root(update.entries);
    if (random_.chance(1, 50)) record.paid = money();
    out.body = std::move(update);
    return out;
  }
  CreditErrc code() {
    return static_cast<CreditErrc>(1 + random_.below(static_cast<std::uint64_t>(CreditErrc::too_many)));
  }

  Random random_;
  PeerId self_;
  PeerId other_;
  CreditLine line_;
  WallTime now_ = from_unix_ms(1'000'000);
  std::optional<CreditUpdate> last_;  // what our side has sent
  std::int64_t counter_ = 0;
  std::int64_t balance_ = 0;
  std::int64_t our_debt_ = 0;
  UsdCents limit_;
};

TEST(CreditHostileTest, noPeerBreaksALineOrExceedsItsLimit) {
  char const* const only = std::getenv("CREDIT_SEED");
  auto const first = only ? std::strtoull(only, nullptr, 10) : 1;
  for (auto seed = first; seed < (only ? first + 1 : first + kSeedCount); ++seed) {
    PeerId a;
    PeerId b;
    a.array()[0] = 2;
    b.array()[0] = 3;
    HostilePeer{seed, seed % 2 == 0 ? a : b, seed % 2 == 0 ? b : a}.run();
    ASSERT_FALSE(HasFailure()) << "CREDIT_SEED=" << seed;
  }
}

}  // namespace
}  // namespace grenache::exchange
