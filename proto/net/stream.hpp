// A byte stream to another host: TCP, with TLS on top or without.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/role.hpp>

#include "proto/net/asio.hpp"
#include "proto/net/tls.hpp"

namespace grenache::net {

/// Asio's AsyncStream, whatever is below: HTTP and WebSocket are written once, for this class. Heavy to
/// include: for .cpp files of proto/net. One thread.
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
  /// Drops the connection. What is under way fails.
  void close();

  /// After the handshake; nothing for plain TCP, or when the other side showed none.
  [[nodiscard]] std::optional<PeerCertificate> peer_certificate() const;
  /// Whether the handshake went on with an earlier session.
  [[nodiscard]] bool resumed() const;

  template <class Buffers, class Token>
  auto async_read_some(Buffers const& buffers, Token&& token) {
    if (tls_) return tls_->async_read_some(buffers, std::forward<Token>(token));
    return socket_.async_read_some(buffers, std::forward<Token>(token));
  }
  template <class Buffers, class Token>
  auto async_write_some(Buffers const& buffers, Token&& token) {
    if (tls_) return tls_->async_write_some(buffers, std::forward<Token>(token));
    return socket_.async_write_some(buffers, std::forward<Token>(token));
  }

 private:
  std::shared_ptr<TlsContext> context_;
  Socket socket_;
  std::unique_ptr<asio::ssl::stream<Socket&>> tls_;
};

// What Beast's WebSocket asks of the stream below it when it ends.
template <class Handler>
void async_teardown(boost::beast::role_type, Stream& stream, Handler&& handler) {
  stream.close();
  asio::post(stream.get_executor(),
             [handler = std::forward<Handler>(handler)]() mutable { handler(Error{}); });
}
inline void beast_close_socket(Stream& stream) { stream.close(); }

}  // namespace grenache::net
