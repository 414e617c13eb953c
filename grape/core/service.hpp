// Lookups, announcements, gets and puts: what the users of a node ask for.
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
/// All who ask for one name or item while a search for it is under way share that search, announcers and
/// putters included: storing is a search with get_peers or get, then an announce_peer or put to each of the
/// 20 nearest nodes that gave a token. What comes out is the union of what the network says and what this
/// node stores itself, so that a lone node serves its own users.
///
/// Taking a service back goes to the nodes that took it, and to three times as many of the nearest as usual:
/// those to which it was announced by an earlier life of this node are most likely among them.
///
/// Knows no sockets and no transactions: the node asks next() what to send, and reports what came of it.
class Service {
 public:
  struct Options {
    Search::Options search;
    Holders::Options holders;
    std::size_t search_count_max = 2000;          // names being looked up at a time
    std::size_t request_count_max = 20000;        // requests waiting, all names together
    std::size_t peer_count_max = 100;             // in a result; as Grape
    Duration hold_max = std::chrono::seconds{2};  // a search waits so long for the node to find the network
  };

  /// What the node keeps and the service reads. Everything must outlive it.
  struct Tables {
    PerFamily<bool> const& families;
    PerFamily<NodeId> const& ids;
    PerFamily<RoutingTable>& tables;
    PeerStore const& peers;      // what others stored here
    PeerStore const& own_peers;  // what our users announced where that is not in `peers`
    ItemStore const& items;
    ItemStore const& own_items;  // what our users put
    Random& random;
  };

  /// A query to send. Its views are good until the next call of the service.
  struct OutgoingQuery {
    std::uint64_t owner = 0;  // to be given back with the answer
    bool stores = false;      // else it belongs to a search
    dht::Contact to;
    std::variant<dht::FindNode, dht::GetPeers, dht::Get, dht::AnnouncePeer, dht::UnannouncePeer, dht::Put>
        query;
  };

  /// An event; nobody asked for a silent one, it is for the node alone.
  struct Notice {
    Event event;
    bool silent = false;
  };

  Service(Options options, Tables tables) : options_{options}, tables_{tables}, holders_{options.holders} {}

  /// While `hold` is set, new searches wait for release(), at most hold_max.
  [[nodiscard]] Result<RequestId> lookup(dht::ServiceKey const& name, bool hold, TimePoint now);
  [[nodiscard]] Result<RequestId> get(NodeId const& target, std::string_view salt, bool hold, TimePoint now);
  /// Announces `port` of this host; `implied_port`: the port that our datagrams come from. Its event is
  /// silent when the node does it on its own account.
  [[nodiscard]] Result<RequestId> announce(dht::ServiceKey const& name, AnnounceJob job, bool silent,
                                           bool hold, TimePoint now);
  /// Ends announcements of the same service first.
  [[nodiscard]] Result<RequestId> unannounce(dht::ServiceKey const& name, UnannounceJob job, bool silent,
                                             bool hold, TimePoint now);
  [[nodiscard]] Result<RequestId> put(PutJob job, bool silent, bool hold, TimePoint now);
  /// A put that is refused without asking anybody.
  [[nodiscard]] RequestId refuse_put(NodeId const& target, PutRefusal refusal);
  /// The request gets no event any more. Unknown ones are ignored.
  void cancel(RequestId id);
  /// Starts a search for nodes near `target`, without a request. Nothing when too many searches run.
  [[nodiscard]] std::optional<std::uint64_t> find_nodes(NodeId const& target, TimePoint now);
  /// Tells a running search of more nodes.
  void add_nodes(std::uint64_t search, dht::Contact const& from, dht::Reply const& reply);
  void add_node(std::uint64_t search, dht::Contact const& node);
  [[nodiscard]] bool is_running(std::uint64_t search) const { return searches_.contains(search); }

  /// Lets all searches that wait for the network begin.
  void release(TimePoint now);
  /// Begins searches that have waited long enough.
  void expire(TimePoint now);
  [[nodiscard]] TimePoint next_deadline() const;

  /// The next query to send, in turn of all searches. Finishes what is over.
  [[nodiscard]] std::optional<OutgoingQuery> next(TimePoint now);
  /// The answer to a query of a search.
  void search_answered(std::uint64_t owner, dht::Contact const& from, dht::Reply const& reply);
  void search_slow(std::uint64_t owner, dht::Contact const& to);
  /// The query timed out for good.
  void search_timed_out(std::uint64_t owner, dht::Contact const& to);
  /// It was answered by somebody else or with an error, or could not be sent.
  void search_failed(std::uint64_t owner, dht::Contact const& to);
  /// The same of queries that store.
  void store_answered(std::uint64_t owner, dht::Contact const& from, dht::Reply const& reply);
  void store_slow(std::uint64_t owner, dht::Contact const& to);
  void store_timed_out(std::uint64_t owner, dht::Contact const& to);
  void store_failed(std::uint64_t owner, dht::Contact const& to);
  void store_refused(std::uint64_t owner, dht::Contact const& to, dht::ErrorReply const& error);

  /// Events since the last call, oldest first.
  [[nodiscard]] std::optional<Notice> poll_event();

  [[nodiscard]] std::size_t lookup_count() const { return shared_.size(); }
  [[nodiscard]] std::size_t request_count() const { return requests_.size(); }
  /// Of all searches for names and items that are over: how many, with how many queries and hops.
  struct Effort {
    std::uint64_t searches = 0;
    std::uint64_t queries = 0;
    std::uint64_t hops = 0;
  };
  [[nodiscard]] Effort const& effort() const { return effort_; }
  /// Requests that the node made on its own account.
  [[nodiscard]] std::size_t silent_count() const { return silent_count_; }
  void check() const;

 private:
  struct Waiter {
    RequestId id{};
    std::optional<StoreJob> job;  // nothing: wants to know what is found
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
  /// Answers those who wait for an immutable item that was found: nothing better can come.
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
  std::uint64_t next_id_ = 1;  // of requests, searches and stores alike
  std::map<std::uint64_t, Running> searches_;
  std::map<std::uint64_t, Storing> stores_;
  std::map<Subject, std::uint64_t> shared_;      // the search that newcomers join
  std::map<RequestId, std::uint64_t> requests_;  // the search or store that serves each
  std::map<std::uint64_t, TimePoint> held_;      // searches that wait for the network
  std::deque<std::uint64_t> awake_;              // searches and stores that may have something to ask
  std::deque<Notice> events_;
  std::size_t silent_count_ = 0;
  Effort effort_;
};

}  // namespace grenache::grape

GRN_ERROR_CODE_ENUM(grenache::grape::ServiceErrc);
