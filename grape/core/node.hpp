// The DHT node, as a state machine without sockets, threads or a clock.
//
//     node.receive(from, bytes, now)        on each datagram
//     node.expire(now)                      when next_deadline() has passed
//     node.start_lookup(name, now)          on a request of a user
//     while (auto out = node.poll_output()) send the datagram, or handle the event
//     sleep until node.next_deadline()
//
// After every input the caller drains the outputs and re-arms its timer: the server with a UDP socket and the
// steady clock, the simulation with a queue and a counter. Equal inputs and an equal seed give equal outputs.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "grape/core/bootstrap.hpp"
#include "grape/core/events.hpp"
#include "grape/core/external_address.hpp"
#include "grape/core/family.hpp"
#include "grape/core/item_store.hpp"
#include "grape/core/keeper.hpp"
#include "grape/core/peer_store.hpp"
#include "grape/core/rate_limit.hpp"
#include "grape/core/routing_table.hpp"
#include "grape/core/service.hpp"
#include "grape/core/tokens.hpp"
#include "grape/core/transactions.hpp"
#include <grenache/base/endpoint.hpp>
#include <grenache/base/ids.hpp>
#include <grenache/base/random.hpp>
#include <grenache/base/result.hpp>
#include <grenache/base/time.hpp>
#include <grenache/dht/item.hpp>
#include <grenache/dht/krpc.hpp>

namespace grenache::grape {

struct NodeOptions {
  /// Node id; random if not given.
  std::optional<NodeId> id;
  /// Answer no queries, and ask other nodes not to add us to their tables (BEP 43); for unreachable hosts.
  bool read_only = false;
  /// Drop datagrams from addresses outside the public internet, and ignore nodes and peers at such addresses.
  bool drop_martians = false;
  /// If no id is given, change to an id that fits our public address (BEP 42) once enough nodes reported it.
  bool id_by_address = true;
  /// Client version in our queries; up to 4 bytes, omitted when empty. Nodes that send one get their address
  /// in replies (BEP 42).
  std::string version;
  /// The enabled address families; datagrams of others are neither sent nor accepted.
  bool ipv4 = true;
  bool ipv6 = false;
  /// Source port of our datagrams, in both families. Announcing port 0 announces this one.
  std::uint16_t port = 0;
  /// The address at which other hosts reach this one (the bind address). Without it our own announcements are
  /// stored as 127.0.0.1, and returned to our own users and to queriers on loopback only; others find them at
  /// the nodes that saw our address.
  std::optional<IpAddress> own_address;
  std::optional<IpAddress> own_address6;  // the same, IPv6
  /// Queries of lookups and announcements in flight, slow ones not counted (Grape: dht_concurrency).
  std::size_t concurrency = 24;
  /// Pings of unverified nodes in flight; bounds what a flood can make us send.
  std::size_t verify_count_max = 32;
  /// Ready is emitted after this if no bootstrap address answers.
  Duration ready_max = std::chrono::seconds{2};
  Duration upkeep = std::chrono::seconds{5};  // interval of pings and bucket refreshes
  std::size_t upkeep_ping_max = 16;           // pings per round
  /// Interval of searches for our own id while the table holds less than one bucket of nodes; the first ones
  /// come sooner. A network that small is cheap to search, and a new node whose first search missed nodes
  /// finds them.
  Duration sparse_refresh = std::chrono::seconds{30};
  std::size_t reply_size_max = 1400;  // fits one Ethernet frame: avoids fragments, limits amplification
  /// Concurrent re-announcements and republishings; bounded so that they do not delay users' requests.
  std::size_t keep_concurrency = 16;
  std::size_t own_item_count_max = 1000;  // republished items of our users; at least 1

  /// Retries of the nodes that were lost last, while no other node is known. Less frequent than those of
  /// configured bootstrap addresses.
  Bootstrap::Options fallback{.address_count_max = 32,
                              .delay_min = std::chrono::seconds{1},
                              .delay_max = std::chrono::minutes{1},
                              .quick_count = 2};

