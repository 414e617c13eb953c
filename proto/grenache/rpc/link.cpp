#include "grenache/rpc/link.hpp"

#include <map>
#include <utility>

#include <boost/asio/error.hpp>

#include <grenache/base/check.hpp>
#include <grenache/base/hex.hpp>
#include <grenache/json/grape_api.hpp>
#include <grenache/net/async_event.hpp>
#include <grenache/net/http_client.hpp>
#include <grenache/net/steady_clock.hpp>
#include <grenache/net/task_group.hpp>
#include <grenache/rpc/failover.hpp>

namespace grenache::rpc {

using net::Awaitable;
using net::Wake;
using Destinations = std::vector<std::string>;

namespace {

constexpr std::size_t kReplyBytesMax = 1024 * 1024;  // of a grape: 100 peers are 3 KiB, an item 1 KiB
constexpr unsigned kUnavailable = 503;
constexpr std::string_view kScheme = "http://";
constexpr Duration kForever = std::chrono::hours{24 * 365};

}  // namespace

std::optional<HostPort> parse_grape_url(std::string_view text) {
  if (text.starts_with(kScheme)) text.remove_prefix(kScheme.size());
  if (text.ends_with('/')) text.remove_suffix(1);
  return HostPort::parse(text);
}

Duration jittered(Duration interval, Random& random) {
  return std::chrono::duration_cast<Duration>(interval * (0.5 + random.unit()));
}

std::string make_rid(Random& random) {
  std::string bytes = random.bytes(16);
  bytes[6] = static_cast<char>((bytes[6] & 0x0f) | 0x40);
  bytes[8] = static_cast<char>((bytes[8] & 0x3f) | 0x80);
  std::string text = to_hex(bytes);
  for (std::size_t const at : {8u, 13u, 18u, 23u}) text.insert(at, 1, '-');
  return text;
}

struct Link::Impl : std::enable_shared_from_this<Impl> {
  /// A lookup under way and all who wait for it.
  struct Flight {
    explicit Flight(net::Executor const& executor) : done{executor} {}
    net::AsyncEvent done;
    std::optional<RpcResult<Destinations>> result;
  };
  struct Announcement {
    explicit Announcement(net::Executor const& executor) : changed{executor} {}
    net::AsyncEvent changed;                // confirmed, failed or stopped
    Failure last_failure{Errc::not_ready};  // until the first attempt has ended
    bool confirmed = false;
    bool stopped = false;
    bool due = false;  // not to wait for its time
  };
  using AnnouncementKey = std::pair<std::string, std::uint16_t>;

  Impl(net::Executor const& e, Options o, Random r)
      : executor{e},
        options{std::move(o)},
        random{std::move(r)},
        http{e, http_options()},
        tasks{e},
        announcers{e},
        halt{e},
        cache{options.cache},
        rota{options.grapes.size(), options.grape_pause} {}

  static net::HttpClient::Options http_options() {
    net::HttpClient::Options http_options;
    http_options.body_bytes_max = kReplyBytesMax;
    return http_options;
  }

  static Awaitable<RpcResult<net::HttpResponse>> ask(std::shared_ptr<Impl> self, std::string target,
                                                     std::string body);
  static Awaitable<Failure> why_empty(std::shared_ptr<Impl> self);
  static Awaitable<RpcResult<Destinations>> lookup(std::shared_ptr<Impl> self, std::string name,
                                                   TimePoint deadline);
  static Awaitable<RpcResult<Destinations>> ask_for(std::shared_ptr<Impl> self, std::string name);
  static Awaitable<void> fly(std::shared_ptr<Impl> self, std::string name, std::shared_ptr<Flight> flight);
  static Awaitable<RpcResult<std::uint32_t>> announce(std::shared_ptr<Impl> self, std::string name,
                                                      std::uint16_t port);
  static Awaitable<void> keep_announcing(std::shared_ptr<Impl> self, AnnouncementKey key,
                                         std::shared_ptr<Announcement> announcement);
  static Awaitable<RpcResult<void>> announced(std::shared_ptr<Impl> self, AnnouncementKey key,
                                              Duration limit);
  static Awaitable<void> take_back(std::shared_ptr<Impl> self, AnnouncementKey key);
  static Awaitable<bool> wait_ready(std::shared_ptr<Impl> self, Duration limit);
  static Awaitable<void> stop(std::shared_ptr<Impl> self);
  void shut_down();

