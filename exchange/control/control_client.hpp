// A client of the control socket.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "exchange/control/unix_socket.hpp"
#include <grenache/base/time.hpp>
#include <grenache/json/json.hpp>
#include <grenache/net/asio.hpp>

namespace grenache::exchange {

/// A line of the control socket, or a sentence that says why there is none.
struct ControlReply {
  json::Value line;
  std::string error;  // empty: `line` is valid
};

/// Sends requests to the control socket of a peer and reads its lines, for one task at a time. Must outlive
/// the calls of its functions.
class ControlClient {
 public:
  explicit ControlClient(net::Executor const& executor) : socket_{executor} {}

  /// Connects to the peer that has this folder. Returns a sentence if none runs there.
  [[nodiscard]] std::optional<std::string> connect(std::filesystem::path const& data_dir);

  /// Sends one line and waits for the next one that comes back.
  [[nodiscard]] net::Awaitable<ControlReply> call(json::Value request, TimePoint deadline);
  /// Waits for the next line.
  [[nodiscard]] net::Awaitable<ControlReply> next(TimePoint deadline);

 private:
  UnixSocket socket_;
  std::string input_;
};

}  // namespace grenache::exchange
