#include "grenache/rpc/link.hpp"

#include <algorithm>
#include <exception>
#include <map>
#include <set>
#include <utility>

#include <boost/asio/error.hpp>

#include <grenache/base/hex.hpp>
#include <grenache/json/grape_api.hpp>
#include <grenache/net/async_event.hpp>
#include <grenache/net/http_client.hpp>
#include <grenache/net/steady_clock.hpp>
#include <grenache/net/task_group.hpp>
#include <grenache/rpc/announcement.hpp>
#include <grenache/rpc/failover.hpp>

namespace grenache::rpc {

using net::Awaitable;
using net::Wake;
using Destinations = std::vector<std::string>;
using GrapeIndex = std::size_t;  // into Options::grapes

namespace {

constexpr std::size_t kReplyBytesMax = 1024 * 1024;  // 100 peers are 3 KiB, an item 1 KiB
constexpr unsigned kUnavailable = 503;
constexpr std::string_view kGrapeBusy = "ERR_GRAPE_BUSY";  // from one of our grapes that did not unannounce

net::HttpClient::Options http_options(std::shared_ptr<net::TlsContext> tls) {
  net::HttpClient::Options options;
  options.tls = std::move(tls);
  options.body_bytes_max = kReplyBytesMax;
  return options;
}

/// Evaluates the answer to GET /health. A Node.js grape has no such page and answers with an error of a
/// grape. A proxy whose grape does not run answers with neither.
GrapeWatch::Sight sight_of(net::HttpResponse const& response) {
  GrapeWatch::Sight sight;
  auto const health = json::parse(response.body);
  std::string const* const id = health ? health->find_string("id") : nullptr;
  sight.answers = id || json::is_grape_answer(response.status, response.body);
  sight.is_joined = response.status != kUnavailable;
  if (id) sight.id = *id;
  std::string const* const run = health ? health->find_string("run") : nullptr;
  if (run) sight.run = *run;
  return sight;
}

}  // namespace

Duration jittered(Duration interval, Random& random) {
  if (interval > Duration::max() / 2) return interval;  // practically never
  return random.between(interval / 2, interval / 2 * 3);
}

struct Link::Impl : std::enable_shared_from_this<Impl> {
  /// A running lookup, shared by all callers.
  struct SharedLookup {
    explicit SharedLookup(net::Executor const& executor) : done{executor} {}
    net::AsyncEvent done;
    std::optional<RpcResult<Destinations>> result;
  };
  struct Answer {
    GrapeIndex grape = 0;
    net::HttpResponse response;
  };
  struct Announcement;
  /// One request that any grape may answer.
  struct Inquiry {
    Inquiry(net::Executor const& executor, std::string t, std::string b)
        : changed{executor}, target{std::move(t)}, body{std::move(b)} {}
    void abandon() {
      is_abandoned = true;
      changed.notify_all();
    }
    net::AsyncEvent changed;  // answered, failed at a grape, or abandoned
    std::string target;
    std::string body;
    TimePoint deadline = TimePoint::max();    // of every try
    std::shared_ptr<Announcement> announces;  // set for an announcement
    std::set<GrapeIndex> asked;               // grapes that have not answered yet
    std::optional<Answer> answer;
    std::string last_failure;
    bool is_abandoned = false;
  };
  struct Announcement {
    explicit Announcement(net::Executor const& executor) : changed{executor} {}
    void stop() {
      is_stopped = true;
      if (inquiry) inquiry->abandon();
      changed.notify_all();
    }
    net::AsyncEvent changed;  // confirmed, failed, due or stopped
    AnnouncementState state;
    std::shared_ptr<Inquiry> inquiry;  // while it is running
    bool is_stopped = false;
  };
  using AnnouncementKey = std::pair<std::string, std::uint16_t>;

  Impl(net::Executor const& e, Options o, Random r)
      : executor{e},
        options{std::move(o)},
        random{std::move(r)},
        http{e, http_options(nullptr)},
        tasks{e},
        announcers{e},
        halt{e},
        cache{options.cache},
        selector{options.grapes.size(), options.grape_pause} {
    make_https();
  }

