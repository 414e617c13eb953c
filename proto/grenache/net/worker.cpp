#include "grenache/net/worker.hpp"

#include <algorithm>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include <grenache/net/descriptors.hpp>

namespace grenache::net {

using asio::ip::tcp;

namespace {

/// How long aborted connections may take to end; longer than Stream::kLinger.
constexpr Duration kAbortMax = std::chrono::seconds{2};
constexpr Duration kCancelAgain = std::chrono::milliseconds{100};

}  // namespace

Worker::Connection::Connection(std::shared_ptr<Worker> worker) : worker_{std::move(worker)} {
  worker_->admission_.add(*this);
  worker_->connection_count_.fetch_add(1, std::memory_order_relaxed);
}

Worker::Connection::~Connection() {
  worker_->admission_.remove(*this);
  worker_->connection_count_.fetch_sub(1, std::memory_order_relaxed);
}

void Worker::admit(tcp::socket socket, Endpoint const& peer) {
  if (stopping_) return;
  tally_.count(&Counters::connections);
  try_admit(std::move(socket), peer, true);
}

void Worker::try_admit(tcp::socket socket, Endpoint const& peer, bool may_wait) try {
  if (stopping_) return;
  auto const decision = admission_.admit();
  if (decision.evicted) {
    tally_.count(&Counters::evicted);
    static_cast<Connection*>(decision.evicted)->cut(Connection::Cut::evicted);
  }
  if (decision.admitted) return start(std::move(socket), peer);
  if (!may_wait) return tally_.count(&Counters::refused);
  auto again = [self = shared_from_this(), accepted = std::move(socket), peer]() mutable {
    self->try_admit(std::move(accepted), peer, false);
  };
  asio::post(executor_, std::move(again));
} catch (std::exception const&) {
  count_failure();
}

bool Worker::evict() {
  auto* const chosen = static_cast<Connection*>(admission_.evict());
  if (!chosen) return false;
  tally_.count(&Counters::evicted);
  chosen->cut(Connection::Cut::evicted);
  return true;
}

void Worker::cut_all() {
  stopping_ = true;
  admission_.for_each(
      [](Admission::Entry& each) { static_cast<Connection&>(each).cut(Connection::Cut::stopped); });
  room_.notify_all();
}

Awaitable<bool> Worker::stop(std::shared_ptr<Worker> self, Duration limit) {
  self->stopping_ = true;
  self->admission_.for_each([](Admission::Entry& each) { static_cast<Connection&>(each).drain(); });
  bool const drained = co_await self->tasks_.drained(limit);
  bool const graceful = drained || self->tasks_.size() == self->admission_.closing_count();
  if (!drained) {
    self->cut_all();
    // Cancellation is not sticky: a handler may wait again.
    bool ended = false;
    for (Duration waited{}; !ended && waited < kAbortMax; waited += kCancelAgain) {
      self->tasks_.cancel(asio::cancellation_type::terminal);
      ended = co_await self->tasks_.drained(kCancelAgain);
    }
  }
  self->stopped();
  co_return graceful;
}

WorkerPool::WorkerPool(Executor const& executor, unsigned thread_count, Worker::Limits const& limits,
                       MakeWorker const& make_worker)
    : executor_{executor}, listener_{executor, thread_count}, stopped_{executor} {
  std::size_t const worker_count = listener_.worker_count();
  std::size_t const count_max = std::min(limits.connection_count_max, connection_count_allowed());
  Worker::Limits const each{(count_max + worker_count - 1) / worker_count,
                            limits.held_bytes_max / worker_count};
  for (std::size_t i = 0; i < worker_count; ++i)
    workers_.push_back(make_worker(listener_.worker_executor(i), each));
}

Result<Endpoint> WorkerPool::listen(Endpoint const& bind) {
  std::vector<std::weak_ptr<Worker>> const workers{workers_.begin(), workers_.end()};
  Listener::Handlers handlers;
  handlers.accepted = [workers](std::size_t number, tcp::socket socket, Endpoint const& peer) {
    if (auto const worker = workers[number].lock()) worker->admit(std::move(socket), peer);
  };
  handlers.exhausted = [workers](std::size_t number) {
    auto const worker = workers[number].lock();
    return worker && worker->evict();
  };
  return listener_.listen(bind, std::move(handlers));
}

Awaitable<bool> WorkerPool::stop(std::shared_ptr<WorkerPool> self, Duration limit) {
  struct Outcome {
    std::size_t left;
    bool graceful = true;
  };
  self->listener_.close();
  auto const outcome = std::make_shared<Outcome>();
  outcome->left = self->workers_.size();
  for (auto const& worker : self->workers_) {
    auto ended = [outcome, weak = self->weak_from_this(), to = self->executor_](std::exception_ptr const&,
                                                                                bool graceful) {
      asio::post(to, [outcome, weak, graceful] {
        --outcome->left;
        outcome->graceful = outcome->graceful && graceful;
        if (auto const pool = weak.lock()) pool->stopped_.notify_all();
      });
    };
    asio::co_spawn(worker->executor(), Worker::stop(worker, limit), std::move(ended));
  }
  while (outcome->left > 0 && !self->dropped_) {
    Wake const wake = co_await self->stopped_.wait();
    if (wake == Wake::cancelled) break;
  }
  co_return outcome->graceful && outcome->left == 0;
}

void WorkerPool::drop() {
  dropped_ = true;
  listener_.close();
  listener_.end_threads();
  for (auto const& worker : workers_) worker->cut_all();
  stopped_.notify_all();
}

std::size_t WorkerPool::connection_count() const {
  std::size_t count = 0;
  for (auto const& worker : workers_) count += worker->connection_count();
  return count;
}

std::size_t WorkerPool::held_bytes() const {
  std::size_t bytes = 0;
  for (auto const& worker : workers_) bytes += worker->held_bytes();
  return bytes;
}

std::uint64_t WorkerPool::counted(std::uint64_t Worker::Counters::*what) const {
  std::uint64_t sum = 0;
  for (auto const& worker : workers_) sum += worker->counted(what);
  return sum;
}

}  // namespace grenache::net
