#include "grenache/net/listener.hpp"

#include <cerrno>
#include <chrono>
#include <exception>
#include <new>
#include <thread>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <grenache/base/check.hpp>
#include <grenache/base/time.hpp>
#include <grenache/net/address.hpp>

namespace grenache::net {

using asio::ip::tcp;
using namespace std::chrono_literals;

namespace {

constexpr Duration kPause = 50ms;  // after an accept that failed for lack of descriptors or memory
constexpr int kBatch = 16;         // accepted in a row, before other handlers run

/// True for an error of accept(2) that concerns one connection, which failed before it was accepted.
bool is_of_one_connection(Error const& error) {
  using namespace boost::system::errc;
  for (errc_t const each : {connection_aborted, protocol_error, network_down, network_unreachable,
                            host_unreachable, operation_not_supported, operation_not_permitted}) {
    if (error == each) return true;
  }
  return error.value() == ENONET || error.value() == EHOSTDOWN;
}

bool is_resource_shortage(Error const& error) {
  using namespace boost::system::errc;
  return error == too_many_files_open || error == too_many_files_open_in_system || error == no_buffer_space ||
         error == not_enough_memory;
}

}  // namespace

struct Listener::Thread {
  Thread() : work{io.get_executor()}, thread{[this] { io.run(); }} {}
  ~Thread() { end(); }
  Thread(Thread const&) = delete;
  Thread& operator=(Thread const&) = delete;

  void end() {
    io.stop();
    if (thread.joinable()) thread.join();
  }

  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work;
  std::thread thread;
};

/// Shared with the accept loop, which ends shortly after the listener.
struct Listener::Acceptor {
  Acceptor(Executor const& executor, std::vector<Executor> const& l, bool threads)
      : executors{l}, has_threads{threads}, socket{executor}, pause{executor} {}

  Result<void> open(Endpoint const& bind);
  void close();
  void hand_over(std::size_t worker, tcp::socket accepted);
  bool report_exhausted();
  Error accept_some();
  static Awaitable<void> run(std::shared_ptr<Acceptor> self);

  std::vector<Executor> executors;
  bool has_threads;
  std::shared_ptr<Handlers const> handlers;
  tcp::acceptor socket;
  asio::steady_timer pause;
  Endpoint local;
  std::size_t next = 0;  // worker of the next connection
};

Result<void> Listener::Acceptor::open(Endpoint const& bind) {
  Error error;
  auto const endpoint = to_asio<tcp>(bind);
  socket.open(endpoint.protocol(), error);
  if (error) return error;
  socket.set_option(tcp::acceptor::reuse_address(true), error);
  if (error) return error;
  // Otherwise accept() would block the thread until the next connection when one was aborted.
  socket.set_option(asio::socket_base::enable_connection_aborted(true), error);
  if (endpoint.protocol() == tcp::v6()) socket.set_option(asio::ip::v6_only(false), error);
  socket.bind(endpoint, error);
  if (error) return error;
  socket.listen(tcp::acceptor::max_listen_connections, error);
  if (error) return error;
  socket.non_blocking(true, error);
  if (error) return error;
  auto const bound = socket.local_endpoint(error);
  if (error) return error;
  local = from_asio(bound);
  return {};
}

void Listener::Acceptor::close() {
  Error ignored;
  socket.close(ignored);
  pause.cancel();
}

void Listener::Acceptor::hand_over(std::size_t worker, tcp::socket accepted) {
  Error error;
  accepted.set_option(tcp::no_delay(true), error);
  auto const remote = accepted.remote_endpoint(error);
  if (error) return;  // it has already disconnected
  Endpoint const peer = from_asio(remote);
  if (!has_threads) return handlers->accepted(worker, std::move(accepted), peer);
  auto arrive = [h = handlers, worker, connection = std::move(accepted), peer]() mutable {
    h->accepted(worker, std::move(connection), peer);
  };
  asio::post(executors[worker], std::move(arrive));
}

/// Asks each worker to close a connection that can be spared. Returns true if one was closed at once.
bool Listener::Acceptor::report_exhausted() {
  bool room = false;
  for (std::size_t worker = 0; worker < executors.size(); ++worker) {
    if (has_threads) {
      asio::post(executors[worker], [h = handlers, worker] { (void)h->exhausted(worker); });
    } else {
      room |= handlers->exhausted(worker);
    }
  }
  return room;
}

/// Not with async_accept(), which holds a socket of a worker's executor while it waits, possibly for longer
/// than that executor exists.
Error Listener::Acceptor::accept_some() {
  for (int i = 0; i < kBatch; ++i) {
    Error error;
    auto accepted = socket.accept(executors[next], error);
    if (is_of_one_connection(error)) continue;
    if (error) return error;
    std::size_t const worker = next;
    next = (next + 1) % executors.size();
    try {
      hand_over(worker, std::move(accepted));
    } catch (std::bad_alloc const&) {
      return asio::error::no_memory;
    }
  }
  return {};
}

Awaitable<void> Listener::Acceptor::run(std::shared_ptr<Acceptor> self) {
  for (;;) {
    auto const [closed] = co_await self->socket.async_wait(tcp::acceptor::wait_read, kTuple);
    if (closed || !self->socket.is_open()) co_return;
    Error const error = self->accept_some();
    if (!self->socket.is_open()) co_return;
    if (!error || error == asio::error::would_block) continue;
    bool const evicted = is_resource_shortage(error) && self->report_exhausted();
    if (evicted && error == asio::error::no_descriptors) continue;
    // Accepting again at once would spin.
    self->pause.expires_after(kPause);
    auto const [cancelled] = co_await self->pause.async_wait(kTuple);
    if (cancelled) co_return;
  }
}

Listener::Listener(Executor const& executor, unsigned thread_count) {
  for (unsigned i = 0; i < thread_count; ++i) {
    threads_.push_back(std::make_unique<Thread>());
    executors_.emplace_back(threads_.back()->io.get_executor());
  }
  if (executors_.empty()) executors_.push_back(executor);
  acceptor_ = std::make_shared<Acceptor>(executor, executors_, thread_count > 0);
}

Listener::~Listener() {
  close();
  end_threads();
}

Result<Endpoint> Listener::listen(Endpoint const& bind, Handlers handlers) {
  GRN_CHECK(!acceptor_->socket.is_open());
  if (auto const opened = acceptor_->open(bind); !opened) {
    acceptor_->close();
    return opened.error();
  }
  acceptor_->handlers = std::make_shared<Handlers const>(std::move(handlers));
  // An exception leaves run(): without its accept loop the server would be useless.
  asio::co_spawn(acceptor_->socket.get_executor(), Acceptor::run(acceptor_), [](std::exception_ptr failure) {
    if (failure) std::rethrow_exception(std::move(failure));
  });
  return acceptor_->local;
}

Endpoint const& Listener::local_endpoint() const { return acceptor_->local; }

void Listener::close() { acceptor_->close(); }

void Listener::end_threads() {
  for (auto const& thread : threads_) thread->io.stop();
  for (auto const& thread : threads_) thread->end();
}

}  // namespace grenache::net