  Bootstrap::Options bootstrap;
  ExternalAddress::Options external;
  ItemStore::Options items;
  Keeper::Options keeper;
  PeerStore::Options peers;
  RateLimit::Options rate;
  RoutingTable::Options table;
  Service::Options service;
  Tokens::Options tokens;
  Transactions::Options transactions;
};

struct Datagram {
  Endpoint to;
  std::string bytes;
};
using Output = std::variant<Datagram, Event>;

/// Why a datagram was dropped without an answer.
enum class DropReason : std::uint8_t {
  bad_source,       // port 0, multicast, unspecified, or of a disabled family
  malformed,        // not a KRPC message, or one that Node.js' Grape ignores too
  own_id,           // sent by us, or by another node with our id
  unmatched_reply,  // matches no open query of ours to that endpoint
  rate_limited,     // its source exceeded its rate; not parsed
  read_only,        // a query, while we answer none
};
inline constexpr std::size_t kDropReasonCount = 6;
[[nodiscard]] std::string_view to_string(DropReason reason);

struct NodeStats {
  // Counters since the start.
  std::uint64_t datagrams_in = 0;
  std::uint64_t datagrams_out = 0;
  std::array<std::uint64_t, kDropReasonCount> dropped{};  // by DropReason
  std::uint64_t queries_in = 0;                           // answered, including by errors
  std::uint64_t errors_sent = 0;
  std::uint64_t queries_out = 0;
  std::uint64_t timeouts = 0;
  std::uint64_t lookups = 0;            // started by users
  std::uint64_t announces = 0;          // started by users
  std::uint64_t announces_stored = 0;   // by others with us
  std::uint64_t unannounces = 0;        // started by users
  std::uint64_t peers_unannounced = 0;  // by others with us
  std::uint64_t gets = 0;               // started by users
  std::uint64_t puts = 0;               // started by users
  std::uint64_t items_put = 0;          // by others at this node, refreshes included
  std::uint64_t searches_done = 0;      // for names and items, including those of announcements and puts
  std::uint64_t search_queries = 0;     // queries of these searches
  std::uint64_t search_hops = 0;        // the sum of their hops
  // Current values.
  std::size_t nodes = 0;
  std::size_t replacements = 0;
  std::size_t queries_in_flight = 0;
  std::size_t names_stored = 0;
  std::size_t peers_stored = 0;
  std::size_t items_stored = 0;
  std::size_t services_kept = 0;     // re-announced until unannounced
  std::size_t own_items = 0;         // republished every hour
  std::size_t lookups_running = 0;   // requests for one name share a lookup
  std::size_t requests_waiting = 0;  // requests of users
  bool ready = false;

  [[nodiscard]] std::uint64_t dropped_total() const;
};

/// The state of a node that survives a restart.
struct Snapshot {
  PerFamily<NodeId> ids;
  /// Nodes whose last query was answered; if these are few, also former nodes.
  std::vector<dht::Contact> contacts;
  std::vector<dht::Item> items;  // republished items of our users
  struct Service {
    Keeper::Service service;
    Duration life_left{};  // until it lapses (see Keeper); zero or less: it has lapsed
    friend bool operator==(Service const&, Service const&) = default;
  };
  std::vector<Service> services;  // services kept for our users
};

/// Options of a put.
struct PutOptions {
  /// Store only if the stored item has this sequence number (BEP 44).
  std::optional<std::int64_t> cas;
  /// Republish the item every hour as long as the node runs, or until a newer one is seen.
  bool keep = true;
};

/// A DHT node that is wire-compatible with Grape: ping, find_node, get_peers, announce_peer, get and put.
///
/// Not thread-safe; makes no callbacks; no input makes it throw or abort. Every table is bounded by its
/// Options: with the defaults, memory stays below a few dozen MB for any input, provided that outputs are
/// polled after every input.
///
/// Differences from Grape (which single datagrams can crash, see parse_message()):
///  - The answer to get_peers is a random sample of peers that fits reply_size_max, together with nodes;
///    Grape sends all peers, or nodes when it has none.
///  - A node without any other node serves announcements and lookups.
///  - Queries with an unknown method that name a target are answered as find_node; sample_infohashes
///    according to BEP 51, with names of 20 bytes.
///  - `unannounce_peer`, an extension of this node, removes an announcement.
///  - The answer to get holds nodes in addition to an item. A refused put is always answered (BEP 44), by
///    Node.js only sometimes; the stock Grape refuses mutable items.
///  - A get of a mutable item queries the network even when the item is stored here, since there may be a
///    newer one.
///  - While the table of names is full, a query for a new name gets no token, so that announcements are
///    stored at other nodes.
///  - A node that finds another one with its id (a copied state folder) emits a Warning and changes its id.
class Node {
 public:
  Node(NodeOptions options, Random random);
  Node(Node const&) = delete;
  Node& operator=(Node const&) = delete;

