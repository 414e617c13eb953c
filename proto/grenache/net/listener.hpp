// Accepts TCP connections and spreads them over threads.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include <boost/asio/ip/tcp.hpp>

#include <grenache/base/endpoint.hpp>
#include <grenache/base/result.hpp>
#include <grenache/net/asio.hpp>

namespace grenache::net {

/// One listening port. Its connections live on lanes: either one lane, which is the executor given, or a lane
/// for each of some threads of its own. A connection stays on its lane. What a lane may hold is up to the
/// server that uses this. Heavy to include: for .cpp files of proto/grenache/net.
///
/// All calls are made on the thread of the executor given.
class Listener {
 public:
  struct Handlers {
    /// A connection has come, from `peer`; TCP_NODELAY is set. Called on the thread of the lane, in turn for
    /// each lane; the socket belongs to the executor of the lane.
    std::function<void(std::size_t lane, asio::ip::tcp::socket socket, Endpoint const& peer)> accepted;
    /// Descriptors or memory have run out: a connection that nobody needs should be closed. Returns whether
    /// one was. Called on the thread of each lane; accepting goes on a moment later, or at once when the only
    /// lane has closed one.
    std::function<bool(std::size_t lane)> exhausted;
  };

  /// `thread_count` 0: everything happens on `executor`. Threads start at once.
  Listener(Executor const& executor, unsigned thread_count);
  /// Closes, and ends the threads as end_threads() does. What still waits on a lane is destroyed here, so
  /// whatever else holds timers or sockets of a lane must have gone before.
  ~Listener();
  Listener(Listener const&) = delete;
  Listener& operator=(Listener const&) = delete;

  [[nodiscard]] std::size_t lane_count() const { return lanes_.size(); }
  /// Valid as long as the listener.
  [[nodiscard]] Executor const& lane(std::size_t number) const { return lanes_[number]; }

  /// Binds, listens and begins to accept; port 0 takes a free one. Returns the address it listens at, or why
  /// it cannot (address in use, no such address, permission); then it may be tried again.
  [[nodiscard]] Result<Endpoint> listen(Endpoint const& bind, Handlers handlers);

  /// Where it listens, or has listened; port 0 before.
  [[nodiscard]] Endpoint const& local_endpoint() const;

  /// Accepts no more. What was accepted before may still arrive on lanes with threads: it was posted there
  /// before this call.
  void close();

  /// Waits until each thread has finished what it is doing at the moment, and ends it; nothing runs on lanes
  /// with threads any more. Not from such a thread.
  void end_threads();

 private:
  struct Acceptor;
  struct Thread;

  std::vector<std::unique_ptr<Thread>> threads_;
  std::vector<Executor> lanes_;
  std::shared_ptr<Acceptor> acceptor_;
};

}  // namespace grenache::net
