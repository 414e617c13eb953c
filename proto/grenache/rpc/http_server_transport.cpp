#include <algorithm>
#include <exception>
#include <mutex>
#include <optional>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>

#include <grenache/json/memory_bytes.hpp>
#include <grenache/json/rpc_envelope.hpp>
#include <grenache/net/async_event.hpp>
#include <grenache/net/byte_budget.hpp>
#include <grenache/net/gzip.hpp>
#include <grenache/net/http_server.hpp>
#include <grenache/rpc/service.hpp>

namespace grenache::rpc {

namespace asio = boost::asio;
using json::RpcEnvelopeErrc;
using net::Awaitable;
using net::HttpReply;
using net::HttpRequest;

namespace {

constexpr std::string_view kTooLargeBody = "[null, \"ERR_REQUEST_SIZE\", null]";
constexpr std::string_view kForbiddenBody = "[null, \"ERR_REQUEST_FORBIDDEN\", null]";
constexpr std::string_view kHandlerFailed = "[null, \"ERR_REQUEST_HANDLER\", null]";

// The limits of a gzipped request; see ServerOptions::expanded_bytes_max. Expanding and parsing run on the
// thread of the connection, which serves nobody else meanwhile.
constexpr std::size_t kExpandedBytesFree = 1024 * 1024;
constexpr std::size_t kExpandedBytesPerByte = 64;
constexpr std::size_t kValuesFree = 100'000;
constexpr std::size_t kValuesPerByte = 4;

HttpReply refusal(Service& service, RpcEnvelopeErrc code) {
  bool const of_header = code == RpcEnvelopeErrc::header_parse_gr;
  ++(of_header ? service.bad_gr_header : service.not_json);
  HttpReply reply;
  reply.status = of_header ? 500 : 400;
  reply.body = json::rpc_refusal(code);
  return reply;
}

/// Returns the request without rid, key and payload.
Request request_of(Service const& service, HttpRequest const& http) {
  Request request;
  request.transport = service.options.transport;
  request.peer = http.peer;
  if (http.certificate) request.certificate = *http.certificate;
  request.action = http.header("_a");
  if (http.has_header("_ar")) {
    auto args = json::parse(http.header("_ar"));
    if (args) request.args = std::move(*args);
  }
  return request;
}

/// Passes the reply of a responder, which may come on any thread, to the coroutine that waits for it.
class ReplySlot {
 public:
  explicit ReplySlot(net::Executor const& executor) : executor_{executor}, arrived_{executor} {}

  void set_reply(Reply reply) {
    std::lock_guard const lock{mutex_};
    reply_ = std::move(reply);
    if (has_waiter_) asio::post(executor_, [self = self_.lock()] { self->arrived_.notify_all(); });
  }

  /// Returns the reply, or nothing when the wait was cancelled.
  static Awaitable<std::optional<Reply>> wait(std::shared_ptr<ReplySlot> self) {
    self->self_ = self;
    WaitScope const scope{*self};
    while (!self->has_reply()) {
      net::Wake const wake = co_await self->arrived_.wait();
      if (wake == net::Wake::cancelled) co_return std::nullopt;
    }
    co_return std::move(self->reply_);
  }

 private:
  /// Marks that wait() is running. Only then may the executor be used; it may be destroyed soon after.
  struct WaitScope {
    explicit WaitScope(ReplySlot& s) : slot{s} { set(true); }
    ~WaitScope() { set(false); }
    WaitScope(WaitScope const&) = delete;
    WaitScope& operator=(WaitScope const&) = delete;
    void set(bool now) const {
      std::lock_guard const lock{slot.mutex_};
      slot.has_waiter_ = now;
    }
    ReplySlot& slot;
  };

  bool has_reply() {
    std::lock_guard const lock{mutex_};
    return reply_.has_value();
  }

