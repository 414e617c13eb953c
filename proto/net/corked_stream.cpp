#include "proto/net/corked_stream.hpp"

#include <array>

#include "proto/net/deadline.hpp"

namespace grenache::net {

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
