// WebSocket (RFC 6455) in text messages: a server, and connections of a client.
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

/// Why a connection has ended or was not made, beside the failures of the operating system (connection
/// refused, reset, …) and of TLS, which are passed on.
enum class WebSocketErrc {
  closed = 1,         // in good order, by either side
  connection_lost,    // the other side went without a word
  timed_out,          // not connected in time; or nothing was heard, or could be written, for too long
  not_resolved,       // host name not found
  refused,            // what answered is no WebSocket server; what called is no WebSocket client
  malformed,          // not RFC 6455, or a text that is not UTF-8 (close 1002, 1007)
  message_too_large,  // close 1009
  queue_full,         // the other side reads too slowly
  stopped,            // our server was stopped before the connection had come to an end
  evicted,            // our server has closed it to make room for another
};
[[nodiscard]] std::string_view describe(WebSocketErrc code);
constexpr char const* category_name(WebSocketErrc) { return "grenache.websocket"; }
inline Error make_error_code(WebSocketErrc code) { return make_enum_error(code); }

/// Codes of close frames.
namespace close_code {
inline constexpr std::uint16_t kNormal = 1000;
inline constexpr std::uint16_t kGoingAway = 1001;
inline constexpr std::uint16_t kInternalError = 1011;
}  // namespace close_code

/// What the two sides have in common. No extension is spoken: Node's ws does not compress unless both sides
/// ask for it.
struct WebSocketOptions {
  std::shared_ptr<TlsContext> tls;  // null: plain
  /// Of one message that comes in, all fragments together.
  std::size_t message_bytes_max = 8 * 1024 * 1024;
  /// Of messages that were sent and that the system has not taken yet. One message more ends the connection,
  /// unless it is the only one.
  std::size_t write_queue_bytes_max = 16 * 1024 * 1024;
  Duration idle_max = std::chrono::seconds{60};  // of silence; a ping asks for a word after half of it
  /// For the system to take one message, and for the rest of a message whose beginning has come; each plus
  /// the time that what has gone so far takes at `rate_min`.
  Duration write_max = std::chrono::seconds{30};
  Duration message_max = std::chrono::seconds{30};
  std::size_t rate_min = 16 * 1024;              // bytes a second, averaged; not 0. As uWebSockets
  Duration close_max = std::chrono::seconds{5};  // for the answer to our close frame
};

class WebSocketChannel;  // of the .cpp files alone

/// One end of an open connection, as those see it who send. Every function may be called from any thread and
/// at any time, also after the connection has ended.
class WebSocketSession : public std::enable_shared_from_this<WebSocketSession> {
 public:
  /// An answer that is still to come. While a session of a server has one, a graceful stop leaves it open;
  /// with `hold_count_max` of them it is read no further. Goes from any thread.
  class Hold {
   public:
    Hold() = default;
    Hold(Hold&&) noexcept = default;
    Hold& operator=(Hold&& other) noexcept {
      std::swap(session_, other.session_);
      return *this;
    }
    ~Hold() {
      if (session_) session_->release();
    }

   private:
    friend class WebSocketSession;
    explicit Hold(std::shared_ptr<WebSocketSession> session) : session_{std::move(session)} {}
    std::shared_ptr<WebSocketSession> session_;
  };

  WebSocketSession(Executor executor, std::size_t write_queue_bytes_max);
  WebSocketSession(WebSocketSession const&) = delete;
  WebSocketSession& operator=(WebSocketSession const&) = delete;
  ~WebSocketSession();

  /// Queues a message. It goes out as a text frame; one that is not UTF-8 as a binary frame, because it would
  /// end the connection as text. False when the connection has ended or is being closed, and when the queue
  /// is full, which ends it.
  bool send(std::string message) { return send(std::make_shared<std::string const>(std::move(message))); }
  /// The same for a message that goes to many.
  bool send(std::shared_ptr<std::string const> message);

  /// Closes in good order after what was sent before.
  void close(std::uint16_t code = close_code::kNormal);

  [[nodiscard]] Hold hold();

  [[nodiscard]] bool is_open() const;
  [[nodiscard]] bool is_held() const;
  /// Bytes sent that the system has not taken yet, with a little for each message.
  [[nodiscard]] std::size_t queued_bytes() const;

  [[nodiscard]] Endpoint const& peer() const { return peer_; }
  /// The path and query of the upgrade request; any is accepted.
  [[nodiscard]] std::string const& target() const { return target_; }
  /// Of the other side; nothing without TLS, or when it showed none.
  [[nodiscard]] std::optional<PeerCertificate> const& certificate() const { return certificate_; }
  /// The thread that its handlers are called on.
  [[nodiscard]] Executor const& executor() const { return executor_; }

  /// For the handlers of a server, on their thread: what belongs to this session.
  std::shared_ptr<void> context;

 private:
  friend class WebSocketChannel;
  using Message = std::shared_ptr<std::string const>;

  void release();
  void wake_locked();

  Executor const executor_;
  std::size_t const write_queue_bytes_max_;
  Endpoint peer_;  // these three are set before anyone else sees the session
  std::string target_;
  std::optional<PeerCertificate> certificate_;
  WebSocketChannel* channel_ = nullptr;  // touched on the thread of the executor alone

  mutable std::mutex mutex_;
  std::deque<Message> queue_;
  std::size_t queued_bytes_ = 0;  // of the queue, and of what the writer has taken from it
  std::size_t hold_count_ = 0;
  std::uint16_t close_code_ = 0;  // 0: nobody has asked to close
  bool writer_awake_ = true;
  bool notify_on_release_ = false;  // somebody waits until there are fewer
  bool ended_ = false;
};

