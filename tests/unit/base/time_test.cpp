#include <gtest/gtest.h>

#include <grenache/base/time.hpp>

namespace grenache {
namespace {

using namespace std::chrono_literals;

TEST(LaterBy, endsWithTheTimeLineInsteadOfOverflowing) {
  TimePoint const now{1h};
  EXPECT_EQ(later_by(now, 5s), now + 5s);
  EXPECT_EQ(later_by(now, -5s), now - 5s);
  EXPECT_EQ(later_by(now, Duration::max()), TimePoint::max());
  EXPECT_EQ(later_by(TimePoint::max() - 1s, 2s), TimePoint::max());
  EXPECT_EQ(later_by(TimePoint{} - 1h, Duration::min()), TimePoint::min());
}

}  // namespace
}  // namespace grenache
