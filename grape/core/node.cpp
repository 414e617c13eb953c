// Inputs and outputs of the node. Answers to queries are in node_answers.cpp, the node's own queries in
// node_upkeep.cpp.
#include "grape/core/node.hpp"

#include <algorithm>
#include <numeric>

#include "grape/core/address_rules.hpp"
#include <grenache/base/check.hpp>

namespace grenache::grape {

namespace {

IpAddress const kLoopback{127, 0, 0, 1};
constexpr std::size_t kSpareMax = 64;
constexpr std::size_t kSpareBytesMax = 4096;

ItemStore::Options own_item_options(NodeOptions const& options) {
  // Own items do not expire: republishing keeps them alive at other nodes.
  return {options.own_item_count_max, std::chrono::hours{24 * 365 * 20}};
}

Service::Options service_options(NodeOptions const& options) {
  Service::Options service = options.service;
  service.search.drop_martians = options.drop_martians;
  return service;
}

PutRefusal put_refusal(Error const& error) {
  bool const cas = error == ItemStoreErrc::cas_mismatch;
  auto const code = cas ? dht::KrpcCode::cas_mismatch : dht::KrpcCode::sequence_too_low;
  return {static_cast<std::int64_t>(code), error.message()};
}

PerFamily<NodeId> make_ids(NodeOptions const& options, Random& random) {
  NodeId const id = options.id ? *options.id : NodeId::random(random);
  PerFamily<NodeId> ids{id, id};
  if (options.id || !options.id_by_address) return ids;
  if (options.own_address && !options.own_address->is_private()) {
    ids.v4 = fitting_id(*options.own_address, random);
  }
  if (options.own_address6 && !options.own_address6->is_private()) {
    ids.v6 = fitting_id(*options.own_address6, random);
  }
  return ids;
}

}  // namespace

std::string_view to_string(DropReason reason) {
  switch (reason) {
    case DropReason::bad_source:
      return "bad_source";
    case DropReason::malformed:
      return "malformed";
    case DropReason::own_id:
      return "own_id";
    case DropReason::unmatched_reply:
      return "unmatched_reply";
    case DropReason::rate_limited:
      return "rate_limited";
    case DropReason::read_only:
      return "read_only";
  }
  return "unknown";
}

std::uint64_t NodeStats::dropped_total() const {
  return std::accumulate(dropped.begin(), dropped.end(), std::uint64_t{0});
}

Node::Node(NodeOptions options, Random random)
    : options_{options},
      random_{std::move(random)},
      families_{options.ipv4, options.ipv6},
      ids_{make_ids(options, random_)},
      tables_{RoutingTable{ids_.v4, options.table}, RoutingTable{ids_.v6, options.table}},
      transactions_{options.transactions},
      tokens_{options.tokens, random_},
      rate_limit_{options.rate, random_},
      peers_{options.peers},
      own_{options.peers},
      items_{options.items},
      own_items_{own_item_options(options_)},
      keeper_{options.keeper},
      external_{ExternalAddress{options.external}, ExternalAddress{options.external}},
      bootstrap_{options.bootstrap},
      former_{options.fallback.address_count_max},
      fallback_{options.fallback},
      service_{service_options(options_),
               {families_, ids_, tables_, peers_, own_, items_, own_items_, random_}} {
  extras_.read_only = options_.read_only;
  extras_.version = options_.version;
  if (options_.ipv4 && options_.ipv6) extras_.want = dht::Want{true, true};
}

void Node::receive(Endpoint const& from, std::string_view bytes, TimePoint now) {
  ++stats_.datagrams_in;
  if (!is_usable(from)) {
    return drop(DropReason::bad_source);
  }
  // A datagram over the rate of its source is not parsed. Replies that we wait for are not counted, so a
  // flooded node can still look up; datagrams that only look like replies are.
  bool const is_free = transactions_.may_answer(bytes, from);
  if (!is_free && !is_allowed(from, now)) return drop(DropReason::rate_limited);
  auto const head = dht::parse_head(bytes, document_);
  bool const is_query = head && head->kind == 'q';
  bool const is_answer = head && !is_query && transactions_.is_open(head->tid, from);
  if (is_free && !is_answer) {
    transactions_.was_no_answer(from);
    if (!is_allowed(from, now)) return drop(DropReason::rate_limited);
  }
  if (!head) return drop(DropReason::malformed);
  if (is_query && options_.read_only) return drop(DropReason::read_only);
  if (!is_query && !is_answer) return drop(DropReason::unmatched_reply);
  auto const message = dht::parse_body(*head, document_);
  if (!message && is_answer) transactions_.was_no_answer(from);
  if (!message) return drop(DropReason::malformed);
  std::visit([&](auto const& body) { on(from, body, now); }, *message);
  dispatch_queries(now);
}

bool Node::is_usable(Endpoint const& endpoint) const {
  IpAddress const& address = endpoint.address;
  if (endpoint.port == 0 || !speaks(family_of(endpoint))) return false;
  if (address.is_unspecified() || address.is_multicast_or_reserved()) return false;
  return !options_.drop_martians || !is_martian(address);
}

// A node in the table has answered our query from its endpoint, so it gets an additional allowance; that
// bounds the replies that an attacker who forges its address can direct at it.
bool Node::is_allowed(Endpoint const& from, TimePoint now) {
  if (rate_limit_.allow(from, now)) return true;
  if (from.address.is_private() || !table_of(from).is_fresh(from, now)) return false;
  return rate_limit_.allow_verified(from, now);
}

Result<RequestId> Node::start_lookup(dht::ServiceKey const& name, TimePoint now) {
  auto const id = service_.lookup(name, holds_searches(), now);
  if (id) ++stats_.lookups;
  dispatch_queries(now);
  return id;
}

Keeper::Service Node::service_of(dht::ServiceKey const& name, std::uint16_t port) const {
  return {name, port == 0 ? options_.port : port, port == 0};
}

Result<RequestId> Node::start_announce(dht::ServiceKey const& name, std::uint16_t port, TimePoint now,
                                       bool keep) {
  Keeper::Service const service = service_of(name, port);
  auto const id = service_.announce(name, {service.port, service.implied_port}, false, holds_searches(), now);
  if (!id) return id;
  ++stats_.announces;
  bool room = !keep || keeper_.keep(service, now, random_);
  room &= store_own(service, now);
  if (!room) log_event(Warning{"no room to store our own announcement: too many services"});
  dispatch_queries(now);
  return id;
}

bool Node::store_own(Keeper::Service const& service, TimePoint now, std::optional<TimePoint> expires) {
  if (service.port == 0) return true;
  bool stored = true;
  if (!options_.own_address && !options_.own_address6) {
    return own_.announce(service.name, {kLoopback, service.port}, now, expires).has_value();
  }
  for (auto const& address : {options_.own_address, options_.own_address6}) {
    if (address) stored &= peers_.announce(service.name, {*address, service.port}, now, expires).has_value();
  }
  return stored;
}

Result<RequestId> Node::start_unannounce(dht::ServiceKey const& name, std::uint16_t port, TimePoint now) {
  Keeper::Service const service = service_of(name, port);
  forget_own(service);
  auto const id =
      service_.unannounce(name, {service.port, service.implied_port}, false, holds_searches(), now);
  if (id) ++stats_.unannounces;
  dispatch_queries(now);
  return id;
}

void Node::forget_own(Keeper::Service const& service) {
  keeper_.release(service);
  own_.remove(service.name.bytes(), {kLoopback, service.port});
  for (auto const& address : {options_.own_address, options_.own_address6}) {
    if (address) peers_.remove(service.name.bytes(), {*address, service.port});
  }
}

Result<RequestId> Node::start_get(NodeId const& target, std::string_view salt, TimePoint now) {
  auto const id = service_.get(target, salt, holds_searches(), now);
  if (id) ++stats_.gets;
  dispatch_queries(now);
  return id;
}

Result<RequestId> Node::start_put(dht::Item item, TimePoint now, PutOptions const& how) {
  if (auto refusal = refusal_of(item, how.cas, now)) {
    ++stats_.puts;
    RequestId const id = service_.refuse_put(item.target(), std::move(*refusal));
    dispatch_queries(now);
    return id;
  }
  auto const id = service_.put({item, how.cas}, false, holds_searches(), now);
  if (!id) return id;
  ++stats_.puts;
  // Stored here without `cas`: refusal_of() has accepted the item, and the other nodes check `cas`
  // themselves.
  if (how.keep) {
    keep_own_item(std::move(item), now, false);
  } else {
    (void)items_.put(std::move(item), std::nullopt, kLoopback, now);
  }
  dispatch_queries(now);
  return id;
}

void Node::keep_own_item(dht::Item item, TimePoint now, bool restored) {
  NodeId const target = item.target();
  if (own_items_.find(target, now) == nullptr &&
      own_items_.size() >= std::max<std::size_t>(options_.own_item_count_max, 1)) {
    drop_own_item(*own_items_.oldest());
  }
  (void)own_items_.put(std::move(item), std::nullopt, kLoopback, now);
  keeper_.keep_item(target, now, random_, restored);
}

void Node::drop_own_item(NodeId const& target) {
  own_items_.remove(target);
  keeper_.drop_item(target);
}

// Decided by the items stored here. A stored item older than `cas` cannot decide: the user has seen a newer
// one at another node.
std::optional<PutRefusal> Node::refusal_of(dht::Item const& item, std::optional<std::int64_t> cas,
                                           TimePoint now) const {
  if (!item.is_mutable()) return std::nullopt;
  for (ItemStore const* store : {&items_, &own_items_}) {
    dht::Item const* here = store->find(item.target(), now);
    bool const stale = here != nullptr && cas && here->seq() < *cas;
    auto const allowed =
        store->may_put(item.target(), item.seq(), item.value(), stale ? std::nullopt : cas, now);
    if (!allowed) return put_refusal(allowed.error());
  }
  return std::nullopt;
}

dht::Item const* Node::find_item(NodeId const& target, TimePoint now) const {
  dht::Item const* stored = items_.find(target, now);
  dht::Item const* own = own_items_.find(target, now);
  if (stored == nullptr || own == nullptr) return stored != nullptr ? stored : own;
  return own->seq() > stored->seq() ? own : stored;
}

void Node::cancel(RequestId id) { service_.cancel(id); }

std::optional<Output> Node::poll_output() {
  if (polled_ < outputs_.size()) return std::move(outputs_[polled_++]);
  outputs_.clear();
  polled_ = 0;
  return std::nullopt;
}

void Node::reuse(std::string bytes) {
  if (spare_.size() < kSpareMax && bytes.capacity() <= kSpareBytesMax) spare_.push_back(std::move(bytes));
}

NodeStats Node::stats() const {
  NodeStats stats = stats_;
  stats.nodes = node_count();
  stats.replacements = tables_.v4.replacement_count() + tables_.v6.replacement_count();
  stats.queries_in_flight = transactions_.size();
  stats.names_stored = peers_.name_count() + own_.name_count();
  stats.peers_stored = peers_.peer_count() + own_.peer_count();
  stats.items_stored = items_.size() + own_items_.size();
  stats.services_kept = keeper_.service_count();
  stats.own_items = keeper_.item_count();
  stats.searches_done = service_.effort().searches;
  stats.search_queries = service_.effort().queries;
  stats.search_hops = service_.effort().hops;
  stats.lookups_running = service_.lookup_count();
  stats.requests_waiting = service_.request_count();
  stats.ready = is_ready();
  return stats;
}

void Node::check() const {
  tables_.v4.check();
  tables_.v6.check();
  transactions_.check();
  peers_.check();
  own_.check();
  items_.check();
  own_items_.check();
  keeper_.check();
  service_.check();
  GRN_CHECK(own_items_.size() == keeper_.item_count());
  GRN_CHECK(transactions_.verify_count() <= options_.verify_count_max + options_.upkeep_ping_max);
}

}  // namespace grenache::grape
