// WebSocket (RFC 6455): a server, and client connections.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <grenache/base/endpoint.hpp>
#include <grenache/base/result.hpp>
#include <grenache/base/time.hpp>
#include <grenache/net/asio.hpp>
#include <grenache/net/tls.hpp>
#include <grenache/net/web_access.hpp>

namespace grenache::net {

/// Why a connection ended or failed, in addition to system errors (connection refused, reset, …) and TLS
/// errors.
enum class WebSocketErrc {
  closed = 1,         // closed normally by either side
  connection_lost,    // lost without a close frame
  timed_out,          // not connected in time, or no progress in either direction for too long
  not_resolved,       // host name not found
  refused,            // the peer is not a WebSocket server, or not a WebSocket client
  malformed,          // not RFC 6455, or a text that is not UTF-8 (close 1002, 1007)
  message_too_large,  // close 1009
  queue_full,         // the peer reads too slowly
  stopped,            // our server was stopped before the connection ended
  evicted,            // our server evicted the connection for a new one
};
[[nodiscard]] std::string_view describe(WebSocketErrc code);
constexpr char const* category_name(WebSocketErrc) { return "grenache.websocket"; }
inline Error make_error_code(WebSocketErrc code) { return make_enum_error(code); }

/// Codes of close frames.
namespace close_code {
inline constexpr std::uint16_t kNormal = 1000;
inline constexpr std::uint16_t kGoingAway = 1001;
inline constexpr std::uint16_t kInternalError = 1011;
inline constexpr std::uint16_t kTryAgainLater = 1013;
}  // namespace close_code

/// Options of both sides. No extensions are used: Node.js' ws compresses only if both sides offer it.
struct WebSocketOptions {
  std::shared_ptr<TlsContext> tls;  // null: plain
  /// Size of an incoming message, all fragments together.
  std::size_t message_bytes_max = 8 * 1024 * 1024;
  /// Bytes of queued outgoing messages. A message that exceeds this closes the connection; the only message
  /// in the queue may be larger.
  std::size_t write_queue_bytes_max = 16 * 1024 * 1024;
  Duration idle_max = std::chrono::seconds{60};  // of silence; a ping is sent after half of it
  /// Grace time for sending one message, and for receiving the rest of an incomplete one; each is extended by
  /// the time that the bytes transferred so far take at `rate_min`.
  Duration write_max = std::chrono::seconds{30};
  Duration message_max = std::chrono::seconds{30};
  std::size_t rate_min = 16 * 1024;              // bytes per second, averaged; not 0. As in uWebSockets
  Duration close_max = std::chrono::seconds{5};  // for the reply to our close frame
};

class WebSocketChannel;  // private to the .cpp files

/// The sending side of an open connection. Thread-safe; every function may also be called after the
/// connection has ended.
class WebSocketSession : public std::enable_shared_from_this<WebSocketSession> {
 public:
  /// Marks a pending answer. A graceful stop waits for sessions with holds; a session with `hold_count_max`
  /// of them is not read, and one that has ended keeps its place among the connections until it has none. May
  /// be destroyed on any thread.
  class Hold {
   public:
    Hold() = default;
    Hold(Hold&&) noexcept = default;
    Hold& operator=(Hold&& other) noexcept {
      std::swap(session_, other.session_);
      std::swap(bytes_, other.bytes_);
      return *this;
    }
    ~Hold() {
      if (session_) session_->release(bytes_);
    }

   private:
    friend class WebSocketSession;
    Hold(std::shared_ptr<WebSocketSession> session, std::size_t bytes)
        : session_{std::move(session)}, bytes_{bytes} {}
    std::shared_ptr<WebSocketSession> session_;
    std::size_t bytes_ = 0;
  };

  WebSocketSession(Executor executor, std::size_t write_queue_bytes_max);
  WebSocketSession(WebSocketSession const&) = delete;
  WebSocketSession& operator=(WebSocketSession const&) = delete;
  ~WebSocketSession();

  /// Queues a message. It is sent as a text frame, or as a binary frame if it is not UTF-8, which would end
  /// the connection as text. Returns false when the connection has ended or is closing, and when the queue is
  /// full, which ends it.
  bool send(std::string message) { return send(std::make_shared<std::string const>(std::move(message))); }
  /// The same for a message that is sent to several sessions.
  bool send(std::shared_ptr<std::string const> message);

