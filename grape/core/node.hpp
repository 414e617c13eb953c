// A DHT node without a socket, a thread or a clock.
//
//     node.receive(from, bytes, now)        a datagram came
//     node.expire(now)                      next_deadline() has passed
//     node.start_lookup(name, now)          somebody wants something
//     while (auto out = node.poll_output()) send it, or tell it
//     sleep until node.next_deadline()
//
// Whoever runs it does these steps in this order after every input: the shell with a UDP socket and the
// steady clock, a simulation with a queue and a counter. Equal inputs and an equal seed give equal outputs.
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
  /// Our id; random when not given.
  std::optional<NodeId> id;
  /// Answers nothing and enters no table of others (BEP 43): for hosts that cannot be reached.
  bool read_only = false;
  /// Drops datagrams from addresses that are not of the public internet, and believes in no nodes and peers
  /// there.
  bool drop_martians = false;
  /// Without an id given, and once enough nodes say what our public address is: an id that fits (BEP 42).
  bool id_by_address = true;
  /// What we say we are in queries; up to 4 bytes, nothing when empty. Who says it gets its address in
  /// replies (BEP 42).
  std::string version;
  /// The address families that the node speaks: it sends to and hears no others.
  bool ipv4 = true;
  bool ipv6 = false;
  /// The UDP port that our datagrams come from, of both families. Announcing port 0 means this one.
  std::uint16_t port = 0;
  /// The address under which other hosts reach this one (the one bound to). Without it our own announcements
  /// are kept as 127.0.0.1, and shown to our own users and to askers on loopback only: others find them at
  /// the nodes that saw our address.
  std::optional<IpAddress> own_address;
  std::optional<IpAddress> own_address6;  // the same, IPv6
  /// Queries of lookups and announcements in flight (Grape: dht_concurrency), slow ones not counted.
  std::size_t concurrency = 24;
  std::size_t verify_count_max = 32;  // pings of unknown nodes in flight: a flood cannot make us ping more
  Duration ready_max = std::chrono::seconds{2};  // Ready comes by then when no bootstrap address answers
  Duration upkeep = std::chrono::seconds{5};     // between rounds of pings and bucket refreshes
  std::size_t upkeep_ping_max = 16;              // pings in one round
  /// Between searches for our own id while the table holds less than one bucket of nodes, after some that
  /// come sooner: a network that small is cheap to search, and a newcomer whose first search was unlucky
  /// finds the others.
  Duration sparse_refresh = std::chrono::seconds{30};
  std::size_t reply_size_max = 1400;  // fits one Ethernet frame: no fragments, little to amplify
  /// Re-announcements and republishings under way at a time, so that they never crowd out users.
  std::size_t keep_concurrency = 16;
  std::size_t own_item_count_max = 1000;  // items of our users that are republished; at least 1

  /// The nodes that were lost last are tried while no other is known: how many, and when. Not as often as
  /// what an operator named.
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
  bad_source,       // port 0, multicast, unspecified, or of a family that we do not speak
  malformed,        // no KRPC message, or one that Node meets with silence
  own_id,           // comes from us, or from another node with our id
  unmatched_reply,  // answers no query of ours from that endpoint
  rate_limited,     // its source has used up its allowance; not read
  read_only,        // a query, and we answer none
};
inline constexpr std::size_t kDropReasonCount = 6;
[[nodiscard]] std::string_view to_string(DropReason reason);

struct NodeStats {
  // Counters since the start.
  std::uint64_t datagrams_in = 0;
  std::uint64_t datagrams_out = 0;
  std::array<std::uint64_t, kDropReasonCount> dropped{};  // by DropReason
  std::uint64_t queries_in = 0;                           // answered, errors included
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
  std::uint64_t items_put = 0;          // by others with us, refreshes included
  std::uint64_t searches_done = 0;      // for names and items, those of announcements and puts included
  std::uint64_t search_queries = 0;     // in all of them
  std::uint64_t search_hops = 0;        // the sum of their longest ways
  // How it is now.
  std::size_t nodes = 0;
  std::size_t replacements = 0;
  std::size_t queries_in_flight = 0;
  std::size_t names_stored = 0;
  std::size_t peers_stored = 0;
  std::size_t items_stored = 0;
  std::size_t services_kept = 0;     // announced again until taken back
  std::size_t own_items = 0;         // republished every hour
  std::size_t lookups_running = 0;   // names; those who ask for one name share a lookup
  std::size_t requests_waiting = 0;  // of users
  bool ready = false;

  [[nodiscard]] std::uint64_t dropped_total() const;
};

/// What a node wants to find again after a restart.
struct Snapshot {
  PerFamily<NodeId> ids;
  std::vector<dht::Contact> contacts;  // that answered when they were asked last; few: also former ones
  std::vector<dht::Item> items;        // of our users, republished
  struct Service {
    Keeper::Service service;
    Duration life_left{};  // until its owner's patience ends; none: it has ended
    friend bool operator==(Service const&, Service const&) = default;
  };
  std::vector<Service> services;  // kept for our users
};

