// Holds the bootstrap addresses of a node and schedules when to try each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include <grenache/base/endpoint.hpp>
#include <grenache/base/random.hpp>
#include <grenache/base/time.hpp>
#include <grenache/dht/compact.hpp>

namespace grenache::grape {

/// Retries every address until it answers, without limit. The first retries are quick, so that two grapes
/// that name each other connect within a second in either start order; then the delay doubles up to
/// `delay_max`. An address that answered is tried again after `recheck`, which rejoins the halves of a
/// network after a partition.
class Bootstrap {
 public:
  struct Options {
    std::size_t address_count_max = 64;
    /// After each of the first failures, in addition to the query's timeout.
    Duration delay_min = std::chrono::milliseconds{250};
    Duration delay_max = std::chrono::seconds{30};
    std::uint32_t quick_count = 4;  // failures before the delay begins to double
    Duration recheck = std::chrono::minutes{5};
  };

  explicit Bootstrap(Options options) : options_{options} {}

  /// Adds addresses, which are due at once. Ignores known ones and those beyond address_count_max.
  void add(std::vector<Endpoint> const& addresses, TimePoint now);
  /// Returns an address to try now; it is not due again before answered() or failed().
  [[nodiscard]] std::optional<Endpoint> next(TimePoint now);
  /// Reports an answer. Returns true when `address` is a bootstrap address that did not answer the last time.
  bool answered(Endpoint const& address, TimePoint now, Random& random);
  void failed(Endpoint const& address, TimePoint now, Random& random);
  /// Removes those of `addresses` that did not answer the last time.
  void forget(std::vector<Endpoint> const& addresses);
  [[nodiscard]] bool contains(Endpoint const& address) const;
  /// True when one of `addresses` answered the last time.
  [[nodiscard]] bool is_responsive(std::vector<Endpoint> const& addresses) const;
  /// Makes all addresses due at once; called when the routing table has become empty.
  void hurry(TimePoint now);

  [[nodiscard]] bool empty() const { return entries_.empty(); }
  [[nodiscard]] TimePoint next_deadline() const;

 private:
  struct Entry {
    Endpoint address;
    TimePoint try_at;
    std::uint32_t failures = 0;
    bool waiting = false;
    bool was_responsive = false;
  };
  [[nodiscard]] Entry* find(Endpoint const& address);

  Options options_;
  std::vector<Entry> entries_;
};

/// Remembers the nodes that were removed from the routing table last, newest last. When the table becomes
/// empty, these are the nodes that answered until then, so a node whose bootstrap addresses are dead, or that
/// has none, can rejoin the network through them.
class FormerNodes {
 public:
  explicit FormerNodes(std::size_t count_max) : count_max_{count_max} {}

  void add(dht::Contact const& node);
  /// Removes the node at `endpoint`, which is in the routing table again.
  void remove(Endpoint const& endpoint);
  [[nodiscard]] std::deque<dht::Contact> const& all() const { return nodes_; }

 private:
  std::size_t count_max_;
  std::deque<dht::Contact> nodes_;  // no endpoint twice
};

}  // namespace grenache::grape