  /// Processes a datagram from `from`.
  void receive(Endpoint const& from, std::string_view bytes, TimePoint now);
  /// Does the work that is due at `now`. May be called at any time.
  void expire(TimePoint now);

  /// Adds bootstrap addresses. Call it once at the start, with an empty list when there are none, and again
  /// whenever more become known as names resolve. A Ready follows.
  void bootstrap(std::vector<Endpoint> const& addresses, TimePoint now);
  /// Removes outdated bootstrap addresses; those that answered the last time are kept.
  void forget_bootstrap(std::vector<Endpoint> const& addresses) { bootstrap_.forget(addresses); }
  /// True when one of these bootstrap addresses answered its last query and the routing table is not empty.
  [[nodiscard]] bool is_reached_through(std::vector<Endpoint> const& addresses) const {
    return node_count() > 0 && bootstrap_.is_responsive(addresses);
  }

  /// Returns the state for restore(). Bounded like the tables; usually 200 contacts.
  [[nodiscard]] Snapshot snapshot(TimePoint now) const;
  /// Restores the state of an earlier run; call it before bootstrap(). Contacts are pinged; items and
  /// services are published again, spread over their periods; services keep their remaining lifetimes. An id
  /// given in the options takes precedence.
  void restore(Snapshot const& snapshot, TimePoint now);

  /// Looks up the peers of `name`; a LookupDone follows. While the node is joining the network (before
  /// bootstrap() and Ready, with no node known) the lookup waits for that, at most two seconds.
  [[nodiscard]] Result<RequestId> start_lookup(dht::ServiceKey const& name, TimePoint now);
  /// Announces that `name` is served on `port` of this host (0: our UDP port); an AnnounceDone follows. Our
  /// own lookups find it from now on. The caller repeats this before NodeOptions::peers.age_max has passed.
  /// With `keep` the node re-announces it within a minute and then every 80 s until it is unannounced; if the
  /// caller does not repeat the call for four minutes, the node unannounces it.
  [[nodiscard]] Result<RequestId> start_announce(dht::ServiceKey const& name, std::uint16_t port,
                                                 TimePoint now, bool keep = false);
  /// Removes an announcement, here and at all nodes that hold it; an UnannounceDone follows. Allowed when
  /// nothing was announced.
  [[nodiscard]] Result<RequestId> start_unannounce(dht::ServiceKey const& name, std::uint16_t port,
                                                   TimePoint now);
  /// Looks up the item at `target`; a GetDone follows. A mutable item is only found with its salt.
  [[nodiscard]] Result<RequestId> start_get(NodeId const& target, std::string_view salt, TimePoint now);
  /// Stores `item` at the nodes nearest to it, and here; a PutDone follows.
  [[nodiscard]] Result<RequestId> start_put(dht::Item item, TimePoint now, PutOptions const& how = {});
  /// Suppresses the event of request `id`; work shared with other requests continues. Ignores unknown ids.
  void cancel(RequestId id);

