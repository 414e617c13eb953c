#include "tests/support/sim_network.hpp"

#include <algorithm>
#include <cstring>
#include <utility>
#include <variant>

#include <grenache/base/check.hpp>

namespace grenache::sim {

SimNetwork::SimNetwork(std::uint64_t seed, Faults faults) : random_{seed}, faults_{faults} {}

Endpoint SimNetwork::endpoint_of(std::size_t index) {
  auto const byte = [](std::size_t value) { return static_cast<std::uint8_t>(value); };
  return {IpAddress{10, byte(index / 62500), byte(index / 250 % 250), byte(index % 250 + 1)}, 20001};
}

std::size_t SimNetwork::add_node(std::vector<Endpoint> bootstrap, grape::NodeOptions options) {
  return add_node_at(endpoint_of(hosts_.size()), std::move(bootstrap), options);
}

std::size_t SimNetwork::add_node_at(Endpoint endpoint, std::vector<Endpoint> bootstrap,
                                    grape::NodeOptions options) {
  Site site;
  site.endpoints.push_back(endpoint);
  return add_node_at(site, std::move(bootstrap), std::move(options));
}

std::size_t SimNetwork::add_node_at(Site const& site, std::vector<Endpoint> bootstrap,
                                    grape::NodeOptions options) {
  std::size_t const index = hosts_.size();
  auto host = std::make_unique<Host>();
  host->endpoints = site.endpoints;
  host->options = std::move(options);
  host->options.port = site.endpoints.at(0).port;
  host->options.ipv4 = false;
  for (Endpoint const& endpoint : site.endpoints) {
    GRN_CHECK(by_endpoint_.emplace(endpoint, index).second);
    bool const v6 = endpoint.address.is_v6();
    (v6 ? host->options.ipv6 : host->options.ipv4) = true;
    if (!site.knows_addresses) continue;
    (v6 ? host->options.own_address6 : host->options.own_address) = endpoint.address;
  }
  host->bootstrap = std::move(bootstrap);
  hosts_.push_back(std::move(host));
  start(index);
  return index;
}

void SimNetwork::start(std::size_t index, grape::Snapshot const* state) {
  Host& host = at(index);
  host.node = std::make_unique<grape::Node>(host.options, random_.fork());
  ++host.life;
  host.timer_at = TimePoint::max();
  if (state != nullptr) host.node->restore(*state, clock_of(host));
  host.node->expire(clock_of(host));
  host.node->bootstrap(host.bootstrap, clock_of(host));
  flush(index);
}

void SimNetwork::crash(std::size_t index) {
  Host& host = at(index);
  host.node.reset();
  host.lookups.clear();
  host.stores.clear();
  host.gets.clear();
}

void SimNetwork::restart(std::size_t index) {
  crash(index);
  start(index);
}

void SimNetwork::restart_with_state(std::size_t index) {
  grape::Snapshot const state = node(index).snapshot(clock_of(at(index)));
  crash(index);
  start(index, &state);
}

void SimNetwork::advance_clock(std::size_t index, Duration by) {
  Host& host = at(index);
  host.ahead += by;
  if (!host.node) return;
  host.node->expire(clock_of(host));
  flush(index);
}

void SimNetwork::push(TimePoint at, Item item) {
  std::size_t slot = slots_.size();
  if (free_slots_.empty()) {
    slots_.push_back(std::move(item));
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
    slots_[slot] = std::move(item);
  }
  queue_.push({at, sequence_++, slot});
}

bool SimNetwork::step() {
  if (queue_.empty()) return false;
  Place const place = queue_.top();
  queue_.pop();
  Item const item = std::exchange(slots_[place.slot], {});
  free_slots_.push_back(place.slot);
  now_ = place.at;
  if (item.task) {
    item.task();
  } else {
    deliver(item);
  }
  return true;
}

void SimNetwork::deliver(Item const& item) {
  Host& host = at(item.host);
  if (!host.node) return;
  if (item.is_timer) {
    if (item.life != host.life) return;
    host.timer_at = TimePoint::max();
    if (host.node->next_deadline() <= clock_of(host)) host.node->expire(clock_of(host));
  } else {
    ++delivered_;
    note(now_, item.from, item.to, item.bytes);
    if (host.liar) return answer_with_lies(item.host, item);
    host.node->receive(item.from, item.bytes, clock_of(host));
  }
  flush(item.host);
}

void SimNetwork::answer_with_lies(std::size_t index, Item const& item) {
  dht::BencodeDocument document;
  auto const message = dht::parse_message(item.bytes, document);
  auto const* query = message ? std::get_if<dht::Query>(&*message) : nullptr;
  if (query == nullptr) {
    node(index).receive(item.from, item.bytes, clock_of(at(index)));
  } else if (auto lie = at(index).liar(item.from, *query)) {
    transmit(index, {item.from, std::move(*lie)});
  }
  flush(index);
}

void SimNetwork::flush(std::size_t index) {
  Host& host = at(index);
  while (host.node) {
    auto output = host.node->poll_output();
    if (!output) break;
    if (auto* datagram = std::get_if<grape::Datagram>(&*output)) {
      transmit(index, std::move(*datagram));
    } else {
      log_event(index, std::get<grape::Event>(*output));
    }
  }
  if (!host.node) return;
  TimePoint const deadline = std::max(host.node->next_deadline() - host.ahead, now_);
  if (deadline >= host.timer_at) return;
  host.timer_at = deadline;
  Item timer;
  timer.host = index;
  timer.is_timer = true;
  timer.life = host.life;
  push(deadline, std::move(timer));
}

void SimNetwork::transmit(std::size_t from, grape::Datagram datagram) {
  auto const& endpoints = at(from).endpoints;
  auto const source = std::ranges::find_if(endpoints, [&](Endpoint const& endpoint) {
    return endpoint.address.is_v6() == datagram.to.address.is_v6();
  });
  GRN_CHECK(source != endpoints.end());
  if (datagram_observer_) datagram_observer_(*source, datagram.to, datagram.bytes);
  auto const to = by_endpoint_.find(datagram.to);
  if (to == by_endpoint_.end() || at(to->second).group != at(from).group) return;
  if (random_.chance(faults_.loss_percent, 100)) return;
  int const copies = random_.chance(faults_.repeat_percent, 100) ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    auto const spread = static_cast<std::uint64_t>((faults_.delay_max - faults_.delay_min).count());
    TimePoint const arrival =
        now_ + faults_.delay_min + Duration{static_cast<std::int64_t>(random_.below(spread + 1))};
    Item item;
    item.host = to->second;
    item.from = *source;
    item.to = datagram.to;
    item.bytes = datagram.bytes;
    push(arrival, std::move(item));
  }
}

