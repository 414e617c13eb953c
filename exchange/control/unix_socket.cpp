#include "exchange/control/unix_socket.hpp"

#include <cerrno>
#include <cstring>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <grenache/file/file_descriptor.hpp>

namespace grenache::exchange {
namespace {

namespace errc = boost::system::errc;

Error system_error() { return {errno, boost::system::system_category()}; }

Result<sockaddr_un> address_of(std::filesystem::path const& path) {
  sockaddr_un out{};
  out.sun_family = AF_UNIX;
  auto const& text = path.native();
  if (text.empty()) return errc::make_error_code(errc::no_such_file_or_directory);
  if (text.size() >= sizeof out.sun_path) return errc::make_error_code(errc::filename_too_long);
  std::memcpy(out.sun_path, text.data(), text.size());
  return out;
}

FileDescriptor open_socket() {
  return FileDescriptor{::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
}

sockaddr const* generic(sockaddr_un const& address) { return reinterpret_cast<sockaddr const*>(&address); }

Result<FileDescriptor> connected(sockaddr_un const& address) {
  auto file = open_socket();
  if (!file.is_open() || ::connect(file.number(), generic(address), sizeof address) != 0)
    return system_error();
  return file;
}

/// Removes a socket file on which nobody listens.
Result<void> remove_stale(std::filesystem::path const& path, sockaddr_un const& address) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return {};
    return system_error();
  }
  if (!S_ISSOCK(status.st_mode)) return errc::make_error_code(errc::file_exists);
  auto const attempt = connected(address);
  if (attempt || attempt.error() == errc::resource_unavailable_try_again) {
    return errc::make_error_code(errc::address_in_use);
  }
  if (attempt.error() != errc::connection_refused) return attempt.error();
  if (::unlink(path.c_str()) != 0) return system_error();
  return {};
}

/// Hands the descriptor to an Asio socket or acceptor.
template <class Target>
Result<void> assign(FileDescriptor file, Target& target) {
  Error error;
  target.assign(net::asio::local::stream_protocol{}, file.number(), error);
  if (error) return error;
  (void)file.release();
  return {};
}

}  // namespace

Result<void> listen_at(std::filesystem::path const& path, UnixAcceptor& acceptor) {
  auto const address = address_of(path);
  if (!address) return address.error();
  if (auto const removed = remove_stale(path, *address); !removed) return removed.error();
  auto file = open_socket();
  // Linux gives the file that bind() makes the mode of the socket, so it never has another one.
  bool const is_listening = file.is_open() && ::fchmod(file.number(), S_IRUSR | S_IWUSR) == 0 &&
                            ::bind(file.number(), generic(*address), sizeof *address) == 0 &&
                            ::listen(file.number(), SOMAXCONN) == 0;
  if (!is_listening) return system_error();
  return assign(std::move(file), acceptor);
}

Result<void> connect_to(std::filesystem::path const& path, UnixSocket& socket) {
  auto const address = address_of(path);
  if (!address) return address.error();
  auto file = connected(*address);
  if (!file) return file.error();
  return assign(std::move(*file), socket);
}

bool is_from_trusted_user(UnixSocket& socket) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket.native_handle(), SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return false;
  return is_trusted_user(credentials.uid, ::getuid());
}

}  // namespace grenache::exchange
