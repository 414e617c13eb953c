#include "grape/core/service.hpp"

#include <algorithm>

#include "proto/base/check.hpp"

namespace grenache::grape {

using dht::Contact;
using dht::ServiceKey;

std::string_view describe(ServiceErrc code) {
  switch (code) {
    case ServiceErrc::too_many_requests:
      return "too many requests are waiting";
  }
  return "unknown service error";
}

Result<RequestId> Service::lookup(ServiceKey const& name, bool hold, TimePoint now) {
  return add_request(name, Waiter{}, hold, now);
}

Result<RequestId> Service::announce(ServiceKey const& name, std::uint16_t port, bool implied_port, bool hold,
                                    TimePoint now) {
  return add_request(name, Waiter{{}, true, port, implied_port}, hold, now);
}

Result<RequestId> Service::add_request(ServiceKey const& name, Waiter waiter, bool hold, TimePoint now) {
  if (requests_.size() >= options_.request_count_max) return ServiceErrc::too_many_requests;
  auto shared = by_name_.find(name);
  if (shared == by_name_.end()) {
    if (searches_.size() >= options_.search_count_max) return ServiceErrc::too_many_requests;
    std::uint64_t const id = next_id_++;
    NodeId const target = dht::target_of(name.bytes());
    auto& search =
        searches_.emplace(id, Search{name, Lookup{target, own_id_, options_.lookup}, {}, {}, false})
            .first->second;
    shared = by_name_.emplace(name, id).first;
    if (hold) {
      held_.emplace(id, now + options_.hold_max);
    } else {
      begin(id, search, now);
    }
  }
  waiter.id = RequestId{next_id_++};
  searches_.at(shared->second).waiters.push_back(waiter);
  requests_.emplace(waiter.id, shared->second);
  return waiter.id;
}

void Service::cancel(RequestId id) {
  auto const request = requests_.find(id);
  if (request == requests_.end()) return;
  std::uint64_t const task = request->second;
  requests_.erase(request);
  if (announcements_.erase(task) > 0) return;
  std::erase_if(searches_.at(task).waiters, [id](Waiter const& waiter) { return waiter.id == id; });
  forget_if_unwanted(task);
}

void Service::forget_if_unwanted(std::uint64_t search) {
  auto const found = searches_.find(search);
  if (found == searches_.end() || !found->second.name || !found->second.waiters.empty()) return;
  by_name_.erase(*found->second.name);
  held_.erase(search);
  searches_.erase(found);
}

std::optional<std::uint64_t> Service::find_nodes(NodeId const& target, TimePoint now) {
  if (searches_.size() >= options_.search_count_max) return std::nullopt;
  std::uint64_t const id = next_id_++;
  auto& search =
      searches_.emplace(id, Search{std::nullopt, Lookup{target, own_id_, options_.lookup}, {}, {}, false})
          .first->second;
  begin(id, search, now);
  return id;
}

void Service::begin(std::uint64_t id, Search& search, TimePoint now) {
  std::vector<Contact> seeds;
  table_.closest(search.lookup.target(), options_.lookup.k, seeds);
  table_.touch(search.lookup.target(), now);
  for (Contact const& seed : seeds) search.lookup.add(seed);
  wake(id, search);
}

void Service::add_nodes(std::uint64_t search, dht::CompactNodes const& nodes) {
  // Grape sends 20; more is no help but a way to make us work.
  std::size_t const count = std::min<std::size_t>(nodes.size(), 2 * options_.lookup.k);
  for (std::size_t i = 0; i < count; ++i) {
    if (auto const node = nodes.at(i)) add_node(search, *node);
  }
}

void Service::add_node(std::uint64_t search, Contact const& node) {
  auto const found = searches_.find(search);
  if (found == searches_.end()) return;
  if (node.endpoint.address.is_multicast_or_reserved() || node.endpoint.address.is_unspecified()) return;
  found->second.lookup.add(node);
  wake(search, found->second);
}

void Service::release(TimePoint now) {
  auto const held = std::exchange(held_, {});
  for (auto const& [id, until] : held) begin(id, searches_.at(id), now);
}

void Service::expire(TimePoint now) {
  // Equal waits: the oldest search is the first to begin.
  while (!held_.empty() && held_.begin()->second <= now) {
    std::uint64_t const id = held_.begin()->first;
    held_.erase(held_.begin());
    begin(id, searches_.at(id), now);
  }
}

TimePoint Service::next_deadline() const { return held_.empty() ? TimePoint::max() : held_.begin()->second; }

std::optional<Service::Ask> Service::next(TimePoint now) {
  while (!awake_.empty()) {
    std::uint64_t const id = awake_.front();
    awake_.pop_front();
    std::optional<Ask> ask;
    if (auto const search = searches_.find(id); search != searches_.end()) {
      search->second.awake = false;
      ask = next_of_search(id, now);
      if (ask) wake(id, searches_.at(id));
    } else if (auto const task = announcements_.find(id); task != announcements_.end()) {
      task->second.awake = false;
      ask = next_of_announcement(id);
      if (ask) wake(id, announcements_.at(id));
    }
    if (ask) return ask;
  }
  return std::nullopt;
}

std::optional<Service::Ask> Service::next_of_search(std::uint64_t id, TimePoint now) {
  Search& search = searches_.at(id);
  auto const to = search.lookup.next();
  if (!to) {
    if (search.lookup.outcome() != Lookup::Outcome::running) finish(id, now);
    return std::nullopt;
  }
  Ask ask;
  ask.kind = search.name ? Ask::Kind::get_peers : Ask::Kind::find_node;
  ask.owner = id;
  ask.to = *to;
  ask.target = search.lookup.target();
  if (search.name) ask.key = search.name->bytes();
  return ask;
}

std::optional<Service::Ask> Service::next_of_announcement(std::uint64_t id) {
  Announcement& task = announcements_.at(id);
  if (task.asked == task.targets.size()) return std::nullopt;
  Lookup::Target const& target = task.targets[task.asked++];
  Ask ask;
  ask.kind = Ask::Kind::announce_peer;
  ask.owner = id;
  ask.to = target.node;
  ask.key = task.name.bytes();
  ask.port = task.waiter.port;
  ask.implied_port = task.waiter.implied_port;
  ask.token = target.token;
  return ask;
}

void Service::search_answered(std::uint64_t owner, Contact const& from, dht::Reply const& reply) {
  auto const found = searches_.find(owner);
  if (found == searches_.end()) return;
  found->second.lookup.answered(from, reply.token);
  add_nodes(owner, reply.nodes);
  if (found->second.name) this->found(found->second, reply.values);
  wake(owner, found->second);
}

void Service::found(Search& search, std::vector<Endpoint> const& peers) {
  for (Endpoint const& peer : peers) {
    if (search.peers.size() >= options_.peer_gather_max) return;
    if (peer.address.is_multicast_or_reserved() || peer.address.is_unspecified()) continue;
    auto const place = std::ranges::lower_bound(search.peers, peer);
    if (place != search.peers.end() && *place == peer) continue;
    search.peers.insert(place, peer);
    events_.push_back(PeerFound{*search.name, peer});
  }
}

void Service::search_slow(std::uint64_t owner, Contact const& to) {
  auto const found = searches_.find(owner);
  if (found == searches_.end()) return;
  // A node that failed before and now is slow is most likely dead: the search does not wait for it.
  if (table_.is_failing(to)) {
    found->second.lookup.failed(to);
  } else {
    found->second.lookup.slow(to);
  }
  wake(owner, found->second);
}

void Service::search_timed_out(std::uint64_t owner, Contact const& to) {
  auto const found = searches_.find(owner);
  if (found == searches_.end()) return;
  found->second.lookup.timed_out(to);
  wake(owner, found->second);
}

void Service::search_failed(std::uint64_t owner, Contact const& to) {
  auto const found = searches_.find(owner);
  if (found == searches_.end()) return;
  found->second.lookup.failed(to);
  wake(owner, found->second);
}

void Service::announce_answered(std::uint64_t owner, bool stored) {
  auto const found = announcements_.find(owner);
  if (found == announcements_.end()) return;
  if (stored) ++found->second.stored;
  if (++found->second.finished == found->second.targets.size()) finish_announcement(owner);
}

void Service::finish(std::uint64_t id, TimePoint now) {
  auto node = searches_.extract(id);
  Search& search = node.mapped();
  if (!search.name) return;
  by_name_.erase(*search.name);
  for (Waiter const& waiter : search.waiters) {
    if (waiter.announces) {
      start_announcement(search, waiter);
    } else {
      requests_.erase(waiter.id);
      events_.push_back(LookupDone{waiter.id, *search.name, result_of(search, now)});
    }
  }
}

void Service::start_announcement(Search const& search, Waiter const& waiter) {
  std::uint64_t const id = next_id_++;
  auto& task =
      announcements_
          .emplace(id, Announcement{waiter, *search.name, search.lookup.store_targets(), 0, 0, 0, false})
          .first->second;
  requests_.at(waiter.id) = id;
  if (task.targets.empty()) {
    finish_announcement(id);
  } else {
    wake(id, task);
  }
}

void Service::finish_announcement(std::uint64_t id) {
  auto node = announcements_.extract(id);
  Announcement const& task = node.mapped();
  requests_.erase(task.waiter.id);
  events_.push_back(AnnounceDone{task.waiter.id, task.name, task.stored});
}

std::vector<Endpoint> Service::result_of(Search const& search, TimePoint now) {
  std::string const& name = search.name->bytes();
  std::vector<Endpoint> peers = search.peers;
  auto const stored = store_.sample(name, options_.peer_gather_max, now, random_);
  peers.insert(peers.end(), stored.begin(), stored.end());
  // Ours are stored as 127.0.0.1, which is the same service as the address that others saw it come from.
  std::size_t const known = peers.size();
  for (Endpoint const& ours : own_.sample(name, options_.peer_gather_max, now, random_)) {
    auto const end = peers.begin() + static_cast<std::ptrdiff_t>(known);
    bool const seen = std::any_of(peers.begin(), end, [&](Endpoint const& p) { return p.port == ours.port; });
    if (!seen) peers.push_back(ours);
  }
  std::ranges::sort(peers);
  peers.erase(std::unique(peers.begin(), peers.end()), peers.end());
  random_.shuffle(peers);
  if (peers.size() > options_.peer_count_max) peers.resize(options_.peer_count_max);
  return peers;
}

std::optional<Event> Service::poll_event() {
  if (events_.empty()) return std::nullopt;
  Event event = std::move(events_.front());
  events_.pop_front();
  return event;
}

void Service::check() const {
  GRN_CHECK(searches_.size() <= options_.search_count_max);
  GRN_CHECK(requests_.size() <= options_.request_count_max);
  std::size_t waiters = 0;
  for (auto const& [id, search] : searches_) {
    search.lookup.check();
    waiters += search.waiters.size();
    GRN_CHECK(search.peers.size() <= options_.peer_gather_max);
    if (search.name) GRN_CHECK(by_name_.at(*search.name) == id && !search.waiters.empty());
  }
  GRN_CHECK(waiters + announcements_.size() == requests_.size());
  for (auto const& [id, task] : announcements_) {
    GRN_CHECK(task.finished < task.targets.size() && task.finished <= task.asked);
  }
  for (auto const& [id, until] : held_) GRN_CHECK(searches_.contains(id));
}

}  // namespace grenache::grape
