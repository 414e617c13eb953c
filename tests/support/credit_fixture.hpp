// Two peers with a credit line, whose messages are signed and verified.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "exchange/core/credit/credit_line.hpp"
#include <grenache/base/random.hpp>

namespace grenache::exchange::test {

using namespace std::chrono_literals;

inline constexpr WallTime kNow = from_unix_ms(1'800'000'000'000);

inline std::string id(int n) {
  auto const digits = std::to_string(n);
  return "00000000-0000-4000-8000-" + std::string(12 - digits.size(), '0') + digits;
}
inline CreditEntry payment(int n, std::int64_t cents, WallTime expires = kNow + 1min) {
  return {CreditKind::pay, id(n), UsdCents{cents}, expires};
}
inline CreditEntry settlement(int n, std::int64_t cents) {
  return {CreditKind::settle, id(n), UsdCents{cents}, kNow + 1h};
}

/// A line, and its owner's key: what it sends is signed, what it receives is verified.
struct CreditPeer {
  using Kind = CreditNotice::Kind;

  CreditPeer(SecretKey const& secret, PeerId const& peer)
      : key{secret}, other{peer}, line{*CreditLine::create(secret.public_key(), peer)} {}

  std::vector<CreditMessage> signed_by_us(std::vector<CreditMessage> messages) const {
    for (auto& each : messages) sign(each, line.side(), key);
    return messages;
  }
  /// What `step` sends.
  std::vector<CreditMessage> send(CreditStep step) {
    EXPECT_TRUE(line.check());
    for (auto& notice : step.tell) {
      if (notice.receipt) sign(*notice.receipt, line.side(), key);
      told.push_back(std::move(notice));
    }
    return signed_by_us(std::move(step.send));
  }
  std::vector<CreditMessage> send(Result<CreditStep> step) {
    EXPECT_TRUE(step) << step.error().message();
    return step ? send(std::move(*step)) : std::vector<CreditMessage>{};
  }
  std::vector<CreditMessage> receive(CreditMessage const& message, WallTime now = kNow) {
    EXPECT_TRUE(is_genuine(message, line.parties(), other_side(line.side()), line.known_counter()));
    return send(line.receive(message, now));
  }
  void restore(CreditLine::Rows const& rows) {
    auto restored = CreditLine::from_rows(rows, key.public_key(), other);
    ASSERT_TRUE(restored);
    line = std::move(*restored);
  }
  bool was_told(Kind kind) const { return std::ranges::count(told, kind, &CreditNotice::kind) > 0; }
  CreditNotice last(Kind kind) const {
    auto const found = std::ranges::find(told.rbegin(), told.rend(), kind, &CreditNotice::kind);
    return found != told.rend() ? *found : CreditNotice{};
  }
  std::int64_t balance() const { return line.view().balance; }

  SecretKey key;
  PeerId other;
  CreditLine line;
  std::vector<CreditNotice> told;
};

class CreditFixture : public testing::Test {
 protected:
  /// Delivers `messages` to `to`, and everything that is sent because of them.
  void exchange(CreditPeer& to, std::vector<CreditMessage> const& messages, WallTime now = kNow) {
    for (auto const& each : messages) {
      auto const answers = to.receive(each, now);
      exchange(&to == &alice ? bob : alice, answers, now);
    }
  }
  void open(std::int64_t alice_limit = 100, std::int64_t bob_limit = 100) {
    exchange(bob, alice.send(alice.line.propose(UsdCents{alice_limit}, UsdCents{bob_limit}, kNow)));
    exchange(alice, bob.send(bob.line.accept(kNow)));
    ASSERT_TRUE(alice.line.view().is_open && bob.line.view().is_open);
  }
  void pay(CreditPeer& from, CreditEntry const& entry) {
    exchange(&from == &alice ? bob : alice, from.send(from.line.give(entry, kNow)));
  }
  void expect_equal() {
    for (auto const side : {CreditSide::low, CreditSide::high}) {
      EXPECT_EQ(alice.line.record(side).record, bob.line.record(side).record);
    }
    EXPECT_EQ(alice.balance(), -bob.balance());
  }
  Error error_of(CreditEntry const& entry, WallTime now = kNow) {
    return alice.line.give(entry, now).error();
  }

  Random random{std::uint64_t{11}};
  SecretKey alice_key = SecretKey::generate(random);
  SecretKey bob_key = SecretKey::generate(random);
  CreditPeer alice{alice_key, bob_key.public_key()};
  CreditPeer bob{bob_key, alice_key.public_key()};
};

}  // namespace grenache::exchange::test
