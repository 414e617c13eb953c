// Sends the calls of the core to other peers.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "exchange/core/turn.hpp"
#include <grenache/net/asio.hpp>
#include <grenache/net/task_group.hpp>
#include <grenache/rpc/client.hpp>

namespace grenache::exchange {

/// Limits how many calls run at a time; the others wait in the order in which they came. Urgent calls do not
/// wait for others, and may be twice as many. How many wait is
/// bounded by the core, which has at most a few calls under way for each peer and each take.
class PeerCalls {
 public:
  struct Options {
    std::string service;          // the name in the envelope
    Duration timeout{};           // of a call
    std::size_t count_max = 256;  // calls at a time; of urgent ones twice as many
  };
  using Done = std::function<void(CallId, CallAnswer)>;

  /// `client` must outlive the object. `done` runs once for each call unless the object is gone by then.
  PeerCalls(net::Executor const& executor, rpc::Client& client, Options options, Done done);
  ~PeerCalls();
  PeerCalls(PeerCalls const&) = delete;
  PeerCalls& operator=(PeerCalls const&) = delete;

  void start(output::Call call);
  /// Cancels all calls; they end without `done`. False if some have not ended within `limit`.
  [[nodiscard]] net::Awaitable<bool> stop(Duration limit);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace grenache::exchange
