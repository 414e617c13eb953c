// Simulates a network of DHT nodes in one thread, under virtual time.
//
// The nodes are real cores. The network loses, delays, duplicates and reorders datagrams, and can be
// partitioned; nodes crash and restart. Everything depends on one seed: equal seeds give equal histories,
// with equal digest().
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <string_view>
#include <vector>

#include "grape/core/node.hpp"
#include <grenache/base/random.hpp>
#include <grenache/base/time.hpp>

namespace grenache::sim {

/// Faults of the network. Delays are uniform, so that datagrams are reordered.
struct Faults {
  Duration delay_min = std::chrono::milliseconds{1};
  Duration delay_max = std::chrono::milliseconds{40};
  std::uint32_t loss_percent = 0;
  std::uint32_t repeat_percent = 0;
};

/// The simulated DHT. A node is identified by its index, in the order of creation; node 0 is usually the
/// bootstrap of the others. Not thread-safe.
class SimNetwork {
 public:
  explicit SimNetwork(std::uint64_t seed, Faults faults = {});

  /// Creates a node at 10.0.0.1:20001, 10.0.0.2:20001, and so on, and starts it with these bootstrap
  /// addresses.
  std::size_t add_node(std::vector<Endpoint> bootstrap, grape::NodeOptions options = {});
  /// The same at the given endpoint, which must be free.
  std::size_t add_node_at(Endpoint endpoint, std::vector<Endpoint> bootstrap,
                          grape::NodeOptions options = {});
  /// The endpoints of a host: one in each of one or two address families, with the same port.
  struct Site {
    std::vector<Endpoint> endpoints;
    /// If false, the node has to learn its addresses from other nodes.
    bool knows_addresses = true;
  };
  /// The same with one or both families: those of the site's endpoints.
  std::size_t add_node_at(Site const& site, std::vector<Endpoint> bootstrap, grape::NodeOptions options = {});
  /// The endpoints of the node.
  [[nodiscard]] std::vector<Endpoint> const& endpoints(std::size_t index) const {
    return hosts_.at(index)->endpoints;
  }
  /// The endpoint that the node `index` gets from add_node().
  [[nodiscard]] static Endpoint endpoint_of(std::size_t index);

  /// Crashes the node; datagrams to it are lost.
  void crash(std::size_t index);
  /// Starts a new node with a new id and no state at the same endpoint, with the same bootstrap.
  void restart(std::size_t index);
  /// Stops the node and starts it again with its saved state.
  void restart_with_state(std::size_t index);
  /// Advances the clock of the node, as after a suspension of its machine.
  void advance_clock(std::size_t index, Duration by);
  /// Answers a query instead of the node: returns the bytes to send, or nothing for no answer.
  using Liar = std::function<std::optional<std::string>(Endpoint const& from, dht::Query const& query)>;
  /// Passes queries to the node to `liar` from now on. Replies still reach the node, so that it stays in the
  /// network.
  void set_liar(std::size_t index, Liar liar) { at(index).liar = std::move(liar); }
  /// Assigns the node to a partition; datagrams pass only within a group. All nodes start in group 0.
  void set_group(std::size_t index, int group) { at(index).group = group; }
  void set_faults(Faults faults) { faults_ = faults; }

  [[nodiscard]] std::size_t size() const { return hosts_.size(); }
  [[nodiscard]] bool is_up(std::size_t index) const { return hosts_.at(index)->node != nullptr; }
  /// The core of a running node. Call flush() after giving it an input.
  [[nodiscard]] grape::Node& node(std::size_t index) { return *at(index).node; }
  void flush(std::size_t index);

  [[nodiscard]] TimePoint now() const { return now_; }
  /// Runs `task` after `delay` of virtual time.
  void post(Duration delay, std::function<void()> task);
  void run_for(Duration duration);
  /// Runs until `done()`, which is called after every event; false when `limit` has passed.
  bool run_until(std::function<bool()> const& done, Duration limit);
  /// Runs until every running node is ready.
  bool run_until_ready(Duration limit);

