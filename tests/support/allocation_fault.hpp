// Fault injection into memory allocation.
#pragma once

#include <cstddef>

namespace grenache::test {

/// During its lifetime, one allocation of this thread throws std::bad_alloc: the `nth` (from 1) of those by
/// operator new of at least `size_min` bytes. At most one exists at a time. Link the program with
/// allocation_fault.cpp, which replaces operator new, except its over-aligned forms; nothrow forms never
/// fail.
class AllocationFault {
 public:
  AllocationFault(std::size_t size_min, std::size_t nth);
  ~AllocationFault();
  AllocationFault(AllocationFault const&) = delete;
  AllocationFault& operator=(AllocationFault const&) = delete;

  [[nodiscard]] bool happened() const;
};

}  // namespace grenache::test
