// One client of the control socket. Not public.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "exchange/control/command_table.hpp"
#include "exchange/control/control_socket.hpp"
#include "exchange/control/unix_socket.hpp"
#include <grenache/net/async_event.hpp>
#include <grenache/net/deadline.hpp>

namespace grenache::exchange {

/// The form of the values in answers and events.
struct ControlForm {
  bool is_text = false;
  bool colour = false;
  std::size_t width = 80;  // columns
};

class ControlConnection : public std::enable_shared_from_this<ControlConnection> {
 public:
  /// `handlers` is shared with the socket, which empties it when it is destroyed.
  ControlConnection(UnixSocket socket, std::shared_ptr<ControlHandlers> handlers,
                    ControlLimits const& limits);

  /// The two tasks of a connection. It has ended when write() has, and is closed then.
  [[nodiscard]] static net::Awaitable<void> read(std::shared_ptr<ControlConnection> self);
  [[nodiscard]] static net::Awaitable<void> write(std::shared_ptr<ControlConnection> self);

  void publish(Event const& event);
  /// Reads no more, answers what has no answer with `stopped`, and closes after the client has read that.
  void finish();
  void close();

 private:
  struct Pending {
    json::Value id;
    ControlForm form;
  };

  void handle_line(std::string_view line);
  void handle_request(json::Value const& request, json::Value id, ControlForm form);
  void execute(Command command, json::Value id, ControlForm form);
  void answered(std::uint64_t number, CommandResult const& result);
  void answer(json::Value const& id, ControlForm form, CommandResult const& result);
  void answer(json::Value const& id, json::Value result);
  void refuse(json::Value const& id, result::Failure const& failure);
  void send(json::Value const& line);

  [[nodiscard]] bool may_read() const;
  [[nodiscard]] bool has_ended() const;
  [[nodiscard]] std::size_t unread_size() const { return output_.size() + writing_.size() - written_; }

  UnixSocket socket_;
  std::shared_ptr<ControlHandlers> handlers_;
  ControlLimits const limits_;
  net::AsyncEvent may_read_changed_;
  net::AsyncEvent output_changed_;
  net::Deadline write_deadline_;
  std::string input_;
  std::string output_;   // not handed to the socket yet
  std::string writing_;  // of which written_ bytes are with the socket
  std::size_t written_ = 0;
  std::map<std::uint64_t, Pending> pending_;
  std::uint64_t last_number_ = 0;
  std::optional<ControlForm> watching_;
  bool input_ended_ = false;
  bool closed_ = false;
};

}  // namespace grenache::exchange
