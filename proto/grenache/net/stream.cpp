#include "grenache/net/stream.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <openssl/ssl.h>

#include <grenache/net/deadline.hpp>

namespace grenache::net {

struct Stream::Tls : asio::ssl::stream<Socket&> {
  using asio::ssl::stream<Socket&>::stream;
};

Stream::Stream(Socket socket, std::shared_ptr<TlsContext> tls, std::string const& destination)
    : context_{std::move(tls)}, socket_{std::move(socket)} {
  if (!context_) return;
  tls_ = std::make_unique<Tls>(socket_, context_->native());
  unusable_ = context_->prepare(tls_->native_handle(), destination);
}

Stream::~Stream() {
  // OpenSSL discards the session of a connection that ends without close_notify, as many peers end it.
  if (tls_) SSL_set_shutdown(tls_->native_handle(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
}

Awaitable<Error> Stream::handshake() {
  if (!tls_ || unusable_) co_return unusable_;
  auto const role = context_->is_server() ? asio::ssl::stream_base::server : asio::ssl::stream_base::client;
  auto const [error] = co_await tls_->async_handshake(role, kTuple);
  co_return TlsContext::handshake_error(tls_->native_handle(), error);
}

Awaitable<void> Stream::finish() {
  Error ignored;
  if (tls_) {
    // Claim that the peer's close_notify was received: Asio would wait for it, and it may never come.
    SSL_set_quiet_shutdown(tls_->native_handle(), 0);
    SSL_set_shutdown(tls_->native_handle(), SSL_RECEIVED_SHUTDOWN);
    auto const [error] = co_await tls_->async_shutdown(kTuple);
    (void)error;
  }
  socket_.shutdown(Socket::shutdown_send, ignored);
}

Awaitable<void> Stream::linger() {
  Deadline limit{get_executor(), [this] { close(); }};
  limit.set(steady_deadline(kLinger));
  co_await finish();
  std::array<char, 4096> unread;
  std::size_t read = 0;
  for (bool more = true; more && read < kLingerBytesMax;) {
    // Read below TLS, since the input is discarded.
    auto const [error, size] = co_await socket_.async_read_some(asio::buffer(unread), kTuple);
    read += size;
    more = !error;
  }
  close();
}

void Stream::write_now(asio::const_buffer from) {
  Error ignored;
  socket_.non_blocking(true, ignored);
  if (ignored) return;
  if (tls_) {
    tls_->write_some(from, ignored);
  } else {
    socket_.write_some(from, ignored);
  }
}

void Stream::close() {
  Error ignored;
  socket_.close(ignored);
}

void Stream::read_tls(asio::mutable_buffer const& to, IoHandler handler) {
  tls_->async_read_some(to, std::move(handler));
}

void Stream::write_tls(FirstBuffers const& from, IoHandler handler) {
  tls_->async_write_some(from, std::move(handler));
}

std::optional<PeerCertificate> Stream::peer_certificate() const {
  return tls_ ? context_->peer_certificate(tls_->native_handle()) : std::nullopt;
}

bool is_end_of_stream(Error const& error) {
  return error == asio::error::eof || error == asio::ssl::error::stream_truncated;
}

bool Stream::resumed() const { return tls_ && SSL_session_reused(tls_->native_handle()) == 1; }

}  // namespace grenache::net
