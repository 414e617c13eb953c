// Memory that runs out when a test wants it to.
#pragma once

#include <cstddef>

namespace grenache::test {

/// While it lives, one allocation of this thread throws std::bad_alloc: the `nth`, from 1, of those by
/// operator new that are at least `size_min` bytes. One at a time. The program has to be linked with
/// allocation_fault.cpp, which replaces operator new; over-aligned and nothrow ones stay as they are.
class AllocationFault {
 public:
  AllocationFault(std::size_t size_min, std::size_t nth);
  ~AllocationFault();
  AllocationFault(AllocationFault const&) = delete;
  AllocationFault& operator=(AllocationFault const&) = delete;

  [[nodiscard]] bool happened() const;
};

}  // namespace grenache::test
