// Implementation of HttpServer: workers and connections. For .cpp files of proto/grenache/net.
#pragma once

#include <array>
#include <atomic>
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <poll.h>

#include <grenache/net/deadline.hpp>
#include <grenache/net/http_server.hpp>
#include <grenache/net/http_wire.hpp>
#include <grenache/net/minimum_rate.hpp>
#include <grenache/net/request_check.hpp>
#include <grenache/net/stream.hpp>
#include <grenache/net/worker.hpp>

namespace grenache::net {

struct HttpConnection;

/// Constant settings shared by all connections of a server.
struct HttpSettings {
  HttpServer::Options options;
  HttpServer::Handler handler;
};

/// The `Date` header of RFC 9110, formatted once per second.
class DateText {
 public:
  std::string_view now();

 private:
  std::time_t seconds_ = -1;
  std::array<char, 40> text_{};
  std::size_t size_ = 0;
};

/// The connections of one thread.
///
/// Every kPollInterval it polls the system, in one call for all, whether the peers of requests in progress
/// are still connected. A request that is answered within that time costs only a comparison.
struct HttpWorker : Worker {
  HttpWorker(std::shared_ptr<HttpSettings const> s, Executor const& executor, Limits limits)
      : Worker{executor, limits}, settings{std::move(s)}, timer{executor} {}

  static constexpr Duration kPollInterval = std::chrono::milliseconds{100};

  void start(asio::ip::tcp::socket socket, Endpoint const& peer) override;
  void stopped() override { timer.cancel(); }
  /// A connection enters Phase::serving; its peer is checked from the second poll on. Does not throw.
  std::uint64_t served();
  void schedule_poll();
  void poll_peers();
  void abort_those_without_peer();

  std::shared_ptr<HttpSettings const> settings;
  Tally<HttpServer::Counters> tally;
  DateText date;
  asio::steady_timer timer;
  bool poll_scheduled = false;
  std::uint64_t poll_count = 0;
  /// This and the next are used only while polling; members to reuse their memory.
  std::vector<HttpConnection*> watched;
  std::vector<pollfd> sockets;
};

/// One connection; owned by its coroutine.
struct HttpConnection : Worker::Connection {
  using Phase = Worker::Phase;

  HttpConnection(std::shared_ptr<HttpWorker> w, asio::ip::tcp::socket accepted, Endpoint const& from);

  static Awaitable<void> run(std::unique_ptr<HttpConnection> self);

  using Parser = http::request_parser<http::string_body>;
  using PieceParser = http::request_parser<PieceBody>;
  enum class Read { request, stream, closed, malformed, unsupported, too_large, forbidden, timed_out };

  [[nodiscard]] HttpWorker& http_worker() const { return static_cast<HttpWorker&>(worker()); }
  [[nodiscard]] HttpServer::Options const& options() const { return http_worker().settings->options; }
  void count(std::uint64_t HttpServer::Counters::*what) const { http_worker().tally.count(what); }
  void cut(Cut why) override;
  void drain() override;
  void close() { stream.close(); }
  /// Closes the connection and cancels the handler after the peer has disconnected.
  void abort();
  void expire();
  void within(Duration limit) { deadline.set(steady_deadline(limit)); }
  /// The deadline of the body, or of the reply, after this many bytes since `begun`.
  void within(Duration grace, std::size_t bytes) {
    deadline.set(MinimumRate{grace, options().rate_min}.deadline(begun, bytes));
  }

  void skip_empty_lines();
  Awaitable<bool> handshake();
  Awaitable<void> serve();
  Awaitable<Read> read_request();
  /// Returns false for a request of a web page of another origin. Stores the origin that needs CORS headers.
  [[nodiscard]] bool is_allowed(RequestLines const& request);
  [[nodiscard]] bool wants_stream();
  /// Returns the error of the parsed header; `request` if it is valid.
  [[nodiscard]] Read check();
  /// Returns the parsed request without body.
  template <class Message>
  void describe(Message const& message, HttpRequest& out) const;
  Awaitable<bool> continue_if_expected(bool expected);
  /// Waits until the worker's budget has room for more of this request. Returns false after `body_max`
  /// without room, or when the connection was closed.
  Awaitable<bool> until_room();
  /// The same for the body being read; this time does not count for its deadline.
  Awaitable<bool> until_room_for_body();
  Awaitable<bool> answer(HttpReply const& reply, bool persistent, bool http_1_0, bool head_only);
  Awaitable<bool> write_large(asio::const_buffer body);
  Awaitable<void> refuse(HttpReply const& reply);
  /// Closes after the last reply so that the peer receives it; see Stream::linger().
  Awaitable<void> linger();
  /// A handler runs, and does not wait for the peer: from now on it is cancelled when the peer disconnects.
  void enter_serving();
  /// True for a CORS preflight request of a page of `cross_origin`.
  [[nodiscard]] bool is_preflight(HttpRequest const& request) const;
  /// Returns false when the connection ends.
  Awaitable<bool> serve_stream();
  Awaitable<void> send_error(Read outcome);
  /// Writes status line, Date and Connection; the caller adds the headers of the reply and the empty line.
  void begin_head(unsigned status, bool persistent, bool http_1_0);

  ByteBudget::Share held{worker().budget()};
  TaskGroup::Handle task;  // run()
  Stream stream;
  Deadline deadline;
  boost::beast::flat_buffer buffer;
  std::optional<Parser> parser;
  Feed feed;
  std::string head;
  std::string joined;  // for TLS
  Endpoint peer;
  std::optional<PeerCertificate> certificate;
  std::string cross_origin;  // origin of the page that sent this request; empty: our own page, or none
  TimePoint begun;           // start of the body, or of the reply
  std::size_t received = 0;  // since then
  std::optional<http::fields> fields;  // of a chunked request, without trailers
  bool keep_alive = false;             // according to the header of the request
  bool collecting = false;             // reading a complete request
  bool expired = false;
  bool answered_408 = false;
  bool aborted = false;
  bool watched = false;            // a handler is running that is cancelled when the peer disconnects
  std::uint64_t served_since = 0;  // the worker's poll_count when it entered Phase::serving
};

template <class Message>
void HttpConnection::describe(Message const& message, HttpRequest& out) const {
  out.method = message.method_string();
  out.target = path_of(message.target());
  out.peer = peer;
  out.certificate = certificate ? &*certificate : nullptr;
  out.fields = static_cast<http::fields const*>(&message);
}

/// True when the peer waits for 100 Continue before it sends the body. HTTP/1.0 has no such reply (RFC 9110
/// 10.1.1).
template <class Message>
[[nodiscard]] bool expects_continue(Message const& message) {
  return message.version() >= 11 && boost::beast::iequals(message[http::field::expect], "100-continue");
}

[[nodiscard]] inline bool has_body(unsigned status) {
  return status >= 200 && status != 204 && status != 304;
}

}  // namespace grenache::net
