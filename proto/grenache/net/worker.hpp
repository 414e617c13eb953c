// Shared by the HTTP and the WebSocket server: accepted connections, distributed over workers. For .cpp files
// of proto/grenache/net.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include <boost/asio/ip/tcp.hpp>

#include <grenache/base/endpoint.hpp>
#include <grenache/base/result.hpp>
#include <grenache/base/time.hpp>
#include <grenache/net/admission.hpp>
#include <grenache/net/asio.hpp>
#include <grenache/net/async_event.hpp>
#include <grenache/net/byte_budget.hpp>
#include <grenache/net/listener.hpp>
#include <grenache/net/task_group.hpp>

namespace grenache::net {

/// Counters written by one thread and read by any. `Counters` is a struct of std::uint64_t.
template <class Counters>
class Tally {
 public:
  void count(std::uint64_t Counters::*what) {
    std::atomic_ref const counter{counters_.*what};
    counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t counted(std::uint64_t Counters::*what) const {
    return std::atomic_ref{counters_.*what}.load(std::memory_order_relaxed);
  }

 private:
  mutable Counters counters_;
};

/// The connections of one thread, with their coroutines and admission. Owned by the pool and by each of its
/// connections, so it may outlive the server. Not thread-safe, unless documented otherwise.
class Worker : public std::enable_shared_from_this<Worker> {
 public:
  using Phase = Admission::Phase;

  struct Counters {
    std::uint64_t connections = 0;  // accepted
    std::uint64_t evicted = 0;      // evicted for new connections
    std::uint64_t refused = 0;      // closed at once, because all others were being served
    std::uint64_t failed = 0;       // ended by an exception, such as bad_alloc
  };

  /// A connection, in its worker's lists during its lifetime. Owned by its coroutine.
  class Connection : public Admission::Entry {
   public:
    enum class Cut { evicted, stopped };

    explicit Connection(std::shared_ptr<Worker> worker);
    ~Connection() override;

    /// Closes the socket; the coroutine ends soon after.
    virtual void cut(Cut why) = 0;
    /// Called at the start of a graceful stop: the connection ends at once, or when its requests in progress
    /// are answered.
    virtual void drain() = 0;

    void enter(Phase phase) { worker_->admission_.enter(*this, phase); }
    [[nodiscard]] Worker& worker() const { return *worker_; }

   private:
    std::shared_ptr<Worker> worker_;
  };

  struct Limits {
    std::size_t connection_count_max;
    std::size_t held_bytes_max;
  };

  Worker(Executor const& executor, Limits limits)
      : executor_{executor},
        tasks_{executor},
        admission_{limits.connection_count_max},
        room_{executor},
        budget_{limits.held_bytes_max, [this] { room_.notify_all(); }} {}
  virtual ~Worker() = default;
  Worker(Worker const&) = delete;
  Worker& operator=(Worker const&) = delete;

  [[nodiscard]] Executor const& executor() const { return executor_; }
  [[nodiscard]] TaskGroup& tasks() { return tasks_; }
  [[nodiscard]] bool stopping() const { return stopping_; }
  [[nodiscard]] ByteBudget& budget() { return budget_; }
  /// The used bytes of the budget. From any thread.
  [[nodiscard]] std::size_t held_bytes() const { return budget_.used(); }
  /// Notified when the budget has room again. Waiters also re-check every kRecheckInterval, because the
  /// closing of a waiting connection is not notified.
  [[nodiscard]] AsyncEvent& room() { return room_; }
  static constexpr Duration kRecheckInterval = std::chrono::milliseconds{100};

  /// Starts a connection if there is room, or one can be evicted. When all others are being served it waits
  /// until the ready handlers of this thread have run, because a request may just have been answered.
  void admit(asio::ip::tcp::socket socket, Endpoint const& peer);
  /// Evicts a connection; false when there is none to evict.
  bool evict();
  /// Closes all connections and starts no new ones.
  void cut_all();
  /// Ends all connections gracefully; closes and cancels those left after `limit`. Completes with true when
  /// there were none, at the latest after `limit` plus 2 s.
  static Awaitable<bool> stop(std::shared_ptr<Worker> self, Duration limit);

  /// From any thread.
  [[nodiscard]] std::size_t connection_count() const {
    return connection_count_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t counted(std::uint64_t Counters::*what) const { return tally_.counted(what); }

  /// Counts a connection whose coroutine ended with an exception.
  void count_failure() { tally_.count(&Counters::failed); }

 protected:
  /// Creates the connection and spawns its coroutine in tasks(), isolated. May throw.
  virtual void start(asio::ip::tcp::socket socket, Endpoint const& peer) = 0;
  /// Called when the last connection has ended and no new one will start.
  virtual void stopped() {}

  [[nodiscard]] Admission& admission() { return admission_; }

 private:
  void try_admit(asio::ip::tcp::socket socket, Endpoint const& peer, bool may_wait);

  Executor executor_;
  TaskGroup tasks_;
  Admission admission_;
  AsyncEvent room_;
  ByteBudget budget_;
  Tally<Counters> tally_;
  std::atomic<std::size_t> connection_count_{0};
  bool stopping_ = false;
};

/// A listening port and the workers that serve its connections. Call its functions on the thread of the
/// executor, unless documented otherwise.
class WorkerPool : public std::enable_shared_from_this<WorkerPool> {
 public:
  using MakeWorker = std::function<std::shared_ptr<Worker>(Executor const& executor, Worker::Limits limits)>;

  /// The limits are divided equally; the number of connections is lowered to the descriptor limit.
  WorkerPool(Executor const& executor, unsigned thread_count, Worker::Limits const& limits,
             MakeWorker const& make_worker);

  [[nodiscard]] Result<Endpoint> listen(Endpoint const& bind);
  [[nodiscard]] Endpoint local_endpoint() const { return listener_.local_endpoint(); }

  /// Stops accepting and stops each worker. Completes with true when nothing was aborted.
  static Awaitable<bool> stop(std::shared_ptr<WorkerPool> self, Duration limit);
  /// Ends the threads and closes the connections before it returns.
  void drop();

  [[nodiscard]] std::vector<std::shared_ptr<Worker>> const& workers() const { return workers_; }
  /// From any thread.
  [[nodiscard]] std::size_t connection_count() const;
  /// From any thread.
  [[nodiscard]] std::size_t held_bytes() const;
  [[nodiscard]] std::uint64_t counted(std::uint64_t Worker::Counters::*what) const;

 private:
  Executor executor_;
  Listener listener_;
  std::vector<std::shared_ptr<Worker>> workers_;  // destroyed before their threads
  AsyncEvent stopped_;
  bool dropped_ = false;
};

}  // namespace grenache::net