/// How a put is meant.
struct PutOptions {
  /// Only when this is the number of the item that is there now (BEP 44).
  std::optional<std::int64_t> cas;
  /// Published again every hour for as long as the node runs, or until a newer one is seen.
  bool keep = true;
};

/// A node of the DHT as Grape speaks it: ping, find_node, get_peers, announce_peer, get and put.
///
/// Not thread-safe; never calls back; no input makes it throw or abort. Every table in it is bounded by its
/// Options, so memory stays below a few dozen MB whatever arrives (the defaults), provided that outputs are
/// polled after every input.
///
/// Differences from Grape (which is killed by single datagrams, see parse_message()):
///  - get_peers is answered with a random choice of peers that fits reply_size_max, together with nodes;
///    Grape sends all peers, or nodes when it has none.
///  - A lone node announces and looks up.
///  - Queries with an unknown method that name a target are answered as find_node; sample_infohashes as BEP
///  51
///    says, with names of 20 bytes.
///  - `unannounce_peer` (ours alone) takes a service back.
///  - An item is answered together with nodes. A refused put is always answered (BEP 44), by Node only
///    sometimes; the stock Grape refuses mutable items.
///  - A get of a mutable item asks the network even when one is here: there may be a newer one.
///  - While the table of names is full, askers for a new name get no token, so that announcements go to
///    other nodes.
///  - A node that meets another one with its id (a copied state folder) says so and takes a new id.
class Node {
 public:
  Node(NodeOptions options, Random random);
  Node(Node const&) = delete;
  Node& operator=(Node const&) = delete;

  /// A datagram came from `from`.
  void receive(Endpoint const& from, std::string_view bytes, TimePoint now);
  /// Does what is due at `now`. Harmless at any time.
  void expire(TimePoint now);

  /// Gives the addresses that lead into the network; call once at the start, with an empty list when there
  /// are none, and again whenever more become known, as names resolve. Ready follows.
  void bootstrap(std::vector<Endpoint> const& addresses, TimePoint now);
  /// These bootstrap addresses are out of date; those that answered last time are kept.
  void forget_bootstrap(std::vector<Endpoint> const& addresses) { bootstrap_.forget(addresses); }
  /// True when one of these bootstrap addresses answered when it was asked last, and others are known.
  [[nodiscard]] bool is_reached_through(std::vector<Endpoint> const& addresses) const {
    return node_count() > 0 && bootstrap_.is_responsive(addresses);
  }

  /// What restore() takes. Bounded as the tables are; 200 contacts are usual.
  [[nodiscard]] Snapshot snapshot(TimePoint now) const;
  /// Goes on where an earlier life of this node ended; call it before bootstrap(). The contacts are asked
  /// whether they still live, items and services are published again spread over their periods; services keep
  /// what was left of their lives. An id given in the options wins.
  void restore(Snapshot const& snapshot, TimePoint now);

  /// Looks for the peers of `name`; a LookupDone follows. While the node looks for the network (before
  /// bootstrap() and Ready, and knowing nobody yet) the lookup waits for it, at most two seconds.
  [[nodiscard]] Result<RequestId> start_lookup(dht::ServiceKey const& name, TimePoint now);
  /// Announces that `name` is served on `port` of this host (0: our UDP port); an AnnounceDone follows. Our
  /// own lookups find it from now on. Whoever serves repeats this before NodeOptions::peers.age_max is over.
  /// With `keep` the node announces it again within a minute and then every 80 s, until it is taken back or
  /// its owner has not asked again for four minutes; then it takes it back itself.
  [[nodiscard]] Result<RequestId> start_announce(dht::ServiceKey const& name, std::uint16_t port,
                                                 TimePoint now, bool keep = false);
  /// Takes an announcement back, here and at all nodes that hold it; an UnannounceDone follows. Harmless when
  /// nothing was announced.
  [[nodiscard]] Result<RequestId> start_unannounce(dht::ServiceKey const& name, std::uint16_t port,
                                                   TimePoint now);
  /// Looks for the item at `target`; a GetDone follows. A mutable one is only found with its salt.
  [[nodiscard]] Result<RequestId> start_get(NodeId const& target, std::string_view salt, TimePoint now);
  /// Stores `item` at the nodes nearest to it, and here; a PutDone follows.
  [[nodiscard]] Result<RequestId> start_put(dht::Item item, TimePoint now, PutOptions const& how = {});
  /// No event will come for `id`. What it shares with other requests goes on. Unknown ids are ignored.
  void cancel(RequestId id);

  /// What to send or to tell next; nothing when all is done. Drain it after every input.
  [[nodiscard]] std::optional<Output> poll_output();
  /// Takes the memory of a datagram that was sent, for answers to come. Who never calls this pays one
  /// allocation for each answer.
  void reuse(std::string bytes);
  /// When expire() wants to be called; in the past when it is late. TimePoint::max() never happens.
  [[nodiscard]] TimePoint next_deadline() const;