  /// Closes normally after the messages sent before.
  void close(std::uint16_t code = close_code::kNormal);

  /// `bytes` is the memory of the request until it is answered; it counts for Options::held_bytes_max.
  [[nodiscard]] Hold hold(std::size_t bytes = 0);

  [[nodiscard]] bool is_open() const;
  [[nodiscard]] bool is_held() const;
  /// Queued bytes that the system has not accepted yet, plus an overhead per message.
  [[nodiscard]] std::size_t queued_bytes() const;
  /// The sum of the bytes of its holds.
  [[nodiscard]] std::size_t held_bytes() const;

  [[nodiscard]] Endpoint const& peer() const { return peer_; }
  /// The path and query of the upgrade request; any is accepted.
  [[nodiscard]] std::string const& target() const { return target_; }
  /// The peer's certificate; nothing without TLS, or if it sent none.
  [[nodiscard]] std::optional<PeerCertificate> const& certificate() const { return certificate_; }
  /// The executor on which its handlers are called.
  [[nodiscard]] Executor const& executor() const { return executor_; }

  /// User data of this session, for a server's handlers on their thread.
  std::shared_ptr<void> context;

 private:
  friend class WebSocketChannel;
  using Message = std::shared_ptr<std::string const>;

  void release(std::size_t bytes);
  void wake_locked();

  Executor const executor_;
  std::size_t const write_queue_bytes_max_;
  Endpoint peer_;  // these three are set before the session is shared
  std::string target_;
  std::optional<PeerCertificate> certificate_;
  WebSocketChannel* channel_ = nullptr;  // used only on the thread of the executor

  mutable std::mutex mutex_;
  std::deque<Message> queue_;
  std::size_t queued_bytes_ = 0;  // in the queue and in the writer
  std::size_t hold_count_ = 0;
  std::size_t held_bytes_ = 0;
  std::uint16_t close_code_ = 0;  // 0: no close requested
  bool writer_awake_ = true;
  bool notify_on_release_ = false;  // a coroutine waits for fewer holds
  bool ended_ = false;
  bool awaits_release_ = false;  // has ended; a coroutine waits for the end of all holds
  bool release_posted_ = false;
};

/// Serves WebSocket on one port, on any path. One handler gets all messages, text and binary, with fragments
/// joined. Answers pings. Options bound what peers can make it hold.
///
/// Call its functions on the thread of the executor, unless documented otherwise. The destructor closes the
/// connections of a server that was not stopped and calls no handlers; with threads, a handler must not
/// destroy it.
class WebSocketServer {
 public:
  struct Options : WebSocketOptions {
    /// A further connection evicts another one: one in its handshake, or the session without holds that has
    /// been silent longest; if there is none, it is refused. A session that has ended counts until it has no
    /// holds. Lowered to the descriptor limit (descriptors.hpp); divided equally among the threads.
    std::size_t connection_count_max = 4096;
    /// Total bytes of incoming messages, holds and queued messages of all sessions, those below 64 KiB not
    /// counted; divided equally among the threads. When it is reached, sessions with more than that are not
    /// read until others have been served, except for one message at a time (see ByteBudget).
    std::size_t held_bytes_max = 256 * 1024 * 1024;
    /// Upper bound of the bytes of a hold per byte of its message. When `held_bytes_max` is reached, a
    /// message whose hold may exceed 64 KiB is not handled until there is room.
    std::size_t hold_bytes_per_byte = 1;
    std::size_t header_bytes_max = 16 * 1024;           // of the upgrade request
    Duration handshake_max = std::chrono::seconds{10};  // TLS and upgrade together
    std::size_t hold_count_max = 1024;                  // holds of one session: its requests in progress
    /// Number of own threads, over which sessions are distributed round-robin. 0: sessions run on the
    /// executor.
    unsigned threads = 0;
    /// Refuses sessions of web pages of other origins with 403; none: Host and Origin are not checked.
    std::optional<WebAccess> web_access;
  };

