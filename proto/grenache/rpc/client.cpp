#include "grenache/rpc/client.hpp"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include <boost/asio/post.hpp>

#include <grenache/json/rpc_envelope.hpp>
#include <grenache/net/async_event.hpp>
#include <grenache/net/steady_clock.hpp>
#include <grenache/net/task_group.hpp>
#include <grenache/rpc/client_transport.hpp>

namespace grenache::rpc {

using json::Value;
using net::Awaitable;
using net::Wake;

struct Client::Impl : std::enable_shared_from_this<Impl> {
  struct Mapping {
    explicit Mapping(net::Executor const& executor) : finished{executor} {}
    net::AsyncEvent finished;
    std::string name;
    std::string payload;
    MapOptions options;
    TimePoint deadline;
    std::vector<MapEntry> entries;
    std::size_t next = 0;
    std::size_t workers = 0;
  };

  Impl(net::Executor const& e, Link& l, Options o, Random r)
      : executor{e}, link{l}, options{std::move(o)}, random{std::move(r)}, tasks{e}, dead{options.dead} {
    make_transport();
  }

  void make_transport();
  static Awaitable<Attempt> attempt(std::shared_ptr<Impl> self, std::string const& destination,
                                    std::string const& name, std::string const& payload, TimePoint deadline,
                                    bool compress, bool repeatable);
  static Awaitable<RpcResult<std::vector<std::string>>> find(std::shared_ptr<Impl> self,
                                                             std::string const& name, TimePoint deadline);
  static Awaitable<RpcResult<Value>> request(std::shared_ptr<Impl> self, std::string name, Value payload,
                                             RequestOptions options);
  static Awaitable<RpcResult<Value>> request_to(std::shared_ptr<Impl> self, std::string destination,
                                                std::string name, Value payload, RequestOptions options);
  static Awaitable<Attempt> try_all(std::shared_ptr<Impl> self, std::vector<std::string> destinations,
                                    std::string const& name, std::string const& payload, TimePoint deadline,
                                    RequestOptions const& options);
  static Awaitable<void> map_worker(std::shared_ptr<Impl> self, std::shared_ptr<Mapping> mapping);
  static Awaitable<RpcResult<std::vector<MapEntry>>> map(std::shared_ptr<Impl> self, std::string name,
                                                         Value payload, MapOptions options);
  static Awaitable<RpcResult<ClientStream>> stream(std::shared_ptr<Impl> self, std::string name,
                                                   StreamOptions options);
  static Awaitable<void> stop(std::shared_ptr<Impl> self);
  void shut_down();

