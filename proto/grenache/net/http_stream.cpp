#include <grenache/base/check.hpp>
#include <grenache/net/http_client_impl.hpp>

namespace grenache::net {

namespace {

using Impl = HttpClient::Impl;

}  // namespace

/// Shared by the handle and its running calls.
struct HttpStream::State {
  State(std::shared_ptr<Impl> i, Impl::Lease l, bool head_only)
      : impl{std::move(i)},
        lease{std::move(l)},
        skip_body{head_only},
        idle{lease->connection->deadline, impl->options.stream_idle_max} {
    begin_response();
  }

  [[nodiscard]] Impl::Connection& connection() { return *lease->connection; }
  void begin_response();
  void close();
  void release_if_done();
  Awaitable<Error> read_more();
  Awaitable<Error> read_head();

  static Awaitable<Result<void>> write(std::shared_ptr<State> self, std::string_view piece);
  static Awaitable<Result<void>> finish(std::shared_ptr<State> self);
  static Awaitable<Result<HttpResponse>> response(std::shared_ptr<State> self);
  static Awaitable<Result<std::string_view>> read(std::shared_ptr<State> self);

  std::shared_ptr<Impl> impl;
  std::optional<Impl::Lease> lease;  // until both directions have ended
  bool skip_body;
  IdleWatch idle;
  PieceWriter writer{true};
  std::optional<http::response_parser<PieceBody>> parser;
  Feed feed;
  HttpResponse head;
  bool head_read = false;
  bool sent = false;
  bool received = false;
  Error send_failure;
  Error receive_failure;
};

void HttpStream::State::begin_response() {
  parser.emplace();
  feed = {};
  parser->header_limit(static_cast<std::uint32_t>(impl->options.header_bytes_max));
  parser->body_limit(boost::none);
  parser->eager(false);
  parser->skip(skip_body);
}

/// Closes the connection; running calls fail.
void HttpStream::State::close() {
  if (!lease) return;
  if (!send_failure) send_failure = asio::error::operation_aborted;
  if (!receive_failure) receive_failure = asio::error::operation_aborted;
  connection().idle_max = Duration::zero();
  connection().close();
}

/// Returns the connection to its pool when both directions have ended.
void HttpStream::State::release_if_done() {
  if (sent && received) lease.reset();
}

Awaitable<Error> HttpStream::State::read_more() {
  Impl::Connection& from = connection();
  std::size_t const size_max = room(from.buffer, kPieceBytes);
  if (size_max == 0) co_return HttpClientErrc::malformed_response;
  auto const [failure, size] = co_await from.stream.async_read_some(from.buffer.prepare(size_max), kTuple);
  from.buffer.commit(size);
  if (failure == asio::error::eof && head_read) {
    Error error;
    parser->put_eof(error);  // complete if the end of the connection delimits the body
    if (error) co_return HttpClientErrc::connection_lost;
  } else if (failure) {
    co_return from.reason(failure);
  }
  idle.moved();
  co_return Error{};
}

Awaitable<Error> HttpStream::State::read_head() {
  auto& buffer = connection().buffer;
  while (!head_read) {
    Error error;
    if (buffer.size() > 0) buffer.consume(feed(*parser, buffer.data(), error));
    if (error && error != http::error::need_more) co_return HttpClientErrc::malformed_response;
    if (!parser->is_header_done()) {
      error = co_await read_more();
      if (error) co_return error;
      continue;
    }
    if (parser->get().result_int() < 200) {
      begin_response();  // 100 Continue and the like precede the response
      continue;
    }
    head_read = true;
  }
  head.status = parser->get().result_int();
  for (auto const& field : parser->get()) {
    head.headers.emplace_back(std::string_view{field.name_string()}, std::string_view{field.value()});
  }
  co_return Error{};
}

Awaitable<Result<void>> HttpStream::State::write(std::shared_ptr<State> self, std::string_view piece) {
  GRN_CHECK(!self->sent);
  if (self->send_failure) co_return self->send_failure;
  Impl::UnderWay const count{*self->impl};
  IdleWatch::Wait const wait{self->idle};
  auto const progress = [&] { self->idle.moved(); };
  Error const error = co_await self->writer.write(self->connection().stream, piece, progress);
  if (!error) co_return Result<void>{};
  self->send_failure = self->connection().reason(error);
  co_return self->send_failure;
}

Awaitable<Result<void>> HttpStream::State::finish(std::shared_ptr<State> self) {
  GRN_CHECK(!self->sent);
  if (self->send_failure) co_return self->send_failure;
  Impl::UnderWay const count{*self->impl};
  {
    IdleWatch::Wait const wait{self->idle};
    Error const error = co_await self->writer.finish(self->connection().stream);
    if (error) self->send_failure = self->connection().reason(error);
  }
  if (self->send_failure) co_return self->send_failure;
  self->sent = true;
  self->release_if_done();
  co_return Result<void>{};
}

Awaitable<Result<HttpResponse>> HttpStream::State::response(std::shared_ptr<State> self) {
  if (self->receive_failure) co_return self->receive_failure;
  if (self->head_read) co_return self->head;
  Impl::UnderWay const count{*self->impl};
  IdleWatch::Wait const wait{self->idle};
  self->receive_failure = co_await self->read_head();
  if (self->receive_failure) co_return self->receive_failure;
  co_return self->head;
}

Awaitable<Result<std::string_view>> HttpStream::State::read(std::shared_ptr<State> self) {
  if (!self->head_read) {
    auto const answered = co_await response(self);
    if (!answered) co_return answered.error();
  }
  if (self->receive_failure) co_return self->receive_failure;
  if (self->received) co_return std::string_view{};
  Impl::UnderWay const count{*self->impl};
  for (;;) {
    Error error;
    std::string_view const piece = next_piece(self->feed, *self->parser, self->connection().buffer, error);
    if (!piece.empty()) co_return piece;
    if (!error && self->parser->is_done()) break;
    if (error) {
      error = HttpClientErrc::malformed_response;
    } else {
      IdleWatch::Wait const wait{self->idle};
      error = co_await self->read_more();
    }
    self->receive_failure = error;
    if (error) co_return error;
  }
  self->received = true;
  self->connection().update_idle_max(*self->parser);
  self->release_if_done();
  co_return std::string_view{};
}

Awaitable<Error> HttpClient::Impl::begin_stream(std::shared_ptr<Impl> self, HttpCall const& call,
                                                std::optional<Lease>& lease) {
  if (call.timeout <= Duration::zero()) co_return HttpClientErrc::timed_out;
  TimePoint const deadline = steady_deadline(call.timeout);
  std::string const host = host_text(call.destination);
  if (!is_valid(call, host)) co_return HttpClientErrc::invalid_request;
  std::string head = head_of(call, host);
  head.append("\r\nTransfer-Encoding: chunked\r\n\r\n");
  Error const refused = co_await acquire(self, host, deadline, lease);
  if (refused) co_return refused;
  if (!lease->connection) {
    lease->connection = std::make_unique<Connection>(*self, host);
    Error const unreachable = co_await connect(self, call.destination, deadline, *lease->connection);
    if (unreachable) co_return unreachable;
  }
  Connection& connection = *lease->connection;
  connection.idle_max = Duration::zero();  // not reused unless both directions end
  connection.deadline.set(deadline);
  auto const [error, size] = co_await asio::async_write(connection.stream, asio::buffer(head), kTuple);
  if (error) co_return connection.reason(error);
  connection.deadline.clear();
  co_return Error{};
}

Awaitable<Result<HttpStream>> HttpClient::Impl::open_stream(std::shared_ptr<Impl> self, HttpCall head) {
  if (self->stopping) co_return HttpClientErrc::stopped;
  UnderWay const count{*self};
  ++self->counters.requests;
  std::optional<Lease> lease;
  Error const error = co_await begin_stream(self, head, lease);
  if (error) co_return error;
  bool const head_only = head.method == "HEAD";
  co_return HttpStream{std::make_shared<HttpStream::State>(self, std::move(*lease), head_only)};
}

HttpStream::HttpStream(std::shared_ptr<State> state) : state_{std::move(state)} {}
HttpStream::HttpStream(HttpStream&&) noexcept = default;

HttpStream& HttpStream::operator=(HttpStream&& other) noexcept {
  if (state_) state_->close();
  state_ = std::move(other.state_);
  return *this;
}

HttpStream::~HttpStream() {
  if (state_) state_->close();
}

void HttpStream::close() { state_->close(); }
Awaitable<Result<void>> HttpStream::write(std::string_view piece) { return State::write(state_, piece); }
Awaitable<Result<void>> HttpStream::finish() { return State::finish(state_); }
Awaitable<Result<HttpResponse>> HttpStream::response() { return State::response(state_); }
Awaitable<Result<std::string_view>> HttpStream::read() { return State::read(state_); }

}  // namespace grenache::net