  /// Returns the next datagram to send or event to handle, or nothing. Drain it after every input.
  [[nodiscard]] std::optional<Output> poll_output();
  /// Returns the memory of a sent datagram for reuse. Optional; saves one allocation per reply.
  void reuse(std::string bytes);
  /// When to call expire() next; in the past when that is overdue. Never TimePoint::max().
  [[nodiscard]] TimePoint next_deadline() const;

  [[nodiscard]] NodeId const& id() const { return ids_.v4; }
  [[nodiscard]] NodeId const& id(Family family) const { return ids_[family]; }
  [[nodiscard]] bool is_ready() const { return phase_ == Phase::ready; }
  /// Nodes in the routing table.
  [[nodiscard]] std::size_t node_count() const { return tables_.v4.size() + tables_.v6.size(); }
  [[nodiscard]] NodeStats stats() const;
  /// Aborts when an invariant is broken. Linear in the node's memory; for tests.
  void check() const;

 private:
  enum class Phase : std::uint8_t { waiting, joining, ready };

  void on(Endpoint const& from, dht::Query const& query, TimePoint now);
  void on(Endpoint const& from, dht::Reply const& reply, TimePoint now);
  void on(Endpoint const& from, dht::ErrorReply const& error, TimePoint now);
  void on(Endpoint const& from, dht::Refusal const& refusal, TimePoint now);

  void answer(Endpoint const& from, dht::Query const& query, dht::Ping const& ping, TimePoint now);
  void answer(Endpoint const& from, dht::Query const& query, dht::FindNode const& find, TimePoint now);
  void answer(Endpoint const& from, dht::Query const& query, dht::GetPeers const& get, TimePoint now);
  void answer(Endpoint const& from, dht::Query const& query, dht::AnnouncePeer const& put, TimePoint now);
  void answer(Endpoint const& from, dht::Query const& query, dht::UnannouncePeer const& back, TimePoint now);
  void answer(Endpoint const& from, dht::Query const& query, dht::Get const& get, TimePoint now);
  void answer(Endpoint const& from, dht::Query const& query, dht::Put const& put, TimePoint now);
  void answer(Endpoint const& from, dht::Query const& query, dht::UnknownQuery const& any, TimePoint now);
  void renew_samples(TimePoint now);
  void reply(Endpoint const& to, dht::Query const& query, dht::ReplyFields fields);
  /// Adds the nodes nearest to `target`, of the families that the querier wants, up to `room` bytes.
  void add_nodes(dht::ReplyFields& fields, Endpoint const& from, dht::Query const& query,
                 NodeId const& target, std::size_t room);
  /// Stores our own announcement until `expires`, or for peers.age_max.
  bool store_own(Keeper::Service const& service, TimePoint now,
                 std::optional<TimePoint> expires = std::nullopt);
  void forget_own(Keeper::Service const& service);
  void keep_own_item(dht::Item item, TimePoint now, bool restored);
  void drop_own_item(NodeId const& target);
  /// The newest item at `target` that is stored here; null if none.
  [[nodiscard]] dht::Item const* find_item(NodeId const& target, TimePoint now) const;
  /// Returns why a user's put cannot succeed, as far as can be decided locally.
  [[nodiscard]] std::optional<PutRefusal> refusal_of(dht::Item const& item, std::optional<std::int64_t> cas,
                                                     TimePoint now) const;

  void answered(Transactions::Query const& query, dht::Reply const& reply, TimePoint now);
  void unanswered(Transactions::Query const& query, TimePoint now);
  void slow(Transactions::Query const& query, TimePoint now);
  /// A node that we queried answered under our own id.
  void duplicate_id_answered(Transactions::Query const& query, TimePoint now);
  void look_for_duplicate_id(Endpoint const& from, dht::Reply const& reply, TimePoint now);
  void discard(Transactions::Query const& query);
  bool ask_bootstrap(Endpoint const& address, TimePoint now);
  void on_verified(dht::Contact const& node, TimePoint now);
  /// Counts the address that a node which we queried reported for us.
  void note_own_address(Endpoint const& voter, IpAddress const& address, TimePoint now);
  void change_id(Family family, NodeId const& id, TimePoint now);
  void search_self(TimePoint now);
  /// Reports that a bootstrap node, or the first node of an empty table, answered. `reply` is null when it
  /// named no nodes.
  void joined(dht::Contact const& node, dht::Reply const* reply, TimePoint now);