  net::Executor executor;
  Link& link;
  Options options;
  Random random;
  net::TaskGroup tasks;
  DeadList dead;
  std::set<std::string> excluded;
  std::shared_ptr<net::TlsContext> tls;        // null for plain TCP
  std::unique_ptr<ClientTransport> transport;  // null if TLS failed or the client was destroyed
  Failure no_transport;                        // the reason
  bool stopping = false;
};

void Client::Impl::make_transport() {
  if (uses_tls(options.transport)) {
    auto made = net::TlsContext::make_client(options.tls);
    if (!made) {
      no_transport = generic_failure(made.error().message());
      return;
    }
    tls = std::move(*made);
  }
  auto const make = uses_websocket(options.transport) ? make_ws_client_transport : make_http_client_transport;
  transport = make(executor, options, tls);
}

/// Sends a request to one destination. `payload` is JSON text, serialized once for all attempts.
Awaitable<Attempt> Client::Impl::attempt(std::shared_ptr<Impl> self, std::string const& destination,
                                         std::string const& name, std::string const& payload,
                                         TimePoint deadline, bool compress, bool repeatable) {
  auto const to = HostPort::parse(destination);
  if (!to) co_return final_attempt(generic_failure("not a destination: " + destination));
  if (!self->transport) co_return final_attempt(self->no_transport);
  Outgoing outgoing;
  outgoing.to = *to;
  outgoing.rid = make_uuid(self->random);
  outgoing.text = json::rpc_request(outgoing.rid, name, payload);
  outgoing.deadline = deadline;
  outgoing.compress = compress;
  outgoing.repeatable = repeatable;
  if (outgoing.text.size() > self->options.request_bytes_max) co_return final_attempt(Errc::request_size);
  auto outcome = co_await self->transport->send(std::move(outgoing));
  if (outcome.answered) self->dead.remove(destination);
  if (outcome.transport_failed) self->dead.add(destination, net::steady_now());
  co_return outcome;
}

/// Looks up a service and removes the excluded destinations.
Awaitable<RpcResult<std::vector<std::string>>> Client::Impl::find(std::shared_ptr<Impl> self,
                                                                  std::string const& name,
                                                                  TimePoint deadline) {
  if (self->stopping) co_return Errc::stopped;
  auto found = co_await self->link.lookup(name, deadline);
  if (self->stopping) co_return Errc::stopped;
  if (!found) co_return found.error();
  std::erase_if(*found, [&](std::string const& each) { return self->excluded.contains(each); });
  if (found->empty()) co_return Errc::lookup_empty;
  co_return std::move(*found);
}

/// Tries destinations until one answers or no further attempt is allowed. Returns the last attempt.
Awaitable<Attempt> Client::Impl::try_all(std::shared_ptr<Impl> self, std::vector<std::string> destinations,
                                         std::string const& name, std::string const& payload,
                                         TimePoint deadline, RequestOptions const& options) {
  std::set<std::string> tried;
  unsigned retries = options.retry_count;
  bool const repeatable = options.retry_count > 0;
  Attempt last;
  while (auto const to =
             choose_destination(destinations, tried, self->dead, net::steady_now(), self->random)) {
    last = co_await attempt(self, *to, name, payload, deadline, options.compress, repeatable);
    tried.insert(*to);
    if (!last.transport_failed || net::steady_now() >= deadline) break;
    if (!last.surely_unseen || destinations.size() == 1) {
      if (retries == 0) break;
      --retries;
    }
  }
  co_return last;
}

Awaitable<RpcResult<Value>> Client::Impl::request(std::shared_ptr<Impl> self, std::string name, Value payload,
                                                  RequestOptions options) {
  TimePoint const deadline = net::steady_deadline(options.timeout);
  auto found = co_await find(self, name, deadline);
  if (!found) co_return found.error();
  std::string const text = json::to_text(payload);
  Attempt outcome = co_await try_all(self, std::move(*found), name, text, deadline, options);
  // The destinations may be dead: the next request asks the grape again.
  if (outcome.transport_failed && !self->stopping) self->link.forget(name);
  co_return std::move(outcome.reply);
}

Awaitable<RpcResult<Value>> Client::Impl::request_to(std::shared_ptr<Impl> self, std::string destination,
                                                     std::string name, Value payload,
                                                     RequestOptions options) {
  TimePoint const deadline = net::steady_deadline(options.timeout);
  std::string const text = json::to_text(payload);
  std::vector<std::string> only;
  only.push_back(std::move(destination));
  Attempt outcome = co_await try_all(self, std::move(only), name, text, deadline, options);
  co_return std::move(outcome.reply);
}

Awaitable<void> Client::Impl::map_worker(std::shared_ptr<Impl> self, std::shared_ptr<Mapping> mapping) {
  while (mapping->next < mapping->entries.size()) {
    MapEntry& entry = mapping->entries[mapping->next++];
    Attempt outcome = co_await attempt(self, entry.destination, mapping->name, mapping->payload,
                                       mapping->deadline, mapping->options.compress, false);
    entry.reply = std::move(outcome.reply);
  }
  if (--mapping->workers == 0) mapping->finished.notify_all();
}

Awaitable<RpcResult<std::vector<Client::MapEntry>>> Client::Impl::map(std::shared_ptr<Impl> self,
                                                                      std::string name, Value payload,
                                                                      MapOptions options) {
  auto mapping = std::make_shared<Mapping>(self->executor);
  mapping->deadline = net::steady_deadline(options.timeout);
  auto found = co_await find(self, name, mapping->deadline);
  if (!found) co_return found.error();
  if (options.limit > 0 && found->size() > options.limit) {
    self->random.shuffle(*found);
    found->resize(options.limit);
  }
  mapping->name = std::move(name);
  mapping->payload = json::to_text(payload);
  mapping->options = options;
  for (std::string& destination : *found) {
    mapping->entries.push_back(MapEntry{std::move(destination), Failure(Errc::timeout)});
  }
  mapping->workers = std::min(mapping->entries.size(), self->options.map_parallel_max);
  for (std::size_t i = mapping->workers; i > 0; --i) self->tasks.spawn(map_worker(self, mapping));
  while (mapping->workers > 0) {
    Wake const wake = co_await mapping->finished.wait();
    if (wake == Wake::cancelled) co_return Errc::stopped;
  }
  co_return std::move(mapping->entries);
}

struct ClientStream::State {
  State(std::string d, net::HttpStream s) : destination{std::move(d)}, stream{std::move(s)} {}

