#include "tests/support/allocation_fault.hpp"

#include <cstdlib>
#include <new>

namespace grenache::test {
namespace {

thread_local std::size_t counted_size_min = 0;
thread_local std::size_t allocations_left = 0;  // until one fails; 0: none fails

void* allocate(std::size_t size) {
  if (allocations_left > 0 && size >= counted_size_min && --allocations_left == 0) throw std::bad_alloc{};
  void* const memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) throw std::bad_alloc{};
  return memory;
}

}  // namespace

AllocationFault::AllocationFault(std::size_t size_min, std::size_t nth) {
  counted_size_min = size_min;
  allocations_left = nth;
}
AllocationFault::~AllocationFault() { allocations_left = 0; }
bool AllocationFault::happened() const { return allocations_left == 0; }

}  // namespace grenache::test

void* operator new(std::size_t size) { return grenache::test::allocate(size); }
void* operator new[](std::size_t size) { return grenache::test::allocate(size); }
void* operator new(std::size_t size, std::nothrow_t const&) noexcept {
  return std::malloc(size == 0 ? 1 : size);
}
void* operator new[](std::size_t size, std::nothrow_t const&) noexcept {
  return std::malloc(size == 0 ? 1 : size);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