void SimNetwork::inject(Endpoint const& from, Endpoint const& to, std::string bytes) {
  Item item;
  item.host = by_endpoint_.at(to);
  item.from = from;
  item.to = to;
  item.bytes = std::move(bytes);
  push(now_, std::move(item));
}

void SimNetwork::log_event(std::size_t index, grape::Event const& event) {
  if (observer_) observer_(index, event);
  Host& host = at(index);
  if (auto const* done = std::get_if<grape::LookupDone>(&event)) {
    // Extract it first, since the callback may start another lookup.
    if (auto waiter = host.lookups.extract(done->id)) waiter.mapped()(done->peers);
  } else if (auto const* announced = std::get_if<grape::AnnounceDone>(&event)) {
    if (auto waiter = host.stores.extract(announced->id)) waiter.mapped()(announced->stored);
  } else if (auto const* back = std::get_if<grape::UnannounceDone>(&event)) {
    if (auto waiter = host.stores.extract(back->id)) waiter.mapped()(back->removed);
  } else if (auto const* put = std::get_if<grape::PutDone>(&event)) {
    if (auto waiter = host.stores.extract(put->id)) waiter.mapped()(put->stored);
  } else if (auto const* got = std::get_if<grape::GetDone>(&event)) {
    if (auto waiter = host.gets.extract(got->id)) waiter.mapped()(got->item);
  }
}

