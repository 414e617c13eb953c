#include "exchange/core/order.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <grenache/base/random.hpp>

namespace grenache::exchange {
namespace {

/// A UUID of few different digits of both cases, so that many share a beginning or differ only in case.
std::string random_uuid(Random& random) {
  constexpr std::string_view kDigits = "09AFaf";
  std::string out = "00000000-0000-4000-8000-000000000000";
  for (auto& c : out) {
    if (c != '-' && random.chance(1, 6)) c = kDigits[random.below(kDigits.size())];
  }
  return out;
}

TEST(IdKey, comparesAsTheTextOfTheId) {
  Random random{1};
  for (int i = 0; i < 2'000; ++i) {
    auto const a = random_uuid(random);
    auto const b = i % 4 == 0 ? make_uuid(random) : random_uuid(random);
    EXPECT_EQ(id_key(a) <=> id_key(b), a <=> b) << a << " " << b;
  }
}

TEST(IdKey, holdsTheLowestAndTheHighestId) {
  std::string const lowest = "00000000-0000-0000-0000-000000000000";
  std::string const highest = "ffffffff-ffff-ffff-ffff-ffffffffffff";
  EXPECT_EQ(id_key(lowest), MatchingEngine::IdKey{});
  for (std::size_t i = 0; i < highest.size(); ++i) {
    if (highest[i] == '-') continue;
    auto lower = highest;
    lower[i] = 'e';
    EXPECT_LT(id_key(lower), id_key(highest)) << i;
    lower[i] = 'F';
    EXPECT_LT(id_key(lower), id_key(highest)) << i;
  }
}

}  // namespace
}  // namespace grenache::exchange
