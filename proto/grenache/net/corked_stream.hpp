// Small writes joined into one.
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

/// The stream below a WebSocket. While corked it keeps what is written; the next uncorked write sends the
/// kept bytes first, in the same system call. Heavy to include: for .cpp files of proto/grenache/net. One
/// thread.
class CorkedStream {
 public:
  using executor_type = Stream::executor_type;

  static constexpr std::size_t kKeptBytesMax = 16 * 1024;  // joining more saves nothing

  CorkedStream(Stream::Socket socket, std::shared_ptr<TlsContext> tls, std::string const& destination)
      : stream_{std::move(socket), std::move(tls), destination} {}

  [[nodiscard]] executor_type get_executor() { return stream_.get_executor(); }
  [[nodiscard]] Stream& below() { return stream_; }

  /// Whether another `size` bytes may wait for the next write.
  [[nodiscard]] bool can_keep(std::size_t size) const { return kept_.size() + size <= kKeptBytesMax; }
  void cork(bool corked) { corked_ = corked; }

  /// When the last read began: as a rule, when bytes came that were not enough.
  [[nodiscard]] TimePoint read_at() const { return read_at_; }
  /// Bytes given to writes so far: a long one counts piece by piece, each as it begins.
  [[nodiscard]] std::size_t bytes_written() const { return bytes_written_; }

  template <class Buffers, class Token>
  auto async_read_some(Buffers const& buffers, Token&& token) {
    read_at_ = steady_now();
    auto initiate = [this](auto handler, FirstBuffers<asio::mutable_buffer> const& to) {
      this->read(to, IoHandler{std::move(handler), get_executor()});
    };
    FirstBuffers<asio::mutable_buffer> const to{buffers};
    return asio::async_initiate<Token, void(Error, std::size_t)>(std::move(initiate), token, to);
  }

  template <class Buffers, class Token>
  auto async_write_some(Buffers const& buffers, Token&& token) {
    auto initiate = [this](auto handler, FirstBuffers<asio::const_buffer> const& from) {
      this->write(from, IoHandler{std::move(handler), get_executor()});
    };
    FirstBuffers<asio::const_buffer> const from{buffers};
    return asio::async_initiate<Token, void(Error, std::size_t)>(std::move(initiate), token, from);
  }

  /// As Stream::linger().
  [[nodiscard]] Awaitable<void> linger() { return stream_.linger(); }

 private:
  void read(FirstBuffers<asio::mutable_buffer> const& to, IoHandler handler);
  void write(FirstBuffers<asio::const_buffer> const& from, IoHandler handler);

  Stream stream_;
  std::string kept_;
  std::size_t bytes_written_ = 0;
  TimePoint read_at_{};
  bool corked_ = false;
};

// What Beast's WebSocket asks of the stream below it when it ends.
template <class Handler>
void async_teardown(boost::beast::role_type, CorkedStream& stream, Handler&& handler) {
  auto done = [h = std::forward<Handler>(handler)](std::exception_ptr const&) mutable { h(Error{}); };
  asio::co_spawn(stream.get_executor(), stream.linger(), std::move(done));
}
inline void beast_close_socket(CorkedStream& stream) { stream.below().close(); }

}  // namespace grenache::net
