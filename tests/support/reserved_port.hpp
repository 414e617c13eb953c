// A reserved TCP port of 127.0.0.1, with or without a listener.
#pragma once

#include <cstdint>
#include <stdexcept>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <grenache/base/endpoint.hpp>

namespace grenache::test {

/// Binds a free port without listening, so connections are refused. A listener of this process can bind the
/// same port, because all our listeners set SO_REUSEADDR; when it closes, connections are refused again.
/// Linux does not assign the port to other sockets that bind port 0.
class ReservedPort {
 public:
  ReservedPort() : socket_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
    int const yes = 1;
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    auto* const address = reinterpret_cast<sockaddr*>(&at);
    bool const good = ::setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 &&
                      ::bind(socket_, address, size) == 0 && ::getsockname(socket_, address, &size) == 0;
    if (!good) throw std::runtime_error{"no free port"};
    port_ = ntohs(at.sin_port);
  }
  ~ReservedPort() { ::close(socket_); }
  ReservedPort(ReservedPort const&) = delete;
  ReservedPort& operator=(ReservedPort const&) = delete;

  [[nodiscard]] std::uint16_t number() const { return port_; }
  [[nodiscard]] Endpoint endpoint() const { return {IpAddress{127, 0, 0, 1}, port_}; }

 private:
  int socket_;
  std::uint16_t port_ = 0;
};

}  // namespace grenache::test
