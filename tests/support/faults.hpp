// I/O of this process that fails when a test wants it to.
#pragma once

#include <cstddef>
#include <functional>

namespace grenache::test {

/// While it lives, one operation of this process fails with ECONNRESET instead of being made: the `nth`, from
/// 1, of accept, connect, recv, recvmsg, send and sendmsg of any thread. One at a time. The program has to be
/// linked with faults.cpp, whose functions stand before the system's.
class Fault {
 public:
  explicit Fault(std::size_t nth);
  ~Fault();
  Fault(Fault const&) = delete;
  Fault& operator=(Fault const&) = delete;

  [[nodiscard]] bool happened() const;
  /// Nothing fails any more, until arm().
  void disarm();
  void arm();
};

/// Calls `run` with a fault at the first operation, at the second, …, until none happens in it, so that each
/// operation has failed once. Returns how many runs had a fault.
std::size_t walk_faults(std::function<void(Fault& fault)> const& run);

}  // namespace grenache::test
