// What a node does on its own account: its queries, joining the network, keeping the routing table alive.
#include <algorithm>

#include "grape/core/node.hpp"

namespace grenache::grape {

using dht::Contact;

void Node::on(Endpoint const& from, dht::Reply const& reply, TimePoint now) {
  if (reply.sender == id_) return drop(DropReason::own_id);
  auto const query = transactions_.close(reply.tid, from, now);
  if (!query) return drop(DropReason::unmatched_reply);
  answered(*query, reply, now);
}

void Node::on(Endpoint const& from, dht::ErrorReply const& error, TimePoint now) {
  auto const query = transactions_.close(error.tid, from, now);
  if (!query) return drop(DropReason::unmatched_reply);
  // An error has no id, so it says neither that the node is well nor that it is gone.
  switch (query->purpose) {
    case Purpose::bootstrap:
      bootstrap_.failed(from, now, random_);
      break;
    case Purpose::verify:
      break;
    case Purpose::search:
      service_.search_failed(query->owner, {*query->expected, from});
      break;
    case Purpose::announce:
      service_.announce_answered(query->owner, false);
      break;
  }
}

void Node::answered(Transactions::Query const& query, dht::Reply const& reply, TimePoint now) {
  Contact const node{reply.sender, query.to};
  if (query.expected && *query.expected != reply.sender) {
    // Somebody else lives there now. The reply is genuine, so this cannot be used to flush our table.
    table_.evict({*query.expected, query.to});
    if (query.purpose == Purpose::search) {
      service_.search_failed(query.owner, {*query.expected, query.to});
    } else if (query.purpose == Purpose::announce) {
      service_.announce_answered(query.owner, false);
    }
    if (transactions_.verify_count() < options_.verify_count_max && table_.heard(node, now)) ping(node, now);
    return;
  }
  bool const was_alone = table_.size() == 0;
  met(node, now);
  switch (query.purpose) {
    case Purpose::bootstrap:
      if (bootstrap_.answered(query.to, now, random_) || was_alone) joined(node, reply.nodes, now);
      break;
    case Purpose::verify:
      if (was_alone) joined(node, {}, now);
      break;
    case Purpose::search:
      service_.search_answered(query.owner, node, reply);
      break;
    case Purpose::announce:
      service_.announce_answered(query.owner, true);
      break;
  }
}

void Node::met(Contact const& node, TimePoint now) {
  if (table_.answered(node, now)) tell(NodeAdded{node.endpoint, node.id});
}

// A way into the network opened: looks for the nodes around us, or tells the running search of it.
void Node::joined(Contact const& node, dht::CompactNodes const& nodes, TimePoint now) {
  search_self(now);
  if (!self_search_) return;
  service_.add_node(*self_search_, node);
  service_.add_nodes(*self_search_, nodes);
}

void Node::search_self(TimePoint now) {
  if (self_search_ && service_.is_running(*self_search_)) return;
  self_search_ = service_.find_nodes(id_, now);
  self_search_at_ = now + self_search_wait_;
  self_search_wait_ = std::min(2 * self_search_wait_, options_.sparse_refresh);
}

void Node::slow(Transactions::Query const& query, TimePoint now) {
  if (query.purpose == Purpose::search) {
    service_.search_slow(query.owner, {*query.expected, query.to});
  } else if (query.purpose == Purpose::bootstrap) {
    // The query stays open and may still be answered, but the next try need not wait for that.
    bootstrap_.failed(query.to, now, random_);
  }
}

void Node::unanswered(Transactions::Query const& query, TimePoint now) {
  ++stats_.timeouts;
  std::size_t const before = table_.size();
  if (query.expected) table_.failed({*query.expected, query.to}, now);
  if (before > 0 && table_.size() == 0) bootstrap_.hurry(now);
  if (query.purpose == Purpose::search) {
    service_.search_timed_out(query.owner, {*query.expected, query.to});
  } else if (query.purpose == Purpose::announce) {
    service_.announce_answered(query.owner, false);
  }
}

void Node::expire(TimePoint now) {
  tokens_.expire(now, random_);
  peers_.expire(now);
  own_.expire(now);
  while (auto const timeout = transactions_.expire(now)) {
    if (timeout->is_final) {
      unanswered(timeout->query, now);
    } else {
      slow(timeout->query, now);
    }
  }
  try_bootstrap(now);
  upkeep(now);
  service_.expire(now);
  pump(now);
}

TimePoint Node::next_deadline() const {
  return std::min({tokens_.next_deadline(), peers_.next_deadline(), own_.next_deadline(),
                   transactions_.next_deadline(), bootstrap_.next_deadline(), service_.next_deadline(),
                   upkeep_at_, ready_by_});
}

void Node::bootstrap(std::vector<Endpoint> const& addresses, TimePoint now) {
  bootstrap_.add(addresses, now);
  if (phase_ == Phase::waiting && !addresses.empty()) {
    phase_ = Phase::joining;
    ready_by_ = now + options_.ready_max;
  } else if (phase_ == Phase::waiting) {
    phase_ = Phase::joining;
    ready_by_ = now;
  }
  try_bootstrap(now);
  pump(now);
}

void Node::try_bootstrap(TimePoint now) {
  while (auto const address = bootstrap_.next(now)) {
    if (table_.is_fresh(*address, now)) {
      bootstrap_.answered(*address, now, random_);
      continue;
    }
    auto const tid = transactions_.open({*address, std::nullopt, Purpose::bootstrap, 0}, random_, now);
    if (!tid) {
      bootstrap_.failed(*address, now, random_);
      continue;
    }
    ++stats_.queries_out;
    send(*address, dht::encode_query(*tid, id_, dht::FindNode{id_}));
  }
}

bool Node::update_phase(TimePoint now) {
  if (phase_ != Phase::joining) return false;
  if (self_search_ && service_.is_running(*self_search_)) {
    ready_by_ = TimePoint::max();  // a search ends by itself
    return false;
  }
  if (!self_search_ && now < ready_by_) return false;
  phase_ = Phase::ready;
  ready_by_ = TimePoint::max();
  if (table_.size() == 0 && !bootstrap_.empty()) tell(Warning{"no bootstrap address has answered so far"});
  tell(Ready{});
  service_.release(now);
  return true;
}

bool Node::holds_searches() const { return phase_ != Phase::ready && table_.size() == 0; }

void Node::upkeep(TimePoint now) {
  if (now < upkeep_at_) return;
  // Spread, so that nodes that start together do not work in step for ever.
  auto const half = static_cast<std::uint64_t>(options_.upkeep.count() / 2);
  upkeep_at_ = now + Duration{static_cast<std::int64_t>(half + random_.below(2 * half + 1))};
  if (transactions_.verify_count() < options_.verify_count_max) {
    for (Contact const& node : table_.due(options_.upkeep_ping_max, now)) ping(node, now);
  }
  if (table_.size() == 0) return;
  if (table_.size() < options_.table.bucket_size && now >= self_search_at_) {
    search_self(now);
  } else if (auto const target = table_.stale_bucket(now, random_)) {
    (void)service_.find_nodes(*target, now);
  }
}

void Node::ping(Contact const& node, TimePoint now) {
  auto const tid = transactions_.open({node.endpoint, node.id, Purpose::verify, 0}, random_, now);
  if (!tid) return;
  ++stats_.queries_out;
  send(node.endpoint, dht::encode_query(*tid, id_, dht::Ping{}));
}

void Node::pump(TimePoint now) {
  do {
    while (transactions_.brisk_count() < options_.concurrency) {
      auto const ask = service_.next(now);
      if (!ask) break;
      send_ask(*ask, now);
    }
    // The search for ourselves may have ended just now, which lets the waiting ones begin.
  } while (update_phase(now));
}

void Node::send_ask(Service::Ask const& ask, TimePoint now) {
  bool const announces = ask.kind == Service::Ask::Kind::announce_peer;
  Purpose const purpose = announces ? Purpose::announce : Purpose::search;
  auto const tid = transactions_.open({ask.to.endpoint, ask.to.id, purpose, ask.owner}, random_, now);
  if (!tid) {
    if (announces) return service_.announce_answered(ask.owner, false);
    return service_.search_failed(ask.owner, ask.to);
  }
  ++stats_.queries_out;
  switch (ask.kind) {
    case Service::Ask::Kind::find_node:
      send(ask.to.endpoint, dht::encode_query(*tid, id_, dht::FindNode{ask.target}));
      break;
    case Service::Ask::Kind::get_peers:
      send(ask.to.endpoint, dht::encode_query(*tid, id_, dht::GetPeers{ask.key}));
      break;
    case Service::Ask::Kind::announce_peer:
      send(ask.to.endpoint,
           dht::encode_query(*tid, id_, dht::AnnouncePeer{ask.key, ask.port, ask.implied_port, ask.token}));
      break;
  }
}

}  // namespace grenache::grape