/// Serves WebSocket on one port, on any path. Text messages and binary ones, whole or in fragments, come to
/// one handler. Pings are answered. What a peer can make it hold is bounded by Options.
///
/// All calls are made on the thread of the executor given, unless a function says otherwise. Destroying a
/// server that was not stopped drops its connections, and calls no handler any more; a handler must not do it
/// when there are threads.
class WebSocketServer {
 public:
  struct Options : WebSocketOptions {
    /// A connection over it evicts another one: in its handshake, or else a session without holds that is
    /// silent longest, or is closed when there is none. Lowered to what the descriptor limit allows
    /// (descriptors.hpp); each thread has an equal share.
    std::size_t connection_count_max = 4096;
    /// Of messages that are coming in and of those queued for peers, of all sessions together, those below
    /// 64 KiB not counted; threads share it evenly. Over it, sessions with more than that are read no
    /// further until others have been served, one at a time excepted.
    std::size_t held_bytes_max = 256 * 1024 * 1024;
    std::size_t header_bytes_max = 16 * 1024;           // of the upgrade request
    Duration handshake_max = std::chrono::seconds{10};  // TLS and upgrade together
    std::size_t hold_count_max = 1024;                  // of one session: requests that it may have under way
    /// 0: sessions live on the executor given. Otherwise on so many threads of the server's own, in turn.
    unsigned threads = 0;
    /// Refuses sessions of foreign web pages with 403; null: Host and Origin are not looked at.
    std::optional<WebAccess> web_access;
  };

  using Session = std::shared_ptr<WebSocketSession>;

  /// Called on the thread of the session, one after the other; of different sessions at the same time when
  /// there are threads. A message is not read before the handler of the one before has returned. A handler
  /// that throws is counted, and ends the session with close 1011. Any may be null.
  struct Handlers {
    std::function<void(Session const& session)> on_open;
    std::function<void(Session const& session, std::string message)> on_message;
    /// Once for each session that was opened; nothing sent from now on arrives.
    std::function<void(Session const& session, Error const& why)> on_close;
  };

  struct Counters {
    std::uint64_t connections = 0;       // accepted so far
    std::uint64_t evicted = 0;           // closed to make room for others
    std::uint64_t refused = 0;           // closed at once: the limit was reached, and all others were served
    std::uint64_t failed = 0;            // ended by an exception, such as want of memory
    std::uint64_t failed_upgrades = 0;   // TLS failed, no or a bad upgrade request, or lost before its end
    std::uint64_t sessions = 0;          // opened
    std::uint64_t messages = 0;          // given to the handler
    std::uint64_t malformed = 0;         // sessions ended for it
    std::uint64_t too_large = 0;         // sessions ended by a message over the limit
    std::uint64_t slow = 0;              // sessions ended because the peer did not read
    std::uint64_t timed_out = 0;         // upgrades and sessions ended by the clock
    std::uint64_t handler_failures = 0;  // handlers that threw
  };

  struct Impl;  // of the .cpp alone

  WebSocketServer(Executor const& executor, Options options, Handlers handlers);
  ~WebSocketServer();
  WebSocketServer(WebSocketServer const&) = delete;
  WebSocketServer& operator=(WebSocketServer const&) = delete;

  /// Binds, listens and begins to serve; port 0 takes a free one. Returns the address it listens at, or why
  /// it cannot.
  [[nodiscard]] Result<Endpoint> listen(Endpoint const& bind);
  [[nodiscard]] Endpoint local_endpoint() const;

  /// Accepts no more, hands out no further message, and closes each session with 1001 as soon as nothing
  /// holds it and all it sent has gone; what is left after `limit` is cut off. True when nothing was.
  [[nodiscard]] Awaitable<bool> stop(Duration limit);

  /// From any thread.
  [[nodiscard]] std::size_t session_count() const;
  [[nodiscard]] Counters counters() const;

 private:
  std::shared_ptr<Impl> impl_;
};

/// A connection to a WebSocket server. One thread, that of its executor, but for what session() gives.
/// Destroying it drops the connection.
class WebSocketConnection {
 public:
  struct Options : WebSocketOptions {
    std::string path = "/ws";  // as grenache-nodejs-ws
  };

  /// Resolves, connects, and upgrades. Never later than `deadline`.
  [[nodiscard]] static Awaitable<Result<WebSocketConnection>> connect(Executor executor, HostPort to,
                                                                      Options options, TimePoint deadline);

  WebSocketConnection(WebSocketConnection&&) noexcept;
  WebSocketConnection& operator=(WebSocketConnection&&) noexcept;
  ~WebSocketConnection();

  /// The next message; or why there will be none. Pings are answered and a dead peer is noticed only while
  /// somebody receives. One at a time; after an error only errors follow.
  [[nodiscard]] Awaitable<Result<std::string>> receive();

  /// For sending; also from other threads.
  [[nodiscard]] std::shared_ptr<WebSocketSession> const& session() const;
  bool send(std::string message) { return session()->send(std::move(message)); }

  /// Closes in good order, and completes when the connection has gone: at the latest after `write_max` and
  /// `close_max`. May be called while somebody receives.
  [[nodiscard]] Awaitable<void> close(std::uint16_t code = close_code::kNormal);
  /// Ends the connection at once. Who receives gets `closed`.
  void drop();

 private:
  explicit WebSocketConnection(std::shared_ptr<WebSocketChannel> channel);
  std::shared_ptr<WebSocketChannel> channel_;
};

}  // namespace grenache::net

GRN_ERROR_CODE_ENUM(grenache::net::WebSocketErrc);
