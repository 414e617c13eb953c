// Runs the requests of a node's users: lookups, announcements, gets and puts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "grape/core/events.hpp"
#include "grape/core/family.hpp"
#include "grape/core/holders.hpp"
#include "grape/core/item_store.hpp"
#include "grape/core/peer_store.hpp"
#include "grape/core/routing_table.hpp"
#include "grape/core/search.hpp"
#include "grape/core/store_task.hpp"
#include <grenache/base/result.hpp>

namespace grenache::grape {

enum class ServiceErrc { too_many_requests = 1 };
[[nodiscard]] std::string_view describe(ServiceErrc code);
constexpr char const* category_name(ServiceErrc) { return "grenache.grape.service"; }
inline Error make_error_code(ServiceErrc code) { return make_enum_error(code); }

/// Runs the searches of a node and turns their results into events.
///
/// All requests for one name or item share the running search for it, announcements and puts included:
/// storing is a search with get_peers or get, then an announce_peer or put to each of the 20 nearest nodes
/// that gave a token. A result is the union of what the network returned and what this node stores itself, so
/// that a lone node serves its own users.
///
/// An unannounce is sent to the nodes known to hold the service, and to three times as many of the nearest as
/// usual, so nodes that stored it before a restart are very likely asked too.
///
/// Does no I/O and holds no transactions: the node calls next() for queries to send, and reports each
/// outcome.
class Service {
 public:
  struct Options {
    Search::Options search;
    Holders::Options holders;
    std::size_t search_count_max = 2000;          // concurrent searches
    std::size_t request_count_max = 20000;        // waiting requests, all names together
    std::size_t peer_count_max = 100;             // in a result, as in Grape
    Duration hold_max = std::chrono::seconds{2};  // how long a search waits for the node to join the network
  };

  /// The node's tables that the service reads. All must outlive it.
  struct Tables {
    PerFamily<bool> const& families;
    PerFamily<NodeId> const& ids;
    PerFamily<RoutingTable>& tables;
    PeerStore const& peers;      // announced by other nodes
    PeerStore const& own_peers;  // announced by our users and not in `peers`
    ItemStore const& items;
    ItemStore const& own_items;  // put by our users
    Random& random;
  };

  /// A query to send. Its views are valid until the next call of the service.
  struct OutgoingQuery {
    std::uint64_t owner = 0;  // pass it back with the answer
    bool stores = false;      // owner is a store; otherwise a search
    dht::Contact to;
    std::variant<dht::FindNode, dht::GetPeers, dht::Get, dht::AnnouncePeer, dht::UnannouncePeer, dht::Put>
        query;
  };

  /// An event. A silent one belongs to a request that the node made itself; it is not passed to users.
  struct Notice {
    Event event;
    bool silent = false;
  };

  Service(Options options, Tables tables) : options_{options}, tables_{tables}, holders_{options.holders} {}

  /// With `hold`, a new search waits for release(), at most hold_max.
  [[nodiscard]] Result<RequestId> lookup(dht::ServiceKey const& name, bool hold, TimePoint now);
  [[nodiscard]] Result<RequestId> get(NodeId const& target, std::string_view salt, bool hold, TimePoint now);
  /// Announces `port` of this host; with `implied_port`, the source port of our datagrams. `silent` marks a
  /// request that the node makes itself.
  [[nodiscard]] Result<RequestId> announce(dht::ServiceKey const& name, AnnounceJob job, bool silent,
                                           bool hold, TimePoint now);
  /// Ends announcements of the same service first.
  [[nodiscard]] Result<RequestId> unannounce(dht::ServiceKey const& name, UnannounceJob job, bool silent,
                                             bool hold, TimePoint now);
  [[nodiscard]] Result<RequestId> put(PutJob job, bool silent, bool hold, TimePoint now);
  /// Creates a put that is refused at once, without sending queries.
  [[nodiscard]] RequestId refuse_put(NodeId const& target, PutRefusal refusal);
  /// Suppresses the event of a request. Ignores unknown ids.
  void cancel(RequestId id);
  /// Starts a search for nodes near `target`, without a request. Returns nothing when search_count_max is
  /// reached.
  [[nodiscard]] std::optional<std::uint64_t> find_nodes(NodeId const& target, TimePoint now);
  /// Adds the nodes in `reply` to a running search.
  void add_nodes(std::uint64_t search, dht::Contact const& from, dht::Reply const& reply);
  void add_node(std::uint64_t search, dht::Contact const& node);
  [[nodiscard]] bool is_running(std::uint64_t search) const { return searches_.contains(search); }