  void make_https();
  [[nodiscard]] std::string text_of(Error const& error, GrapeIndex grape) const {
    GrapeUrl const& url = options.grapes[grape];
    return url.uses_tls && https_context ? https_context->explain(error, url.at) : error.message();
  }
  static Awaitable<Result<net::HttpResponse>> request(std::shared_ptr<Impl> self, GrapeIndex grape,
                                                      net::HttpCall call);
  static Awaitable<void> try_at(std::shared_ptr<Impl> self, std::shared_ptr<Inquiry> inquiry,
                                GrapeIndex grape);
  static Awaitable<RpcResult<Answer>> ask(std::shared_ptr<Impl> self, std::shared_ptr<Inquiry> inquiry,
                                          std::size_t try_count);
  static Awaitable<Failure> why_empty(std::shared_ptr<Impl> self, GrapeIndex grape);
  static Awaitable<RpcResult<Destinations>> lookup(std::shared_ptr<Impl> self, std::string name,
                                                   TimePoint deadline);
  static Awaitable<RpcResult<Destinations>> ask_for(std::shared_ptr<Impl> self, std::string name);
  static Awaitable<void> run(std::shared_ptr<Impl> self, std::string name,
                             std::shared_ptr<SharedLookup> lookup);
  static Awaitable<RpcResult<std::uint32_t>> announce(std::shared_ptr<Impl> self,
                                                      std::shared_ptr<Inquiry> inquiry);
  static Awaitable<void> keep_announcing(std::shared_ptr<Impl> self, AnnouncementKey key,
                                         std::shared_ptr<Announcement> announcement);
  static Awaitable<void> announce_once(std::shared_ptr<Impl> self, AnnouncementKey const& key,
                                       std::shared_ptr<Announcement> announcement);
  static Awaitable<RpcResult<void>> announced(std::shared_ptr<Impl> self, AnnouncementKey key,
                                              Duration limit);
  void unannounce(AnnouncementKey const& key, std::set<GrapeIndex> const& holders);
  static Awaitable<void> unannounce_at(std::shared_ptr<Impl> self, AnnouncementKey key, GrapeIndex grape,
                                       std::set<GrapeIndex> holders);
  static Awaitable<void> watch(std::shared_ptr<Impl> self, GrapeIndex grape);
  static Awaitable<GrapeWatch::Sight> poll_health(std::shared_ptr<Impl> self, GrapeIndex grape);
  void react(GrapeIndex grape, GrapeWatch::Change change);
  static Awaitable<RpcResult<void>> wait_ready(std::shared_ptr<Impl> self, Duration limit);
  static Awaitable<void> stop(std::shared_ptr<Impl> self);
  void start_announcing(AnnouncementKey key);
  void shut_down();

  [[nodiscard]] std::shared_ptr<Inquiry> announcing(AnnouncementKey const& key) {
    std::string body = json::announce_request(make_uuid(random), key.first, key.second);
    return std::make_shared<Inquiry>(executor, "/announce", std::move(body));
  }

