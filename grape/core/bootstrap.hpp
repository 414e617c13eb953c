// The addresses through which a node finds the network, and when to try them.
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

/// Tries every address until it answers, quickly at first, so that two grapes that name each other meet
/// within a second whoever starts first, then ever more slowly up to `delay_max`, and never gives up. An
/// address that answered is tried again after `recheck`: this is how the halves of a network that was parted
/// find each other again.
class Bootstrap {
 public:
  struct Options {
    std::size_t address_count_max = 64;
    Duration delay_min = std::chrono::milliseconds{250};  // after the first failures, beside the time waited
    Duration delay_max = std::chrono::seconds{30};
    std::uint32_t quick_count = 4;  // failures before the delay begins to double
    Duration recheck = std::chrono::minutes{5};
  };

  explicit Bootstrap(Options options) : options_{options} {}

  /// Adds addresses, to be tried at once. Known ones and those beyond address_count_max are ignored.
  void add(std::vector<Endpoint> const& addresses, TimePoint now);
  /// An address to try now; it is not due again before answered() or failed().
  [[nodiscard]] std::optional<Endpoint> next(TimePoint now);
  /// True when the address is one of ours and did not answer last time.
  bool answered(Endpoint const& address, TimePoint now, Random& random);
  void failed(Endpoint const& address, TimePoint now, Random& random);
  /// Forgets those of `addresses` that did not answer last time.
  void forget(std::vector<Endpoint> const& addresses);
  [[nodiscard]] bool contains(Endpoint const& address) const;
  /// True when one of `addresses` answered last time.
  [[nodiscard]] bool is_responsive(std::vector<Endpoint> const& addresses) const;
  /// Tries all addresses again at once: the routing table has run empty.
  void hurry(TimePoint now);

  [[nodiscard]] bool empty() const { return entries_.empty(); }
  [[nodiscard]] TimePoint next_deadline() const;

 private:
  struct Entry {
    Endpoint address;
    TimePoint try_at;
    std::uint32_t failures = 0;
    bool waiting = false;
    bool was_well = false;
  };
  [[nodiscard]] Entry* find(Endpoint const& address);

  Options options_;
  std::vector<Entry> entries_;
};

/// The nodes that were lost last, newest last. When all are lost these are the ones that were well until
/// then: a way back into the network for a node whose bootstrap addresses are dead, or that has none.
class FormerNodes {
 public:
  explicit FormerNodes(std::size_t count_max) : count_max_{count_max} {}

  void add(dht::Contact const& node);
  /// It is back.
  void remove(Endpoint const& endpoint);
  [[nodiscard]] std::deque<dht::Contact> const& all() const { return nodes_; }

 private:
  std::size_t count_max_;
  std::deque<dht::Contact> nodes_;  // no endpoint twice
};

}  // namespace grenache::grape
