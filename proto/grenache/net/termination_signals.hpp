// SIGINT and SIGTERM, noticed for as long as a program runs.
#pragma once

#include <functional>
#include <memory>

#include <grenache/net/asio.hpp>

namespace grenache::net {

/// Counts each SIGINT and SIGTERM from its construction to its destruction, also while nobody waits for one.
/// In that time they do not end the process. A program has one of these for its whole run: a wait of Asio's
/// `signal_set` that is cancelled at the moment of a signal loses it.
///
///     TerminationSignals signals{executor};
///     auto starting = service.start() || signals.received();
///     co_await std::move(starting);
///     co_await signals.received();  // completes at once if the signal came before
///
/// An exception of `service.start()` does not end the `||`, so it must return its failures.
///
/// Not thread-safe, but may be destroyed while the executor runs.
class TerminationSignals {
 public:
  explicit TerminationSignals(Executor const& executor);
  ~TerminationSignals();
  TerminationSignals(TerminationSignals const&) = delete;
  TerminationSignals& operator=(TerminationSignals const&) = delete;

  [[nodiscard]] unsigned count() const;

  /// Completes as soon as `count` signals have come, or when the coroutine is cancelled.
  [[nodiscard]] Awaitable<void> received(unsigned count = 1);

  /// Calls `callback` at each further signal, in the executor, in place of an earlier callback. What it
  /// throws leaves io_context::run(). It must not destroy this object.
  void on_signal(std::function<void()> callback);

 private:
  struct State;
  static void wait(std::shared_ptr<State> const& state);
  static Awaitable<void> received(std::shared_ptr<State> state, unsigned count);

  std::shared_ptr<State> state_;
};

}  // namespace grenache::net
