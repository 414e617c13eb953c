// Saves the state of a grape to its folder, off the main thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "grape/state.hpp"
#include <grenache/base/result.hpp>
#include <grenache/net/asio.hpp>
#include <grenache/net/async_event.hpp>
#include <grenache/net/deadline.hpp>
#include <grenache/net/detached_calls.hpp>

namespace grenache::grape {

/// Saves at the start, every `period`, and once at the end. One write runs at a time; a hanging disk delays
/// the next writes but does not block the grape. The folder stays locked until the last write has ended, even
/// after this object is destroyed, so that no other grape writes at the same time.
///
/// Not thread-safe; may be destroyed at any time.
class StateSaver {
 public:
  /// `encode` returns the bytes to write; `on_failure` is called when a write fails.
  StateSaver(net::Executor const& executor, StateFolder folder, Duration period,
             std::function<std::string()> encode, std::function<void(Error const&)> on_failure);
  StateSaver(StateSaver const&) = delete;
  StateSaver& operator=(StateSaver const&) = delete;

  [[nodiscard]] StateFolder const& folder() const { return *folder_; }
  /// Starts the first write. Call once.
  void start();
  /// Saves the current state, after the write in progress, and ends. Returns false when that exceeds `limit`;
  /// the file then holds the last state that was written completely. Call once.
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
  net::DetachedCalls calls_;
};

}  // namespace grenache::grape
