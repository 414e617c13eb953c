// A byte stream to another host: TCP, with TLS on top or without.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
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

/// The first buffers of any sequence, as a sequence of one type.
template <class Buffer>
class FirstBuffers {
 public:
  template <class Buffers>
  explicit FirstBuffers(Buffers const& all) {
    auto const end = asio::buffer_sequence_end(all);
    for (auto each = asio::buffer_sequence_begin(all); each != end && size_ < kMax; ++each) {
      Buffer const buffer{*each};
      if (buffer.size() > 0) first_[size_++] = buffer;
    }
  }
  [[nodiscard]] Buffer const* begin() const { return first_.data(); }
  [[nodiscard]] Buffer const* end() const { return first_.data() + size_; }

 private:
  static constexpr std::size_t kMax =
      16;  // as many as the head of a reply has; others wait for the next call

  std::array<Buffer, kMax> first_;
  std::size_t size_ = 0;
};

/// Asio's AsyncStream, whatever is below: HTTP and WebSocket are written once, for this class. Heavy to
/// include: for .cpp files of proto/grenache/net. One thread.
class Stream {
 public:
  using Socket = asio::ip::tcp::socket;
  using executor_type = Socket::executor_type;

  /// Without a context: plain TCP. A client names its destination, for the sessions that are resumed.
  Stream(Socket socket, std::shared_ptr<TlsContext> tls, std::string const& destination = {});
  ~Stream();
  Stream(Stream const&) = delete;
  Stream& operator=(Stream const&) = delete;

  [[nodiscard]] executor_type get_executor() { return socket_.get_executor(); }
  [[nodiscard]] Socket& socket() { return socket_; }
  [[nodiscard]] bool is_tls() const { return tls_ != nullptr; }

  /// The TLS handshake of our role, once; success at once for plain TCP.
  [[nodiscard]] Awaitable<Error> handshake();
  /// Tells the other side that nothing more will come, waiting for nothing but the write.
  [[nodiscard]] Awaitable<void> finish();
  /// How long, and for how many bytes, linger() waits for the other side.
  static constexpr Duration kLinger = std::chrono::seconds{1};
  static constexpr std::size_t kLingerBytesMax = 16 * 1024 * 1024;
  /// Finishes, throws away what still comes until the other side closes or kLinger or kLingerBytesMax are
  /// reached, and closes: closing with unread bytes would reset the connection, and the other side might
  /// never see the last of what was sent. No read may be under way.
  [[nodiscard]] Awaitable<void> linger();
  /// Drops the connection. What is under way fails.
  void close();

  /// After the handshake; nothing for plain TCP, or when the other side showed none.
  [[nodiscard]] std::optional<PeerCertificate> peer_certificate() const;
  /// Whether the handshake went on with an earlier session.
  [[nodiscard]] bool resumed() const;

  template <class Buffers, class Token>
  auto async_read_some(Buffers const& buffers, Token&& token) {
    auto initiate = [this](auto handler, FirstBuffers<asio::mutable_buffer> const& to) {
      if (tls_) return read_tls(to, erase(std::move(handler)));
      socket_.async_read_some(to, std::move(handler));
    };
    FirstBuffers<asio::mutable_buffer> const to{buffers};
    return asio::async_initiate<Token, void(Error, std::size_t)>(std::move(initiate), token, to);
  }
  template <class Buffers, class Token>
  auto async_write_some(Buffers const& buffers, Token&& token) {
    auto initiate = [this](auto handler, FirstBuffers<asio::const_buffer> const& from) {
      if (tls_) return write_tls(from, erase(std::move(handler)));
      socket_.async_write_some(from, std::move(handler));
    };
    FirstBuffers<asio::const_buffer> const from{buffers};
    return asio::async_initiate<Token, void(Error, std::size_t)>(std::move(initiate), token, from);
  }

 private:
  struct Tls;

  template <class Handler>
  IoHandler erase(Handler handler) {
    return {std::move(handler), get_executor()};
  }
  static IoHandler erase(IoHandler handler) { return handler; }
  void read_tls(FirstBuffers<asio::mutable_buffer> const& to, IoHandler handler);
  void write_tls(FirstBuffers<asio::const_buffer> const& from, IoHandler handler);

  std::shared_ptr<TlsContext> context_;
  Socket socket_;
  std::unique_ptr<Tls> tls_;
  Error unusable_;  // why a handshake may not be begun
};

/// The other side has closed the connection, or it was cut below TLS.
[[nodiscard]] bool is_end_of_stream(Error const& error);

// What Beast's WebSocket asks of the stream below it when it ends.
template <class Handler>
void async_teardown(boost::beast::role_type, Stream& stream, Handler&& handler) {
  stream.close();
  asio::post(stream.get_executor(),
             [handler = std::forward<Handler>(handler)]() mutable { handler(Error{}); });
}
inline void beast_close_socket(Stream& stream) { stream.close(); }

}  // namespace grenache::net