  net::Executor executor_;
  net::AsyncEvent arrived_;
  std::weak_ptr<ReplySlot> self_;
  std::mutex mutex_;
  std::optional<Reply> reply_;
  bool has_waiter_ = false;
};

Awaitable<Reply> call_back(std::shared_ptr<Service> const& service, Request request) {
  net::Executor const executor = co_await asio::this_coro::executor;
  auto slot = std::make_shared<ReplySlot>(executor);
  auto deliver = [slot](Reply reply) { slot->set_reply(std::move(reply)); };
  auto state = std::make_unique<Responder::State>(service, std::move(deliver));
  service->call_back(std::move(request), std::move(state));
  auto reply = co_await ReplySlot::wait(slot);
  if (!reply) co_return Reply::failure("ERR_STOPPED");
  co_return std::move(*reply);
}

/// Expands a gzipped body, and returns the limits for parsing it. Like Node.js, uses a body that cannot be
/// decompressed as it is. So a decompression bomb is not expanded either, and is refused as invalid JSON.
json::ParseLimits expand(std::string& body, std::size_t expanded_bytes_max) {
  json::ParseLimits limits;
  std::size_t const bytes_max = std::max(kExpandedBytesFree, kExpandedBytesPerByte * body.size());
  std::size_t const values_max = std::max(kValuesFree, kValuesPerByte * body.size());
  limits.value_count_max = std::min(limits.value_count_max, values_max);
  auto expanded = net::gunzip(body, std::min(bytes_max, expanded_bytes_max));
  if (expanded) body = std::move(*expanded);
  return limits;
}

Awaitable<HttpReply> handle(std::shared_ptr<Service> service, HttpRequest& http) {
  bool const compressed = http.header("grc-compress").find("gzip") != std::string_view::npos;
  bool const is_small = http.body.size() * json::kMemoryPerTextByte <= net::ByteBudget::kFreeBytes;
  if (compressed || !is_small) {
    bool const has_room = co_await http.until_room();
    if (!has_room) {
      HttpReply busy;
      busy.status = 503;
      co_return busy;
    }
  }
  json::ParseLimits limits;
  if (compressed) limits = expand(http.body, service->options.expanded_bytes_max);
  auto envelope = json::parse_rpc_request(http.body, limits);
  std::string{}.swap(http.body);  // from now on what was parsed counts
  if (http.has_header("_gr")) {
    json::RpcRequestEnvelope unused;
    auto const applied = json::apply_gr_header(http.header("_gr"), envelope ? *envelope : unused);
    if (!applied) co_return refusal(*service, RpcEnvelopeErrc::header_parse_gr);
  }
  if (!envelope) co_return refusal(*service, RpcEnvelopeErrc::request_parse);

  ++service->requests;
  Request request = request_of(*service, http);
  http.set_held(memory_of(*envelope) + json::memory_bytes(request.args));
  request.rid = envelope->rid;  // copied: the handler may move from its request
  request.key = std::move(envelope->key);
  request.payload = std::move(envelope->payload);
  Reply outcome;
  if (service->handler) {
    outcome = co_await service->call(request);
  } else {
    outcome = co_await call_back(service, std::move(request));
  }
  HttpReply reply;
  reply.body = reply_text(envelope->rid, outcome);
  if (compressed) reply.body = net::gzip(reply.body);
  co_return reply;
}

bool is_stream(HttpRequest const& http) {
  return http.has_header("_gr") && http.header("transfer-encoding") == "chunked";
}

class HttpServerStream : public ServerStream {
 public:
  HttpServerStream(net::HttpExchange& exchange, Request request)
      : exchange_{exchange}, request_{std::move(request)} {}

  [[nodiscard]] Request const& request() const override { return request_; }
  [[nodiscard]] std::string_view header(std::string_view name) const override {
    return exchange_.request().header(name);
  }
  [[nodiscard]] Awaitable<Result<std::string_view>> read() override {
    auto const piece = co_await exchange_.read();
    if (!piece) broken_ = true;
    co_return piece;
  }
  [[nodiscard]] Awaitable<Result<void>> write(std::string_view piece) override {
    if (!begun_) {
      auto const begun = co_await begin(200);
      if (!begun) co_return begun;
    }
    auto const written = co_await exchange_.write(piece);
    co_return written;
  }
  Awaitable<Result<void>> begin(unsigned status) {
    begun_ = true;
    net::HttpHeaders headers;
    auto const begun = co_await exchange_.begin(status, std::move(headers));
    co_return begun;
  }
  [[nodiscard]] bool begun() const { return begun_; }
  /// The request is incomplete or malformed. A complete answer would hide that from the caller.
  [[nodiscard]] bool broken() const { return broken_; }

