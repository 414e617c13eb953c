// Memory for large arrays that are read at random places.
#pragma once

#include <cstddef>
#include <new>

#include <sys/mman.h>

namespace grenache::exchange {

/// An allocator that asks the kernel for huge pages (2 MiB) from the size of one on. With small ones, nearly
/// every access to a book of a million orders waits for the address of its page. A hint: without huge pages
/// the memory is the same, and slower.
template <class T>
class HugePages {
 public:
  using value_type = T;

  HugePages() = default;
  template <class U>
  HugePages(HugePages<U> const&) {}

  [[nodiscard]] T* allocate(std::size_t count) {
    auto const size = count * sizeof(T);
    auto* const out = ::operator new(size, alignment(size));
    if (size >= kPageSize) (void)::madvise(out, size, MADV_HUGEPAGE);
    return static_cast<T*>(out);
  }
  void deallocate(T* memory, std::size_t count) { ::operator delete(memory, alignment(count * sizeof(T))); }
  friend bool operator==(HugePages const&, HugePages const&) { return true; }

 private:
  static constexpr std::size_t kPageSize = std::size_t{2} << 20;
  static std::align_val_t alignment(std::size_t size) {
    return std::align_val_t{size >= kPageSize ? kPageSize : alignof(T)};
  }
};

}  // namespace grenache::exchange
