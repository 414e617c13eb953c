// The inside of HttpServer: its workers and their connections. For .cpp files of proto/grenache/net.
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
#include <grenache/net/stream.hpp>
#include <grenache/net/worker.hpp>

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

/// The connections of one thread.
///
/// Every kLookEvery it asks the system, in one call for all, whether the peers of requests in progress are
/// still there. Requests that are answered within that time cost it nothing but a comparison.
struct HttpWorker : Worker {
  HttpWorker(std::shared_ptr<HttpSettings const> s, Executor const& executor, Limits limits)
      : Worker{executor, limits}, settings{std::move(s)}, timer{executor} {}

  static constexpr Duration kLookEvery = std::chrono::milliseconds{100};

  void start(asio::ip::tcp::socket socket, Endpoint const& peer) override;
  void stopped() override { timer.cancel(); }
  /// A request is given to a handler: its peer is to be looked at from the second look on.
  std::uint64_t served();
  void look_later();
  void look();
  void abort_those_without_peer();

  std::shared_ptr<HttpSettings const> settings;
  Tally<HttpServer::Counters> tally;
  DateText date;
  asio::steady_timer timer;
  bool will_look = false;
  std::uint64_t look_count = 0;
  std::vector<HttpConnection*> watched;  // this and the next only while it looks; kept for their memory
  std::vector<pollfd> sockets;
};

/// One connection; owned by its own coroutine.
struct HttpConnection : Worker::Connection {
  using Phase = Worker::Phase;

  HttpConnection(std::shared_ptr<HttpWorker> w, asio::ip::tcp::socket accepted, Endpoint const& from);

  static Awaitable<void> run(std::unique_ptr<HttpConnection> self);

  using Parser = http::request_parser<http::string_body>;
  using PieceParser = http::request_parser<PieceBody>;
  enum class Read { request, stream, closed, malformed, unsupported, too_large, forbidden, timed_out };

  [[nodiscard]] HttpWorker& here() const { return static_cast<HttpWorker&>(worker()); }
  [[nodiscard]] HttpServer::Options const& options() const { return here().settings->options; }
  void count(std::uint64_t HttpServer::Counters::*what) const { here().tally.count(what); }
  void cut(Cut) override { close(); }
  void wind_up() override;
  void close() { stream.close(); }
  /// The peer has gone while a handler works for it: closes the connection and cancels the handler.
  void abort();
  void expire();
  void within(Duration limit) { deadline.set(steady_deadline(limit)); }
  /// Of the body, or of the reply, that has moved so many bytes since `begun`.
  void within(Duration grace, std::size_t bytes) {
    deadline.set(MinimumRate{grace, options().rate_min}.deadline(begun, bytes));
  }

  void skip_empty_lines();
  Awaitable<bool> shake_hands();
  Awaitable<void> serve();
  Awaitable<Read> read_request();
  /// False when the header that was read is of a foreign web page. Notes the origin that needs CORS headers.
  [[nodiscard]] bool is_allowed();
  [[nodiscard]] bool wants_stream();
  /// What is wrong with the header that was read; `request` when nothing is.
  [[nodiscard]] Read check_header();
  /// The head of what the parser has read, body empty.
  template <class Message>
  void describe(Message const& message, HttpRequest& out) const;
  Awaitable<bool> continue_if_expected(bool expected);
  /// Until the worker's budget has room for more of this request. False when it has none for `body_max`, or
  /// the connection was cut.
  Awaitable<bool> until_room();
  /// The same for the body that is being read; its time does not run meanwhile.
  Awaitable<bool> until_room_for_body();
  /// False when the peer has gone or the deadline has passed.
  Awaitable<bool> read_some();
  Awaitable<bool> answer(HttpReply const& reply, bool keep_alive, bool http_1_0, bool head_only);
  Awaitable<bool> write_large(asio::const_buffer body);
  Awaitable<void> refuse(HttpReply const& reply);
  /// After the last reply, so that the peer sees it: Stream::linger().
  Awaitable<void> linger();
  Awaitable<HttpReply> handle(HttpRequest& request);
  /// A browser asks whether a page of `cross_origin` may send its request.
  [[nodiscard]] bool is_preflight(HttpRequest const& request) const;
  /// False: the connection ends.
  Awaitable<bool> serve_stream();
  Awaitable<void> end_badly(Read outcome);
  /// Status line, Date and Connection; the headers of the reply and the empty line are for the caller.
  void begin_head(unsigned status, bool keep_alive, bool http_1_0);

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
  std::string cross_origin;            // of the page that has sent this request; empty: our own page, or none
  TimePoint begun;                     // when the body, or the reply, began
  std::size_t received = 0;            // since then
  std::optional<http::fields> fields;  // of a chunked request, without its trailer
  bool keep_alive = false;             // as the header of the request has it
  bool collecting = false;             // reads a request that is to be whole
  bool expired = false;
  bool told = false;  // that it is too slow
  bool aborted = false;
  bool watched = false;            // a handler makes a reply
  std::uint64_t served_since = 0;  // the worker's look_count then
};

/// "host/path" of a target "http://host/path"; empty when it is none.
[[nodiscard]] std::string_view authority_and_path(std::string_view target);
/// The path and query of a target, which may be absolute (RFC 9112 3.2.2): "http://host/path".
[[nodiscard]] std::string_view path_of(std::string_view target);

template <class Message>
void HttpConnection::describe(Message const& message, HttpRequest& out) const {
  out.method = message.method_string();
  out.target = path_of(message.target());
  out.peer = peer;
  out.certificate = certificate ? &*certificate : nullptr;
  out.fields = static_cast<http::fields const*>(&message);
}

/// The peer waits for 100 Continue before it sends the body. HTTP/1.0 knows no such reply (RFC 9110 10.1.1).
template <class Message>
[[nodiscard]] bool expects_continue(Message const& message) {
  return message.version() >= 11 && boost::beast::iequals(message[http::field::expect], "100-continue");
}

[[nodiscard]] inline bool has_body(unsigned status) {
  return status >= 200 && status != 204 && status != 304;
}

}  // namespace grenache::net