  void ping(dht::Contact const& node, TimePoint now);
  void try_bootstrap(TimePoint now);
  void try_addresses(Bootstrap& bootstrap, TimePoint now);
  void upkeep(TimePoint now);
  /// Re-announces services and republishes items that are due.
  void keep(TimePoint now);
  [[nodiscard]] TimePoint keep_deadline() const;
  /// Returns true when this made the node ready.
  bool update_phase(TimePoint now);
  /// Sends queries of searches and stores, up to the concurrency.
  void dispatch_queries(TimePoint now);
  void send_query_of_service(Service::OutgoingQuery const& ask, TimePoint now);
  /// Handles an event of the service, and emits it unless it is silent.
  void pass_on(Service::Notice notice);

  /// Returns whether we accept a node at this endpoint.
  [[nodiscard]] bool is_usable(Endpoint const& endpoint) const;
  [[nodiscard]] bool is_allowed(Endpoint const& from, TimePoint now);
  void drop(DropReason reason) { ++stats_.dropped[static_cast<std::size_t>(reason)]; }
  void send(Endpoint const& to, std::string bytes);
  void send_error(Endpoint const& to, std::string_view tid, dht::KrpcCode code, std::string_view text);
  void log_event(Event event) { outputs_.emplace_back(std::move(event)); }
  [[nodiscard]] bool holds_searches() const;
  [[nodiscard]] bool speaks(Family family) const { return families_[family]; }
  [[nodiscard]] RoutingTable& table_of(Endpoint const& endpoint) { return tables_[family_of(endpoint)]; }
  [[nodiscard]] NodeId const& id_for(Endpoint const& endpoint) const { return ids_[family_of(endpoint)]; }
  [[nodiscard]] bool is_own(NodeId const& id) const { return id == ids_.v4 || id == ids_.v6; }
  [[nodiscard]] Keeper::Service service_of(dht::ServiceKey const& name, std::uint16_t port) const;

  NodeOptions options_;
  Random random_;
  PerFamily<bool> families_;
  PerFamily<NodeId> ids_;
  PerFamily<RoutingTable> tables_;
  Transactions transactions_;
  Tokens tokens_;
  RateLimit rate_limit_;
  PeerStore peers_;      // announced by others, and by us if our address is known
  PeerStore own_;        // announced by us, as 127.0.0.1, if it is not
  ItemStore items_;      // put by others, and by us without `keep`
  ItemStore own_items_;  // put by our users; republished
  Keeper keeper_;
  PerFamily<ExternalAddress> external_;
  dht::QueryExtras extras_;
  Bootstrap bootstrap_;
  FormerNodes former_;
  Bootstrap fallback_;  // the former nodes, while no node is known; else empty
  Service service_;

  TimePoint duplicate_id_due_ = TimePoint::min();  // no id change for a duplicate before this
  Phase phase_ = Phase::waiting;
  TimePoint ready_by_ = TimePoint::max();
  std::optional<std::uint64_t> self_search_;     // the find_node for our own id
  TimePoint self_search_at_ = TimePoint::min();  // earliest time of the next one, while few nodes are known
  Duration self_search_wait_ = std::chrono::seconds{1};
  TimePoint upkeep_at_ = TimePoint::min();  // the first expire() sets it

  NodeStats stats_;
  std::vector<Output> outputs_;
  std::size_t polled_ = 0;  // polled outputs
  // Scratch memory, reused between datagrams.
  std::vector<std::string> spare_;
  dht::BencodeDocument document_;
  std::string samples_;  // names in answers to sample_infohashes (BEP 51)
  TimePoint samples_until_ = TimePoint::min();
  std::vector<dht::Contact> contacts_;
  PerFamily<std::string> nodes_;
};

}  // namespace grenache::grape
