// Many DHT nodes in one thread under virtual time.
//
// The nodes are the real cores; the network between them loses, delays, repeats and reorders datagrams, parts
// into groups and heals, nodes crash and come back. All of it follows from one seed: equal seeds give equal
// histories, which digest() makes visible.
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

/// What the network does to datagrams. Delays are uniform, so that datagrams overtake each other.
struct Faults {
  Duration delay_min = std::chrono::milliseconds{1};
  Duration delay_max = std::chrono::milliseconds{40};
  std::uint32_t loss_percent = 0;
  std::uint32_t repeat_percent = 0;
};

/// The in-process DHT. Nodes are named by their index, in the order of their making; node 0 is usually the
/// bootstrap of the others. Not thread-safe.
class SimNetwork {
 public:
  explicit SimNetwork(std::uint64_t seed, Faults faults = {});

  /// Makes a node at 10.0.0.1:20001, 10.0.0.2:20001, and so on, and starts it with these bootstrap addresses.
  std::size_t add_node(std::vector<Endpoint> bootstrap, grape::NodeOptions options = {});
  /// The same at an endpoint of your choice, which must be free.
  std::size_t add_node_at(Endpoint endpoint, std::vector<Endpoint> bootstrap,
                          grape::NodeOptions options = {});
  /// Where a host is: at one endpoint of one or of each address family, with the same port.
  struct Site {
    std::vector<Endpoint> endpoints;
    /// Else the node has to hear from others what its addresses are.
    bool knows_addresses = true;
  };
  /// The same of one or both families; the node speaks those that it has an endpoint of.
  std::size_t add_node_at(Site const& site, std::vector<Endpoint> bootstrap, grape::NodeOptions options = {});
  /// Where the node is.
  [[nodiscard]] std::vector<Endpoint> const& endpoints(std::size_t index) const {
    return hosts_.at(index)->endpoints;
  }
  /// The endpoint that the node `index` gets from add_node().
  [[nodiscard]] static Endpoint endpoint_of(std::size_t index);

  /// The node is gone without a word; datagrams to it are lost.
  void crash(std::size_t index);
  /// A new node, with a new id and nothing known, starts at the same endpoint with the same bootstrap.
  void restart(std::size_t index);
  /// The node stops and starts again with what it would have saved.
  void restart_with_state(std::size_t index);
  /// The clock of the node goes forward at once, as after the sleep of its machine.
  void advance_clock(std::size_t index, Duration by);
  /// Answers a query in the place of the node: the bytes to send, or nothing for silence.
  using Liar = std::function<std::optional<std::string>(Endpoint const& from, dht::Query const& query)>;
  /// From now on queries to the node are answered by `liar`. Replies reach the node, so that it keeps its
  /// place in the network.
  void set_liar(std::size_t index, Liar liar) { at(index).liar = std::move(liar); }
  /// Datagrams pass only between nodes of one group; all begin in group 0.
  void set_group(std::size_t index, int group) { at(index).group = group; }
  void set_faults(Faults faults) { faults_ = faults; }

  [[nodiscard]] std::size_t size() const { return hosts_.size(); }
  [[nodiscard]] bool is_up(std::size_t index) const { return hosts_.at(index)->node != nullptr; }
  /// The core; it must be up. After giving it an input yourself call flush().
  [[nodiscard]] grape::Node& node(std::size_t index) { return *at(index).node; }
  void flush(std::size_t index);

  [[nodiscard]] TimePoint now() const { return now_; }
  /// Runs `task` on the same time line, `delay` from now.
  void post(Duration delay, std::function<void()> task);
  void run_for(Duration duration);
  /// Runs until `done`, which is asked after every event; false when `limit` passed before.
  bool run_until(std::function<bool()> const& done, Duration limit);
  /// Until every node that is up is ready.
  bool run_until_ready(Duration limit);

  /// Called with the result once there is one. A crash of the node drops it.
  using OnPeers = std::function<void(std::vector<Endpoint> const&)>;
  using OnStored = std::function<void(std::size_t stored)>;
  void lookup(std::size_t index, std::string_view name, OnPeers on_peers);
  void announce(std::size_t index, std::string_view name, std::uint16_t port, OnStored on_stored,
                bool keep = false);
  void unannounce(std::size_t index, std::string_view name, std::uint16_t port, OnStored on_removed);
  using OnItem = std::function<void(std::optional<dht::Item> const&)>;
  void get(std::size_t index, NodeId const& target, std::string_view salt, OnItem on_item);
  void put(std::size_t index, dht::Item item, OnStored on_stored);
  /// The same, running the network meanwhile; nothing when the node gave no answer within `limit`.
  [[nodiscard]] std::optional<std::vector<Endpoint>> lookup_now(std::size_t index, std::string_view name,
                                                                Duration limit = std::chrono::seconds{30});
  [[nodiscard]] std::optional<std::size_t> announce_now(std::size_t index, std::string_view name,
                                                        std::uint16_t port,
                                                        Duration limit = std::chrono::seconds{30});
  /// Sees every event of every node, before the results above.
  void on_event(std::function<void(std::size_t, grape::Event const&)> observer) {
    observer_ = std::move(observer);
  }
  /// Sees every datagram that a node sends: (from, to, bytes).
  void on_datagram(std::function<void(Endpoint const&, Endpoint const&, std::string_view)> observer) {
    datagram_observer_ = std::move(observer);
  }
  /// Puts a datagram into the network as if `from` had sent it. It arrives without loss or delay.
  void inject(Endpoint const& from, Endpoint const& to, std::string bytes);

  /// Checks the invariants of all nodes that are up; aborts when one is broken.
  void check() const;
  /// A hash of every datagram delivered so far, with its time.
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
    Duration ahead{};        // its clock, of ours
    Liar liar;
    TimePoint timer_at = TimePoint::max();  // the earliest timer in the queue
    std::map<grape::RequestId, OnPeers> lookups;
    std::map<grape::RequestId, OnStored> stores;
    std::map<grape::RequestId, OnItem> gets;
  };
  struct Item {
    std::function<void()> task;  // or else
    std::size_t host = 0;        // a datagram from `from` to `host`, or without bytes its timer
    bool is_timer = false;
    Endpoint from;
    Endpoint to;
    std::string bytes;
    std::uint64_t life = 0;
  };

  // The queue holds what orders the items, and where they are.
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
  std::priority_queue<Place> queue_;  // the next item first
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
