// A TCP client that sends the exact bytes of a test.
#pragma once

#include <string>
#include <string_view>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <grenache/net/address.hpp>
#include <grenache/net/asio.hpp>

namespace grenache::test {

class RawClient {
 public:
  explicit RawClient(net::Executor const& executor) : socket_{executor} {}

  net::Awaitable<bool> connect(Endpoint to) {
    auto const [error] = co_await socket_.async_connect(net::to_asio<boost::asio::ip::tcp>(to), net::kTuple);
    co_return !error;
  }
  net::Awaitable<bool> send(std::string text) {
    auto const [error, size] =
        co_await boost::asio::async_write(socket_, boost::asio::buffer(text), net::kTuple);
    co_return !error;
  }
  /// Waits until the server, which must be in this process, has read all that was sent.
  net::Awaitable<void> until_read() {
    while (!is_read()) co_await boost::asio::post(socket_.get_executor(), net::kTuple);
  }
  /// Reads until the data ends with `end`, or the peer closes.
  net::Awaitable<std::string> read_until(std::string end) {
    std::string text;
    while (text.size() < end.size() || text.substr(text.size() - end.size()) != end) {
      std::string part(4096, '\0');
      auto const [error, size] = co_await socket_.async_read_some(boost::asio::buffer(part), net::kTuple);
      if (error) break;
      text.append(part, 0, size);
    }
    co_return text;
  }
  /// Reads until the peer closes.
  net::Awaitable<std::string> read_all() {
    std::string text;
    co_await boost::asio::async_read(socket_, boost::asio::dynamic_buffer(text), net::kTuple);
    co_return text;
  }
  void shutdown_send() {
    boost::system::error_code ignored;
    socket_.shutdown(boost::asio::ip::tcp::socket::shutdown_send, ignored);
  }
  void close() { socket_.close(); }
  /// Closes the connection with a reset.
  void reset() {
    boost::system::error_code ignored;
    socket_.set_option(boost::asio::socket_base::linger(true, 0), ignored);
    socket_.close();
  }

 private:
  static bool is_empty(int socket, unsigned long queue) {
    int size = 0;
    return ::ioctl(socket, queue, &size) == 0 && size == 0;
  }
  [[nodiscard]] bool is_read() {
    auto const own = socket_.local_endpoint();
    if (!is_empty(socket_.native_handle(), SIOCOUTQ)) return false;
    for (int each = 0; each < 1024; ++each) {
      boost::asio::ip::tcp::endpoint peer;
      auto size = static_cast<socklen_t>(peer.capacity());
      bool const connected = ::getpeername(each, peer.data(), &size) == 0;
      if (connected && peer == own) return is_empty(each, SIOCINQ);
    }
    return false;  // not accepted yet
  }

  boost::asio::ip::tcp::socket socket_;
};

/// The body of the last reply in `text`.
inline std::string body_of(std::string const& text) {
  auto const end = text.rfind("\r\n\r\n");
  return end == std::string::npos ? std::string{} : text.substr(end + 4);
}

}  // namespace grenache::test
