#include "proto/rpc/client.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include <boost/asio/error.hpp>

#include "proto/json/rpc_envelope.hpp"
#include "proto/net/async_event.hpp"
#include "proto/net/gzip.hpp"
#include "proto/net/http_client.hpp"
#include "proto/net/steady_clock.hpp"
#include "proto/net/task_group.hpp"

namespace grenache::rpc {

namespace error = boost::asio::error;
using json::Value;
using net::Awaitable;
using net::HttpClientErrc;
using net::Wake;

namespace {

constexpr std::size_t kDetailMax = 300;  // of what a peer may put into our messages

/// How one attempt at one destination has ended.
struct Attempt {
  RpcResult<Value> reply = Failure(Errc::request_generic);
  bool transport_failed = false;
  bool surely_unseen = false;  // no connection came about: the service has not seen the request
};

bool is_unreachable(Error const& failure) {
  return failure == error::connection_refused || failure == error::host_unreachable ||
         failure == error::network_unreachable || failure == HttpClientErrc::not_resolved;
}

Failure generic(std::string_view detail) {
  return Failure(Errc::request_generic, std::string{detail.substr(0, kDetailMax)});
}

Failure failure_of(Error const& failure) {
  if (failure == HttpClientErrc::timed_out) return Errc::timeout;
  if (failure == HttpClientErrc::stopped || failure == error::operation_aborted) return Errc::stopped;
  return generic(failure.message());
}

RpcResult<Value> read_reply(net::HttpResponse const& response, std::string_view rid, bool compress,
                            std::size_t expanded_bytes_max) {
  if (response.status < 200 || response.status > 299) {
    return generic(response.body.empty() ? "status " + std::to_string(response.status) : response.body);
  }
  std::string expanded;
  std::string_view body = response.body;
  if (compress) {
    auto text = net::gunzip(body, expanded_bytes_max);
    if (!text) return Failure(Errc::reply_encoding_compression, text.error().message());
    expanded = std::move(*text);
    body = expanded;
  }
  auto reply = json::parse_rpc_reply(body);
  if (!reply) return Errc::reply_empty;
  // Node would wait on for the rid until its timeout; on this connection nothing else will come.
  std::string const* const answered = reply->rid.as_string();
  if (!answered || *answered != rid) return Failure(Errc::reply_empty, "the answer to another request");
  if (reply->error) return Failure(Errc::remote, std::move(*reply->error));
  return std::move(reply->result);
}

}  // namespace

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
      : executor{e},
        link{l},
        options{o},
        random{std::move(r)},
        http{e, http_options(o)},
        tasks{e},
        dead{o.dead} {}

  static net::HttpClient::Options http_options(Options const& options) {
    net::HttpClient::Options http_options;
    http_options.body_bytes_max = options.reply_bytes_max;
    http_options.connections_per_host_max = options.connections_per_destination_max;
    return http_options;
  }

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
  static Awaitable<void> stop(std::shared_ptr<Impl> self);

  net::Executor executor;
  Link& link;
  Options options;
  Random random;
  net::HttpClient http;
  net::TaskGroup tasks;
  DeadList dead;
  std::set<std::string> excluded;
};

/// `payload` is JSON text: it is printed once, whatever the number of attempts.
Awaitable<Attempt> Client::Impl::attempt(std::shared_ptr<Impl> self, std::string const& destination,
                                         std::string const& name, std::string const& payload,
                                         TimePoint deadline, bool compress, bool repeatable) {
  Attempt outcome;
  auto const to = HostPort::parse(destination);
  if (!to) {
    outcome.reply = generic("not a destination: " + destination);
    co_return outcome;
  }
  std::string const rid = make_rid(self->random);
  net::HttpCall call;
  call.destination = *to;
  call.timeout = deadline - net::steady_now();
  call.repeatable = repeatable;
  call.body = json::rpc_request(rid, name, payload);
  if (compress) {
    call.body = net::gzip(call.body);
    call.headers = {{"grc-compress", "gzip"}};
  } else {
    call.headers = {{"grc-compress", "none"}, {"Content-Type", "text/plain;charset=UTF-8"}};
  }
  auto const response = co_await self->http.request(std::move(call));
  if (response) {
    self->dead.remove(destination);
    outcome.reply = read_reply(*response, rid, compress, self->options.expanded_bytes_max);
    co_return outcome;
  }
  Error const failure = response.error();
  outcome.reply = failure_of(failure);
  bool const ours = failure == HttpClientErrc::stopped || failure == error::operation_aborted ||
                    failure == HttpClientErrc::too_many_waiting ||
                    failure == HttpClientErrc::response_too_large;
  outcome.transport_failed = !ours;
  outcome.surely_unseen = is_unreachable(failure);
  if (outcome.transport_failed) self->dead.add(destination, net::steady_now());
  co_return outcome;
}

/// The destinations of a service without those that are excluded.
Awaitable<RpcResult<std::vector<std::string>>> Client::Impl::find(std::shared_ptr<Impl> self,
                                                                  std::string const& name,
                                                                  TimePoint deadline) {
  auto found = co_await self->link.lookup(name, deadline);
  if (!found) co_return found.error();
  std::erase_if(*found, [&](std::string const& each) { return self->excluded.contains(each); });
  if (found->empty()) co_return Errc::lookup_empty;
  co_return std::move(*found);
}

/// The last attempt: an answer, or a failure of the transport when no more may be asked.
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
  TimePoint const deadline = net::steady_now() + options.timeout;
  auto found = co_await find(self, name, deadline);
  if (!found) co_return found.error();
  std::string const text = json::to_text(payload);
  Attempt outcome = co_await try_all(self, std::move(*found), name, text, deadline, options);
  // What the grape knew of may be dead; its next answer may be better.
  if (outcome.transport_failed) self->link.forget(name);
  co_return std::move(outcome.reply);
}

Awaitable<RpcResult<Value>> Client::Impl::request_to(std::shared_ptr<Impl> self, std::string destination,
                                                     std::string name, Value payload,
                                                     RequestOptions options) {
  TimePoint const deadline = net::steady_now() + options.timeout;
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
  mapping->deadline = net::steady_now() + options.timeout;
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

Awaitable<void> Client::Impl::stop(std::shared_ptr<Impl> self) {
  co_await self->http.stop();
  while (self->tasks.size() > 0) {
    co_await self->tasks.drained(std::chrono::seconds{1});
  }
}

Client::Client(net::Executor const& executor, Link& link, Options options, Random random)
    : impl_{std::make_shared<Impl>(executor, link, options, std::move(random))} {}
Client::~Client() = default;

void Client::exclude(std::string destination) { impl_->excluded.insert(std::move(destination)); }

Awaitable<RpcResult<Value>> Client::request(std::string name, Value payload, RequestOptions options) {
  return Impl::request(impl_, std::move(name), std::move(payload), options);
}
Awaitable<RpcResult<Value>> Client::request(std::string name, Value payload) {
  return Impl::request(impl_, std::move(name), std::move(payload), RequestOptions{});
}
Awaitable<RpcResult<Value>> Client::request_to(std::string destination, std::string name, Value payload,
                                               RequestOptions options) {
  return Impl::request_to(impl_, std::move(destination), std::move(name), std::move(payload), options);
}
Awaitable<RpcResult<std::vector<Client::MapEntry>>> Client::map(std::string name, Value payload,
                                                                MapOptions options) {
  return Impl::map(impl_, std::move(name), std::move(payload), options);
}
Awaitable<void> Client::stop() { return Impl::stop(impl_); }
std::size_t Client::connection_count() const { return impl_->http.connection_count(); }

}  // namespace grenache::rpc