  [[nodiscard]] NodeId const& id() const { return ids_.v4; }
  [[nodiscard]] NodeId const& id(Family family) const { return ids_[family]; }
  [[nodiscard]] bool is_ready() const { return phase_ == Phase::ready; }
  /// Nodes in the routing table.
  [[nodiscard]] std::size_t node_count() const { return tables_.v4.size() + tables_.v6.size(); }
  [[nodiscard]] NodeStats stats() const;
  /// Aborts when an invariant is broken. Costs about as much as everything in memory.
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
  /// Adds the nodes nearest to `target` of the families that the asker wants, as far as `room` goes.
  void add_nodes(dht::ReplyFields& fields, Endpoint const& from, dht::Query const& query,
                 NodeId const& target, std::size_t room);
  /// Until `expires`, or for the age of a peer.
  bool store_own(Keeper::Service const& service, TimePoint now,
                 std::optional<TimePoint> expires = std::nullopt);
  void forget_own(Keeper::Service const& service);
  void keep_own_item(dht::Item item, TimePoint now, bool restored);
  void drop_own_item(NodeId const& target);
  /// The newest item at `target` that is stored here; null for none.
  [[nodiscard]] dht::Item const* find_item(NodeId const& target, TimePoint now) const;
  /// Why a user's put cannot succeed, as far as we know.
  [[nodiscard]] std::optional<PutRefusal> refusal_of(dht::Item const& item, std::optional<std::int64_t> cas,
                                                     TimePoint now) const;

  void answered(Transactions::Query const& query, dht::Reply const& reply, TimePoint now);
  void unanswered(Transactions::Query const& query, TimePoint now);
  void slow(Transactions::Query const& query, TimePoint now);
  /// A node that we asked answered under our own id.
  void twin_answered(Transactions::Query const& query, TimePoint now);
  void look_for_twin(Endpoint const& from, dht::Reply const& reply, TimePoint now);
  void discard(Transactions::Query const& query);
  bool ask_bootstrap(Endpoint const& address, TimePoint now);
  void on_verified(dht::Contact const& node, TimePoint now);
  /// A node that we asked says what our address is.
  void note_own_address(Endpoint const& voter, IpAddress const& address, TimePoint now);
  void change_id(Family family, NodeId const& id, TimePoint now);
  void search_self(TimePoint now);
  /// `reply` is null when it named no nodes.
  void joined(dht::Contact const& node, dht::Reply const* reply, TimePoint now);

  void ping(dht::Contact const& node, TimePoint now);
  void try_bootstrap(TimePoint now);
  void try_addresses(Bootstrap& bootstrap, TimePoint now);
  void upkeep(TimePoint now);
  /// Announces and publishes again what is due.
  void keep(TimePoint now);
  [[nodiscard]] TimePoint keep_deadline() const;
  /// True when the node became ready just now.
  bool update_phase(TimePoint now);
  /// Sends what searches want to ask, as far as the concurrency allows.
  void dispatch_queries(TimePoint now);
  void send_query_of_service(Service::OutgoingQuery const& ask, TimePoint now);
  /// Passes an event of the service on, unless nobody asked for it.
  void pass_on(Service::Notice told);

  /// Whether a node can be there, for us.
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
  PeerStore peers_;      // what others announced, and what we did when our address is known
  PeerStore own_;        // what we announced, as 127.0.0.1, when it is not
  ItemStore items_;      // what others put, and what we did without keeping it
  ItemStore own_items_;  // what our users put; republished
  Keeper keeper_;
  PerFamily<ExternalAddress> external_;
  dht::QueryExtras extras_;
  Bootstrap bootstrap_;
  FormerNodes former_;
  Bootstrap fallback_;  // the former nodes, while we are alone; else empty
  Service service_;

  TimePoint twin_due_ = TimePoint::min();  // no new id because of a twin before
  Phase phase_ = Phase::waiting;
  TimePoint ready_by_ = TimePoint::max();
  std::optional<std::uint64_t> self_search_;     // the find_node for our own id
  TimePoint self_search_at_ = TimePoint::min();  // not again before, while few nodes are known
  Duration self_search_wait_ = std::chrono::seconds{1};
  TimePoint upkeep_at_ = TimePoint::min();  // the first expire() sets it

  NodeStats stats_;
  std::vector<Output> outputs_;
  std::size_t polled_ = 0;  // of the outputs
  // Kept between datagrams for their memory.
  std::vector<std::string> spare_;
  dht::BencodeDocument document_;
  std::string samples_;  // names for BEP 51
  TimePoint samples_until_ = TimePoint::min();
  std::vector<dht::Contact> contacts_;
  PerFamily<std::string> nodes_;
};

}  // namespace grenache::grape
