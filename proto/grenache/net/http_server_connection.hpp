// The inside of HttpServer: its lanes and their connections. For .cpp files of proto/grenache/net.
#pragma once

#include <array>
#include <atomic>
#include <ctime>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <grenache/net/deadline.hpp>
#include <grenache/net/http_server.hpp>
#include <grenache/net/http_wire.hpp>
#include <grenache/net/stream.hpp>
#include <grenache/net/task_group.hpp>

namespace grenache::net {

struct HttpConnection;

/// What all connections of a server share. Nothing in it changes.
struct HttpSettings {
  HttpServer::Options options;
  HttpServer::Handler handler;
};

/// `Date` of RFC 9110, made once a second.
class DateText {
 public:
  std::string_view now();

 private:
  std::time_t seconds_ = -1;
  std::array<char, 40> text_{};
  std::size_t size_ = 0;
};

/// The connections of one thread. Owned by the server and by each of its connections.
struct HttpLane : std::enable_shared_from_this<HttpLane> {
  using Connections = std::list<HttpConnection*>;
  using Counters = HttpServer::Counters;

  HttpLane(std::shared_ptr<HttpSettings const> s, Executor const& e, std::size_t max)
      : settings{std::move(s)}, executor{e}, connection_count_max{max}, tasks{e} {}

  void admit(asio::ip::tcp::socket socket, Endpoint const& peer);
  bool evict();
  void close_all();
  static Awaitable<bool> stop(std::shared_ptr<HttpLane> self, Duration limit);

  /// Only the thread of the lane counts; any may read.
  void count(std::uint64_t Counters::*what) {
    std::atomic_ref const counter{counters.*what};
    counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t counted(std::uint64_t Counters::*what) {
    return std::atomic_ref{counters.*what}.load(std::memory_order_relaxed);
  }

  std::shared_ptr<HttpSettings const> settings;
  Executor executor;
  std::size_t connection_count_max;
  TaskGroup tasks;
  Connections silent;  // that wait for their peers; the one that waits longest is first
  Connections busy;
  std::atomic<std::size_t> connection_count{0};
  Counters counters;
  DateText date;
  bool stopping = false;
};

/// One connection; owned by its own coroutine, known to its lane through a list.
struct HttpConnection {
  HttpConnection(std::shared_ptr<HttpLane> l, asio::ip::tcp::socket accepted, Endpoint const& from);
  ~HttpConnection();
  HttpConnection(HttpConnection const&) = delete;
  HttpConnection& operator=(HttpConnection const&) = delete;

  static Awaitable<void> run(std::unique_ptr<HttpConnection> self);

  using Parser = http::request_parser<http::string_body>;
  using PieceParser = http::request_parser<PieceBody>;
  enum class Read { request, stream, closed, malformed, too_large, forbidden };
  /// What it waits for: the TLS handshake, its next request, the rest of one, or us.
  enum class Phase { handshake, idle, reading, busy };

  [[nodiscard]] HttpServer::Options const& options() const { return lane->settings->options; }
  void close() { stream.close(); }
  void expire();
  void within(Duration limit) { deadline.set(steady_now() + limit); }
  void enter(Phase next);
  [[nodiscard]] HttpLane::Connections& in(Phase any) const {
    return any == Phase::busy ? lane->busy : lane->silent;
  }

  Awaitable<bool> shake_hands();
  Awaitable<void> serve();
  Awaitable<Read> read_request();
  /// False when the header that was read is of a foreign web page. Notes the origin that needs CORS headers.
  [[nodiscard]] bool is_allowed();
  [[nodiscard]] bool wants_stream();
  /// True when the header names an encoding that Beast takes for none: a proxy before us may see another end
  /// of the request than we do.
  [[nodiscard]] bool is_ambiguous() const;
  /// The head of what the parser has read, body empty.
  template <class Message>
  void describe(Message const& message, HttpRequest& out) const;
  Awaitable<bool> continue_if_expected(bool expected);
  /// False when the peer has gone or the deadline has passed.
  Awaitable<bool> read_some();
  Awaitable<bool> answer(HttpReply const& reply, bool keep_alive, bool http_1_0, bool head_only);
  Awaitable<void> refuse(HttpReply const& reply);
  /// Closes for sending and reads on for a moment: closing with unread bytes would reset the connection, and
  /// the peer might never see the last of what was sent.
  Awaitable<void> linger();
  Awaitable<HttpReply> handle(HttpRequest& request);
  /// A browser asks whether a page of `cross_origin` may send its request.
  [[nodiscard]] bool is_preflight(HttpRequest const& request) const;
  /// False: the connection ends.
  Awaitable<bool> serve_stream();
  Awaitable<void> end_badly(Read outcome);
  /// Status line, Date and Connection; the headers of the reply and the empty line are for the caller.
  void begin_head(unsigned status, bool keep_alive, bool http_1_0);

  std::shared_ptr<HttpLane> lane;
  Stream stream;
  Deadline deadline;
  boost::beast::flat_buffer buffer;
  std::optional<Parser> parser;
  Feed feed;
  std::string head;
  std::string joined;  // for TLS
  Endpoint peer;
  std::optional<PeerCertificate> certificate;
  std::string cross_origin;  // of the page that has sent this request; empty: our own page, or none
  HttpLane::Connections::iterator place;
  Phase phase = Phase::busy;
  bool expired = false;
};

template <class Message>
void HttpConnection::describe(Message const& message, HttpRequest& out) const {
  out.method = message.method_string();
  out.target = message.target();
  out.peer = peer;
  out.certificate = certificate ? &*certificate : nullptr;
  out.fields = static_cast<http::fields const*>(&message);
}

[[nodiscard]] inline bool has_body(unsigned status) {
  return status >= 200 && status != 204 && status != 304;
}

}  // namespace grenache::net
