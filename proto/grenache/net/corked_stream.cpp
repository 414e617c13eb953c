#include "grenache/net/corked_stream.hpp"

#include <array>

#include <boost/asio/write.hpp>
#include <boost/beast/core/bind_handler.hpp>

#include <grenache/net/deadline.hpp>

namespace grenache::net {

void CorkedStream::read(FirstBuffers<asio::mutable_buffer> const& to, IoHandler handler) {
  stream_.async_read_some(to, std::move(handler));
}

void CorkedStream::write(FirstBuffers<asio::const_buffer> const& from, IoHandler handler) {
  if (!corked_ && kept_.empty()) return stream_.async_write_some(from, std::move(handler));
  std::size_t const before = kept_.size();
  std::size_t const size = asio::buffer_size(from);
  kept_.resize(before + size);
  asio::buffer_copy(asio::buffer(kept_.data() + before, size), from);
  if (corked_) {
    asio::post(get_executor(), boost::beast::bind_front_handler(std::move(handler), Error{}, size));
    return;
  }
  auto written = [this, size, h = std::move(handler)](Error error, std::size_t) mutable {
    kept_.clear();
    if (kept_.capacity() > 2 * kKeptBytesMax) kept_.shrink_to_fit();
    std::move(h)(error, error ? 0 : size);
  };
  asio::async_write(stream_, asio::buffer(kept_), std::move(written));
}

Awaitable<void> CorkedStream::linger() {
  Deadline limit{get_executor(), [this] { stream_.close(); }};
  limit.set(steady_now() + kLinger);
  co_await stream_.finish();
  std::array<char, 4096> unread;
  for (bool more = true; more;) {
    auto const [error, size] = co_await stream_.async_read_some(asio::buffer(unread), kTuple);
    more = !error;
  }
  stream_.close();
}

}  // namespace grenache::net