 private:
  net::HttpExchange& exchange_;
  Request request_;
  bool begun_ = false;
  bool broken_ = false;
};

Awaitable<void> send_complete(HttpServerStream& stream, net::HttpExchange& exchange, unsigned status,
                              std::string_view body) {
  if (!stream.begun()) {
    auto const begun = co_await stream.begin(status);
    if (!begun) co_return;
  }
  if (!body.empty()) (void)co_await exchange.write(body);
  (void)co_await exchange.finish();
}

Awaitable<void> handle_stream(std::shared_ptr<Service> service, net::HttpExchange& exchange) {
  json::RpcRequestEnvelope envelope;
  auto const applied = json::apply_gr_header(exchange.request().header("_gr"), envelope);
  Request request = request_of(*service, exchange.request());
  request.rid = std::move(envelope.rid);
  request.key = std::move(envelope.key);
  HttpServerStream stream{exchange, std::move(request)};
  if (!applied) {
    HttpReply const reply = refusal(*service, RpcEnvelopeErrc::header_parse_gr);
    co_await send_complete(stream, exchange, reply.status, reply.body);
    co_return;
  }
  ++service->streams;
  bool thrown = false;
  try {
    co_await service->stream(stream);
  } catch (std::exception const&) {
    thrown = true;
  }
  // A handler that was cancelled has not failed: its caller disconnected, or the server stops.
  auto const cancellation = co_await asio::this_coro::cancellation_state;
  if (cancellation.cancelled() != asio::cancellation_type::none) co_return;
  if (thrown) ++service->handler_failures;
  if (stream.broken()) co_return;
  if (!thrown) {
    std::string_view const nothing;
    co_await send_complete(stream, exchange, 200, nothing);
  } else if (!stream.begun()) {
    co_await send_complete(stream, exchange, 500, kHandlerFailed);
  }
}

net::HttpServer::Options http_options(std::shared_ptr<Service> const& service,
                                      std::shared_ptr<net::TlsContext> tls) {
  Server::Options const& options = service->options;
  net::HttpServer::Options http;
  http.tls = std::move(tls);
  http.threads = options.threads;
  http.body_bytes_max = options.body_bytes_max;
  http.connection_count_max = options.connection_count_max;
  http.held_bytes_max = options.held_bytes_max;
  http.idle_max = options.idle_max;
  http.handshake_max = options.handshake_max;
  http.body_max = options.body_max;
  http.stream_idle_max = options.stream_idle_max;
  http.too_large.body = kTooLargeBody;
  http.web_access = options.web_access;
  http.forbidden.body = kForbiddenBody;
  // A callback handler continues when its caller disconnects, so its connection is not closed: the limit of
  // connections also limits the running callbacks.
  http.cancels_abandoned = !service->callback;
  if (service->stream) {
    http.wants_stream = is_stream;
    http.stream_handler = [service](net::HttpExchange& exchange) { return handle_stream(service, exchange); };
  }
  return http;
}

class HttpServerTransport : public ServerTransport {
 public:
  HttpServerTransport(net::Executor const& executor, std::shared_ptr<Service> const& service,
                      std::shared_ptr<net::TlsContext> tls)
      : http_{executor, http_options(service, std::move(tls)),
              [service](HttpRequest& request) { return handle(service, request); }} {}

  Result<Endpoint> listen(Endpoint const& bind) override { return http_.listen(bind); }
  [[nodiscard]] Endpoint local_endpoint() const override { return http_.local_endpoint(); }
  Awaitable<bool> stop(Duration limit) override { return http_.stop(limit); }
  [[nodiscard]] std::size_t held_bytes() const override { return http_.held_bytes(); }
  void count(Server::Counters& counters) const override {
    auto const& http = http_.counters();
    counters.connections += http.connections;
    counters.connections_evicted += http.connections_evicted;
    counters.connections_refused += http.connections_refused;
    counters.handshake_failures += http.handshakes_failed;
    counters.aborted += http.aborted;
    counters.not_http += http.malformed;
    counters.forbidden += http.forbidden;
    counters.too_large += http.too_large;
    counters.too_slow += http.timed_out;
  }

 private:
  net::HttpServer http_;
};

}  // namespace

std::unique_ptr<ServerTransport> make_http_server_transport(net::Executor const& executor,
                                                            std::shared_ptr<Service> service,
                                                            std::shared_ptr<net::TlsContext> tls) {
  return std::make_unique<HttpServerTransport>(executor, service, std::move(tls));
}

}  // namespace grenache::rpc
