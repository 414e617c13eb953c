// The implementation shared by WebSocket server and client.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/stream.hpp>

#include <grenache/net/async_event.hpp>
#include <grenache/net/corked_stream.hpp>
#include <grenache/net/deadline.hpp>
#include <grenache/net/websocket.hpp>

namespace grenache::net {

/// One connection: socket, framing and deadlines. Expensive to include: for .cpp files of proto/grenache/net.
/// Used on the thread of the socket; other threads use the session.
///
/// accept() or open() performs the upgrade; then one coroutine runs write_loop() and another calls read() in
/// a loop. The first reason for the end is kept.
class WebSocketChannel : public std::enable_shared_from_this<WebSocketChannel> {
 public:
  WebSocketChannel(asio::ip::tcp::socket socket, WebSocketOptions const& options,
                   std::string const& destination);
  ~WebSocketChannel();
  WebSocketChannel(WebSocketChannel const&) = delete;
  WebSocketChannel& operator=(WebSocketChannel const&) = delete;

  /// Server: TLS handshake and upgrade until `deadline`. Other requests are answered with an error.
  [[nodiscard]] Awaitable<Error> accept(Endpoint peer, WebSocketServer::Options const& options,
                                        TimePoint deadline);
  /// Client: TLS handshake and upgrade until `deadline`.
  [[nodiscard]] Awaitable<Error> open(std::string host, std::string path, TimePoint deadline);

  /// Returns the next message, or an error.
  [[nodiscard]] static Awaitable<Result<std::string>> read(std::shared_ptr<WebSocketChannel> self);
  /// Sends the messages of the session until the end. Start it once the channel is open.
  static Awaitable<void> write_loop(std::shared_ptr<WebSocketChannel> self);
  /// Completes when write_loop() has ended.
  static Awaitable<void> written(std::shared_ptr<WebSocketChannel> self);
  /// True if the session has fewer than `hold_count_max` holds; otherwise await room().
  [[nodiscard]] bool has_room(std::size_t hold_count_max);
  /// Completes when the session has fewer than `hold_count_max` holds, or has ended.
  static Awaitable<void> room(std::shared_ptr<WebSocketChannel> self, std::size_t hold_count_max);

  /// After the end: completes when the session has no holds, or abandon() was called.
  static Awaitable<void> released(std::shared_ptr<WebSocketChannel> self);
  /// Nothing waits for the holds any more, and their release uses the executor no more.
  void abandon();
  /// Drops the connection if the peer has disconnected; for times in which nothing is read.
  void drop_without_peer();

  /// Closes with 1001 once the queue is empty and the session has no holds.
  void drain();
  [[nodiscard]] bool is_draining() const { return draining_; }

  /// Server, before drop(): sends a close frame with `code` if that needs no waiting.
  void write_close_now(std::uint16_t code);
  /// Ends the connection at once; a running read() gets `why`.
  void drop(Error why);
  [[nodiscard]] bool is_dropped() const { return dropped_; }
  [[nodiscard]] Error why() const { return why_; }

  [[nodiscard]] std::shared_ptr<WebSocketSession> const& session() const { return session_; }
  /// Called by the session, on the thread of the channel, after a change.
  void wake() { changed_.notify_all(); }
  /// The same after holds have ended.
  void wake_released();

  /// Called on the thread of the channel when a message was written, or the peer has shown to be alive.
  std::function<void()> on_progress;
  /// Called on the thread of the channel when holds that had bytes have ended.
  std::function<void()> on_release;
  /// Called when this many bytes of an incomplete message have arrived; reading continues when it completes.
  std::function<Awaitable<void>(std::size_t bytes)> on_part;

 private:
  using Socket = boost::beast::websocket::stream<CorkedStream, false>;
  struct Batch;

  /// Requested per read, independent of the length that a frame claims.
  static constexpr std::size_t kReadBytes = 64 * 1024;

  void start_idle_timer();
  void check_write_rate();
  [[nodiscard]] bool is_too_slow();
  void check_idle();
  void prepare();
  [[nodiscard]] Error opened(Error error);
  [[nodiscard]] Error reason(Error error) const;
  [[nodiscard]] bool fill(Batch& batch);
  [[nodiscard]] bool awaits_release();
  [[nodiscard]] Awaitable<void> await_part_handler();
  void end_session();
  static Awaitable<Error> write_messages(std::shared_ptr<WebSocketChannel> self);
  [[nodiscard]] Awaitable<Error> upgrade(WebSocketServer::Options const& options);
  [[nodiscard]] Awaitable<void> refuse(unsigned status, std::string text);
  [[nodiscard]] Awaitable<Error> write(std::string const& message, bool more);
  [[nodiscard]] Awaitable<void> close(std::uint16_t code);

  WebSocketOptions options_;
  Socket socket_;
  std::shared_ptr<WebSocketSession> session_;
  AsyncEvent changed_;
  Deadline deadline_;  // of the handshake, of a write, of closing
  Deadline idle_;
  boost::beast::flat_buffer buffer_;
  Error why_;
  TimePoint pinged_at_ = TimePoint::max();  // max(): no ping is unanswered
  TimePoint message_begun_;                 // when the first part of an incomplete message arrived
  TimePoint write_begun_;
  std::size_t written_before_ = 0;  // the stream's written() when that write began
  bool ping_under_way_ = false;
  bool in_message_ = false;
  bool in_write_ = false;
  bool writing_ = false;
  bool draining_ = false;
  bool dropped_ = false;
  bool abandoned_ = false;
};

}  // namespace grenache::net
