// Schedules the re-announcement of our users' services and the republishing of their items.
#pragma once

#include <compare>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <variant>
#include <vector>

#include "grape/core/store_task.hpp"
#include <grenache/base/ids.hpp>
#include <grenache/base/random.hpp>
#include <grenache/base/time.hpp>
#include <grenache/dht/krpc.hpp>

namespace grenache::grape {

/// A set of keys, each with a due time.
template <class Key>
class Schedule {
 public:
  void set(Key const& key, TimePoint at) {
    erase(key);
    times_.emplace(key, at);
    order_.insert({at, key});
  }
  void erase(Key const& key) {
    auto const found = times_.find(key);
    if (found == times_.end()) return;
    order_.erase({found->second, key});
    times_.erase(found);
  }
  /// Removes and returns a key that is due.
  [[nodiscard]] std::optional<Key> due(TimePoint now) {
    if (order_.empty() || order_.begin()->first > now) return std::nullopt;
    Key key = order_.begin()->second;
    erase(key);
    return key;
  }
  [[nodiscard]] TimePoint next_deadline() const {
    return order_.empty() ? TimePoint::max() : order_.begin()->first;
  }
  [[nodiscard]] std::size_t size() const { return times_.size(); }

 private:
  std::map<Key, TimePoint> times_;
  std::set<std::pair<TimePoint, Key>> order_;
};

/// Holds the services to re-announce and the items to republish.
///
/// A service is re-announced, soon after the first announcement and then periodically, until release(), or
/// until its owner has not announced it again for owner_patience; then it is unannounced at once. Due times
/// are jittered, so that nodes and services that started together do not announce in waves.
class Keeper {
 public:
  struct Options {
    std::size_t service_count_max = 5000;
    Duration announce_every = std::chrono::seconds{80};  // a third of a peer's lifetime: two may be lost
    /// Delay of the second announcement of a service if announce_every is longer, since the node may not have
    /// known the nearest nodes at the first one.
    Duration announce_again = std::chrono::minutes{1};
    Duration owner_patience = std::chrono::seconds{240};  // the lifetime of a peer that is not re-announced
    Duration item_every = std::chrono::hours{1};          // BEP 44
  };

  struct Service {
    dht::ServiceKey name;
    std::uint16_t port = 0;
    bool implied_port = false;
    friend auto operator<=>(Service const&, Service const&) = default;
  };
  struct Announce {
    Service service;
  };
  struct Unannounce {
    Service service;
  };
  struct Republish {
    NodeId target;
  };
  using Duty = std::variant<Announce, Unannounce, Republish>;

  explicit Keeper(Options options) : options_{options} {}

  /// Records an announcement of `service` by its owner. The first one since the start of this node makes the
  /// next due after announce_again, and others before that do not defer it. Returns false when
  /// service_count_max is reached.
  bool keep(Service const& service, TimePoint now, Random& random);
  /// Adds a service that its owner announced before a restart of this node. It is kept until `lapse`, but no
  /// longer than owner_patience from now: it is re-announced soon, or unannounced at once when `lapse` has
  /// passed. Ignored when service_count_max is reached.
  void restore(Service const& service, TimePoint lapse, TimePoint now, Random& random);
  void release(Service const& service);
  /// Keeps an item. The count of items is bounded by the caller, which stores them.
  void keep_item(NodeId const& target, TimePoint now, Random& random, bool restored = false);
  void drop_item(NodeId const& target) { items_.erase(target); }

  /// Returns a duty that is due. Announce and Republish become due again after their periods.
  [[nodiscard]] std::optional<Duty> next(TimePoint now, Random& random);
  [[nodiscard]] TimePoint next_deadline() const;

  /// The kept services, each with the time at which it lapses unless its owner announces it again.
  [[nodiscard]] std::map<Service, TimePoint> const& services() const { return lapses_; }
  [[nodiscard]] std::size_t service_count() const { return lapses_.size(); }
  [[nodiscard]] std::size_t item_count() const { return items_.size(); }
  void check() const;

 private:
  Options options_;
  std::map<Service, TimePoint> lapses_;  // when each service lapses unless its owner announces it again
  std::set<Service> again_;              // whose second announcement is due after announce_again
  std::set<Service> restored_;           // which their owners have not announced since the restart
  Schedule<Service> services_;
  Schedule<NodeId> items_;
};

}  // namespace grenache::grape
