// Fault injection into the socket calls of this process.
#pragma once

#include <cerrno>
#include <cstddef>
#include <functional>

namespace grenache::test {

/// During its lifetime, one socket call of this process fails with `error` instead of being executed: the
/// `nth` (from 1) of accept, connect, recv, recvmsg, send and sendmsg on any thread. At most one Fault exists
/// at a time. Link the program with faults.cpp, which overrides these functions.
class Fault {
 public:
  explicit Fault(std::size_t nth, int error = ECONNRESET);
  ~Fault();
  Fault(Fault const&) = delete;
  Fault& operator=(Fault const&) = delete;

  [[nodiscard]] bool happened() const;
  /// No call fails until arm().
  void disarm();
  void arm();
};

/// Calls `run` with a fault at the first call, at the second, …, until a run ends without one, so that each
/// call has failed once. Returns the number of runs with a fault.
std::size_t walk_faults(std::function<void(Fault& fault)> const& run);

}  // namespace grenache::test
