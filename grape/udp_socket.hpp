// A UDP socket that receives and sends datagrams in batches.
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

/// Uses one system call for many datagrams (recvmmsg, sendmmsg), or one per datagram where the system lacks
/// those. Allocates all memory at open(), none per datagram. Not thread-safe.
class UdpSocket {
 public:
  struct Options {
    /// Datagrams per system call. Each slot fits the largest possible datagram, because Node.js' Grape
    /// answers with all peers of a name; pages of a slot that are never written use no memory.
    std::size_t batch_max = 32;
    bool batched = true;  // false: one system call per datagram
    /// Requested size of the receive and send buffers, to hold a burst of replies to a lookup; the system may
    /// grant less.
    int buffer_bytes = 4 * 1024 * 1024;
  };
  struct Received {
    Endpoint from;
    std::string_view bytes;  // valid until the next receive()
    /// Our address that received it, never a multicast one; only when bound to all.
    std::optional<IpAddress> at;
  };

  explicit UdpSocket(net::Executor const& executor);
  UdpSocket(net::Executor const& executor, Options options);
  ~UdpSocket();
  UdpSocket(UdpSocket const&) = delete;
  UdpSocket& operator=(UdpSocket const&) = delete;

  /// Binds; port 0 chooses a free one. `::` includes IPv4. Fails with system errors. Call once.
  [[nodiscard]] Result<Endpoint> open(Endpoint const& bind);
  [[nodiscard]] bool is_open() const { return socket_.is_open(); }
  void close();

  /// Completes with true when datagrams may be waiting, with false when the socket is closed.
  [[nodiscard]] net::Awaitable<bool> readable();
  /// Returns the waiting datagrams, at most batch_max. Fewer mean that no more are waiting.
  [[nodiscard]] std::span<Received const> receive();
  [[nodiscard]] std::size_t batch_max() const { return options_.batch_max; }

  /// Queues a datagram, which is sent by the next flush(), or at once when the batch is full. It is sent from
  /// `source`, one of our addresses, if that is given and the socket is bound to all addresses, because a
  /// querier accepts replies only from the address that it queried. Datagrams that the system does not accept
  /// are lost and counted, like any loss in the network. Returns an unused string for reuse of its memory.
  std::string send(Endpoint const& to, std::string bytes,
                   std::optional<IpAddress> const& source = std::nullopt);
  void flush();

  [[nodiscard]] SocketCounters const& counters() const { return counters_; }

 private:
  struct Batches;  // buffers of the system calls

  std::size_t receive_one();
  void flush_one_by_one();

  Options options_;
  boost::asio::ip::udp::socket socket_;
  bool v6_ = false;
  bool all_addresses_ = false;  // bound to
  std::unique_ptr<Batches> batches_;
  std::vector<Received> received_;
  std::size_t waiting_ = 0;  // queued datagrams
  SocketCounters counters_;
};

}  // namespace grenache::grape