  /// Starts all held searches.
  void release(TimePoint now);
  /// Starts searches that were held for hold_max.
  void expire(TimePoint now);
  [[nodiscard]] TimePoint next_deadline() const;

  /// Returns the next query to send, round-robin over searches and stores. Finishes those that have ended.
  [[nodiscard]] std::optional<OutgoingQuery> next(TimePoint now);
  /// Reports the answer to a query of a search.
  void search_answered(std::uint64_t owner, dht::Contact const& from, dht::Reply const& reply);
  void search_slow(std::uint64_t owner, dht::Contact const& to);
  /// Reports the final timeout of a query.
  void search_timed_out(std::uint64_t owner, dht::Contact const& to);
  /// Reports a query that was answered by another node or with an error, or could not be sent.
  void search_failed(std::uint64_t owner, dht::Contact const& to);
  /// The same for queries of stores.
  void store_answered(std::uint64_t owner, dht::Contact const& from, dht::Reply const& reply);
  void store_slow(std::uint64_t owner, dht::Contact const& to);
  void store_timed_out(std::uint64_t owner, dht::Contact const& to);
  void store_failed(std::uint64_t owner, dht::Contact const& to);
  void store_refused(std::uint64_t owner, dht::Contact const& to, dht::ErrorReply const& error);

  /// Returns the oldest event not yet polled; nothing when there is none.
  [[nodiscard]] std::optional<Notice> poll_event();

  [[nodiscard]] std::size_t lookup_count() const { return shared_.size(); }
  [[nodiscard]] std::size_t request_count() const { return requests_.size(); }
  /// Totals over all ended searches for names and items.
  struct Effort {
    std::uint64_t searches = 0;
    std::uint64_t queries = 0;
    std::uint64_t hops = 0;
  };
  [[nodiscard]] Effort const& effort() const { return effort_; }
  /// Running requests that the node made itself.
  [[nodiscard]] std::size_t silent_count() const { return silent_count_; }
  void check() const;

 private:
  struct Waiter {
    RequestId id{};
    std::optional<StoreJob> job;  // nothing: the request wants the result of the search
    bool silent = false;
  };
  struct Running {
    Search search;
    std::vector<Waiter> waiters;
    bool awake = false;
  };
  struct Storing {
    Subject subject;
    RequestId id{};
    StoreTask task;
    bool silent = false;
    bool awake = false;
  };

  Result<RequestId> add_request(Subject const& subject, Waiter waiter, bool hold, TimePoint now);
  std::uint64_t start(Subject const& subject, bool wide);
  void begin(std::uint64_t id, Running& running, TimePoint now);
  void finish(std::uint64_t id, TimePoint now);
  void start_storing(Running& running, Waiter& waiter);
  void finish_storing(std::uint64_t id);
  std::optional<OutgoingQuery> next_of_search(std::uint64_t id, TimePoint now);
  std::optional<OutgoingQuery> next_of_storing(std::uint64_t id);
  void answer(Search const& search, RequestId id, TimePoint now);
  /// Answers requests for an immutable item as soon as it is found, since no newer one can exist.
  void answer_early(std::uint64_t id, TimePoint now);
  [[nodiscard]] std::vector<Endpoint> peers_of(Search const& search, TimePoint now);
  [[nodiscard]] GetDone item_of(Search const& search, RequestId id, TimePoint now) const;
  void end_announcements(dht::ServiceKey const& name, UnannounceJob const& job);
  void forget_if_unwanted(std::uint64_t search);
  void end_request(RequestId id, bool silent);
  void notify(Event event, bool silent) { events_.push_back({std::move(event), silent}); }
  template <class Action>
  void with_search(std::uint64_t owner, Action action);
  template <class Action>
  void with_storing(std::uint64_t owner, Action action);
  template <class Task>
  void wake(std::uint64_t id, Task& task) {
    if (!task.awake) awake_.push_back(id);
    task.awake = true;
  }

  Options options_;
  Tables tables_;

  Holders holders_;
  std::uint64_t next_id_ = 1;  // shared by requests, searches and stores
  std::map<std::uint64_t, Running> searches_;
  std::map<std::uint64_t, Storing> stores_;
  std::map<Subject, std::uint64_t> shared_;      // the search that new requests join
  std::map<RequestId, std::uint64_t> requests_;  // the search or store that serves each request
  std::map<std::uint64_t, TimePoint> held_;      // until when each search waits for the network
  std::deque<std::uint64_t> awake_;              // searches and stores that may have a query to send
  std::deque<Notice> events_;
  std::size_t silent_count_ = 0;
  Effort effort_;
};

}  // namespace grenache::grape

GRN_ERROR_CODE_ENUM(grenache::grape::ServiceErrc);