void SimNetwork::note(TimePoint at, Endpoint const& from, Endpoint const& to, std::string_view bytes) {
  auto const add = [this](std::string_view part) {
    for (; !part.empty(); part.remove_prefix(std::min<std::size_t>(part.size(), 8))) {
      std::uint64_t word = part.size();
      std::memcpy(&word, part.data(), std::min<std::size_t>(part.size(), 8));
      digest_ = (digest_ ^ word) * 0x9e3779b97f4a7c15u;
      digest_ ^= digest_ >> 29;
    }
  };
  std::string head = std::to_string(at.time_since_epoch().count());
  for (Endpoint const& endpoint : {from, to}) {
    head += endpoint.address.view();
    head += static_cast<char>(endpoint.port >> 8);
    head += static_cast<char>(endpoint.port & 0xff);
  }
  add(head);
  add(bytes);
}

void SimNetwork::post(Duration delay, std::function<void()> task) {
  Item item;
  item.task = std::move(task);
  push(now_ + delay, std::move(item));
}

void SimNetwork::run_for(Duration duration) {
  TimePoint const end = now_ + duration;
  while (!queue_.empty() && queue_.top().at <= end) step();
  now_ = end;
}

bool SimNetwork::run_until(std::function<bool()> const& done, Duration limit) {
  TimePoint const end = now_ + limit;
  while (!done()) {
    if (queue_.empty() || queue_.top().at > end) {
      now_ = end;
      return done();
    }
    step();
  }
  return true;
}

bool SimNetwork::run_until_ready(Duration limit) {
  std::size_t first = 0;
  return run_until(
      [&] {
        // A ready node stays ready, so it need not be checked again.
        while (first < hosts_.size() && (!hosts_[first]->node || hosts_[first]->node->is_ready())) ++first;
        return first == hosts_.size();
      },
      limit);
}

void SimNetwork::lookup(std::size_t index, std::string_view name, OnPeers on_peers) {
  auto const id = node(index).start_lookup(*dht::ServiceKey::from_bytes(name), clock_of(at(index)));
  GRN_CHECK(id.has_value());
  at(index).lookups.emplace(*id, std::move(on_peers));
  flush(index);
}

void SimNetwork::announce(std::size_t index, std::string_view name, std::uint16_t port, OnStored on_stored,
                          bool keep) {
  auto const key = *dht::ServiceKey::from_bytes(name);
  auto const id = node(index).start_announce(key, port, clock_of(at(index)), keep);
  GRN_CHECK(id.has_value());
  at(index).stores.emplace(*id, std::move(on_stored));
  flush(index);
}

void SimNetwork::unannounce(std::size_t index, std::string_view name, std::uint16_t port,
                            OnStored on_removed) {
  auto const key = *dht::ServiceKey::from_bytes(name);
  auto const id = node(index).start_unannounce(key, port, clock_of(at(index)));
  GRN_CHECK(id.has_value());
  at(index).stores.emplace(*id, std::move(on_removed));
  flush(index);
}

void SimNetwork::get(std::size_t index, NodeId const& target, std::string_view salt, OnItem on_item) {
  auto const id = node(index).start_get(target, salt, clock_of(at(index)));
  GRN_CHECK(id.has_value());
  at(index).gets.emplace(*id, std::move(on_item));
  flush(index);
}

void SimNetwork::put(std::size_t index, dht::Item item, OnStored on_stored) {
  auto const id = node(index).start_put(std::move(item), clock_of(at(index)));
  GRN_CHECK(id.has_value());
  at(index).stores.emplace(*id, std::move(on_stored));
  flush(index);
}

std::optional<std::vector<Endpoint>> SimNetwork::lookup_now(std::size_t index, std::string_view name,
                                                            Duration limit) {
  // Shared, since the answer may arrive after this call has returned.
  auto const result = std::make_shared<std::optional<std::vector<Endpoint>>>();
  lookup(index, name, [result](std::vector<Endpoint> const& peers) { *result = peers; });
  run_until([&] { return result->has_value(); }, limit);
  return *result;
}

std::optional<std::size_t> SimNetwork::announce_now(std::size_t index, std::string_view name,
                                                    std::uint16_t port, Duration limit) {
  auto const result = std::make_shared<std::optional<std::size_t>>();
  announce(index, name, port, [result](std::size_t stored) { *result = stored; });
  run_until([&] { return result->has_value(); }, limit);
  return *result;
}

void SimNetwork::check() const {
  for (auto const& host : hosts_) {
    if (host->node) host->node->check();
  }
}

}  // namespace grenache::sim
