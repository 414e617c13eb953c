// Commands that run out of memory.
#include <chrono>
#include <new>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include <gtest/gtest.h>

#include "tests/support/allocation_fault.hpp"
#include "tests/support/reserved_port.hpp"
#include "tools/grenache/client.hpp"

namespace grenache::client {
namespace {

// So large that only copies of it are allocated in this size, not what Asio needs.
std::string const kBody(100'000, 'x');
constexpr std::size_t kAllocationsMax = 1000;

TEST(AskWithoutMemory, throwsOrTellsWhy) {
#ifdef __SANITIZE_ADDRESS__
  // While an exception leaves run(), what its coroutine held may refer to itself.
  __lsan::ScopedDisabler const leaks_are_allowed;
#endif
  test::ReservedPort const refusing;
  Grapes grapes;
  grapes.urls.push_back(HostPort{"127.0.0.1", refusing.number()});
  grapes.timeout = std::chrono::minutes{1};
  std::size_t thrown = 0;
  std::size_t nth = 1;
  for (bool happened = true; happened && nth < kAllocationsMax; ++nth) {
    test::AllocationFault fault{kBody.size(), nth};
    try {
      auto const answer = ask(grapes, "/lookup", kBody);
      ASSERT_TRUE(answer.has_error());
      EXPECT_NE(answer.error().reason.find("no grape at"), std::string::npos);
    } catch (std::bad_alloc const&) {
      ++thrown;
    }
    happened = fault.happened();
  }
  EXPECT_GT(thrown, 1u) << "of the call, and of its coroutine";
  EXPECT_LT(nth, kAllocationsMax);
}

}  // namespace
}  // namespace grenache::client
