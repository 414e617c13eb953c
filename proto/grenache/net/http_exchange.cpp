#include <grenache/base/check.hpp>
#include <grenache/net/http_server_connection.hpp>

namespace grenache::net {

struct HttpExchange::Impl {
  /// An operation that waits for the peer, during which the connection can be evicted.
  class Wait {
   public:
    Wait(Impl& impl, HttpConnection::Phase phase) : impl_{impl}, idle_{impl.idle} {
      ++impl_.wait_count;
      impl_.connection.enter(phase);
    }
    ~Wait() {
      if (--impl_.wait_count == 0) impl_.connection.enter_serving();
    }
    Wait(Wait const&) = delete;
    Wait& operator=(Wait const&) = delete;

    void progress() {
      impl_.idle.moved();
      impl_.connection.enter(impl_.connection.phase());
    }

   private:
    Impl& impl_;
    IdleWatch::Wait idle_;
  };

  explicit Impl(HttpConnection& c)
      : connection{c},
        parser{std::move(*c.parser)},
        fields{static_cast<http::fields const&>(parser.get())},
        http_1_0{parser.get().version() < 11},
        head_only{parser.get().method() == http::verb::head},
        wants_continue{expects_continue(parser.get())},
        keep_alive{parser.keep_alive() && !c.worker().stopping()},
        writer{!http_1_0},
        idle{c.deadline, c.options().stream_idle_max} {
    c.describe(parser.get(), request);
    request.fields = &fields;
  }

  /// Maps the `error` of an operation to the error that the handler gets, and keeps it in `failure`.
  [[nodiscard]] Error reason(Error const& error) {
    bool const cut = is_end_of_stream(error);
    failure = error;
    if (cut) failure = HttpServerErrc::connection_lost;
    if (connection.expired) failure = HttpServerErrc::timed_out;
    return failure;
  }

  Awaitable<Result<std::string_view>> read();
  Awaitable<Result<void>> begin(unsigned status, HttpHeaders headers);
  Awaitable<Result<void>> write(std::string_view piece);
  Awaitable<Result<void>> finish();
  Awaitable<void> answer_instead(bool handler_failed);

  HttpConnection& connection;
  HttpConnection::PieceParser parser;
  http::fields fields;  // without trailers
  HttpRequest request;
  bool http_1_0;
  bool head_only;
  bool wants_continue;  // the peer waits for 100 Continue before it sends the body
  bool keep_alive;
  Error failure;  // the error of the last operation that failed
  bool begun = false;
  bool finished = false;
  bool without_body = false;  // the reply has no body; what is written is discarded
  PieceWriter writer;
  IdleWatch idle;
  int wait_count = 0;
};

Awaitable<Result<std::string_view>> HttpExchange::Impl::read() {
  Wait wait{*this, HttpConnection::Phase::reading};
  if (wants_continue && !parser.is_done()) {
    wants_continue = false;
    bool const writable = co_await connection.continue_if_expected(true);
    if (!writable) co_return reason(asio::error::eof);
  }
  for (;;) {
    Error error;
    std::string_view const piece = next_piece(connection.feed, parser, connection.buffer, error);
    if (error) co_return reason(HttpServerErrc::malformed_request);
    if (!piece.empty() || parser.is_done()) co_return piece;
    std::size_t const size_max = room(connection.buffer, kPieceBytes);
    if (size_max == 0) co_return reason(HttpServerErrc::malformed_request);
    auto const [broken, size] =
        co_await connection.stream.async_read_some(connection.buffer.prepare(size_max), kTuple);
    connection.buffer.commit(size);
    if (broken) co_return reason(broken);
    wait.progress();
  }
}

Awaitable<Result<void>> HttpExchange::Impl::begin(unsigned status, HttpHeaders headers) {
  GRN_CHECK(!begun);
  if (!is_valid(headers)) co_return reason(HttpServerErrc::invalid_header);
  begun = true;
  if (http_1_0) keep_alive = false;  // the end of the connection delimits the reply
  without_body = head_only || !has_body(status);
  connection.begin_head(status, keep_alive, http_1_0);
  append_headers(connection.head, headers);
  if (!http_1_0 && has_body(status)) connection.head += "\r\nTransfer-Encoding: chunked";
  connection.head += "\r\n\r\n";
  wants_continue = false;
  Wait const wait{*this, HttpConnection::Phase::writing};
  auto const [error, size] =
      co_await asio::async_write(connection.stream, asio::buffer(connection.head), kTuple);
  if (error) co_return reason(error);
  co_return Result<void>{};
}

Awaitable<Result<void>> HttpExchange::Impl::write(std::string_view piece) {
  GRN_CHECK(begun && !finished);
  if (without_body) co_return Result<void>{};
  Wait wait{*this, HttpConnection::Phase::writing};
  auto const progress = [&wait] { wait.progress(); };
  Error const error = co_await writer.write(connection.stream, piece, progress);
  if (error) co_return reason(error);
  co_return Result<void>{};
}

Awaitable<Result<void>> HttpExchange::Impl::finish() {
  GRN_CHECK(begun && !finished);
  Wait const wait{*this, HttpConnection::Phase::writing};
  Error error;
  if (!without_body) error = co_await writer.finish(connection.stream);
  if (error) co_return reason(error);
  finished = true;
  co_return Result<void>{};
}

/// Sends an error reply for a handler that has sent nothing.
Awaitable<void> HttpExchange::Impl::answer_instead(bool handler_failed) {
  HttpReply reply;
  reply.status = 500;
  if (failure == HttpServerErrc::malformed_request) {
    connection.count(&HttpServer::Counters::malformed);
    reply = connection.options().malformed;
  } else if (failure && failure != HttpServerErrc::invalid_header && !handler_failed) {
    co_return;
  } else {
    connection.count(&HttpServer::Counters::handler_failures);
  }
  co_await connection.refuse(reply);
}

Awaitable<bool> HttpConnection::serve_stream() {
  HttpExchange::Impl impl{*this};
  HttpExchange exchange{impl};
  count(&HttpServer::Counters::requests);
  deadline.clear();
  watched = true;
  enter_serving();
  bool failed = false;
  try {
    co_await options().stream_handler(exchange);
  } catch (...) {
    failed = true;
  }
  watched = false;
  if (aborted) co_return false;
  if (!impl.begun) {
    co_await impl.answer_instead(failed);
    co_return false;
  }
  if (failed) count(&HttpServer::Counters::handler_failures);
  if (failed || !impl.finished) co_return false;
  if (impl.keep_alive && impl.parser.is_done()) co_return !worker().stopping();
  co_await linger();
  co_return false;
}

HttpRequest const& HttpExchange::request() const { return impl_.request; }
Awaitable<Result<std::string_view>> HttpExchange::read() { return impl_.read(); }
Awaitable<Result<void>> HttpExchange::begin(unsigned status, HttpHeaders headers) {
  return impl_.begin(status, std::move(headers));
}
Awaitable<Result<void>> HttpExchange::write(std::string_view piece) { return impl_.write(piece); }
Awaitable<Result<void>> HttpExchange::finish() { return impl_.finish(); }

}  // namespace grenache::net