  net::Executor executor;
  Options options;
  Random random;
  net::HttpClient http;
  std::optional<net::HttpClient> https;  // if a URL needs it and the TLS options are valid
  std::shared_ptr<net::TlsContext> https_context;
  Error https_failure;  // if they are not valid
  net::TaskGroup tasks;
  net::TaskGroup announcers;
  net::AsyncEvent halt;
  LookupCache cache;
  GrapeSelector selector;
  std::map<std::string, std::shared_ptr<SharedLookup>> lookups;
  std::map<AnnouncementKey, std::shared_ptr<Announcement>> announcements;
  bool is_watching = false;
  bool stopping = false;
};

void Link::Impl::make_https() {
  if (std::ranges::none_of(options.grapes, &GrapeUrl::uses_tls)) return;
  net::TlsOptions tls = options.tls;
  if (tls.ca.empty() && tls.fingerprints.empty()) tls.system_ca = true;
  auto context = net::TlsContext::make_client(tls);
  if (context) {
    https_context = *context;
    https.emplace(executor, http_options(std::move(*context)));
  } else {
    https_failure = context.error();
  }
}

/// Sends `call`, possibly twice, to a grape. Its target is relative to the base path.
Awaitable<Result<net::HttpResponse>> Link::Impl::request(std::shared_ptr<Impl> self, GrapeIndex grape,
                                                         net::HttpCall call) {
  GrapeUrl const& url = self->options.grapes[grape];
  call.destination = url.at;
  call.target.insert(0, url.base_path);
  call.repeatable = true;
  if (url.uses_tls && !self->https) co_return self->https_failure;
  net::HttpClient& client = url.uses_tls ? *self->https : self->http;
  co_return co_await client.request(std::move(call));
}

/// Sends the request to one grape. An error of the grape is an answer; a page of another server, such as a
/// proxy whose grape does not run, is a failure.
Awaitable<void> Link::Impl::try_at(std::shared_ptr<Impl> self, std::shared_ptr<Inquiry> inquiry,
                                   GrapeIndex grape) {
  if (inquiry->is_abandoned || self->stopping) co_return;
  auto const announcement = inquiry->announces;
  bool const is_new_holder = announcement && announcement->state.sent(grape);
  net::HttpCall call;
  call.target = inquiry->target;
  call.body = inquiry->body;
  call.timeout = std::min(self->options.try_timeout, inquiry->deadline - net::steady_now());
  auto response = co_await request(self, grape, std::move(call));
  inquiry->asked.erase(grape);
  if (response && !json::is_grape_answer(response->status, response->body)) {
    self->selector.failed(grape, net::steady_now());
    inquiry->last_failure = self->options.grapes[grape].to_string() + " answers, but is not a grape (" +
                            std::to_string(response->status) + ")";
  } else if (response) {
    self->selector.answered(grape);
    if (!inquiry->answer) inquiry->answer = Answer{grape, std::move(*response)};
  } else {
    if (is_new_holder && is_never_connected(response.error())) announcement->state.not_delivered(grape);
    self->selector.failed(grape, net::steady_now());
    inquiry->last_failure = self->text_of(response.error(), grape);
  }
  inquiry->changed.notify_all();
}

/// Asks a grape, and another one when it fails or is slow; the first answer counts.
Awaitable<RpcResult<Link::Impl::Answer>> Link::Impl::ask(std::shared_ptr<Impl> self,
                                                         std::shared_ptr<Inquiry> inquiry,
                                                         std::size_t try_count) {
  TimePoint hedge_at = TimePoint::max();
  while (!self->stopping && !inquiry->is_abandoned) {
    if (inquiry->answer) co_return std::move(*inquiry->answer);
    TimePoint const now = net::steady_now();
    bool const is_slow = now >= hedge_at;
    if (is_slow) {
      for (GrapeIndex const slow : inquiry->asked) self->selector.failed(slow, now);
      hedge_at = TimePoint::max();
    }
    std::optional<GrapeIndex> next;
    bool const needs_another = inquiry->asked.empty() || is_slow;
    if (needs_another && try_count > 0) next = self->selector.pick(now, inquiry->asked);
    if (next) {
      --try_count;
      hedge_at = later_by(now, self->options.hedge_delay);
      inquiry->asked.insert(*next);
      self->tasks.spawn(try_at(self, inquiry, *next));
      if (inquiry->asked.empty()) continue;  // it has failed already
    } else if (inquiry->asked.empty()) {
      if (self->options.grapes.empty()) inquiry->last_failure = "no grape is configured";
      co_return Failure(Errc::grape_unreachable, inquiry->last_failure);
    }
    Wake const wake = co_await inquiry->changed.wait(hedge_at);
    if (wake == Wake::cancelled) break;
  }
  co_return Errc::stopped;
}

/// Returns `not_ready` if /health says that the grape has not joined its network yet, so that a later lookup
/// may succeed; otherwise `lookup_empty`. Node.js grapes have no /health.
Awaitable<Failure> Link::Impl::why_empty(std::shared_ptr<Impl> self, GrapeIndex grape) {
  net::HttpCall call;
  call.method = "GET";
  call.target = "/health";
  call.timeout = self->options.try_timeout;
  auto const response = co_await request(self, grape, std::move(call));
  if (!response || response->status != kUnavailable) co_return Errc::lookup_empty;
  auto const health = json::parse(response->body);
  std::string const* const status = health ? health->find_string("status") : nullptr;
  co_return Failure(Errc::not_ready, status ? "the grape is " + *status : "");
}

Awaitable<RpcResult<Destinations>> Link::Impl::ask_for(std::shared_ptr<Impl> self, std::string name) {
  std::string body = json::lookup_request(make_uuid(self->random), name);
  auto inquiry = std::make_shared<Inquiry>(self->executor, "/lookup", std::move(body));
  auto const answer = co_await ask(self, std::move(inquiry), self->options.try_count);
  if (!answer) co_return answer.error();
  auto reply = json::parse_lookup_reply(answer->response.body, self->options.peer_count_max);
  if (!reply.value) co_return Failure(Errc::grape_refused, reply.error);
  if (reply.value->empty()) {
    Failure reason = co_await why_empty(self, answer->grape);
    co_return reason;
  }
  self->cache.store(name, *reply.value, net::steady_now());
  co_return std::move(*reply.value);
}

/// Runs a lookup. An exception (no memory, no thread for the resolver) fails it for all callers.
Awaitable<void> Link::Impl::run(std::shared_ptr<Impl> self, std::string name,
                                std::shared_ptr<SharedLookup> lookup) {
  try {
    auto result = co_await ask_for(self, name);
    lookup->result = std::move(result);
  } catch (std::exception const& thrown) {
    lookup->result = Failure(Errc::request_generic, thrown.what());
  }
  self->lookups.erase(name);
  lookup->done.notify_all();
}

Awaitable<RpcResult<Destinations>> Link::Impl::lookup(std::shared_ptr<Impl> self, std::string name,
                                                      TimePoint deadline) {
  if (self->stopping) co_return Errc::stopped;
  if (auto const* const known = self->cache.find(name, net::steady_now())) co_return *known;
  std::shared_ptr<SharedLookup> shared;
  if (auto const found = self->lookups.find(name); found != self->lookups.end()) {
    shared = found->second;
  } else {
    if (self->lookups.size() >= self->options.lookup_count_max) {
      co_return Failure(Errc::request_limit, "too many lookups under way");
    }
    shared = std::make_shared<SharedLookup>(self->executor);
    self->lookups.emplace(name, shared);
    // A separate task: the first caller may give up without an effect on the others.
    self->tasks.spawn(run(self, name, shared));
  }
  while (!shared->result) {
    Wake const wake = co_await shared->done.wait(deadline);
    if (shared->result) break;
    if (wake == Wake::timed_out) co_return Errc::timeout;
    if (wake == Wake::cancelled) co_return Errc::stopped;
  }
  co_return *shared->result;
}

Awaitable<RpcResult<std::uint32_t>> Link::Impl::announce(std::shared_ptr<Impl> self,
                                                         std::shared_ptr<Inquiry> inquiry) {
  auto const answer = co_await ask(self, inquiry, self->options.try_count);
  if (!answer) co_return answer.error();
  auto const reply = json::parse_announce_reply(answer->response.body);
  if (!reply.value) co_return Failure(Errc::grape_refused, reply.error);
  if (inquiry->announces) {
    Duration const interval = jittered(self->options.announce_interval, self->random);
    inquiry->announces->state.confirmed(answer->grape, net::steady_deadline(interval));
  }
  co_return *reply.value;
}

Awaitable<void> Link::Impl::announce_once(std::shared_ptr<Impl> self, AnnouncementKey const& key,
                                          std::shared_ptr<Announcement> announcement) {
  announcement->state.begin();
  announcement->inquiry = self->announcing(key);
  announcement->inquiry->announces = announcement;
  auto const stored = co_await announce(self, announcement->inquiry);
  announcement->inquiry.reset();
  if (!stored) {
    Duration const pause = jittered(self->options.announce_retry, self->random);
    announcement->state.failed(stored.error(), net::steady_deadline(pause));
  }
  announcement->changed.notify_all();
}

Awaitable<void> Link::Impl::keep_announcing(std::shared_ptr<Impl> self, AnnouncementKey key,
                                            std::shared_ptr<Announcement> announcement) {
  while (!announcement->is_stopped) {
    TimePoint const next = announcement->state.next_at();
    if (net::steady_now() >= next) {
      co_await announce_once(self, key, announcement);
      continue;
    }
    Wake const wake = co_await announcement->changed.wait(next);
    if (wake == Wake::cancelled) co_return;
  }
  self->unannounce(key, announcement->state.holders());
}

Awaitable<RpcResult<void>> Link::Impl::announced(std::shared_ptr<Impl> self, AnnouncementKey key,
                                                 Duration limit) {
  auto const found = self->announcements.find(key);
  if (found == self->announcements.end()) co_return Errc::stopped;
  std::shared_ptr<Announcement> const announcement = found->second;
  TimePoint const deadline = net::steady_deadline(limit);
  while (!announcement->state.is_confirmed()) {
    if (announcement->is_stopped) co_return Errc::stopped;
    Wake const wake = co_await announcement->changed.wait(deadline);
    if (wake == Wake::timed_out) co_return announcement->state.last_failure();
    if (wake == Wake::cancelled) co_return Errc::stopped;
  }
  co_return RpcResult<void>{};
}

void Link::Impl::unannounce(AnnouncementKey const& key, std::set<GrapeIndex> const& holders) {
  if (auto const again = announcements.find(key); again != announcements.end()) {
    again->second->state.adopt(holders);  // it has been announced again
    return;
  }
  for (GrapeIndex const grape : holders) {
    announcers.spawn(unannounce_at(shared_from_this(), key, grape, holders));
  }
}

/// Asks `grape` to unannounce the service; other tasks ask the other `holders`.
Awaitable<void> Link::Impl::unannounce_at(std::shared_ptr<Impl> self, AnnouncementKey key, GrapeIndex grape,
                                          std::set<GrapeIndex> holders) {
  net::HttpCall call;
  call.target = "/unannounce";
  call.body = json::announce_request(make_uuid(self->random), key.first, key.second);
  call.timeout = self->options.unannounce_max / 2;
  auto const response = co_await request(self, grape, call);
  bool const is_done = response && json::is_grape_answer(response->status, response->body) &&
                       response->body.find(kGrapeBusy) == std::string::npos;
  if (!is_done) {
    // The DHT nodes to which this grape announced it still run, and any other grape can reach them.
    auto const other = self->selector.pick(net::steady_now(), holders);
    if (other) (void)co_await request(self, *other, call);
  }
  // If it has been announced again meanwhile, this request may have removed the new announcement.
  auto const again = self->announcements.find(key);
  if (again == self->announcements.end()) co_return;
  again->second->state.adopt(holders);
  again->second->state.hurry();
  again->second->changed.notify_all();
}

Awaitable<GrapeWatch::Sight> Link::Impl::poll_health(std::shared_ptr<Impl> self, GrapeIndex grape) {
  net::HttpCall call;
  call.method = "GET";
  call.target = "/health";
  call.timeout = self->options.try_timeout;
  auto const response = co_await request(self, grape, std::move(call));
  GrapeWatch::Sight sight;
  if (response) sight = sight_of(*response);
  co_return sight;
}

/// Polls a grape for as long as services are announced.
Awaitable<void> Link::Impl::watch(std::shared_ptr<Impl> self, GrapeIndex grape) {
  GrapeWatch grape_watch;
  while (!self->stopping) {
    if (!self->announcements.empty()) {
      auto sight = co_await poll_health(self, grape);
      if (self->stopping) break;
      self->react(grape, grape_watch.see(std::move(sight)));
    }
    Duration const pause = jittered(self->options.watch_interval, self->random);
    Wake const wake = co_await self->halt.wait(net::steady_deadline(pause));
    if (wake == Wake::cancelled) break;
  }
}

void Link::Impl::react(GrapeIndex grape, GrapeWatch::Change change) {
  if (change == GrapeWatch::Change::none) return;
  bool const is_lost = change == GrapeWatch::Change::lost;
  if (is_lost) {
    selector.failed(grape, net::steady_now());
  } else {
    selector.answered(grape);
  }
  for (auto const& [key, announcement] : announcements) {
    if (is_lost) {
      announcement->state.lost(grape);
    } else {
      announcement->state.renewed(grape);
    }
    announcement->changed.notify_all();
  }
}

Awaitable<RpcResult<void>> Link::Impl::wait_ready(std::shared_ptr<Impl> self, Duration limit) {
  TimePoint const deadline = net::steady_deadline(limit);
  Failure failure = Errc::grape_unreachable;
  while (!self->stopping && net::steady_now() < deadline) {
    // The answer, ERR_REQ_NOTFOUND, comes at once and needs no DHT query.
    auto inquiry = std::make_shared<Inquiry>(self->executor, "/", "{}");
    inquiry->deadline = deadline;
    auto const answer = co_await ask(self, std::move(inquiry), self->options.grapes.size());
    if (answer) co_return RpcResult<void>{};
    failure = answer.error();
    if (failure.code == Errc::stopped) break;  // cancelled while it was waiting
    TimePoint const next = std::min(deadline, net::steady_deadline(self->options.ready_poll));
    Wake const wake = co_await self->halt.wait(next);
    if (wake == Wake::cancelled) co_return Errc::stopped;
  }
  if (self->stopping) co_return Errc::stopped;
  co_return failure;
}

void Link::Impl::start_announcing(AnnouncementKey key) {
  if (stopping || announcements.contains(key)) return;
  auto announcement = std::make_shared<Announcement>(executor);
  announcements.emplace(key, announcement);
  announcers.spawn(keep_announcing(shared_from_this(), std::move(key), std::move(announcement)));
  if (std::exchange(is_watching, true)) return;
  for (GrapeIndex grape = 0; grape < options.grapes.size(); ++grape) {
    tasks.spawn(watch(shared_from_this(), grape));
  }
}

void Link::Impl::shut_down() {
  stopping = true;
  for (auto const& [key, announcement] : std::exchange(announcements, {})) announcement->stop();
  halt.notify_all();
}

Awaitable<void> Link::Impl::stop(std::shared_ptr<Impl> self) {
  self->shut_down();
  (void)co_await self->announcers.drained(self->options.unannounce_max);
  co_await self->http.stop();
  if (self->https) co_await self->https->stop();
  co_await self->announcers.drained(Duration::max());
  co_await self->tasks.drained(Duration::max());
}

Link::Link(net::Executor const& executor, Options options, Random random) {
  impl_ = std::make_shared<Impl>(executor, std::move(options), std::move(random));
}

Link::~Link() { impl_->shut_down(); }

Awaitable<RpcResult<void>> Link::wait_ready(Duration limit) { return Impl::wait_ready(impl_, limit); }
Awaitable<RpcResult<Destinations>> Link::lookup(std::string name, TimePoint deadline) {
  return Impl::lookup(impl_, std::move(name), deadline);
}
Awaitable<RpcResult<Destinations>> Link::lookup(std::string name) {
  return Impl::lookup(impl_, std::move(name), TimePoint::max());
}
void Link::forget(std::string_view name) { impl_->cache.forget(name); }
Awaitable<RpcResult<std::uint32_t>> Link::announce(std::string name, std::uint16_t port) {
  Impl::AnnouncementKey const key{std::move(name), port};
  return Impl::announce(impl_, impl_->announcing(key));
}

void Link::start_announcing(std::string name, std::uint16_t port) {
  impl_->start_announcing({std::move(name), port});
}

bool Link::stop_announcing(std::string_view name, std::uint16_t port) {
  auto const found = impl_->announcements.find({std::string{name}, port});
  if (found == impl_->announcements.end()) return false;
  auto const announcement = found->second;
  impl_->announcements.erase(found);
  announcement->stop();
  return true;
}

Awaitable<RpcResult<void>> Link::announced(std::string name, std::uint16_t port, Duration limit) {
  return Impl::announced(impl_, Impl::AnnouncementKey{std::move(name), port}, limit);
}
Awaitable<void> Link::stop() { return Impl::stop(impl_); }

}  // namespace grenache::rpc
