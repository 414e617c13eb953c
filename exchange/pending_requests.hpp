// Requests of other peers that wait for the reply of the core.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "exchange/core/turn.hpp"
#include <grenache/net/async_event.hpp>
#include <grenache/rpc/request.hpp>

namespace grenache::exchange {

/// One thread.
class PendingRequests {
 public:
  /// A request; shared with the coroutine that waits for its reply, which may outlive this object.
  struct Pending {
    Pending(RequestId request, net::Executor executor) : id{request}, event{std::move(executor)} {}
    RequestId id;
    net::AsyncEvent event;
    std::optional<rpc::Reply> reply;
  };

  explicit PendingRequests(net::Executor executor) : executor_{std::move(executor)} {}

  [[nodiscard]] std::shared_ptr<Pending> add() {
    auto pending = std::make_shared<Pending>(++last_, executor_);
    pending_.emplace(last_, pending);
    return pending;
  }
  void erase(Pending const& pending) { pending_.erase(pending.id); }
  /// Nothing if nobody waits for it any more.
  void answer(output::Reply& reply) {
    auto const found = pending_.find(reply.request);
    if (found == pending_.end()) return;
    found->second->reply = reply.error.empty() ? rpc::Reply{std::move(reply.result)}
                                               : rpc::Reply::failure(std::move(reply.error));
    found->second->event.notify_all();
  }

 private:
  net::Executor executor_;
  std::map<RequestId, std::shared_ptr<Pending>> pending_;
  RequestId last_ = 0;
};

}  // namespace grenache::exchange
