// Lookups and announcements: what the users of a node ask for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "grape/core/events.hpp"
#include "grape/core/lookup.hpp"
#include "grape/core/peer_store.hpp"
#include "grape/core/routing_table.hpp"
#include "proto/base/result.hpp"

namespace grenache::grape {

enum class ServiceErrc { too_many_requests = 1 };
[[nodiscard]] std::string_view describe(ServiceErrc code);
constexpr char const* category_name(ServiceErrc) { return "grenache.grape.service"; }
inline Error make_error_code(ServiceErrc code) { return make_enum_error(code); }

/// Runs the searches of a node and turns their results into events.
///
/// All who ask for one name while a search for it is under way share that search, announcers included: an
/// announcement is a search with get_peers, then an announce_peer to each of the 20 nearest nodes that gave a
/// token. What comes out is the union of what the network says and what this node stores itself, so that a
/// lone node serves its own users.
///
/// Knows no sockets and no transactions: the node asks next() what to send, and reports what came of it.
class Service {
 public:
  struct Options {
    Lookup::Options lookup;
    std::size_t search_count_max = 2000;    // names being looked up at a time
    std::size_t request_count_max = 20000;  // requests waiting, all names together
    std::size_t peer_count_max = 100;       // in a result; as Grape
    std::size_t peer_gather_max = 2000;     // of a name, before choosing: a hostile reply holds thousands
    Duration hold_max = std::chrono::seconds{2};  // a search waits so long for the node to find the network
  };

  /// A query to send.
  struct Ask {
    enum class Kind : std::uint8_t { find_node, get_peers, announce_peer };
    Kind kind = Kind::find_node;
    std::uint64_t owner = 0;  // to be given back with the answer
    dht::Contact to;
    NodeId target;    // of find_node
    std::string key;  // of the others
    std::uint16_t port = 0;
    bool implied_port = false;
    std::string token;
  };

  /// `store` is what others stored here, `own` what our users announced where that is not in `store`.
  /// All references must outlive the service.
  Service(Options options, NodeId const& own_id, RoutingTable& table, PeerStore const& store,
          PeerStore const& own, Random& random)
      : options_{options}, own_id_{own_id}, table_{table}, store_{store}, own_{own}, random_{random} {}

  /// While `hold` is set, new searches wait for release(), at most hold_max.
  [[nodiscard]] Result<RequestId> lookup(dht::ServiceKey const& name, bool hold, TimePoint now);
  /// Announces `port` of this host; `implied_port`: the port that our datagrams come from.
  [[nodiscard]] Result<RequestId> announce(dht::ServiceKey const& name, std::uint16_t port, bool implied_port,
                                           bool hold, TimePoint now);
  /// The request gets no event any more. Unknown ones are ignored.
  void cancel(RequestId id);
  /// Starts a search for nodes near `target`, without a request. `seeds` join those of the routing table.
  /// The search that is found by find_done() then. Nothing when too many searches run.
  [[nodiscard]] std::optional<std::uint64_t> find_nodes(NodeId const& target, TimePoint now);
  /// Tells a running search of more nodes.
  void add_nodes(std::uint64_t search, dht::CompactNodes const& nodes);
  void add_node(std::uint64_t search, dht::Contact const& node);
  [[nodiscard]] bool is_running(std::uint64_t search) const { return searches_.contains(search); }

  /// Lets all searches that wait for the network begin.
  void release(TimePoint now);
  /// Begins searches that have waited long enough.
  void expire(TimePoint now);
  [[nodiscard]] TimePoint next_deadline() const;

  /// The next query to send, in turn of all searches. Finishes what is over.
  [[nodiscard]] std::optional<Ask> next(TimePoint now);
  /// The answer to a query of a search.
  void search_answered(std::uint64_t owner, dht::Contact const& from, dht::Reply const& reply);
  void search_slow(std::uint64_t owner, dht::Contact const& to);
  /// The query timed out for good.
  void search_timed_out(std::uint64_t owner, dht::Contact const& to);
  /// It was answered by somebody else or with an error, or could not be sent.
  void search_failed(std::uint64_t owner, dht::Contact const& to);
  /// An announce_peer was answered, well or not, or timed out.
  void announce_answered(std::uint64_t owner, bool stored);

  /// Events since the last call, oldest first.
  [[nodiscard]] std::optional<Event> poll_event();

  [[nodiscard]] std::size_t lookup_count() const { return by_name_.size(); }
  [[nodiscard]] std::size_t request_count() const { return requests_.size(); }
  void check() const;

 private:
  struct Waiter {
    RequestId id{};
    bool announces = false;
    std::uint16_t port = 0;
    bool implied_port = false;
  };
  struct Search {
    std::optional<dht::ServiceKey> name;  // nothing: looks for nodes only
    Lookup lookup;
    std::vector<Waiter> waiters;
    std::vector<Endpoint> peers;  // named by the network, ascending
    bool awake = false;
  };
  struct Announcement {
    Waiter waiter;
    dht::ServiceKey name;
    std::vector<Lookup::Target> targets;
    std::size_t asked = 0;
    std::size_t finished = 0;
    std::size_t stored = 0;
    bool awake = false;
  };

  Result<RequestId> add_request(dht::ServiceKey const& name, Waiter waiter, bool hold, TimePoint now);
  void begin(std::uint64_t id, Search& search, TimePoint now);
  void finish(std::uint64_t id, TimePoint now);
  void start_announcement(Search const& search, Waiter const& waiter);
  void finish_announcement(std::uint64_t id);
  std::optional<Ask> next_of_search(std::uint64_t id, TimePoint now);
  std::optional<Ask> next_of_announcement(std::uint64_t id);
  [[nodiscard]] std::vector<Endpoint> result_of(Search const& search, TimePoint now);
  void found(Search& search, std::vector<Endpoint> const& peers);
  void forget_if_unwanted(std::uint64_t search);
  template <class Task>
  void wake(std::uint64_t id, Task& task) {
    if (!task.awake) awake_.push_back(id);
    task.awake = true;
  }

  Options options_;
  NodeId own_id_;
  RoutingTable& table_;
  PeerStore const& store_;
  PeerStore const& own_;
  Random& random_;

  std::uint64_t next_id_ = 1;  // of requests, searches and announcements alike
  std::map<std::uint64_t, Search> searches_;
  std::map<std::uint64_t, Announcement> announcements_;
  std::map<dht::ServiceKey, std::uint64_t> by_name_;  // the search that newcomers join
  std::map<RequestId, std::uint64_t> requests_;       // the search or announcement that serves each
  std::map<std::uint64_t, TimePoint> held_;           // searches that wait for the network
  std::deque<std::uint64_t> awake_;  // searches and announcements that may have something to ask
  std::deque<Event> events_;
};

}  // namespace grenache::grape

GRN_ERROR_CODE_ENUM(grenache::grape::ServiceErrc);
