// Coalesces small writes.
#pragma once

#include <string>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/beast/core/role.hpp>

#include <grenache/base/time.hpp>
#include <grenache/net/steady_clock.hpp>
#include <grenache/net/stream.hpp>

namespace grenache::net {

/// The stream below a WebSocket. While corked it buffers writes; the next uncorked write sends the buffered
/// bytes first, in the same system call. Expensive to include: for .cpp files of proto/grenache/net. Not
/// thread-safe.
class CorkedStream {
 public:
  using executor_type = Stream::executor_type;

  static constexpr std::size_t kKeptBytesMax = 16 * 1024;  // coalescing more saves nothing

  CorkedStream(Stream::Socket socket, std::shared_ptr<TlsContext> tls, std::string const& destination)
      : stream_{std::move(socket), std::move(tls), destination} {}

  [[nodiscard]] executor_type get_executor() { return stream_.get_executor(); }
  [[nodiscard]] Stream& below() { return stream_; }

  /// Returns whether another `size` bytes may be buffered for the next write.
  [[nodiscard]] bool can_keep(std::size_t size) const { return kept_.size() + size <= kKeptBytesMax; }
  void cork(bool corked) { corked_ = corked; }

  /// When the last read began; usually when incomplete data had arrived.
  [[nodiscard]] TimePoint read_at() const { return read_at_; }
  /// Bytes passed to writes so far; a long write is counted in pieces, each as it begins.
  [[nodiscard]] std::size_t bytes_written() const { return bytes_written_; }

  template <class Buffers, class Token>
  auto async_read_some(Buffers const& buffers, Token&& token) {
    read_at_ = steady_now();
    auto initiate = [this](auto handler, asio::mutable_buffer const& to) {
      this->read(to, IoHandler{std::move(handler), get_executor()});
    };
    asio::mutable_buffer const to = first_buffer(buffers);
    return asio::async_initiate<Token, void(Error, std::size_t)>(std::move(initiate), token, to);
  }

  template <class Buffers, class Token>
  auto async_write_some(Buffers const& buffers, Token&& token) {
    auto initiate = [this](auto handler, FirstBuffers const& from) {
      this->write(from, IoHandler{std::move(handler), get_executor()});
    };
    FirstBuffers const from{buffers};
    return asio::async_initiate<Token, void(Error, std::size_t)>(std::move(initiate), token, from);
  }

  /// As Stream::linger().
  [[nodiscard]] Awaitable<void> linger() { return stream_.linger(); }

 private:
  void read(asio::mutable_buffer const& to, IoHandler handler);
  void write(FirstBuffers const& from, IoHandler handler);

  Stream stream_;
  std::string kept_;
  std::size_t bytes_written_ = 0;
  TimePoint read_at_{};
  bool corked_ = false;
};

// Customisation points of Beast's WebSocket for closing the stream below it.
template <class Handler>
void async_teardown(boost::beast::role_type, CorkedStream& stream, Handler&& handler) {
  auto done = [h = std::forward<Handler>(handler)](std::exception_ptr const&) mutable { h(Error{}); };
  asio::co_spawn(stream.get_executor(), stream.linger(), std::move(done));
}
inline void beast_close_socket(CorkedStream& stream) { stream.below().close(); }

}  // namespace grenache::net