  net::Executor executor;
  Options options;
  Random random;
  net::HttpClient http;
  net::TaskGroup tasks;
  net::TaskGroup announcers;
  net::AsyncEvent halt;
  LookupCache cache;
  GrapeRota rota;
  std::map<std::string, std::shared_ptr<Flight>> flights;
  std::map<AnnouncementKey, std::shared_ptr<Announcement>> announcements;
  std::size_t confirmed_count = 0;  // announcements that a grape knows of, not taken back yet
  bool stopping = false;
};

/// Asks a grape, and after a failure the next one or the same again. Any HTTP answer is an answer.
Awaitable<RpcResult<net::HttpResponse>> Link::Impl::ask(std::shared_ptr<Impl> self, std::string target,
                                                        std::string body) {
  std::string last;
  for (unsigned attempt = 0; attempt < self->options.try_count; ++attempt) {
    std::size_t const index = self->rota.pick(net::steady_now());
    net::HttpCall call;
    call.destination = self->options.grapes[index];
    call.target = target;
    call.body = body;
    call.timeout = self->options.try_timeout;
    call.repeatable = true;
    auto response = co_await self->http.request(std::move(call));
    if (response) {
      self->rota.answered(index);
      co_return std::move(*response);
    }
    bool const cancelled = response.error() == boost::asio::error::operation_aborted;
    if (self->stopping || cancelled) co_return Errc::stopped;
    self->rota.failed(index, net::steady_now());
    last = response.error().message();
  }
  co_return Failure(Errc::grape_unreachable, last);
}

/// Whether a grape that knows nobody can know better soon: ours tells with /health. Node's has no such page.
Awaitable<Failure> Link::Impl::why_empty(std::shared_ptr<Impl> self) {
  net::HttpCall call;
  call.destination = self->options.grapes[self->rota.pick(net::steady_now())];
  call.method = "GET";
  call.target = "/health";
  call.timeout = self->options.try_timeout;
  call.repeatable = true;
  auto const response = co_await self->http.request(std::move(call));
  if (!response || response->status != kUnavailable) co_return Errc::lookup_empty;
  auto const health = json::parse(response->body);
  std::string const* const status = health ? health->find_string("status") : nullptr;
  co_return Failure(Errc::not_ready, status ? "the grape is " + *status : "");
}

Awaitable<RpcResult<Destinations>> Link::Impl::ask_for(std::shared_ptr<Impl> self, std::string name) {
  std::string body = json::lookup_request(make_rid(self->random), name);
  auto response = co_await ask(self, "/lookup", std::move(body));
  if (!response) co_return response.error();
  auto reply = json::parse_lookup_reply(response->body, self->options.peer_count_max);
  if (!reply.value) co_return Failure(Errc::grape_refused, reply.error);
  if (reply.value->empty()) {
    Failure reason = co_await why_empty(self);
    co_return reason;
  }
  self->cache.store(name, *reply.value, net::steady_now());
  co_return std::move(*reply.value);
}

Awaitable<void> Link::Impl::fly(std::shared_ptr<Impl> self, std::string name,
                                std::shared_ptr<Flight> flight) {
  auto result = co_await ask_for(self, name);
  flight->result = std::move(result);
  self->flights.erase(name);
  flight->done.notify_all();
}

Awaitable<RpcResult<Destinations>> Link::Impl::lookup(std::shared_ptr<Impl> self, std::string name,
                                                      TimePoint deadline) {
  if (self->stopping) co_return Errc::stopped;
  if (auto const* const known = self->cache.find(name, net::steady_now())) co_return *known;
  std::shared_ptr<Flight> flight;
  if (auto const found = self->flights.find(name); found != self->flights.end()) {
    flight = found->second;
  } else {
    if (self->flights.size() >= self->options.lookup_count_max) {
      co_return Failure(Errc::request_limit, "too many lookups under way");
    }
    flight = std::make_shared<Flight>(self->executor);
    self->flights.emplace(name, flight);
    // A task of its own: the one who asked first may give up without the others noticing.
    self->tasks.spawn(fly(self, name, flight));
  }
  while (!flight->result) {
    Wake const wake = co_await flight->done.wait(deadline);
    if (flight->result) break;
    if (wake == Wake::timed_out) co_return Errc::timeout;
    if (wake == Wake::cancelled) co_return Errc::stopped;
  }
  co_return *flight->result;
}

Awaitable<RpcResult<std::uint32_t>> Link::Impl::announce(std::shared_ptr<Impl> self, std::string name,
                                                         std::uint16_t port) {
  std::string body = json::announce_request(make_rid(self->random), name, port);
  auto response = co_await ask(self, "/announce", std::move(body));
  if (!response) co_return response.error();
  auto const reply = json::parse_announce_reply(response->body);
  if (!reply.value) co_return Failure(Errc::grape_refused, reply.error);
  co_return *reply.value;
}

Awaitable<void> Link::Impl::keep_announcing(std::shared_ptr<Impl> self, AnnouncementKey key,
                                            std::shared_ptr<Announcement> announcement) {
  while (!announcement->stopped) {
    auto const stored = co_await announce(self, key.first, key.second);
    if (stored) {
      if (!announcement->confirmed) ++self->confirmed_count;
      announcement->confirmed = true;
    } else {
      announcement->last_failure = stored.error();
    }
    announcement->changed.notify_all();
    Duration const interval = stored ? self->options.announce_interval : self->options.announce_retry;
    TimePoint const next = net::steady_now() + jittered(interval, self->random);
    while (!announcement->stopped && !announcement->due) {
      Wake const wake = co_await announcement->changed.wait(next);
      if (wake == Wake::cancelled) co_return;
      if (wake == Wake::timed_out) break;
    }
    announcement->due = false;
  }
  // Here, so that no announcement under way comes after it.
  if (!announcement->confirmed) co_return;
  co_await take_back(self, std::move(key));
  --self->confirmed_count;
}

Awaitable<RpcResult<void>> Link::Impl::announced(std::shared_ptr<Impl> self, AnnouncementKey key,
                                                 Duration limit) {
  auto const found = self->announcements.find(key);
  if (found == self->announcements.end()) co_return Errc::stopped;
  std::shared_ptr<Announcement> const announcement = found->second;
  TimePoint const deadline = net::steady_now() + limit;
  while (!announcement->confirmed) {
    if (announcement->stopped) co_return Errc::stopped;
    Wake const wake = co_await announcement->changed.wait(deadline);
    if (wake == Wake::timed_out) co_return announcement->last_failure;
    if (wake == Wake::cancelled) co_return Errc::stopped;
  }
  co_return RpcResult<void>{};
}

/// One try: a grape that cannot be reached now forgets the service with its age.
Awaitable<void> Link::Impl::take_back(std::shared_ptr<Impl> self, AnnouncementKey key) {
  if (self->announcements.contains(key)) co_return;  // announced again already
  net::HttpCall call;
  call.destination = self->options.grapes[self->rota.pick(net::steady_now())];
  call.target = "/unannounce";
  call.body = json::announce_request(make_rid(self->random), key.first, key.second);
  call.timeout = self->options.try_timeout;
  call.repeatable = true;
  (void)co_await self->http.request(std::move(call));
  // Who began to announce it meanwhile may have been taken back with it.
  auto const again = self->announcements.find(key);
  if (again == self->announcements.end()) co_return;
  again->second->due = true;
  again->second->changed.notify_all();
}

Awaitable<bool> Link::Impl::wait_ready(std::shared_ptr<Impl> self, Duration limit) {
  TimePoint const deadline = net::steady_now() + limit;
  while (!self->stopping) {
    TimePoint const now = net::steady_now();
    if (now >= deadline) co_return false;
    std::size_t const index = self->rota.pick(now);
    net::HttpCall call;
    call.destination = self->options.grapes[index];
    call.target = "/";  // ERR_REQ_NOTFOUND comes at once and costs the DHT nothing
    call.body = "{}";
    call.timeout = std::min(self->options.try_timeout, deadline - now);
    call.repeatable = true;
    auto const response = co_await self->http.request(std::move(call));
    if (response) {
      self->rota.answered(index);
      co_return true;
    }
    self->rota.failed(index, net::steady_now());
    TimePoint const next = std::min(deadline, net::steady_now() + self->options.ready_poll);
    Wake const wake = co_await self->halt.wait(next);
    if (wake == Wake::cancelled) co_return false;
  }
  co_return false;
}

void Link::Impl::shut_down() {
  stopping = true;
  for (auto const& [key, announcement] : std::exchange(announcements, {})) {
    announcement->stopped = true;
    announcement->changed.notify_all();
  }
  halt.notify_all();
}

Awaitable<void> Link::Impl::stop(std::shared_ptr<Impl> self) {
  self->shut_down();
  // What no grape has heard of need not be taken back.
  if (self->confirmed_count > 0) (void)co_await self->announcers.drained(self->options.try_timeout);
  co_await self->http.stop();
  co_await self->announcers.drained(kForever);
  co_await self->tasks.drained(kForever);
}

Link::Link(net::Executor const& executor, Options options, Random random) {
  GRN_CHECK(!options.grapes.empty());
  impl_ = std::make_shared<Impl>(executor, std::move(options), std::move(random));
}

Link::~Link() { impl_->shut_down(); }

Awaitable<bool> Link::wait_ready(Duration limit) { return Impl::wait_ready(impl_, limit); }
Awaitable<RpcResult<Destinations>> Link::lookup(std::string name, TimePoint deadline) {
  return Impl::lookup(impl_, std::move(name), deadline);
}
Awaitable<RpcResult<Destinations>> Link::lookup(std::string name) {
  return Impl::lookup(impl_, std::move(name), TimePoint::max());
}
void Link::forget(std::string_view name) { impl_->cache.forget(name); }
Awaitable<RpcResult<std::uint32_t>> Link::announce(std::string name, std::uint16_t port) {
  return Impl::announce(impl_, std::move(name), port);
}

void Link::start_announcing(std::string name, std::uint16_t port) {
  if (impl_->stopping) return;
  Impl::AnnouncementKey key{std::move(name), port};
  if (impl_->announcements.contains(key)) return;
  auto announcement = std::make_shared<Impl::Announcement>(impl_->executor);
  impl_->announcements.emplace(key, announcement);
  impl_->announcers.spawn(Impl::keep_announcing(impl_, std::move(key), std::move(announcement)));
}

bool Link::stop_announcing(std::string_view name, std::uint16_t port) {
  auto const found = impl_->announcements.find({std::string{name}, port});
  if (found == impl_->announcements.end()) return false;
  auto const announcement = found->second;
  impl_->announcements.erase(found);
  announcement->stopped = true;
  announcement->changed.notify_all();
  return true;
}

Awaitable<RpcResult<void>> Link::announced(std::string name, std::uint16_t port, Duration limit) {
  return Impl::announced(impl_, Impl::AnnouncementKey{std::move(name), port}, limit);
}
Awaitable<void> Link::stop() { return Impl::stop(impl_); }

}  // namespace grenache::rpc
