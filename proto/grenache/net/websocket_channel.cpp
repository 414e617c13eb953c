#include "grenache/net/websocket_channel.hpp"

#include <array>
#include <exception>
#include <vector>

#include <boost/beast/http/error.hpp>
#include <boost/beast/websocket/detail/utf8_checker.hpp>
#include <boost/beast/websocket/error.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <poll.h>

#include <grenache/net/byte_budget.hpp>
#include <grenache/net/minimum_rate.hpp>

namespace grenache::net {

namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;

namespace {

constexpr std::size_t kMaskBytes = 16 * 1024;  // a client masks and writes this much at a time
constexpr std::size_t kMessageBytes = 64;      // memory of a queued message besides its bytes
constexpr Duration kPeerCheck = std::chrono::milliseconds{300};  // while nothing is read

Error parse_error(Error const& error) {
  bool const malformed = error.category() == make_error_code(http::error::bad_method).category() &&
                         error != http::error::end_of_stream && error != http::error::partial_message;
  return malformed ? make_error_code(WebSocketErrc::refused) : error;
}

}  // namespace

std::string_view describe(WebSocketErrc code) {
  switch (code) {
    case WebSocketErrc::closed:
      return "the connection was closed";
    case WebSocketErrc::connection_lost:
      return "the connection was lost without a close frame";
    case WebSocketErrc::timed_out:
      return "the other side was silent for too long";
    case WebSocketErrc::not_resolved:
      return "host name not found";
    case WebSocketErrc::refused:
      return "the WebSocket upgrade failed";
    case WebSocketErrc::malformed:
      return "the other side has sent invalid WebSocket frames, or text that is not UTF-8";
    case WebSocketErrc::message_too_large:
      return "message larger than the limit";
    case WebSocketErrc::queue_full:
      return "the other side reads too slowly";
    case WebSocketErrc::stopped:
      return "the server was stopped";
    case WebSocketErrc::evicted:
      return "closed to make room for another connection";
  }
  return "unknown WebSocket error";
}

// WebSocketSession, which other threads use

WebSocketSession::WebSocketSession(Executor executor, std::size_t write_queue_bytes_max)
    : executor_{std::move(executor)}, write_queue_bytes_max_{write_queue_bytes_max} {}
WebSocketSession::~WebSocketSession() = default;

void WebSocketSession::wake_locked() {
  asio::post(executor_, [self = shared_from_this()] {
    if (self->channel_) self->channel_->wake();
  });
}

bool WebSocketSession::send(Message message) {
  std::lock_guard const lock{mutex_};
  if (ended_ || close_code_ != 0) return false;
  std::size_t const size = message->size() + kMessageBytes;
  if (queued_bytes_ > 0 && queued_bytes_ + size > write_queue_bytes_max_) {
    ended_ = true;
    queue_.clear();
    asio::post(executor_, [self = shared_from_this()] {
      if (self->channel_) self->channel_->drop(WebSocketErrc::queue_full);
    });
    return false;
  }
  queue_.push_back(std::move(message));
  queued_bytes_ += size;
  if (!std::exchange(writer_awake_, true)) wake_locked();
  return true;
}

void WebSocketSession::close(std::uint16_t code) {
  std::lock_guard const lock{mutex_};
  if (ended_ || close_code_ != 0) return;
  close_code_ = code;
  if (!std::exchange(writer_awake_, true)) wake_locked();
}

WebSocketSession::Hold WebSocketSession::hold(std::size_t bytes) {
  std::lock_guard const lock{mutex_};
  ++hold_count_;
  held_bytes_ += bytes;
  return Hold{shared_from_this(), bytes};
}

void WebSocketSession::release(std::size_t bytes) {
  std::lock_guard const lock{mutex_};
  bool const was_counted = held_bytes_ > ByteBudget::kFreeBytes;
  --hold_count_;
  held_bytes_ -= bytes;
  if (ended_ && !awaits_release_) return;  // the executor may have been destroyed
  if (!was_counted && !notify_on_release_ && !awaits_release_) return;
  if (notify_on_release_) writer_awake_ = true;
  if (std::exchange(release_posted_, true)) return;
  try {
    asio::post(executor_, [self = shared_from_this()] {
      {
        std::lock_guard const posted{self->mutex_};
        self->release_posted_ = false;
      }
      if (self->channel_) self->channel_->wake_released();
    });
  } catch (std::exception const&) {  // no memory: those who wait look again by themselves
    release_posted_ = false;
  }
}

bool WebSocketSession::is_open() const {
  std::lock_guard const lock{mutex_};
  return !ended_ && close_code_ == 0;
}

bool WebSocketSession::is_held() const {
  std::lock_guard const lock{mutex_};
  return hold_count_ > 0;
}

std::size_t WebSocketSession::queued_bytes() const {
  std::lock_guard const lock{mutex_};
  return queued_bytes_;
}

std::size_t WebSocketSession::held_bytes() const {
  std::lock_guard const lock{mutex_};
  return held_bytes_;
}

// Opening

WebSocketChannel::WebSocketChannel(asio::ip::tcp::socket socket, WebSocketOptions const& options,
                                   std::string const& destination)
    : options_{options},
      socket_{std::move(socket), options.tls, destination},
      session_{std::make_shared<WebSocketSession>(socket_.get_executor(), options.write_queue_bytes_max)},
      changed_{socket_.get_executor()},
      deadline_{socket_.get_executor(), [this] { check_write_rate(); }},
      idle_{socket_.get_executor(), [this] { check_idle(); }} {
  session_->channel_ = this;
}

WebSocketChannel::~WebSocketChannel() {
  end_session();
  abandon();
  session_->channel_ = nullptr;
}

void WebSocketChannel::prepare() {
  websocket::stream_base::timeout none;  // the deadlines are our own
  none.handshake_timeout = websocket::stream_base::none();
  none.idle_timeout = websocket::stream_base::none();
  none.keep_alive_pings = false;
  socket_.set_option(none);
  socket_.read_message_max(options_.message_bytes_max);
  socket_.auto_fragment(false);
  socket_.write_buffer_bytes(kMaskBytes);
}

Error WebSocketChannel::reason(Error error) const {
  if (dropped_) return why_;
  if (error == websocket::error::closed) return WebSocketErrc::closed;
  if (error == websocket::error::message_too_big) return WebSocketErrc::message_too_large;
  if (error == websocket::condition::protocol_violation) return WebSocketErrc::malformed;
  if (error == websocket::condition::handshake_failed || error == websocket::error::buffer_overflow) {
    return WebSocketErrc::refused;
  }
  if (is_end_of_stream(error) || error == http::error::end_of_stream ||
      error == http::error::partial_message) {
    return WebSocketErrc::connection_lost;
  }
  return parse_error(error);
}

// Reading

// Pongs are detected as bytes that the stream below has read. With a control callback of Beast 1.81, both
// sides of a closing handshake wait for each other if the close frame directly follows another frame.

void WebSocketChannel::start_idle_timer() {
  pinged_at_ = TimePoint::max();
  idle_.set(steady_deadline(options_.idle_max / 2));
}

void WebSocketChannel::check_idle() {
  TimePoint const last_read = socket_.next_layer().read_at();
  TimePoint const now = steady_now();
  if (last_read >= pinged_at_) pinged_at_ = TimePoint::max();
  if (on_progress && now < later_by(last_read, options_.idle_max / 2)) on_progress();
  // Pings, pongs and empty frames do not complete a read, and do not count as progress of a message.
  MinimumRate const rate{options_.message_max, options_.rate_min};
  bool const is_stalled = in_message_ && now > rate.deadline(message_begun_, buffer_.size());
  if (is_stalled) return drop(WebSocketErrc::timed_out);
  if (in_write_ && socket_.is_open()) {  // a ping would wait behind the message, whose write has a deadline
    pinged_at_ = TimePoint::max();
    return idle_.set(later_by(now, options_.idle_max / 2));
  }
  if (pinged_at_ != TimePoint::max() || !socket_.is_open()) return drop(WebSocketErrc::timed_out);
  if (now < later_by(last_read, options_.idle_max / 2))
    return idle_.set(later_by(last_read, options_.idle_max / 2));
  pinged_at_ = now;
  idle_.set(later_by(now, options_.idle_max / 2));
  if (std::exchange(ping_under_way_, true)) return;
  socket_.async_ping({}, [self = shared_from_this()](Error const&) { self->ping_under_way_ = false; });
}

/// Returns whether the incomplete message arrives below the minimum rate. Uses the time of the last read,
/// which saves a call of the clock.
bool WebSocketChannel::is_too_slow() {
  TimePoint const now = socket_.next_layer().read_at();
  if (!std::exchange(in_message_, true)) message_begun_ = now;
  MinimumRate const rate{options_.message_max, options_.rate_min};
  return now > rate.deadline(message_begun_, buffer_.size());
}

/// Awaits `on_part`; this time does not count for the rate of the message.
Awaitable<void> WebSocketChannel::await_part_handler() {
  idle_.clear();
  TimePoint const before = steady_now();
  co_await on_part(buffer_.size());
  message_begun_ += steady_now() - before;
}

Awaitable<Result<std::string>> WebSocketChannel::read(std::shared_ptr<WebSocketChannel> self) {
  auto& buffer = self->buffer_;
  for (;;) {
    if (self->dropped_) co_return self->why_;
    self->start_idle_timer();
    auto const [error, size] = co_await self->socket_.async_read_some(buffer, kReadBytes, kTuple);
    if (error) {
      self->drop(self->reason(error));
      co_return self->why_;
    }
    if (!self->socket_.is_message_done()) {
      if (self->is_too_slow()) self->drop(WebSocketErrc::timed_out);
      if (self->on_part && buffer.size() > kReadBytes) co_await self->await_part_handler();
      continue;
    }
    self->in_message_ = false;
    self->idle_.clear();
    std::string message{static_cast<char const*>(buffer.data().data()), buffer.size()};
    buffer.clear();
    if (buffer.capacity() > kReadBytes) buffer.shrink_to_fit();
    co_return message;
  }
}

bool WebSocketChannel::has_room(std::size_t hold_count_max) {
  std::lock_guard const lock{session_->mutex_};
  bool const room = session_->hold_count_ < hold_count_max;
  session_->notify_on_release_ = !room || draining_;
  return room;
}

Awaitable<void> WebSocketChannel::room(std::shared_ptr<WebSocketChannel> self, std::size_t hold_count_max) {
  while (!self->dropped_ && !self->has_room(hold_count_max)) {
    Wake const wake = co_await self->changed_.wait(steady_deadline(kPeerCheck));
    if (wake == Wake::cancelled) co_return;
    if (wake == Wake::timed_out) self->drop_without_peer();
  }
}

void WebSocketChannel::wake_released() {
  if (on_release) on_release();
  wake();
}

bool WebSocketChannel::awaits_release() {
  std::lock_guard const lock{session_->mutex_};
  session_->awaits_release_ = !abandoned_ && session_->hold_count_ > 0;
  return session_->awaits_release_;
}

Awaitable<void> WebSocketChannel::released(std::shared_ptr<WebSocketChannel> self) {
  while (self->awaits_release()) {
    Wake const wake = co_await self->changed_.wait(steady_deadline(kPeerCheck));
    if (wake == Wake::cancelled) self->abandon();
    if (self->on_release) self->on_release();
  }
}

void WebSocketChannel::abandon() {
  abandoned_ = true;
  {
    std::lock_guard const lock{session_->mutex_};
    session_->awaits_release_ = false;
  }
  wake();
}

void WebSocketChannel::drop_without_peer() {
  if (!socket_.is_open() || !session_->is_open()) return;
  // POLLRDHUP is set even if unread bytes precede the end.
  pollfd socket{socket_.next_layer().below().socket().native_handle(), POLLRDHUP, 0};
  bool const polled = ::poll(&socket, 1, 0) > 0;
  bool const gone = polled && (socket.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
  if (gone) drop(WebSocketErrc::connection_lost);
}

// Writing

/// The messages that the writer sends next. Reused, to keep its memory.
struct WebSocketChannel::Batch {
  std::deque<WebSocketSession::Message> messages;
  std::uint16_t close_code = 0;  // after the messages; 0: not yet
};

/// Moves the queue and the close code of the session into `batch`. Returns false when there are none.
bool WebSocketChannel::fill(Batch& batch) {
  WebSocketSession& session = *session_;
  std::lock_guard const lock{session.mutex_};
  batch.messages.swap(session.queue_);
  if (draining_ && session.hold_count_ == 0 && session.close_code_ == 0) {
    session.close_code_ = close_code::kGoingAway;
  }
  batch.close_code = session.close_code_;
  session.writer_awake_ = !batch.messages.empty() || batch.close_code != 0;
  return session.writer_awake_;
}

/// Drops a peer that has read at less than `rate_min` since the write began; otherwise extends the deadline.
void WebSocketChannel::check_write_rate() {
  if (!in_write_) return drop(WebSocketErrc::timed_out);
  std::size_t const size = socket_.next_layer().bytes_written() - written_before_;
  TimePoint const limit = MinimumRate{options_.write_max, options_.rate_min}.deadline(write_begun_, size);
  if (limit <= steady_now()) return drop(WebSocketErrc::timed_out);
  deadline_.set(limit);
}

Awaitable<Error> WebSocketChannel::write(std::string const& message, bool more) {
  socket_.text(websocket::detail::check_utf8(message.data(), message.size()));
  socket_.next_layer().cork(more && socket_.next_layer().can_keep(message.size()));
  write_begun_ = steady_now();
  written_before_ = socket_.next_layer().bytes_written();
  in_write_ = true;
  deadline_.set(later_by(write_begun_, options_.write_max));
  auto const [error, size] = co_await socket_.async_write(asio::buffer(message), kTuple);
  deadline_.clear();
  in_write_ = false;
  {
    std::lock_guard const lock{session_->mutex_};
    session_->queued_bytes_ -= message.size() + kMessageBytes;
  }
  if (on_progress) on_progress();
  co_return error;
}

/// Sends messages until the session is closed or the connection has ended.
Awaitable<Error> WebSocketChannel::write_messages(std::shared_ptr<WebSocketChannel> self) {
  Batch batch;
  Error error;
  while (!error && !self->dropped_) {
    if (!self->fill(batch)) {
      Wake const wake = co_await self->changed_.wait();
      if (wake == Wake::cancelled) break;
      continue;
    }
    for (; !batch.messages.empty() && !error; batch.messages.pop_front()) {
      error = co_await self->write(*batch.messages.front(), batch.messages.size() > 1);
    }
    if (!error && batch.close_code != 0) {
      co_await self->close(batch.close_code);
      break;
    }
  }
  co_return error;
}

Awaitable<void> WebSocketChannel::write_loop(std::shared_ptr<WebSocketChannel> self) {
  Error error;
  try {
    error = co_await write_messages(self);
  } catch (std::exception const&) {
    error = asio::error::no_memory;
  }
  // After operation_aborted the reader reports the reason.
  self->end_session();
  if (error && error != asio::error::operation_aborted) self->drop(self->reason(error));
  self->writing_ = false;
  self->wake();
}

Awaitable<void> WebSocketChannel::close(std::uint16_t code) {
  if (!socket_.is_open()) co_return;  // the reader has closed it
  deadline_.set(steady_deadline(options_.close_max));
  websocket::close_reason const reason{code};
  auto const [error] = co_await socket_.async_close(reason, kTuple);
  deadline_.clear();
  if (error != asio::error::operation_aborted) drop(WebSocketErrc::closed);
}

Awaitable<void> WebSocketChannel::written(std::shared_ptr<WebSocketChannel> self) {
  while (self->writing_) {
    Wake const wake = co_await self->changed_.wait();
    if (wake == Wake::cancelled) co_return;
  }
}

void WebSocketChannel::drain() {
  draining_ = true;
  {
    std::lock_guard const lock{session_->mutex_};
    session_->notify_on_release_ = true;
  }
  wake();
}

void WebSocketChannel::end_session() {
  std::lock_guard const lock{session_->mutex_};
  session_->ended_ = true;
  session_->queue_.clear();
}

void WebSocketChannel::write_close_now(std::uint16_t code) {
  bool const is_busy = in_write_ || ping_under_way_ || !session_->is_open();
  if (!writing_ || dropped_ || is_busy || !socket_.is_open()) return;
  std::array<unsigned char, 4> const frame{0x88, 2, static_cast<unsigned char>(code >> 8),
                                           static_cast<unsigned char>(code & 0xff)};
  socket_.next_layer().below().write_now(asio::buffer(frame));
}

void WebSocketChannel::drop(Error why) {
  if (dropped_) return;
  dropped_ = true;
  why_ = why;
  end_session();
  deadline_.clear();
  idle_.clear();
  socket_.next_layer().below().close();
  wake();
}

}  // namespace grenache::net
