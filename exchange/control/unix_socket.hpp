// Unix stream sockets with a path.
#pragma once

#include <filesystem>
#include <string>

#include <boost/asio/local/stream_protocol.hpp>
#include <sys/types.h>

#include <grenache/base/result.hpp>
#include <grenache/net/asio.hpp>

namespace grenache::exchange {

using UnixSocket = net::asio::local::stream_protocol::socket;
using UnixAcceptor = net::asio::local::stream_protocol::acceptor;

/// Makes `acceptor` listen at `path`, a socket file with mode 0600. A socket file on which nobody listens is
/// replaced. Fails with address_in_use if somebody does, with file_exists if the path is of another kind of
/// file, with filename_too_long above 107 bytes, and with system errors. Two processes must not call it for
/// one path at the same time: lock the folder.
[[nodiscard]] Result<void> listen_at(std::filesystem::path const& path, UnixAcceptor& acceptor);

/// Connects without waiting. Fails with resource_unavailable_try_again when too many clients wait to be
/// accepted, and as connect(2) does.
[[nodiscard]] Result<void> connect_to(std::filesystem::path const& path, UnixSocket& socket);

/// True if the process at the other end belongs to a user who may control this process: ours, or root.
[[nodiscard]] bool is_from_trusted_user(UnixSocket& socket);
[[nodiscard]] constexpr bool is_trusted_user(uid_t theirs, uid_t ours) {
  return theirs == ours || theirs == 0;
}

}  // namespace grenache::exchange
