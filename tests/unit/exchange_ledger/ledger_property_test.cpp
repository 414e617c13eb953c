// A ledger whose requests are lost, repeated and reordered, whose clock jumps, and which crashes with any
// part of its journal durable: it always answers as a naive one that crashed at the same place, no outcome
// that was told ever changes, and creditors who follow their cursor see each transfer once.
//
// LEDGER_SEED=n runs one seed, LEDGER_SEEDS=n that many.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/ledger_host.hpp"
#include "tests/support/naive_ledger.hpp"

namespace grenache::exchange {
namespace {

using namespace test;
using namespace std::chrono_literals;
using std::chrono::milliseconds;

constexpr std::uint64_t kSeedCount = 60;
constexpr int kStepCount = 400;
constexpr std::array kNames{"alice", "bob", "carol", "dave"};

std::uint64_t number_from(char const* variable, std::uint64_t otherwise) {
  char const* const text = std::getenv(variable);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

/// Counts over all seeds, to see that the interesting things happen.
struct Totals {
  std::size_t paid = 0, refused = 0, expired = 0, reused = 0, crashes = 0, lost = 0, deletions = 0,
              statements = 0, credited = 0;
};

class LedgerWorld {
 public:
  explicit LedgerWorld(std::uint64_t seed) : random_{seed}, host_{options()} {
    for (std::uint64_t n = 0; n < 5; ++n) keys_.push_back(secret(10 + n));
    model_at_.emplace(0, NaiveLedger{op_.public_key(), options().start_max});
    host_.observe([this](RequestId id, LedgerReply const& reply) { made(id, reply); },
                  [this](RequestId id, LedgerReply const& reply) { released(id, reply); });
    may_delete_ = random_.chance(1, 3);
    for (std::size_t i = 0; i < 4; ++i) {
      push(host_.signed_by(keys_[i], OpenAccount{kNames.at(i), {}, UsdCents{500}, "", {}}));
    }
  }

  void run(Totals& totals) {
    for (int i = 0; i < kStepCount && !testing::Test::HasFailure(); ++i) step();
    finish();
    count(totals);
  }

 private:
  static Ledger::Options options() {
    auto out = LedgerHost::free_of_limits();
    out.start_max = UsdCents{1'000};
    out.operators = {secret(99).public_key()};
    return out;
  }

  NaiveLedger& model() { return model_at_.rbegin()->second; }
  SecretKey const& any_key() { return keys_[random_.below(keys_.size())]; }

  // The model

  void made(RequestId id, LedgerReply const& reply) {
    ASSERT_TRUE(reply.answer) << LedgerHost::describe(reply);
    auto const& request = host_.request(id);
    auto const position = host_.last_position();
    if (position > model_at_.rbegin()->first) model_at_.emplace(position, model());
    if (auto const found = expected_.find(id); found != expected_.end()) {
      EXPECT_EQ(reply.answer->body, found->second) << LedgerHost::describe(reply);
      return;
    }
    auto const expected = model().answer(request, reply.answer->time, reply.answer->body);
    if (auto const* const page = std::get_if<IncomingTransfers>(&reply.answer->body)) {
      // It may lack what was made after it was asked for.
      auto all = std::get<IncomingTransfers>(expected).transfers;
      ASSERT_LE(page->transfers.size(), all.size());
      EXPECT_GE(std::ssize(page->transfers), known_at_.at(id));
      all.resize(page->transfers.size());
      EXPECT_EQ(page->transfers, all);
      return;
    }
    EXPECT_EQ(reply.answer->body, expected)
        << json::to_text(to_json(request)) << "\n  answered " << LedgerHost::describe(reply)
        << "\n  expected " << json::to_text(to_json(LedgerAnswer{{}, reply.answer->time, expected, {}}));
  }

  // What clients are told

  void released(RequestId id, LedgerReply const& reply) {
    auto const& request = host_.request(id);
    auto const& body = reply.answer->body;
    if (auto const* const transfer = std::get_if<Transfer>(&request.body)) hear(*transfer, body);
    if (auto const* const asked = std::get_if<GetTransfers>(&request.body)) {
      auto& credited = credited_[asked->key];
      std::int64_t const cursor = credited.empty() ? 0 : credited.back().seq;
      if (asked->after != cursor) return;
      for (auto const& each : std::get<IncomingTransfers>(body).transfers) credited.push_back(each);
    }
    if (auto const* const asked = std::get_if<GetStatement>(&request.body)) {
      auto const* const statement = std::get_if<LedgerStatement>(&body);
      if (!statement || deletions_ > 0) return;
      auto const [at, is_new] = statements_.emplace(std::pair{asked->key, asked->at}, *statement);
      EXPECT_EQ(at->second, *statement) << "a statement has changed";
    }
    if (std::holds_alternative<AccountsDeleted>(body)) ++deletions_;
  }

  void hear(Transfer const& transfer, LedgerAnswer::Body const& body) {
    if (std::holds_alternative<LedgerFailure>(body)) {
      reused_ += std::get<LedgerFailure>(body).code == LedgerErrc::id_reused ? 1U : 0U;
      return;
    }
    auto key = transfer;
    key.signature = {};
    auto const text = json::to_text(to_json(LedgerRequest{{}, PeerId{}, key}));
    auto const& first = outcomes_.emplace(text, std::pair{key, body}).first->second.second;
    bool const is_paid = std::holds_alternative<TransferPaid>(body);
    if (is_paid) {
      EXPECT_EQ(first, body) << "an outcome has changed: " << text;
    } else {
      EXPECT_TRUE(std::holds_alternative<TransferRefused>(first)) << "an outcome has changed: " << text;
    }
  }

  // Steps

  void step() {
    auto const what = random_.below(40);
    if (what < 1) return push(open());
    if (what < 6) return push(new_transfer());
    if (what < 8) return push(old_transfer());
    if (what < 9) return push(changed_transfer());
    if (what < 12) return push(read());
    if (what < 13) return push(erase());
    if (what < 16) return advance();
    if (what < 17) return crash();
    if (what < 24) return flush(random_.below(4));
    deliver();
  }

  void push(std::optional<LedgerRequest> request) {
    if (request) outbox_.push_back(std::move(*request));
  }

  /// Delivers any of what was sent; it may come again.
  void deliver() {
    if (outbox_.empty()) return;
    auto const at = outbox_.begin() + static_cast<std::ptrdiff_t>(random_.below(outbox_.size()));
    auto const request = *at;
    if (!random_.chance(1, 6)) outbox_.erase(at);
    if (random_.chance(1, 10)) return;  // lost
    send(request);
  }

  void send(LedgerRequest const& request) {
    auto const* const asked = std::get_if<GetTransfers>(&request.body);
    auto const known =
        asked ? std::min<std::int64_t>(std::ssize(model().incoming(asked->key, asked->after)), asked->max)
              : std::int64_t{0};
    known_at_[host_.next_request()] = known;
    auto const id = host_.send(request);
    // A statement tells of the account that there was when it was asked for.
    bool const is_waiting = std::holds_alternative<GetStatement>(request.body) && !host_.was_made(id);
    if (is_waiting) expected_.emplace(id, model().answer(request, host_.core().time(), {}));
    ASSERT_TRUE(host_.core().check());
  }

  std::optional<LedgerRequest> open() {
    auto const start = static_cast<std::int64_t>(random_.chance(1, 8) ? 1'001 : 250 * random_.below(4));
    return host_.signed_by(any_key(), OpenAccount{kNames.at(random_.below(kNames.size())),
                                                  {},
                                                  UsdCents{start},
                                                  random_.chance(1, 3) ? "127.0.0.1:5000" : "",
                                                  {}});
  }

  std::optional<LedgerRequest> new_transfer() {
    static constexpr std::array kLives{milliseconds{1},  milliseconds{5s},  milliseconds{1h},
                                       milliseconds{2h}, milliseconds{24h}, milliseconds{25h}};
    auto const& from = any_key();
    Transfer const transfer{uuid(random_.chance(1, 10) ? 1 : ++last_id_),
                            from.public_key(),
                            any_key().public_key(),
                            UsdCents{static_cast<std::int64_t>(1 + random_.below(80))},
                            host_.wall() + kLives.at(random_.below(kLives.size())),
                            {}};
    issued_.emplace_back(from, transfer);
    return host_.signed_by(from, transfer);
  }

  std::optional<LedgerRequest> old_transfer() {
    if (issued_.empty()) return std::nullopt;
    auto const& [from, transfer] = issued_[random_.below(issued_.size())];
    return host_.signed_by(from, transfer);
  }

  std::optional<LedgerRequest> changed_transfer() {
    if (issued_.empty()) return std::nullopt;
    auto [from, transfer] = issued_[random_.below(issued_.size())];
    switch (random_.below(3)) {
      case 0:
        transfer.amount = UsdCents{transfer.amount.units() + 1};
        break;
      case 1:
        transfer.to = any_key().public_key();
        break;
      default:
        transfer.valid_until = host_.wall() + 1h;
    }
    issued_.emplace_back(from, transfer);
    return host_.signed_by(from, transfer);
  }

  std::optional<LedgerRequest> read() {
    auto const key = any_key().public_key();
    auto const ago = milliseconds{static_cast<std::int64_t>(random_.below(20'000))};
    switch (random_.below(8)) {
      case 0:
        return host_.signed_by(keys_[0], GetAccounts{random_.chance(1, 2) ? "" : "bob",
                                                     1 + static_cast<std::int64_t>(random_.below(4))});
      case 1:
        return host_.signed_by(keys_[0], GetAccount{key});
      case 2:
        return host_.signed_by(keys_[0], GetAccount{"bob"});
      case 3:
        return make_get_ledger(random_);
      case 4:
      case 5:
        return host_.signed_by(keys_[0], GetStatement{key, host_.wall() + 500ms - ago});
      default:
        return follow(key);
    }
  }
  LedgerRequest follow(PeerId const& key) {
    auto const& credited = credited_[key];
    std::int64_t const cursor = credited.empty() ? 0 : credited.back().seq;
    return host_.signed_by(keys_[0],
                           GetTransfers{key, cursor, 1 + static_cast<std::int64_t>(random_.below(5))});
  }

  std::optional<LedgerRequest> erase() {
    if (!may_delete_ || !random_.chance(1, 4)) return std::nullopt;
    if (random_.chance(1, 3) && !erased_.empty()) return erased_[random_.below(erased_.size())];
    auto const& by = random_.chance(1, 4) ? any_key() : op_;
    auto const at = host_.wall() - milliseconds{static_cast<std::int64_t>(random_.below(400'000))};
    erased_.push_back(host_.signed_by(by, DeleteAccounts{{}, at, {}}));
    return erased_.back();
  }

  void advance() {
    if (random_.chance(1, 20))
      return host_.advance(milliseconds{static_cast<std::int64_t>(random_.below(90'000'000))});
    if (random_.chance(1, 8))
      return host_.set_wall(host_.wall() - milliseconds{static_cast<std::int64_t>(random_.below(5'000))});
    host_.advance(milliseconds{static_cast<std::int64_t>(random_.below(2'000))});
  }

  void flush(std::size_t count) {
    host_.flush(count);
    while (model_at_.size() > 1 && std::next(model_at_.begin())->first <= host_.durable()) {
      model_at_.erase(model_at_.begin());
    }
  }

  void crash() {
    flush(random_.below(4));
    ++crashes_;
    lost_ += host_.queued_count();
    expected_.clear();
    model_at_.erase(model_at_.upper_bound(host_.durable()), model_at_.end());
    ASSERT_FALSE(model_at_.empty());
    host_.crash();
    EXPECT_EQ(host_.core().dump(), host_.saved_rows());
    if (random_.chance(1, 4))
      host_.set_wall(host_.wall() - milliseconds{static_cast<std::int64_t>(random_.below(100'000))});
  }

  /// Every client asks until it has its outcomes, and every creditor until there is no more.
  void finish() {
    for (auto const& request : outbox_) {
      send(request);
      if (random_.chance(1, 3)) host_.settle();
    }
    host_.settle();
    host_.advance(48h);
    for (auto const& [from, transfer] : issued_) {
      send(host_.signed_by(from, transfer));
      host_.settle();
    }
    for (auto const& key : keys_) {
      for (std::size_t before = ~std::size_t{0}; before != credited_[key.public_key()].size();) {
        before = credited_[key.public_key()].size();
        send(follow(key.public_key()));
        host_.settle();
      }
      EXPECT_EQ(credited_[key.public_key()], model().incoming(key.public_key(), 0));
    }
    EXPECT_EQ(host_.core().dump(), host_.saved_rows());
    for (auto const& [transfer, paid] : model().paid()) {
      auto key = transfer;
      key.signature = {};
      auto const found = outcomes_.find(json::to_text(to_json(LedgerRequest{{}, PeerId{}, key})));
      ASSERT_NE(found, outcomes_.end());
      EXPECT_EQ(found->second.second, LedgerAnswer::Body{paid});
    }
    std::size_t paid_count = 0;
    for (auto const& [text, told] : outcomes_) {
      paid_count += std::holds_alternative<TransferPaid>(told.second) ? 1U : 0U;
    }
    EXPECT_EQ(paid_count, model().paid().size()) << "what was told to be paid was paid, and nothing else";
    for (auto const& [key, account] : model().accounts()) {
      auto const* const found = host_.core().accounts().find(key);
      ASSERT_TRUE(found);
      EXPECT_EQ(found->balance, account.balance);
    }
  }

  void count(Totals& totals) const {
    for (auto const& [text, told] : outcomes_) {
      auto const* const refused = std::get_if<TransferRefused>(&told.second);
      totals.paid += refused ? 0 : 1;
      totals.refused += refused && refused->reason != LedgerErrc::expired ? 1 : 0;
      totals.expired += refused && refused->reason == LedgerErrc::expired ? 1 : 0;
    }
    totals.reused += reused_;
    totals.crashes += crashes_;
    totals.lost += lost_;
    totals.deletions += deletions_;
    totals.statements += statements_.size();
    for (auto const& [key, all] : credited_) totals.credited += all.size();
  }

  Random random_;
  LedgerHost host_;
  SecretKey op_ = secret(99);
  std::vector<SecretKey> keys_;
  bool may_delete_ = false;
  std::map<Position, NaiveLedger> model_at_;  // from the durable position on
  std::map<RequestId, LedgerAnswer::Body> expected_;
  std::map<RequestId, std::int64_t> known_at_;  // transfers that a page had when it was asked for
  std::deque<LedgerRequest> outbox_;
  std::vector<std::pair<SecretKey, Transfer>> issued_;
  std::vector<LedgerRequest> erased_;
  std::uint64_t last_id_ = 1;
  std::map<std::string, std::pair<Transfer, LedgerAnswer::Body>> outcomes_;  // as told
  std::map<PeerId, std::vector<IncomingTransfer>> credited_;
  std::map<std::pair<PeerId, WallTime>, LedgerStatement> statements_;
  std::size_t crashes_ = 0, lost_ = 0, deletions_ = 0, reused_ = 0;
};

TEST(LedgerProperty, answersAsANaiveOneWhateverIsLostRepeatedReorderedOrCrashes) {
  auto const only = std::getenv("LEDGER_SEED");
  auto const first = only ? number_from("LEDGER_SEED", 0) : 0;
  auto const last = only ? first + 1 : number_from("LEDGER_SEEDS", kSeedCount);
  Totals totals;
  for (auto seed = first; seed < last && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("LEDGER_SEED=" + std::to_string(seed));
    LedgerWorld{seed}.run(totals);
  }
  if (testing::Test::HasFailure()) return;
  std::printf(
      "paid %zu, refused %zu, expired %zu, id reused %zu, crashes %zu, batches lost %zu, deletions %zu, "
      "statements %zu, credited %zu\n",
      totals.paid, totals.refused, totals.expired, totals.reused, totals.crashes, totals.lost,
      totals.deletions, totals.statements, totals.credited);
  if (only) return;
  EXPECT_GT(totals.paid, 0);
  EXPECT_GT(totals.refused, 0);
  EXPECT_GT(totals.expired, 0);
  EXPECT_GT(totals.reused, 0);
  EXPECT_GT(totals.lost, 0);
  EXPECT_GT(totals.deletions, 0);
  EXPECT_GT(totals.statements, 0);
}

/// The rows after some requests, a crash when `position` batches are durable, and the same requests again.
std::vector<Row> rows_after_crash_at(Position position, Position& last) {
  LedgerHost host;
  auto const alice = secret(10);
  auto const bob = secret(11);
  auto const transfer = [&](std::uint64_t n, SecretKey const& from, SecretKey const& to, std::int64_t cents) {
    Transfer const wanted{uuid(n), {}, to.public_key(), UsdCents{cents}, host.wall() + 1h, {}};
    return host.signed_by(from, wanted);
  };
  std::vector<LedgerRequest> const requests{
      host.signed_by(alice, OpenAccount{"alice", {}, UsdCents{100}, "", {}}),
      host.signed_by(bob, OpenAccount{"bob", {}, UsdCents{50}, "", {}}),
      transfer(1, alice, bob, 60),
      transfer(2, alice, bob, 60),
      transfer(1, bob, alice, 110),
      transfer(2, alice, bob, 60),
      transfer(3, alice, bob, 150),
      transfer(4, alice, bob, 1),
  };
  for (auto const& request : requests) {
    (void)host.send(request);
    // Reads wait for all batches before them; then they are served, and may lead to another batch.
    for (int i = 0; i < 3; ++i) host.flush(host.durable() < position ? 1 : 0);
  }
  EXPECT_EQ(host.durable(), position);
  host.crash();
  for (auto const& request : requests) (void)host.ask(request);
  last = host.last_position();
  return host.all_rows();
}

TEST(LedgerProperty, afterACrashAtAnyPositionTheSameRequestsLeadToTheSameRows) {
  Position last = 0;
  auto const expected = rows_after_crash_at(0, last);
  EXPECT_EQ(last, 7) << "two accounts, three transfers, two refusals";
  for (Position position = 1; position <= last; ++position) {
    auto after = last;
    EXPECT_EQ(rows_after_crash_at(position, after), expected) << position;
    EXPECT_EQ(after, last);
  }
}

}  // namespace
}  // namespace grenache::exchange
