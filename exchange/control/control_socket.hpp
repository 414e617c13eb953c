// The control socket: commands of other processes of the same user.
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "exchange/core/command.hpp"
#include "exchange/core/event.hpp"
#include <grenache/base/time.hpp>
#include <grenache/net/asio.hpp>

namespace grenache::exchange {

/// Callbacks of a control socket into its owner. All calls are on the thread of its executor.
struct ControlHandlers {
  /// Executes a command and calls `done` with its answer, at once or later. Further calls, and calls after
  /// the socket was destroyed, have no effect.
  std::function<void(Command command, std::function<void(CommandResult)> done)> execute;
  /// A client asks to end the peer; its answer has been queued, and stop() lets the client read it.
  std::function<void()> stop;
};

struct ControlLimits {
  std::size_t connection_count_max = 16;      // further ones are told so and closed
  std::size_t line_size_max = 64 * 1024;      // a longer request closes the connection
  std::size_t pending_count_max = 16;         // commands of a connection without an answer; more wait
  std::size_t output_size_max = 1024 * 1024;  // unread bytes of a connection, beside its first message
  Duration write_timeout = std::chrono::seconds{10};  // without progress
};

/// Listens on a Unix stream socket, one JSON object a line in each direction.
///
/// A request has `command`, and may have `arguments` (see command_table.hpp), `id` (a text or a number),
/// `form` ("json", or "text" for people), `colour` (true, for `form` text) and `width` (columns from 20, for
/// `form` text; 80). Its answer has the same `id`, and
///   `result`: an object of command_json.hpp, or a text of tables.hpp; or
///   `error`: {"code", "text", "hint"}.
/// Answers may come in another order than requests. After `watch`, lines with `event`, in the form that it
/// asked for, report each event until the connection is closed. A client that shuts down its side still gets
/// the answers to what it sent, but no more events.
///
/// Only processes of the same user and of root are served. Not thread-safe: use it on the thread of its
/// executor. May be destroyed at any time.
class ControlSocket {
 public:
  ControlSocket(net::Executor const& executor, ControlHandlers handlers, ControlLimits limits = {});
  ~ControlSocket();
  ControlSocket(ControlSocket const&) = delete;
  ControlSocket& operator=(ControlSocket const&) = delete;

  /// Listens at `path`; see listen_at(). Returns a sentence if that is impossible, for example because
  /// another process listens there. The caller holds the lock of the folder.
  [[nodiscard]] std::optional<std::string> listen(std::filesystem::path const& path);

  /// Reports an event to the clients that watch. One that has not read for so long that output_size_max is
  /// exceeded is disconnected.
  void publish(Event const& event);

  [[nodiscard]] std::size_t connection_count() const;

  /// Removes the socket file, answers the requests without an answer with `stopped`, lets the clients read
  /// for at most half a second and closes their connections. Returns false if something has not ended a
  /// second later.
  [[nodiscard]] net::Awaitable<bool> stop();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace grenache::exchange
