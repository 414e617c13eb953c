// The WebSocket machinery that server and client share.
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

/// One connection: its socket, its frames, its clock. Heavy to include: for .cpp files of proto/grenache/net.
/// One thread, that of the socket; others reach it through the session.
///
/// accept() or open() makes it a WebSocket; from then on one coroutine runs write_loop() and another calls
/// read() again and again. The first reason to end it stays.
class WebSocketChannel : public std::enable_shared_from_this<WebSocketChannel> {
 public:
  WebSocketChannel(asio::ip::tcp::socket socket, WebSocketOptions const& options,
                   std::string const& destination);
  ~WebSocketChannel();
  WebSocketChannel(WebSocketChannel const&) = delete;
  WebSocketChannel& operator=(WebSocketChannel const&) = delete;

  /// Server: TLS handshake and upgrade until `deadline`. What is no upgrade gets a reply that says so.
  [[nodiscard]] Awaitable<Error> accept(Endpoint peer, WebSocketServer::Options const& options,
                                        TimePoint deadline);
  /// Client: the same from the other side.
  [[nodiscard]] Awaitable<Error> open(std::string host, std::string path, TimePoint deadline);

  /// The next message, or why there is none.
  [[nodiscard]] static Awaitable<Result<std::string>> read(std::shared_ptr<WebSocketChannel> self);
  /// Sends what the session is given, until the end. Must be started once the channel is open.
  static Awaitable<void> write_loop(std::shared_ptr<WebSocketChannel> self);
  /// Completes when write_loop() has ended, for whatever reason.
  static Awaitable<void> written(std::shared_ptr<WebSocketChannel> self);
  /// Completes when the session has less than `hold_count_max` holds, or has ended.
  static Awaitable<void> room(std::shared_ptr<WebSocketChannel> self, std::size_t hold_count_max);

  /// Closes with 1001 once all that was sent has gone and nothing holds the session.
  void drain();
  [[nodiscard]] bool is_draining() const { return draining_; }

  /// Ends everything at once; whoever reads gets `why`.
  void drop(Error why);
  [[nodiscard]] bool is_dropped() const { return dropped_; }
  [[nodiscard]] Error why() const { return why_; }

  [[nodiscard]] std::shared_ptr<WebSocketSession> const& session() const { return session_; }
  /// From the session, on the thread of the channel: something may have changed.
  void wake() { changed_.notify_all(); }

  /// Called on the thread of the channel when a message was written, or the peer was found to be alive.
  std::function<void()> on_progress;
  /// Called when so many bytes of an incomplete message have come; reading goes on when it completes.
  std::function<Awaitable<void>(std::size_t bytes)> on_part;

 private:
  using Socket = boost::beast::websocket::stream<CorkedStream, false>;
  struct Batch;

  /// Asked for at once, whatever length a frame claims to have.
  static constexpr std::size_t kReadBytes = 64 * 1024;

  void await_word();
  void writing_too_long();
  [[nodiscard]] bool is_too_slow();
  void quiet();
  void prepare();
  [[nodiscard]] Error opened(Error error);
  [[nodiscard]] Error reason(Error error) const;
  [[nodiscard]] bool take(Batch& batch);
  [[nodiscard]] Awaitable<void> wait_part();
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
  Deadline deadline_;  // of the handshake, of one write, of closing
  Deadline idle_;
  boost::beast::flat_buffer buffer_;
  Error why_;
  TimePoint pinged_at_ = TimePoint::max();  // max(): no ping waits for a word
  TimePoint message_begun_;                 // when the first part of an incomplete message came
  TimePoint write_begun_;
  std::size_t written_before_ = 0;  // bytes below, when that write began
  bool ping_under_way_ = false;
  bool amid_message_ = false;
  bool amid_write_ = false;
  bool writing_ = false;
  bool draining_ = false;
  bool dropped_ = false;
};

}  // namespace grenache::net
