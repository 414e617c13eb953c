#include <exception>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>

#include <grenache/net/address.hpp>
#include <grenache/net/resolver.hpp>
#include <grenache/net/websocket_channel.hpp>

namespace grenache::net {

using asio::ip::tcp;

namespace {

Error error_of(Error const& failure) {
  if (failure == asio::error::timed_out) return WebSocketErrc::timed_out;
  if (failure == asio::error::operation_aborted || failure == asio::error::try_again) return failure;
  return WebSocketErrc::not_resolved;
}

/// Connects to the first address that accepts the connection.
Awaitable<Result<tcp::socket>> connect_tcp(Executor executor, HostPort to, TimePoint deadline) {
  Resolver resolver{executor};
  auto const addresses = co_await resolver.resolve(std::move(to), deadline);
  if (!addresses) co_return error_of(addresses.error());
  tcp::socket socket{executor};
  bool timed_out = false;
  auto expire = [&] {
    Error ignored;
    timed_out = true;
    socket.close(ignored);
  };
  Deadline limit{executor, expire};
  limit.set(deadline);
  Error failure = WebSocketErrc::not_resolved;
  for (tcp::endpoint const& address : *addresses) {
    Error ignored;
    socket.close(ignored);
    auto const [error] = co_await socket.async_connect(address, kTuple);
    if (timed_out) co_return WebSocketErrc::timed_out;
    if (!error) {
      socket.set_option(tcp::no_delay(true), ignored);
      co_return std::move(socket);
    }
    failure = error;
    if (error == asio::error::operation_aborted) break;
  }
  co_return failure;
}

}  // namespace

WebSocketConnection::WebSocketConnection(std::shared_ptr<WebSocketChannel> channel)
    : channel_{std::move(channel)} {}
WebSocketConnection::WebSocketConnection(WebSocketConnection&&) noexcept = default;
WebSocketConnection& WebSocketConnection::operator=(WebSocketConnection&& other) noexcept {
  std::swap(channel_, other.channel_);
  return *this;
}
WebSocketConnection::~WebSocketConnection() {
  if (channel_) channel_->drop(WebSocketErrc::closed);
}

Awaitable<Result<WebSocketConnection>> WebSocketConnection::connect(Executor executor, HostPort to,
                                                                    Options options, TimePoint deadline) {
  std::string host = host_text(to);
  auto socket = co_await connect_tcp(executor, std::move(to), deadline);
  if (!socket) co_return socket.error();
  auto channel = std::make_shared<WebSocketChannel>(std::move(*socket), options, host);
  Error const error = co_await channel->open(std::move(host), std::move(options.path), deadline);
  if (error) {
    channel->drop(error);
    co_return error;
  }
  auto ended = [channel](std::exception_ptr const& thrown) {
    if (thrown) channel->drop(WebSocketErrc::closed);  // out of memory: ends receive() too
  };
  asio::co_spawn(executor, WebSocketChannel::write_loop(channel), std::move(ended));
  co_return WebSocketConnection{std::move(channel)};
}

Awaitable<Result<std::string>> WebSocketConnection::receive() { return WebSocketChannel::read(channel_); }
std::shared_ptr<WebSocketSession> const& WebSocketConnection::session() const { return channel_->session(); }

Awaitable<void> WebSocketConnection::close(std::uint16_t code) {
  channel_->session()->close(code);
  return WebSocketChannel::written(channel_);
}
void WebSocketConnection::drop() { channel_->drop(WebSocketErrc::closed); }

}  // namespace grenache::net