  Awaitable<RpcResult<void>> checked(Awaitable<Result<void>> operation);
  Awaitable<RpcResult<void>> accepted();
  Awaitable<RpcResult<std::string_view>> read();

  std::string destination;
  net::HttpStream stream;
  std::optional<RpcResult<void>> status;  // see accepted(); empty until the answer has arrived
};

/// Returns a failure if a header contains control characters: a line break would inject another header.
std::optional<Failure> bad_header(net::HttpHeaders const& headers) {
  auto const is_bad = [](char c) { return (c >= 0 && c < ' ' && c != '\t') || c == '\x7f'; };
  for (auto const& [name, value] : headers) {
    if (std::ranges::any_of(name, is_bad) || std::ranges::any_of(value, is_bad)) {
      return generic_failure("not a header: " + name);
    }
  }
  return std::nullopt;
}

net::HttpHeaders stream_headers(std::string_view rid, std::string const& name, StreamOptions options) {
  net::HttpHeaders headers{{"_gr", json::to_text(Value::array({rid, name}))}};
  if (options.action) headers.emplace_back("_a", std::move(*options.action));
  if (options.args) headers.emplace_back("_ar", json::to_text(*options.args));
  for (auto& header : options.headers) headers.push_back(std::move(header));
  return headers;
}

Awaitable<RpcResult<ClientStream>> Client::Impl::stream(std::shared_ptr<Impl> self, std::string name,
                                                        StreamOptions options) {
  if (!self->transport) co_return self->no_transport;
  if (uses_websocket(self->options.transport)) co_return generic_failure("streams need HTTP");
  TimePoint const deadline = net::steady_deadline(options.timeout);
  std::string const rid = make_uuid(self->random);
  net::HttpHeaders const headers = stream_headers(rid, name, std::move(options));
  if (auto const bad = bad_header(headers)) co_return *bad;
  auto found = co_await find(self, name, deadline);
  if (!found) co_return found.error();
  std::set<std::string> tried;
  Failure last;
  while (auto const to = choose_destination(*found, tried, self->dead, net::steady_now(), self->random)) {
    if (!tried.insert(*to).second || !self->transport) break;
    net::HttpCall head;
    head.destination = HostPort::parse(*to).value();
    head.headers = headers;
    head.timeout = deadline - net::steady_now();
    auto opened = co_await self->transport->open(std::move(head));
    if (opened) co_return ClientStream{std::make_unique<ClientStream::State>(*to, std::move(*opened))};
    std::string const text =
        self->tls ? self->tls->explain(opened.error(), HostPort::parse(*to).value()) : "";
    Attempt const attempt = failed_attempt(opened.error(), text);
    last = attempt.reply.error();
    if (!attempt.transport_failed || net::steady_now() >= deadline) break;
    self->dead.add(*to, net::steady_now());
  }
  if (!self->stopping) self->link.forget(name);
  co_return last;
}

void Client::Impl::shut_down() {
  stopping = true;
  no_transport = Errc::stopped;
  transport.reset();
}

Awaitable<void> Client::Impl::stop(std::shared_ptr<Impl> self) {
  self->stopping = true;
  if (self->transport) co_await self->transport->stop();
  self->tasks.cancel(net::asio::cancellation_type::terminal);
  while (self->tasks.size() > 0) co_await self->tasks.drained(std::chrono::seconds{1});
}

Awaitable<RpcResult<void>> ClientStream::State::checked(Awaitable<Result<void>> operation) {
  auto const done = co_await std::move(operation);
  if (!done) co_return failure_of(done.error());
  co_return RpcResult<void>{};
}

/// Waits for the answer. Returns an error with the beginning of its body if its status is not 2xx.
Awaitable<RpcResult<void>> ClientStream::State::accepted() {
  auto const head = co_await stream.response();
  if (!head) co_return failure_of(head.error());
  if (head->status >= 200 && head->status <= 299) co_return RpcResult<void>{};
  auto const text = co_await stream.read();
  std::string detail = "status " + std::to_string(head->status);
  if (text && !text->empty()) detail = *text;
  co_return generic_failure(detail);
}

Awaitable<RpcResult<std::string_view>> ClientStream::State::read() {
  if (!status) status = co_await accepted();
  if (!*status) co_return status->error();
  auto const piece = co_await stream.read();
  if (!piece) co_return failure_of(piece.error());
  co_return *piece;
}

ClientStream::ClientStream(std::unique_ptr<State> state) : state_{std::move(state)} {}
ClientStream::ClientStream(ClientStream&&) noexcept = default;
ClientStream& ClientStream::operator=(ClientStream&&) noexcept = default;
ClientStream::~ClientStream() = default;
std::string const& ClientStream::destination() const { return state_->destination; }
Awaitable<RpcResult<void>> ClientStream::write(std::string_view piece) {
  return state_->checked(state_->stream.write(piece));
}
Awaitable<RpcResult<void>> ClientStream::finish() { return state_->checked(state_->stream.finish()); }
Awaitable<RpcResult<std::string_view>> ClientStream::read() { return state_->read(); }

namespace {

/// Runs `call` and passes the result to `callback`, never within the function that started it.
template <class T>
Awaitable<void> call_with(net::Executor executor, Awaitable<T> call, std::function<void(T)> callback) {
  co_await net::asio::post(executor, net::kTuple);
  auto result = co_await std::move(call);
  callback(std::move(result));
}

}  // namespace

Client::Client(net::Executor const& executor, Link& link, Options options, Random random)
    : impl_{std::make_shared<Impl>(executor, link, std::move(options), std::move(random))} {}
Client::~Client() { impl_->shut_down(); }

void Client::exclude(std::string destination) { impl_->excluded.insert(std::move(destination)); }

Awaitable<RpcResult<Value>> Client::request(std::string name, Value payload, RequestOptions options) {
  return Impl::request(impl_, std::move(name), std::move(payload), options);
}
Awaitable<RpcResult<Value>> Client::request(std::string name, Value payload) {
  return Impl::request(impl_, std::move(name), std::move(payload), RequestOptions{});
}
void Client::request(std::string name, Value payload, RequestOptions options, RequestCallback callback) {
  auto call = Impl::request(impl_, std::move(name), std::move(payload), options);
  impl_->tasks.spawn(call_with<RpcResult<Value>>(impl_->executor, std::move(call), std::move(callback)));
}
Awaitable<RpcResult<Value>> Client::request_to(std::string destination, std::string name, Value payload,
                                               RequestOptions options) {
  return Impl::request_to(impl_, std::move(destination), std::move(name), std::move(payload), options);
}
Awaitable<RpcResult<std::vector<Client::MapEntry>>> Client::map(std::string name, Value payload,
                                                                MapOptions options) {
  return Impl::map(impl_, std::move(name), std::move(payload), options);
}
void Client::map(std::string name, Value payload, MapOptions options, MapCallback callback) {
  using Entries = RpcResult<std::vector<MapEntry>>;
  auto call = Impl::map(impl_, std::move(name), std::move(payload), options);
  impl_->tasks.spawn(call_with<Entries>(impl_->executor, std::move(call), std::move(callback)));
}
Awaitable<RpcResult<ClientStream>> Client::stream(std::string name, StreamOptions options) {
  return Impl::stream(impl_, std::move(name), std::move(options));
}
Awaitable<void> Client::stop() { return Impl::stop(impl_); }
std::size_t Client::connection_count() const {
  return impl_->transport ? impl_->transport->connection_count() : 0;
}

}  // namespace grenache::rpc