  using Session = std::shared_ptr<WebSocketSession>;

  /// Called on the thread of the session, sequentially per session; with threads, concurrently for different
  /// sessions. A message is not read before the handler of the previous one has returned. A handler that
  /// throws is counted, and ends the session with close 1011. Any of them may be null.
  struct Handlers {
    std::function<void(Session const& session)> on_open;
    std::function<void(Session const& session, std::string message)> on_message;
    /// Called once for each opened session, when it has ended.
    std::function<void(Session const& session, Error const& why)> on_close;
  };

  struct Counters {
    std::uint64_t connections = 0;  // accepted
    std::uint64_t evicted = 0;      // evicted for new connections
    std::uint64_t refused = 0;      // closed at once, because all others were being served
    std::uint64_t failed = 0;       // ended by an exception, such as bad_alloc
    /// TLS failed, the upgrade request was missing, bad or forbidden, or the connection was lost during it.
    std::uint64_t failed_upgrades = 0;
    std::uint64_t sessions = 0;          // opened
    std::uint64_t messages = 0;          // passed to the handler
    std::uint64_t malformed = 0;         // sessions ended by malformed frames
    std::uint64_t too_large = 0;         // sessions ended by a too large message
    std::uint64_t slow = 0;              // sessions ended because the peer read too slowly
    std::uint64_t timed_out = 0;         // upgrades and sessions that timed out
    std::uint64_t handler_failures = 0;  // handlers that threw
  };

  struct Impl;  // private to the .cpp

  WebSocketServer(Executor const& executor, Options options, Handlers handlers);
  ~WebSocketServer();
  WebSocketServer(WebSocketServer const&) = delete;
  WebSocketServer& operator=(WebSocketServer const&) = delete;

  /// Binds, listens and starts to serve; port 0 chooses a free one. Returns the local address, or an error.
  [[nodiscard]] Result<Endpoint> listen(Endpoint const& bind);
  [[nodiscard]] Endpoint local_endpoint() const;

  /// Stops accepting, passes no further messages to the handler, and closes each session with 1001 as soon as
  /// it has no holds and an empty queue; sessions left after `limit` are aborted. Completes with true when
  /// none was.
  [[nodiscard]] Awaitable<bool> stop(Duration limit);

  /// Thread-safe.
  [[nodiscard]] std::size_t session_count() const;
  /// The bytes that count for Options::held_bytes_max. Thread-safe.
  [[nodiscard]] std::size_t held_bytes() const;
  [[nodiscard]] Counters counters() const;

 private:
  std::shared_ptr<Impl> impl_;
};

/// A connection to a WebSocket server. Not thread-safe, except for session(). The destructor closes the
/// connection.
class WebSocketConnection {
 public:
  struct Options : WebSocketOptions {
    std::string path = "/ws";  // as in grenache-nodejs-ws
  };

  /// Resolves, connects and upgrades, until `deadline`.
  [[nodiscard]] static Awaitable<Result<WebSocketConnection>> connect(Executor executor, HostPort to,
                                                                      Options options, TimePoint deadline);

  WebSocketConnection(WebSocketConnection&&) noexcept;
  WebSocketConnection& operator=(WebSocketConnection&&) noexcept;
  ~WebSocketConnection();

  /// Returns the next message or an error, after which only errors follow. Answers pings and detects a dead
  /// peer only while it is called. One call at a time.
  [[nodiscard]] Awaitable<Result<std::string>> receive();

  /// For sending, from any thread.
  [[nodiscard]] std::shared_ptr<WebSocketSession> const& session() const;
  bool send(std::string message) { return session()->send(std::move(message)); }

  /// Closes normally; completes when the connection has ended, at the latest after `write_max` and
  /// `close_max`. May be called during receive().
  [[nodiscard]] Awaitable<void> close(std::uint16_t code = close_code::kNormal);
  /// Ends the connection at once; a running receive() gets `closed`.
  void drop();

 private:
  explicit WebSocketConnection(std::shared_ptr<WebSocketChannel> channel);
  std::shared_ptr<WebSocketChannel> channel_;
};

}  // namespace grenache::net

GRN_ERROR_CODE_ENUM(grenache::net::WebSocketErrc);
