#include "grenache/net/detached_calls.hpp"

#include <csignal>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>

#include <boost/asio/post.hpp>
#include <pthread.h>

namespace grenache::net {

struct DetachedCalls::State {
  explicit State(Executor const& e) : executor{e} {}

  std::mutex mutex;
  std::optional<Executor> executor;  // nothing: the owner is destroyed, and possibly the io_context too
};

DetachedCalls::DetachedCalls(Executor const& executor) : state_{std::make_shared<State>(executor)} {}

DetachedCalls::~DetachedCalls() {
  std::scoped_lock const lock{state_->mutex};
  state_->executor.reset();
}

bool DetachedCalls::start(std::function<void()> thread) {
  // Block all signals in the new thread, which inherits the mask, so that the threads that wait for them get
  // them.
  sigset_t all;
  sigset_t former;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &former);
  bool started = true;
  try {
    std::thread{std::move(thread)}.detach();
  } catch (std::exception const&) {  // no thread, or no memory
    started = false;
  }
  pthread_sigmask(SIG_SETMASK, &former, nullptr);
  return started;
}

void DetachedCalls::post(std::shared_ptr<State> const& state, std::function<void()> completion) {
  std::scoped_lock const lock{state->mutex};
  if (!state->executor) return;
  asio::post(*state->executor, [state, completion = std::move(completion)] {
    // Check again on the owner's thread, which alone resets it.
    if (state->executor) completion();
  });
}

}  // namespace grenache::net
