// Two sides of a credit line that lose, repeat and reorder what they send, and crash: in the end both are
// equal and every payment was counted once or not at all, as its payer was told.
//
// CREDIT_SEED=n runs one seed, CREDIT_SEEDS=n that many.
#include <array>
#include <cstdlib>
#include <deque>
#include <map>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "exchange/core/credit/credit_line.hpp"
#include <grenache/base/random.hpp>

namespace grenache::exchange {
namespace {

using std::chrono::milliseconds;
using Kind = CreditNotice::Kind;

constexpr std::uint64_t kSeedCount = 1'000;
constexpr int kStepCount = 500;

std::uint64_t number_from(char const* variable, std::uint64_t otherwise) {
  char const* const text = std::getenv(variable);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

/// Counts over all seeds, to see that the interesting things happen.
struct Totals {
  std::size_t counted = 0, expired = 0, refused = 0, overdue = 0, crashes = 0, crossings = 0, lowered = 0,
              closed = 0, held = 0, declined = 0;
};

class CreditWorld {
 public:
  explicit CreditWorld(std::uint64_t seed) : random_{seed} {
    PeerId low;
    PeerId high;
    low.array()[0] = 2;
    high.array()[0] = 3;
    sides_[0].emplace(*CreditLine::create(low, high), low, high);
    sides_[1].emplace(*CreditLine::create(high, low), high, low);
    loss_ = random_.below(4) * 10;
    may_close_ = random_.chance(1, 4);
    may_freeze_ = random_.chance(1, 4);
  }

  void run(Totals& totals) {
    if (random_.chance(3, 4)) open();
    for (int i = 0; i < kStepCount && !testing::Test::HasFailure(); ++i) step();
    heal();
    compare();
    add_to(totals);
  }

 private:
  struct Side {
    Side(CreditLine created, PeerId const& self_id, PeerId const& other_id)
        : line{std::move(created)}, saved{line.rows()}, self{self_id}, other{other_id} {}
    CreditLine line;
    CreditLine::Rows saved;
    PeerId self;
    PeerId other;
    milliseconds skew{};
    std::deque<std::pair<std::string, CreditStep>> unsaved;  // rows of the line; what to save besides, and do
    std::map<std::string, CreditEntry> given;                // by id, once saved
    std::map<std::string, int> counted;                      // how often told
    std::map<std::string, int> failed;
    std::map<std::string, int> received;
    std::int64_t received_sum = 0;
    std::size_t expired = 0;
    std::deque<CreditEntry> recent;
    // What a part that holds room has saved, by id.
    std::map<std::string, UsdCents> held;          // for our payments
    std::set<std::string> to_give;                 // of these, the other side has agreed
    std::map<std::string, UsdCents> held_by_them;  // for those of the other side
    std::map<std::string, UsdCents> decided;       // by us: how much of them is to be paid
  };
  /// About a payment for which its payer holds room: asked by the payer, then decided by the payee.
  struct Held {
    enum class Kind : std::uint8_t { asked, agreed, declined };
    Kind kind{};
    std::string id;
    UsdCents amount;
    std::optional<SignedCreditRecord> record{};  // of the payee, as the payer has signed it
  };
  struct Packet {
    std::size_t to;
    CreditMessage message;
    std::optional<Held> held{};
  };

  WallTime now(Side const& side) const { return now_ + side.skew; }
  Side& side(std::size_t i) { return *sides_[i]; }

  void apply(std::size_t i, CreditStep step) {
    auto& self = side(i);
    ASSERT_TRUE(self.line.check() && self.line.is_within_limits());
    EXPECT_TRUE(step.save || step.rows.empty());
    self.unsaved.emplace_back(step.save ? json::to_text(self.line.to_row()) : "", std::move(step));
    if (!random_.chance(1, 8)) return;
    auto rows = self.saved;
    for (auto const& [row, each] : self.unsaved) save(rows, row, each);
    EXPECT_EQ(rows, self.line.rows()) << "an unsaved change";
  }
  static void save(CreditLine::Rows& rows, std::string const& row, CreditStep const& step) {
    if (step.save) rows.line = row;
    for (auto const& [key, body] : step.rows) {
      if (body.empty()) {
        rows.entries.erase(key);
      } else {
        rows.entries[key] = body;
      }
    }
  }
  void apply(std::size_t i, Result<CreditStep> step) {
    if (step) apply(i, std::move(*step));
  }

  /// Saves the oldest step, and does what it says.
  void flush(std::size_t i) {
    auto& self = side(i);
    if (self.unsaved.empty()) return;
    auto [row, step] = std::move(self.unsaved.front());
    self.unsaved.pop_front();
    save(self.saved, row, step);
    for (auto& message : step.send) packets_.push_back({1 - i, std::move(message)});
    for (auto const& notice : step.tell) hear(self, notice);
  }

  void hear(Side& self, CreditNotice const& notice) {
    auto const& id = notice.entry.id;
    switch (notice.kind) {
      case Kind::counted:
        ++self.counted[id];
        self.held.erase(id);
        self.to_give.erase(id);
        break;
      case Kind::failed:
        if (self.held.contains(id)) {
          self.given.erase(id);
        } else {
          ++self.failed[id];
        }
        EXPECT_NE(notice.error, CreditErrc::over_limit) << "room was promised";
        EXPECT_NE(notice.error, CreditErrc::already_counted);
        EXPECT_NE(notice.error, CreditErrc::id_reused);
        self.expired += notice.error == CreditErrc::expired ? 1U : 0U;
        break;
      case Kind::received:
        ++self.received[id];
        self.held_by_them.erase(id);
        self.received_sum += notice.entry.amount.units();
        break;
      case Kind::overdue:
        ++overdue_;
        break;
      case Kind::closed:
        ++closed_;
        break;
      case Kind::disputed:
        ADD_FAILURE() << "two honest sides disagree";
        break;
      default:
        break;
    }
  }

  void crash(std::size_t i) {
    auto& self = side(i);
    self.unsaved.clear();
    auto restored = CreditLine::from_rows(self.saved, self.self, self.other);
    ASSERT_TRUE(restored) << self.saved.line;
    ASSERT_EQ(restored->rows(), self.saved);
    self.line = std::move(*restored);
    for (auto const& [id, amount] : self.held) self.line.set_hold(self.line.side(), id, amount);
    for (auto const& [id, amount] : self.held_by_them) {
      self.line.set_hold(other_side(self.line.side()), id, amount);
    }
    // What was asked for and not saved never happened.
    std::erase_if(self.given, [&](auto const& each) {
      return !self.saved.entries.contains("o/" + each.first) && !self.counted.contains(each.first) &&
             !self.failed.contains(each.first);
    });
    ++crashes_;
    apply(i, CreditStep{.send = self.line.connect()});
  }

  void deliver(std::size_t at, bool keep) {
    auto packet = packets_[at];
    if (!keep) packets_.erase(packets_.begin() + static_cast<std::ptrdiff_t>(at));
    if (packet.held) return deliver(packet.to, *packet.held);
    if (random_.chance(1, 16)) {
      auto parsed = parse_credit_message(to_json(packet.message));
      ASSERT_TRUE(parsed);
      ASSERT_EQ(to_json(*parsed), to_json(packet.message));
      packet.message = std::move(*parsed);
    }
    auto& self = side(packet.to);
    bool const crosses =
        std::holds_alternative<CreditUpdate>(packet.message.body) && self.line.view().pending_count > 0;
    crossings_ += crosses ? 1 : 0;
    apply(packet.to, self.line.receive(packet.message, now(self)));
  }

  CreditEntry entry(Side const& self) {
    auto const life = random_.chance(1, 3) ? random_.below(200) + 1 : 100'000 + random_.below(1000);
    return {random_.chance(1, 6) ? CreditKind::settle : CreditKind::pay, make_uuid(random_),
            UsdCents{static_cast<std::int64_t>(1 + random_.below(60))},
            now(self) + milliseconds{static_cast<std::int64_t>(life)}};
  }

  void give(std::size_t i) {
    auto& self = side(i);
    auto const given = entry(self);
    auto const room = self.line.view().room;
    auto result = self.line.give(given, now(self));
    EXPECT_EQ(result.has_value(), given.amount <= room);
    if (!result) return;
    self.given.emplace(given.id, given);
    self.recent.push_back(given);
    if (self.recent.size() > 8) self.recent.pop_front();
    apply(i, std::move(*result));
  }

  // Holds. What a part saves is durable at once, so the line is saved before.

  void save_all(std::size_t i) {
    while (!side(i).unsaved.empty()) flush(i);
  }
  void send_held(std::size_t to, Held held) { packets_.push_back({to, {}, std::move(held)}); }
  void ask_held(std::size_t i, std::string const& id) {
    save_all(i);
    auto const& line = side(i).line;
    send_held(1 - i, {Held::Kind::asked, id, side(i).held.at(id), line.record(other_side(line.side()))});
  }
  void hold(std::size_t i) {
    save_all(i);
    auto& self = side(i);
    auto const [kind, id, amount, expires] = entry(self);
    if (!self.line.hold(self.line.side(), id, amount, CreditLine::HoldKind::any)) return;
    self.held.emplace(id, amount);
    ++held_;
    ask_held(i, id);
  }
  void deliver(std::size_t to, Held const& held) {
    auto& self = side(to);
    auto const& id = held.id;
    if (held.kind == Held::Kind::asked) {
      CreditMessage message{CreditParties::of(self.self, self.other)->line(), std::nullopt,
                            CreditAccepted{*held.record}};
      apply(to, self.line.receive(message, now(self)));
      save_all(to);
      if (auto const found = self.decided.find(id); found != self.decided.end()) {
        auto const kind = found->second.units() > 0 ? Held::Kind::agreed : Held::Kind::declined;
        return send_held(1 - to, {kind, id, found->second});
      }
      if (self.held_by_them.contains(id)) return;
      auto const payer = other_side(self.line.side());
      if (self.line.hold(payer, id, held.amount, CreditLine::HoldKind::any)) {
        self.held_by_them.emplace(id, held.amount);
      } else {
        self.decided.emplace(id, UsdCents{});
        ++declined_;
      }
      return;
    }
    if (!self.held.contains(id)) return;
    if (held.kind == Held::Kind::agreed) {
      if (!self.to_give.insert(id).second) return;
      self.held[id] = held.amount;
      self.line.set_hold(self.line.side(), id, held.amount);
    } else {
      EXPECT_FALSE(self.line.is_pending(id));
      self.line.release(self.line.side(), id);
      self.held.erase(id);
    }
  }
  void decide_held(std::size_t i, bool pays) {
    auto& self = side(i);
    for (auto& [id, amount] : self.held_by_them) {
      if (self.decided.contains(id)) continue;
      auto const payer = other_side(self.line.side());
      if (pays) {
        auto const less = random_.below(static_cast<std::uint64_t>(amount.units()));
        amount = amount - UsdCents{static_cast<std::int64_t>(less)};
        self.line.set_hold(payer, id, amount);
        self.decided.emplace(id, amount);
      } else {
        self.line.release(payer, id);
        self.decided.emplace(id, UsdCents{});
        self.held_by_them.erase(id);
      }
      return;
    }
  }
  void go_on_held(std::size_t i) {
    save_all(i);
    auto& self = side(i);
    for (auto const& [id, amount] : self.held) {
      if (!self.to_give.contains(id)) {
        ask_held(i, id);
      } else if (!self.line.is_pending(id) && !self.given.contains(id)) {
        auto given = entry(self);
        given.kind = CreditKind::pay;
        given.id = id;
        given.amount = amount;
        auto result = self.line.give(given, now(self));
        if (!result) {
          EXPECT_NE(result.error(), CreditErrc::over_limit) << "room was held";
          continue;
        }
        self.given.emplace(id, given);
        apply(i, std::move(*result));
      }
    }
  }

  /// Gives what the other side is owed, and closes the line once that has arrived.
  void pay_back(std::size_t i) {
    auto& self = side(i);
    auto given = entry(self);
    given.amount = UsdCents{-self.line.view().balance};
    if (auto result = self.line.give(given, now(self))) {
      self.given.emplace(given.id, given);
      apply(i, std::move(*result));
    }
    settle_network();
    apply(i, self.line.close(now(self)));
  }

  /// The same id again never counts, neither with the same content nor with another one.
  void give_again(std::size_t i) {
    auto& self = side(i);
    if (self.recent.empty()) return;
    auto again = self.recent[random_.below(self.recent.size())];
    if (!self.given.contains(again.id) || self.failed.contains(again.id)) return;
    bool const is_failing = std::ranges::any_of(self.unsaved, [&](auto const& each) {
      return std::ranges::any_of(each.second.tell, [&](auto const& notice) {
        return notice.kind == Kind::failed && notice.entry.id == again.id;
      });
    });
    if (is_failing) return;
    bool const is_changed = random_.chance(1, 2);
    if (is_changed) again.amount = again.amount + UsdCents{1};
    auto const result = self.line.give(again, now(self));
    ASSERT_FALSE(result);
    if (is_changed) {
      EXPECT_EQ(result.error(), CreditErrc::id_reused);
    } else {
      EXPECT_TRUE(result.error() == CreditErrc::already_pending ||
                  result.error() == CreditErrc::already_counted);
    }
  }

  UsdCents limit() { return UsdCents{static_cast<std::int64_t>(random_.below(300))}; }

  void change(std::size_t i) {
    auto& line = side(i).line;
    auto const at = now(side(i));
    switch (random_.below(6)) {
      case 0:
        return apply(i, line.raise(line.view().our_limit + limit(), at));
      case 1:
      case 2: {
        auto lowered = line.lower(limit(), at);
        lowered_ += lowered ? 1U : 0U;
        return apply(i, std::move(lowered));
      }
      case 3:
        return apply(i, line.ask(limit(), at));
      case 4:
        if (may_freeze_) apply(i, line.freeze(random_.chance(1, 3), at));
        return;
      default:
        if (may_close_) apply(i, line.close(at));
        return;
    }
  }

  void negotiate(std::size_t i) {
    auto& line = side(i).line;
    auto const at = now(side(i));
    if (line.proposal()) {
      auto const answer = random_.below(4);
      if (answer == 0) return apply(i, line.reject());
      if (answer == 1) return apply(i, line.propose(limit(), limit(), at));
      return apply(i, line.accept(at));
    }
    if (!line.view().is_open) apply(i, line.propose(limit() + UsdCents{100}, limit() + UsdCents{100}, at));
  }

  void open() {
    apply(0, side(0).line.propose(UsdCents{200}, UsdCents{200}, now_));
    settle_network();
    apply(1, side(1).line.accept(now_));
    settle_network();
  }

  void step() {
    auto const i = random_.below(2);
    auto& self = side(i);
    auto const choice = random_.below(100);
    if (choice < 25) return give(i);
    if (choice < 27) return give_again(i);
    if (choice == 27) {
      hold(i);
      decide_held(i, random_.chance(2, 3));
      return go_on_held(i);
    }
    if (choice == 28 && may_close_) return pay_back(i);
    if (choice < 33) return change(i);
    if (choice < 38) return negotiate(i);
    if (choice < 60) return flush(i);
    if (choice < 64) {
      return apply(i, CreditStep{.send = self.line.resend()});
    }
    if (choice < 66) return crash(i);
    if (choice < 70) {
      now_ += milliseconds{static_cast<std::int64_t>(random_.below(60))};
      if (random_.chance(1, 10)) self.skew = milliseconds{static_cast<std::int64_t>(random_.below(100)) - 50};
      return apply(i, self.line.expire(now(self)));
    }
    if (packets_.empty()) return;
    // Mostly one of the first few, seldom any.
    auto const range = random_.chance(1, 5) ? packets_.size() : std::min<std::size_t>(packets_.size(), 3);
    auto const at = random_.below(range);
    if (random_.below(100) < loss_) {
      packets_.erase(packets_.begin() + static_cast<std::ptrdiff_t>(at));
      return;
    }
    deliver(at, random_.chance(1, 8));
  }

  void settle_network() {
    for (int rounds = 0; rounds < 1'000'000; ++rounds) {
      if (!side(0).unsaved.empty() || !side(1).unsaved.empty()) {
        flush(0);
        flush(1);
      } else if (!packets_.empty()) {
        deliver(random_.below(packets_.size()), false);
      } else {
        return;
      }
      if (testing::Test::HasFailure()) return;
    }
    ADD_FAILURE() << "the two sides never stop sending";
  }

  /// Thaws, answers proposals, and lets everything arrive.
  void heal() {
    for (int round = 0; round < 40 && !testing::Test::HasFailure(); ++round) {
      for (std::size_t i = 0; i < 2; ++i) {
        auto& line = side(i).line;
        if (line.view().is_frozen) apply(i, line.freeze(false, now(side(i))));
        if (line.proposal()) apply(i, line.accept(now(side(i))));
        apply(i, CreditStep{.send = round == 0 ? line.connect() : line.resend()});
        decide_held(i, random_.chance(2, 3));
        go_on_held(i);
      }
      settle_network();
    }
    // What was neither sent nor can be sent expires.
    now_ += milliseconds{1'000'000};
    for (std::size_t i = 0; i < 2; ++i) apply(i, side(i).line.expire(now(side(i))));
    settle_network();
  }

  void compare() {
    auto const& a = side(0);
    auto const& b = side(1);
    for (auto const each : {CreditSide::low, CreditSide::high}) {
      EXPECT_EQ(a.line.record(each).record, b.line.record(each).record);
    }
    EXPECT_EQ(a.line.view().balance, -b.line.view().balance);
    EXPECT_EQ(a.line.view().balance, a.received_sum - b.received_sum);
    for (auto const* const each : {&a, &b}) {
      auto const& other = each == &a ? b : a;
      EXPECT_EQ(each->line.view().pending_count, 0U);
      for (auto const& [id, times] : each->counted) EXPECT_EQ(times, 1) << id;
      for (auto const& [id, times] : each->failed) EXPECT_EQ(times, 1) << id;
      EXPECT_EQ(each->counted, other.received);
      EXPECT_TRUE(each->held.empty() && each->held_by_them.empty());
      EXPECT_EQ(each->line.view().held.units() + each->line.view().held_by_them.units(), 0);
      for (auto const& [id, given] : each->given) {
        EXPECT_NE(each->counted.contains(id), each->failed.contains(id)) << id;
      }
    }
  }

  void add_to(Totals& totals) {
    for (auto const& each : sides_) {
      totals.counted += each->counted.size();
      totals.expired += each->expired;
      totals.refused += each->failed.size();
    }
    totals.crashes += crashes_;
    totals.crossings += crossings_;
    totals.lowered += lowered_;
    totals.overdue += overdue_;
    totals.closed += closed_;
    totals.held += held_;
    totals.declined += declined_;
  }

  Random random_;
  std::array<std::optional<Side>, 2> sides_;
  std::deque<Packet> packets_;
  WallTime now_ = from_unix_ms(1'000'000);
  std::uint64_t loss_ = 0;  // percent
  bool may_close_ = false;
  bool may_freeze_ = false;
  std::size_t crashes_ = 0, crossings_ = 0, lowered_ = 0, overdue_ = 0, closed_ = 0, held_ = 0, declined_ = 0;
};

TEST(CreditLinePropertyTest, bothSidesBecomeEqualAndCountEachPaymentOnce) {
  auto const only = number_from("CREDIT_SEED", 0);
  auto const count = number_from("CREDIT_SEEDS", kSeedCount);
  Totals totals;
  for (std::uint64_t seed = only ? only : 1; seed <= (only ? only : count); ++seed) {
    CreditWorld world{seed};
    world.run(totals);
    if (HasFailure()) {
      ADD_FAILURE() << "CREDIT_SEED=" << seed;
      return;
    }
  }
  if (only) return;
  EXPECT_GT(totals.counted, 10 * count);
  for (auto const each : {totals.expired, totals.refused, totals.overdue, totals.crashes, totals.crossings,
                          totals.lowered, totals.closed, totals.held, totals.declined}) {
    EXPECT_GT(each, 0U);
  }
  RecordProperty("counted", static_cast<int>(totals.counted));
  std::printf(
      "counted %zu, failed %zu (expired %zu), overdue %zu, crossings %zu, lowered %zu, closed %zu, "
      "crashes %zu, held %zu, declined %zu\n",
      totals.counted, totals.refused, totals.expired, totals.overdue, totals.crossings, totals.lowered,
      totals.closed, totals.crashes, totals.held, totals.declined);
}

}  // namespace
}  // namespace grenache::exchange
