// Name lookups of a grape that runs out of memory.
#include <gtest/gtest.h>

#include "grape/node_runner.hpp"
#include "tests/support/allocation_fault.hpp"

namespace grenache::grape {
namespace {

constexpr std::size_t kAllocationsMax = 1000;

TEST(NameLookupWithoutMemory, failsAndDoesNotThrow) {
  std::string const host = "127.0.0.1";
  std::size_t nth = 1;
  for (bool happened = true; happened && nth < kAllocationsMax; ++nth) {
    test::AllocationFault fault{0, nth};
    EXPECT_NO_THROW((void)system_name_lookup(host)) << nth;
    happened = fault.happened();
  }
  EXPECT_GT(nth, 2u);
  EXPECT_LT(nth, kAllocationsMax);
}

}  // namespace
}  // namespace grenache::grape
