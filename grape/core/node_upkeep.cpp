// The node's own activity: its queries, joining the network, routing table maintenance.
#include <algorithm>

#include "grape/core/address_rules.hpp"
#include "grape/core/node.hpp"
#include <grenache/base/check.hpp>

namespace grenache::grape {

using dht::Contact;

namespace {

// Minimum time between id changes because of a duplicate.
constexpr Duration kDuplicateIdInterval = std::chrono::minutes{1};

}  // namespace

void Node::on(Endpoint const& from, dht::Reply const& reply, TimePoint now) {
  auto const query = transactions_.close(reply.tid, from, now);
  if (!query) return drop(DropReason::unmatched_reply);
  if (is_own(reply.sender)) {
    duplicate_id_answered(*query, now);
  } else {
    answered(*query, reply, now);
  }
}

void Node::on(Endpoint const& from, dht::ErrorReply const& error, TimePoint now) {
  auto const query = transactions_.close(error.tid, from, now);
  if (!query) return drop(DropReason::unmatched_reply);
  // An error carries no node id, so it shows neither that the node is alive nor that it is gone.
  switch (query->purpose) {
    case Purpose::bootstrap:
      bootstrap_.failed(from, now, random_);
      fallback_.failed(from, now, random_);
      break;
    case Purpose::verify:
      break;
    case Purpose::search:
      service_.search_failed(query->owner, {*query->expected, from});
      break;
    case Purpose::store:
      service_.store_refused(query->owner, {*query->expected, from}, error);
      break;
  }
}

void Node::answered(Transactions::Query const& query, dht::Reply const& reply, TimePoint now) {
  Contact const node{reply.sender, query.to};
  if (query.expected && *query.expected != reply.sender) {
    // Another node is at this endpoint now. The reply matched our transaction, so this cannot be used to
    // flush our table.
    table_of(query.to).evict({*query.expected, query.to});
    if (query.purpose == Purpose::search) {
      service_.search_failed(query.owner, {*query.expected, query.to});
      service_.add_node(query.owner, node);  // under its real id
    } else if (query.purpose == Purpose::store) {
      service_.store_failed(query.owner, {*query.expected, query.to});
    }
    bool const may_ping = transactions_.verify_count() < options_.verify_count_max;
    if (may_ping && table_of(query.to).on_query_from(node, now)) ping(node, now);
    return;
  }
  bool const was_alone = table_of(query.to).size() == 0;
  on_verified(node, now);
  if (reply.ip) note_own_address(query.to, reply.ip->address, now);
  switch (query.purpose) {
    case Purpose::bootstrap:
      look_for_duplicate_id(query.to, reply, now);
      if (bootstrap_.answered(query.to, now, random_) || was_alone) joined(node, &reply, now);
      break;
    case Purpose::verify:
      if (was_alone) joined(node, nullptr, now);
      break;
    case Purpose::search:
      service_.search_answered(query.owner, node, reply);
      break;
    case Purpose::store:
      service_.store_answered(query.owner, node, reply);
      break;
  }
}

// We never answer our own queries, so another node has our id: a copy of this machine, or an attacker. Only
// bootstrap nodes, and nodes with our id that they named, can make us change it; others could use this to
// remove us from the tables of other nodes.
void Node::duplicate_id_answered(Transactions::Query const& query, TimePoint now) {
  drop(DropReason::own_id);
  if (query.purpose != Purpose::bootstrap) return discard(query);
  bootstrap_.failed(query.to, now, random_);
  fallback_.failed(query.to, now, random_);
  if (now < duplicate_id_due_) return;
  duplicate_id_due_ = now + kDuplicateIdInterval;
  if (options_.id) return log_event(Warning{"another node has our id: " + query.to.to_string()});
  log_event(Warning{"another node has our id: " + query.to.to_string() + "; changing ours"});
  // The duplicate has both ids.
  NodeId const random = NodeId::random(random_);
  for (Family const family : kFamilies) {
    auto const& own = external_[family].address();
    change_id(family, options_.id_by_address && own ? fitting_id(*own, random_) : random, now);
  }
  bootstrap_.hurry(now);
  try_bootstrap(now);
}

// Handles an answer that cannot be used: the query fails and its node is removed from the table.
void Node::discard(Transactions::Query const& query) {
  if (query.purpose == Purpose::search) {
    service_.search_failed(query.owner, {*query.expected, query.to});
  } else if (query.purpose == Purpose::store) {
    service_.store_failed(query.owner, {*query.expected, query.to});
  }
  if (query.expected) table_of(query.to).evict({*query.expected, query.to});
}

// Queries the endpoints at which a bootstrap node knows our id: they are our own or those of a duplicate,
// which is recognised by its answer. Nodes named by a possible duplicate are not followed further.
void Node::look_for_duplicate_id(Endpoint const& from, dht::Reply const& reply, TimePoint now) {
  if (!bootstrap_.contains(from) && !fallback_.contains(from)) return;
  for (dht::CompactNodes const* nodes : {&reply.nodes, &reply.nodes6}) {
    for (std::size_t i = 0; i < nodes->size(); ++i) {
      auto const node = nodes->at(i);
      if (!node || !is_own(node->id) || !is_usable(node->endpoint)) continue;
      if (options_.id_by_address && !id_fits(node->id, node->endpoint.address)) continue;
      if (now < duplicate_id_due_) return;
      (void)ask_bootstrap(node->endpoint, now);
      return;
    }
  }
}

void Node::on_verified(Contact const& node, TimePoint now) {
  if (!table_of(node.endpoint).answered(node, now)) return;
  log_event(NodeAdded{node.endpoint, node.id});
  former_.remove(node.endpoint);
  if (!fallback_.empty()) fallback_ = Bootstrap{options_.fallback};
}

void Node::note_own_address(Endpoint const& voter, IpAddress const& address, TimePoint now) {
  Family const family = family_of(voter);
  if (!options_.id_by_address || address.is_v6() != voter.address.is_v6() || is_martian(address)) return;
  auto const agreed = external_[family].vote(voter.address, address);
  if (!agreed || id_fits(ids_[family], *agreed)) return;
  NodeId const id = fitting_id(*agreed, random_);
  change_id(family, id, now);
  log_event(IdChanged{id, *agreed});
}

void Node::change_id(Family family, NodeId const& id, TimePoint now) {
  std::vector<Contact> known;
  tables_[family].all_responsive(known);
  ids_[family] = id;
  tables_[family] = RoutingTable{id, options_.table};
  for (Contact const& node : known) (void)tables_[family].answered(node, now);
  if (node_count() > 0) search_self(now);
}

// Starts a search for the nodes nearest to us, or adds the nodes to the running one.
void Node::joined(Contact const& node, dht::Reply const* reply, TimePoint now) {
  search_self(now);
  if (!self_search_) return;
  service_.add_node(*self_search_, node);
  if (reply != nullptr) service_.add_nodes(*self_search_, node, *reply);
}

void Node::search_self(TimePoint now) {
  if (self_search_ && service_.is_running(*self_search_)) return;
  self_search_ = service_.find_nodes(ids_[families_.v4 ? Family::v4 : Family::v6], now);
  if (families_.v4 && families_.v6 && ids_.v4 != ids_.v6) (void)service_.find_nodes(ids_.v6, now);
  self_search_at_ = now + self_search_wait_;
  self_search_wait_ = std::min(2 * self_search_wait_, options_.sparse_refresh);
}

void Node::slow(Transactions::Query const& query, TimePoint now) {
  if (query.purpose == Purpose::search) {
    service_.search_slow(query.owner, {*query.expected, query.to});
  } else if (query.purpose == Purpose::store) {
    service_.store_slow(query.owner, {*query.expected, query.to});
  } else if (query.purpose == Purpose::bootstrap) {
    // The query stays open and may still be answered; the next try does not wait for it.
    bootstrap_.failed(query.to, now, random_);
    fallback_.failed(query.to, now, random_);
  }
}

void Node::unanswered(Transactions::Query const& query, TimePoint now) {
  ++stats_.timeouts;
  std::size_t const before = node_count();
  if (query.expected) {
    Contact const node{*query.expected, query.to};
    if (table_of(query.to).failed(node, now)) former_.add(node);
  }
  if (before > 0 && node_count() == 0) bootstrap_.hurry(now);
  if (query.purpose == Purpose::search) {
    service_.search_timed_out(query.owner, {*query.expected, query.to});
  } else if (query.purpose == Purpose::store) {
    service_.store_timed_out(query.owner, {*query.expected, query.to});
  }
}

void Node::expire(TimePoint now) {
  tokens_.expire(now, random_);
  peers_.expire(now);
  own_.expire(now);
  items_.expire(now);
  while (auto const timeout = transactions_.expire(now)) {
    if (timeout->is_final) {
      unanswered(timeout->query, now);
    } else {
      slow(timeout->query, now);
    }
  }
  try_bootstrap(now);
  upkeep(now);
  keep(now);
  service_.expire(now);
  dispatch_queries(now);
}

TimePoint Node::next_deadline() const {
  return std::min({tokens_.next_deadline(), peers_.next_deadline(), own_.next_deadline(),
                   items_.next_deadline(), transactions_.next_deadline(), bootstrap_.next_deadline(),
                   fallback_.next_deadline(), service_.next_deadline(), keep_deadline(), upkeep_at_,
                   ready_by_});
}

void Node::bootstrap(std::vector<Endpoint> const& addresses, TimePoint now) {
  bootstrap_.add(addresses, now);
  if (phase_ == Phase::waiting) {
    // Open transactions are the pings of restore().
    bool const hopeful = !addresses.empty() || transactions_.size() > 0;
    phase_ = Phase::joining;
    ready_by_ = hopeful ? now + options_.ready_max : now;
  }
  try_bootstrap(now);
  dispatch_queries(now);
}

Snapshot Node::snapshot(TimePoint now) const {
  Snapshot snapshot;
  snapshot.ids = ids_;
  for (Family const family : kFamilies) tables_[family].all_responsive(snapshot.contacts);
  if (snapshot.contacts.size() < options_.fallback.address_count_max) {
    auto const& former = former_.all();
    snapshot.contacts.insert(snapshot.contacts.end(), former.begin(), former.end());
  }
  own_items_.for_each(now, [&](dht::Item const& item) { snapshot.items.push_back(item); });
  for (auto const& [service, lapse] : keeper_.services()) {
    snapshot.services.push_back({service, std::max(lapse - now, Duration::zero())});
  }
  return snapshot;
}

void Node::restore(Snapshot const& snapshot, TimePoint now) {
  if (!options_.id) {
    ids_ = snapshot.ids;
    for (Family const family : kFamilies) tables_[family] = RoutingTable{ids_[family], options_.table};
  }
  for (Contact const& node : snapshot.contacts) {
    former_.add(node);
    if (!speaks(family_of(node.endpoint)) || !table_of(node.endpoint).on_query_from(node, now)) continue;
    // The others are pinged by upkeep(), or found again by searches.
    if (transactions_.verify_count() < options_.verify_count_max) ping(node, now);
  }
  for (dht::Item const& item : snapshot.items) keep_own_item(item, now, true);
  for (Snapshot::Service const& service : snapshot.services) {
    // Every node that held it has expired it.
    if (service.life_left < -options_.keeper.owner_patience) continue;
    keeper_.restore(service.service, now + service.life_left, now, random_);
    if (service.life_left > Duration::zero()) (void)store_own(service.service, now, now + service.life_left);
  }
}

void Node::try_bootstrap(TimePoint now) {
  try_addresses(bootstrap_, now);
  try_addresses(fallback_, now);
}

void Node::try_addresses(Bootstrap& bootstrap, TimePoint now) {
  while (auto const address = bootstrap.next(now)) {
    if (!speaks(family_of(*address))) continue;
    if (table_of(*address).is_fresh(*address, now)) {
      bootstrap.answered(*address, now, random_);
      continue;
    }
    if (!ask_bootstrap(*address, now)) bootstrap.failed(*address, now, random_);
  }
}

bool Node::ask_bootstrap(Endpoint const& address, TimePoint now) {
  auto const tid = transactions_.open({address, std::nullopt, Purpose::bootstrap, 0}, random_, now);
  if (!tid) return false;
  ++stats_.queries_out;
  NodeId const& id = id_for(address);
  send(address, dht::encode_query(*tid, id, dht::FindNode{id}, extras_));
  return true;
}

bool Node::update_phase(TimePoint now) {
  if (phase_ != Phase::joining) return false;
  if (self_search_ && service_.is_running(*self_search_)) {
    ready_by_ = TimePoint::max();  // the search has its own limits
    return false;
  }
  if (!self_search_ && now < ready_by_) return false;
  phase_ = Phase::ready;
  ready_by_ = TimePoint::max();
  if (node_count() == 0 && !bootstrap_.empty()) log_event(Warning{"no bootstrap address has answered"});
  log_event(Ready{});
  service_.release(now);
  return true;
}

bool Node::holds_searches() const { return phase_ != Phase::ready && node_count() == 0; }

void Node::upkeep(TimePoint now) {
  if (now < upkeep_at_) return;
  // Jittered, so that nodes that start together do not stay in step.
  auto const half = static_cast<std::uint64_t>(options_.upkeep.count() / 2);
  upkeep_at_ = now + Duration{static_cast<std::int64_t>(half + random_.below(2 * half + 1))};
  if (node_count() == 0 && fallback_.empty() && is_ready()) {
    std::vector<Endpoint> addresses;
    for (Contact const& node : former_.all()) addresses.push_back(node.endpoint);
    fallback_.add(addresses, now);
    try_addresses(fallback_, now);
  }
  if (transactions_.verify_count() < options_.verify_count_max) {
    for (Family const family : kFamilies) {
      for (Contact const& node : tables_[family].due(options_.upkeep_ping_max / 2, now)) ping(node, now);
    }
  }
  for (Family const family : kFamilies) {
    RoutingTable& table = tables_[family];
    if (table.size() == 0) continue;
    if (table.size() < options_.table.bucket_size && now >= self_search_at_) {
      search_self(now);
    } else if (auto const target = table.stale_bucket(now, random_)) {
      (void)service_.find_nodes(*target, now);
    }
  }
}

void Node::keep(TimePoint now) {
  if (holds_searches()) return;  // there is no node to query yet
  while (service_.silent_count() < options_.keep_concurrency) {
    auto const duty = keeper_.next(now, random_);
    if (!duty) return;
    if (auto const* announce = std::get_if<Keeper::Announce>(&*duty)) {
      Keeper::Service const& service = announce->service;
      (void)store_own(service, now);
      (void)service_.announce(service.name, {service.port, service.implied_port}, true, false, now);
    } else if (auto const* back = std::get_if<Keeper::Unannounce>(&*duty)) {
      Keeper::Service const& service = back->service;
      forget_own(service);
      (void)service_.unannounce(service.name, {service.port, service.implied_port}, true, false, now);
    } else {
      NodeId const& target = std::get<Keeper::Republish>(*duty).target;
      dht::Item const* item = own_items_.find(target, now);
      GRN_CHECK(item != nullptr);
      (void)service_.put({*item, std::nullopt}, true, false, now);
    }
  }
}

// No deadline while keep() cannot start work: at the concurrency limit it continues when a request ends, and
// without nodes when one is found or bootstrapping ends. Both are inputs or have deadlines of their own.
TimePoint Node::keep_deadline() const {
  bool const busy = service_.silent_count() >= options_.keep_concurrency || holds_searches();
  return busy ? TimePoint::max() : keeper_.next_deadline();
}

void Node::ping(Contact const& node, TimePoint now) {
  auto const tid = transactions_.open({node.endpoint, node.id, Purpose::verify, 0}, random_, now);
  if (!tid) return;
  ++stats_.queries_out;
  send(node.endpoint, dht::encode_query(*tid, id_for(node.endpoint), dht::Ping{}, extras_));
}

void Node::dispatch_queries(TimePoint now) {
  do {
    while (transactions_.prompt_count() < options_.concurrency) {
      auto const ask = service_.next(now);
      if (!ask) break;
      send_query_of_service(*ask, now);
    }
    // The search for our own id may have ended, which releases the held searches.
  } while (update_phase(now));
  while (auto notice = service_.poll_event()) pass_on(std::move(*notice));
}

void Node::pass_on(Service::Notice notice) {
  if (auto const* put = std::get_if<PutDone>(&notice.event);
      put != nullptr && put->stored == 0 && put->refusal) {
    drop_own_item(put->target);
  }
  if (!notice.silent) log_event(std::move(notice.event));
}

void Node::send_query_of_service(Service::OutgoingQuery const& ask, TimePoint now) {
  Purpose const purpose = ask.stores ? Purpose::store : Purpose::search;
  auto const tid = transactions_.open({ask.to.endpoint, ask.to.id, purpose, ask.owner}, random_, now);
  if (!tid)
    return ask.stores ? service_.store_failed(ask.owner, ask.to) : service_.search_failed(ask.owner, ask.to);
  ++stats_.queries_out;
  NodeId const& id = id_for(ask.to.endpoint);
  send(ask.to.endpoint,
       std::visit([&](auto const& query) { return dht::encode_query(*tid, id, query, extras_); }, ask.query));
}

}  // namespace grenache::grape
