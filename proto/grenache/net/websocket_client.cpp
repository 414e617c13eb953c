#include <exception>
#include <vector>

#include <boost/asio/co_spawn.hpp>

#include <grenache/net/address.hpp>
#include <grenache/net/websocket_channel.hpp>

namespace grenache::net {

using asio::ip::tcp;

namespace {

/// A resolver cannot be interrupted: who asked may leave, the answer then goes nowhere.
struct Resolution {
  explicit Resolution(Executor const& executor) : resolver{executor}, finished{executor} {}
  tcp::resolver resolver;
  AsyncEvent finished;
  std::vector<tcp::endpoint> found;
  bool done = false;
};

Awaitable<Result<std::vector<tcp::endpoint>>> resolve(Executor executor, HostPort to, TimePoint deadline) {
  std::vector<tcp::endpoint> addresses;
  if (auto const address = IpAddress::parse(to.host)) {
    addresses.emplace_back(to_asio(*address), to.port);
    co_return addresses;
  }
  auto const resolution = std::make_shared<Resolution>(executor);
  auto resolved = [resolution](Error error, tcp::resolver::results_type const& found) {
    resolution->done = true;
    if (!error) {
      for (auto const& entry : found) resolution->found.push_back(entry.endpoint());
    }
    resolution->finished.notify_all();
  };
  resolution->resolver.async_resolve(to.host, std::to_string(to.port), std::move(resolved));
  while (!resolution->done) {
    Wake const wake = co_await resolution->finished.wait(deadline);
    if (wake == Wake::timed_out) co_return WebSocketErrc::timed_out;
    if (wake == Wake::cancelled) co_return Error(asio::error::operation_aborted);
  }
  if (resolution->found.empty()) co_return WebSocketErrc::not_resolved;
  co_return resolution->found;
}

/// To the first address that answers.
Awaitable<Result<tcp::socket>> connect_tcp(Executor executor, HostPort to, TimePoint deadline) {
  auto const addresses = co_await resolve(executor, std::move(to), deadline);
  if (!addresses) co_return addresses.error();
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
    if (thrown) channel->drop(WebSocketErrc::closed);  // there was no memory; whoever reads has to know
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
