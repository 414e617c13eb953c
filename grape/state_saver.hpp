// Writes the state of a grape to its folder, on a thread of its own.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "grape/detached_calls.hpp"
#include "grape/state.hpp"
#include <grenache/base/result.hpp>
#include <grenache/net/asio.hpp>
#include <grenache/net/async_event.hpp>
#include <grenache/net/deadline.hpp>

namespace grenache::grape {

/// Writes at the start, every `period`, and once at the end. One write is under way at a time; a disk that
/// hangs delays the next ones and blocks nobody. The folder stays locked until the last write has ended, even
/// when this object has gone, so that no other grape writes beside it.
///
/// One thread; it may be destroyed at any time.
class StateSaver {
 public:
  /// `encode` gives the bytes to write, `on_failure` hears why a write failed.
  StateSaver(net::Executor const& executor, StateFolder folder, Duration period,
             std::function<std::string()> encode, std::function<void(Error const&)> on_failure);
  StateSaver(StateSaver const&) = delete;
  StateSaver& operator=(StateSaver const&) = delete;

  [[nodiscard]] StateFolder const& folder() const { return *folder_; }
  /// The first write. Once.
  void start();
  /// Writes what is true now, after the write that is under way, and ends; false when that took longer than
  /// `limit`. The file holds the last state that was written whole. Once.
  [[nodiscard]] net::Awaitable<bool> finish(Duration limit);

 private:
  void write();
  void written(Error const& error);

  net::Executor executor_;
  std::shared_ptr<StateFolder const> folder_;
  Duration period_;
  std::function<std::string()> encode_;
  std::function<void(Error const&)> on_failure_;
  std::optional<net::Deadline> next_;  // until finish()
  net::AsyncEvent idle_;
  bool writing_ = false;
  DetachedCalls calls_;
};

}  // namespace grenache::grape
