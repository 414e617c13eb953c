// A UDP socket that takes and sends datagrams in batches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/ip/udp.hpp>

#include "grape/status.hpp"
#include <grenache/base/endpoint.hpp>
#include <grenache/base/result.hpp>
#include <grenache/net/asio.hpp>

namespace grenache::grape {

/// One system call for many datagrams (recvmmsg, sendmmsg), and one for each where the system lacks those.
/// All memory is taken at open(): a datagram costs no allocation here. One thread.
class UdpSocket {
 public:
  struct Options {
    /// Datagrams in one system call. Each has room for the largest there is, as Node's Grape answers with all
    /// peers of a name, however many; what no datagram fills costs no memory.
    std::size_t batch_max = 32;
    bool batched = true;  // false: one system call a datagram
    /// As much of it as the system grants without asking: a burst of replies to a lookup must find room.
    int buffer_bytes = 4 * 1024 * 1024;
  };
  struct Received {
    Endpoint from;
    std::string_view bytes;       // valid until the next receive()
    std::optional<IpAddress> at;  // our address that was asked, never a multicast one; only when bound to all
  };

  explicit UdpSocket(net::Executor const& executor);
  UdpSocket(net::Executor const& executor, Options options);
  ~UdpSocket();
  UdpSocket(UdpSocket const&) = delete;
  UdpSocket& operator=(UdpSocket const&) = delete;

  /// Binds; port 0 takes a free one. `::` takes IPv4 too. Errors are the system's. Once.
  [[nodiscard]] Result<Endpoint> open(Endpoint const& bind);
  [[nodiscard]] bool is_open() const { return socket_.is_open(); }
  void close();

  /// Completes with true when datagrams may wait, with false when the socket is closed.
  [[nodiscard]] net::Awaitable<bool> readable();
  /// The datagrams that wait, at most batch_max; fewer when no more wait.
  [[nodiscard]] std::span<Received const> receive();
  [[nodiscard]] std::size_t batch_max() const { return options_.batch_max; }

  /// Sends with the next flush(), or at once when a batch is full; from `source`, one of our addresses, if it
  /// is given and the socket is bound to all addresses: who asked one of them takes no answer from another.
  /// What finds no room in the system, or no
  /// way to go, is lost and counted, as it could be lost anywhere on its way. Returns a string that is not
  /// needed any more, for its memory.
  std::string send(Endpoint const& to, std::string bytes,
                   std::optional<IpAddress> const& source = std::nullopt);
  void flush();

  [[nodiscard]] SocketCounters const& counters() const { return counters_; }

 private:
  struct Batches;  // what the system calls read and write

  std::size_t receive_one();
  void flush_one_by_one();

  Options options_;
  boost::asio::ip::udp::socket socket_;
  bool v6_ = false;
  bool all_addresses_ = false;  // bound to
  std::unique_ptr<Batches> batches_;
  std::vector<Received> received_;
  std::size_t waiting_ = 0;  // datagrams to send
  SocketCounters counters_;
};

}  // namespace grenache::grape