  /// Called with the result, unless the node crashes before.
  using OnPeers = std::function<void(std::vector<Endpoint> const&)>;
  using OnStored = std::function<void(std::size_t stored)>;
  void lookup(std::size_t index, std::string_view name, OnPeers on_peers);
  void announce(std::size_t index, std::string_view name, std::uint16_t port, OnStored on_stored,
                bool keep = false);
  void unannounce(std::size_t index, std::string_view name, std::uint16_t port, OnStored on_removed);
  using OnItem = std::function<void(std::optional<dht::Item> const&)>;
  void get(std::size_t index, NodeId const& target, std::string_view salt, OnItem on_item);
  void put(std::size_t index, dht::Item item, OnStored on_stored);
  /// The same, while running the network; nothing when the node has no result within `limit`.
  [[nodiscard]] std::optional<std::vector<Endpoint>> lookup_now(std::size_t index, std::string_view name,
                                                                Duration limit = std::chrono::seconds{30});
  [[nodiscard]] std::optional<std::size_t> announce_now(std::size_t index, std::string_view name,
                                                        std::uint16_t port,
                                                        Duration limit = std::chrono::seconds{30});
  /// Called for every event of every node, before the results above.
  void on_event(std::function<void(std::size_t, grape::Event const&)> observer) {
    observer_ = std::move(observer);
  }
  /// Called for every datagram that a node sends: (from, to, bytes).
  void on_datagram(std::function<void(Endpoint const&, Endpoint const&, std::string_view)> observer) {
    datagram_observer_ = std::move(observer);
  }
  /// Delivers a forged datagram of `from`, without loss or delay.
  void inject(Endpoint const& from, Endpoint const& to, std::string bytes);

  /// Checks the invariants of all running nodes; aborts when one is broken.
  void check() const;
  /// A hash of all delivered datagrams and their times.
  [[nodiscard]] std::uint64_t digest() const { return digest_; }
  [[nodiscard]] std::uint64_t delivered_count() const { return delivered_; }

 private:
  struct Host {
    std::vector<Endpoint> endpoints;
    grape::NodeOptions options;
    std::vector<Endpoint> bootstrap;
    std::unique_ptr<grape::Node> node;
    int group = 0;
    std::uint64_t life = 0;  // counts restarts
    Duration ahead{};        // of its clock, relative to the network's
    Liar liar;
    TimePoint timer_at = TimePoint::max();  // the earliest timer in the queue
    std::map<grape::RequestId, OnPeers> lookups;
    std::map<grape::RequestId, OnStored> stores;
    std::map<grape::RequestId, OnItem> gets;
  };
  struct Item {
    std::function<void()> task;  // if set, else:
    std::size_t host = 0;        // a datagram from `from` to `host`, or a timer of `host`
    bool is_timer = false;
    Endpoint from;
    Endpoint to;
    std::string bytes;
    std::uint64_t life = 0;
  };

  // The queue orders the items by time and holds their slots.
  struct Place {
    TimePoint at;
    std::uint64_t sequence = 0;
    std::size_t slot = 0;
    [[nodiscard]] bool operator<(Place const& other) const {
      return at != other.at ? at > other.at : sequence > other.sequence;
    }
  };

  [[nodiscard]] Host& at(std::size_t index) { return *hosts_.at(index); }
  [[nodiscard]] TimePoint clock_of(Host const& host) const { return now_ + host.ahead; }
  void start(std::size_t index, grape::Snapshot const* state = nullptr);
  void push(TimePoint at, Item item);
  bool step();
  void deliver(Item const& item);
  void answer_with_lies(std::size_t index, Item const& item);
  void transmit(std::size_t from, grape::Datagram datagram);
  void log_event(std::size_t index, grape::Event const& event);
  void note(TimePoint at, Endpoint const& from, Endpoint const& to, std::string_view bytes);

  Random random_;
  Faults faults_;
  TimePoint now_{};
  std::uint64_t sequence_ = 0;
  std::priority_queue<Place> queue_;  // earliest first
  std::vector<Item> slots_;
  std::vector<std::size_t> free_slots_;
  std::vector<std::unique_ptr<Host>> hosts_;
  std::map<Endpoint, std::size_t> by_endpoint_;
  std::function<void(std::size_t, grape::Event const&)> observer_;
  std::function<void(Endpoint const&, Endpoint const&, std::string_view)> datagram_observer_;
  std::uint64_t digest_ = 0xcbf29ce484222325u;
  std::uint64_t delivered_ = 0;
};

}  // namespace grenache::sim
