// A byte stream to another host: TCP, optionally with TLS.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/role.hpp>

#include <grenache/base/time.hpp>
#include <grenache/net/asio.hpp>
#include <grenache/net/io_handler.hpp>
#include <grenache/net/tls.hpp>

namespace grenache::net {

/// The first buffer of any buffer sequence that has room.
template <class Buffers>
asio::mutable_buffer first_buffer(Buffers const& all) {
  auto const end = asio::buffer_sequence_end(all);
  for (auto each = asio::buffer_sequence_begin(all); each != end; ++each) {
    asio::mutable_buffer const buffer{*each};
    if (buffer.size() > 0) return buffer;
  }
  return {};
}

/// The first buffers of any buffer sequence, as one type.
class FirstBuffers {
 public:
  template <class Buffers>
  explicit FirstBuffers(Buffers const& all) {
    auto const end = asio::buffer_sequence_end(all);
    for (auto each = asio::buffer_sequence_begin(all); each != end && size_ < kMax; ++each) {
      asio::const_buffer const buffer{*each};
      if (buffer.size() > 0) first_[size_++] = buffer;
    }
  }
  [[nodiscard]] asio::const_buffer const* begin() const { return first_.data(); }
  [[nodiscard]] asio::const_buffer const* end() const { return first_.data() + size_; }

 private:
  static constexpr std::size_t kMax = 16;  // enough for the head of a reply; the next call writes the rest

  std::array<asio::const_buffer, kMax> first_;
  std::size_t size_ = 0;
};

/// An AsyncStream over plain TCP or TLS, so that HTTP and WebSocket are compiled once. Expensive to include:
/// for .cpp files of proto/grenache/net. Not thread-safe.
class Stream {
 public:
  using Socket = asio::ip::tcp::socket;
  using executor_type = Socket::executor_type;

  /// Without a context: plain TCP. A client passes its destination, to resume sessions.
  Stream(Socket socket, std::shared_ptr<TlsContext> tls, std::string const& destination = {});
  ~Stream();
  Stream(Stream const&) = delete;
  Stream& operator=(Stream const&) = delete;

  [[nodiscard]] executor_type get_executor() { return socket_.get_executor(); }
  [[nodiscard]] Socket& socket() { return socket_; }
  [[nodiscard]] bool is_tls() const { return tls_ != nullptr; }

  /// Performs the TLS handshake of our role, once; succeeds at once for plain TCP.
  [[nodiscard]] Awaitable<Error> handshake();
  /// Shuts down sending (close_notify and FIN) without waiting for the peer.
  [[nodiscard]] Awaitable<void> finish();
  /// Limits of time and bytes of linger().
  static constexpr Duration kLinger = std::chrono::seconds{1};
  static constexpr std::size_t kLingerBytesMax = 16 * 1024 * 1024;
  /// Calls finish(), discards input until the peer closes or kLinger or kLingerBytesMax is reached, and
  /// closes: closing with unread input would reset the connection, and the peer might not receive the last
  /// bytes. No read may be running.
  [[nodiscard]] Awaitable<void> linger();
  /// Writes as much as the system accepts without blocking, possibly nothing. For the last bytes before
  /// close(), with no write running.
  void write_now(asio::const_buffer from);
  /// Closes the connection; running operations fail.
  void close();

  /// The peer's certificate after the handshake; nothing for plain TCP, or if the peer sent none.
  [[nodiscard]] std::optional<PeerCertificate> peer_certificate() const;
  /// True when the handshake resumed a session.
  [[nodiscard]] bool resumed() const;

  template <class Buffers, class Token>
  auto async_read_some(Buffers const& buffers, Token&& token) {
    auto initiate = [this](auto handler, asio::mutable_buffer const& to) {
      if (tls_) return read_tls(to, erase(std::move(handler)));
      socket_.async_read_some(to, std::move(handler));
    };
    asio::mutable_buffer const to = first_buffer(buffers);
    return asio::async_initiate<Token, void(Error, std::size_t)>(std::move(initiate), token, to);
  }
  template <class Buffers, class Token>
  auto async_write_some(Buffers const& buffers, Token&& token) {
    // A single buffer costs less: the operation is smaller, and send() is faster than sendmsg().
    using From = std::conditional_t<std::is_convertible_v<Buffers const&, asio::const_buffer>,
                                    asio::const_buffer, FirstBuffers>;
    auto initiate = [this](auto handler, From const& from) {
      if (tls_) return write_tls(FirstBuffers{from}, erase(std::move(handler)));
      socket_.async_write_some(from, std::move(handler));
    };
    From const from{buffers};
    return asio::async_initiate<Token, void(Error, std::size_t)>(std::move(initiate), token, from);
  }

 private:
  struct Tls;

  template <class Handler>
  IoHandler erase(Handler handler) {
    return {std::move(handler), get_executor()};
  }
  static IoHandler erase(IoHandler handler) { return handler; }
  void read_tls(asio::mutable_buffer const& to, IoHandler handler);
  void write_tls(FirstBuffers const& from, IoHandler handler);

  std::shared_ptr<TlsContext> context_;
  Socket socket_;
  std::unique_ptr<Tls> tls_;
  Error unusable_;  // why no handshake may start
};

/// True when the peer has closed the connection, or TCP ended below TLS.
[[nodiscard]] bool is_end_of_stream(Error const& error);

// Customisation points of Beast's WebSocket for closing the stream below it.
template <class Handler>
void async_teardown(boost::beast::role_type, Stream& stream, Handler&& handler) {
  stream.close();
  asio::post(stream.get_executor(),
             [handler = std::forward<Handler>(handler)]() mutable { handler(Error{}); });
}
inline void beast_close_socket(Stream& stream) { stream.close(); }

}  // namespace grenache::net
