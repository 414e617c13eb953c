#include "exchange/control/control_socket.hpp"

#include <set>
#include <utility>

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exchange/control/command_json.hpp"
#include "exchange/control/control_connection.hpp"
#include "exchange/control/unix_socket.hpp"
#include <grenache/net/steady_clock.hpp>
#include <grenache/net/task_group.hpp>

namespace grenache::exchange {

namespace asio = boost::asio;
namespace errc = boost::system::errc;
using net::Awaitable;

struct ControlSocket::State : std::enable_shared_from_this<State> {
  State(net::Executor const& ex, ControlHandlers calls, ControlLimits const& bounds)
      : executor{ex},
        handlers{std::make_shared<ControlHandlers>(std::move(calls))},
        limits{bounds},
        acceptor{ex},
        accept_retry{ex},
        tasks{ex} {}

  static Awaitable<void> accept(std::shared_ptr<State> self);
  static Awaitable<void> serve(std::shared_ptr<State> self, std::shared_ptr<ControlConnection> connection);
  static Awaitable<bool> stop(std::shared_ptr<State> self);
  void welcome(UnixSocket socket);
  void close_listener();

  net::Executor const executor;
  std::shared_ptr<ControlHandlers> const handlers;
  ControlLimits const limits;
  UnixAcceptor acceptor;
  net::AsyncEvent accept_retry;
  net::TaskGroup tasks;
  std::set<std::shared_ptr<ControlConnection>> connections;
  std::filesystem::path path;
  ino_t inode = 0;  // of the socket file; 0: not listening
  bool stopping = false;
};

namespace {

constexpr Duration kFlushTime = std::chrono::milliseconds{500};
constexpr Duration kEndTime = std::chrono::seconds{1};
constexpr Duration kAcceptRetry = std::chrono::milliseconds{100};  // while descriptors are exhausted

ino_t inode_of(std::filesystem::path const& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

std::string listen_failure(std::filesystem::path const& path, Error const& error) {
  auto const& name = path.native();
  if (error == errc::address_in_use) return "another exchange runs with this data dir: it listens at " + name;
  if (error == errc::file_exists) return name + " is in the way of the control socket: it is no socket";
  if (error == errc::filename_too_long) {
    return "the path of the control socket has more than 107 bytes, choose a shorter data dir: " + name;
  }
  return "cannot listen at " + name + ": " + error.message();
}

/// Tells a client that is not served why, if that can be done at once.
void turn_away(UnixSocket& socket) {
  result::Failure const failure{result::FailureCode::unavailable,
                                "too many clients are connected to this peer", "Close one of them."};
  auto const line = json::to_text(json::Value::object({{"id", nullptr}, {"error", to_json(failure)}})) + '\n';
  (void)::send(socket.native_handle(), line.data(), line.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

}  // namespace

void ControlSocket::State::welcome(UnixSocket socket) {
  if (!is_from_trusted_user(socket)) return;
  if (connections.size() >= limits.connection_count_max) return turn_away(socket);
  auto const connection = std::make_shared<ControlConnection>(std::move(socket), handlers, limits);
  connections.insert(connection);
  tasks.spawn_isolated(ControlConnection::read(connection));
  tasks.spawn_isolated(serve(shared_from_this(), connection));
}

Awaitable<void> ControlSocket::State::serve(std::shared_ptr<State> self,
                                            std::shared_ptr<ControlConnection> connection) {
  co_await ControlConnection::write(connection);
  self->connections.erase(connection);
}

Awaitable<void> ControlSocket::State::accept(std::shared_ptr<State> self) {
  while (!self->stopping) {
    auto [error, socket] = co_await self->acceptor.async_accept(net::kTuple);
    if (self->stopping) co_return;
    if (!error) {
      self->welcome(std::move(socket));
      continue;
    }
    auto const wake = co_await self->accept_retry.wait(net::steady_deadline(kAcceptRetry));
    if (wake == net::Wake::cancelled) co_return;
  }
}

void ControlSocket::State::close_listener() {
  stopping = true;
  Error ignored;
  acceptor.close(ignored);
  accept_retry.notify_all();
  if (inode != 0 && inode_of(path) == inode) ::unlink(path.c_str());
  inode = 0;
}

Awaitable<bool> ControlSocket::State::stop(std::shared_ptr<State> self) {
  self->close_listener();
  auto const open = self->connections;  // finish() may end some of them
  for (auto const& connection : open) connection->finish();
  bool const is_read = co_await self->tasks.drained(kFlushTime);
  if (is_read) co_return true;
  auto const slow = self->connections;
  for (auto const& connection : slow) connection->close();
  self->tasks.cancel(asio::cancellation_type::terminal);
  bool const has_ended = co_await self->tasks.drained(kEndTime);
  co_return has_ended;
}

ControlSocket::ControlSocket(net::Executor const& executor, ControlHandlers handlers, ControlLimits limits)
    : state_{std::make_shared<State>(executor, std::move(handlers), limits)} {}

ControlSocket::~ControlSocket() {
  *state_->handlers = {};
  state_->close_listener();
  auto const open = state_->connections;
  for (auto const& connection : open) connection->close();
}

std::optional<std::string> ControlSocket::listen(std::filesystem::path const& path) {
  if (auto const listening = listen_at(path, state_->acceptor); !listening) {
    return listen_failure(path, listening.error());
  }
  state_->path = path;
  state_->inode = inode_of(path);
  state_->tasks.spawn(State::accept(state_));
  return std::nullopt;
}

void ControlSocket::publish(Event const& event) {
  auto const open = state_->connections;
  for (auto const& connection : open) connection->publish(event);
}

std::size_t ControlSocket::connection_count() const { return state_->connections.size(); }

Awaitable<bool> ControlSocket::stop() { return State::stop(state_); }

}  // namespace grenache::exchange
