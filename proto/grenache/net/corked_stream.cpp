#include "grenache/net/corked_stream.hpp"

#include <algorithm>
#include <new>

#include <boost/asio/write.hpp>
#include <boost/beast/core/bind_handler.hpp>

namespace grenache::net {

namespace {

constexpr std::size_t kPieceBytes = 64 * 1024;   // the most that Asio passes to one system call
constexpr std::size_t kRecordBytes = 16 * 1024;  // the most that one TLS record holds

}  // namespace

void CorkedStream::read(asio::mutable_buffer const& to, IoHandler handler) {
  stream_.async_read_some(to, std::move(handler));
}

void CorkedStream::write(FirstBuffers const& from, IoHandler handler) {
  std::size_t const size = asio::buffer_size(from);
  bool const is_record = stream_.is_tls() && from.begin() != from.end();
  bytes_written_ += is_record ? std::min(from.begin()->size(), kRecordBytes) : std::min(size, kPieceBytes);
  if (!corked_ && kept_.empty()) return stream_.async_write_some(from, std::move(handler));
  std::size_t const before = kept_.size();
  try {
    kept_.resize(before + size);
  } catch (std::bad_alloc const&) {  // passed to the handler: thrown from here, it would leave run()
    Error const failure = asio::error::no_memory;
    asio::post(get_executor(), boost::beast::bind_front_handler(std::move(handler), failure, std::size_t{0}));
    return;
  }
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

}  // namespace grenache::net
