// Accepts TCP connections and distributes them over threads.
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

/// One listening port. Its connections run on workers, identified by number: one on the given executor, or
/// one per own thread. A connection stays on its worker. The server that uses this limits the connections of
/// a worker. Expensive to include: for .cpp files of proto/grenache/net.
///
/// Call its functions on the thread of the given executor.
class Listener {
 public:
  struct Handlers {
    /// Called for a new connection of `peer`, with TCP_NODELAY set, on the thread of the worker, round-robin
    /// over the workers; the socket uses the executor of the worker.
    std::function<void(std::size_t worker, asio::ip::tcp::socket socket, Endpoint const& peer)> accepted;
    /// Called on the thread of each worker when descriptors or memory are exhausted, to close a connection
    /// that can be spared. Returns whether it closed one. Accepting continues after a short delay, or at once
    /// when the only worker has closed one.
    std::function<bool(std::size_t worker)> exhausted;
  };

  /// `thread_count` 0: everything runs on `executor`. Threads start at once.
  Listener(Executor const& executor, unsigned thread_count);
  /// Closes the port and ends the threads as end_threads() does. Destroys pending operations of the workers,
  /// so timers and sockets of a worker must be destroyed before.
  ~Listener();
  Listener(Listener const&) = delete;
  Listener& operator=(Listener const&) = delete;

  [[nodiscard]] std::size_t worker_count() const { return executors_.size(); }
  /// Valid as long as the listener.
  [[nodiscard]] Executor const& worker_executor(std::size_t number) const { return executors_[number]; }

  /// Binds, listens and starts to accept; port 0 chooses a free one. Returns the local address, or a system
  /// error (address in use, no such address, permission), after which it may be called again.
  [[nodiscard]] Result<Endpoint> listen(Endpoint const& bind, Handlers handlers);

  /// The local address, also after closing; port 0 before listen().
  [[nodiscard]] Endpoint const& local_endpoint() const;

  /// Stops accepting. Connections accepted before may still arrive on workers with threads, as they were
  /// posted before this call.
  void close();

  /// Ends each thread after its current handler; nothing runs on workers with threads afterwards. Do not call
  /// it from such a thread.
  void end_threads();

 private:
  struct Acceptor;
  struct Thread;

  std::vector<std::unique_ptr<Thread>> threads_;
  std::vector<Executor> executors_;
  std::shared_ptr<Acceptor> acceptor_;
};

}  // namespace grenache::net
