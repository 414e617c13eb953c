// Remembers which nodes hold our announcements.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "grape/core/lookup.hpp"

namespace grenache::grape {

/// Remembers the nodes that stored our announcements, with their tokens, so that a service can be unannounced
/// at nodes that are no longer among the nearest to its name. Entries of old announcements are harmless:
/// those nodes have expired the peer, and the tokens are no longer valid.
///
/// Holds at most `service_count_max` services (the one announced longest ago is evicted first) with
/// `holder_count_max` nodes each: 12 MB in the worst case.
class Holders {
 public:
  struct Options {
    std::size_t service_count_max = 2000;
    std::size_t holder_count_max = 60;  // three announcements, each to different nodes
  };
  using Service = std::pair<std::string, std::uint16_t>;  // name and port

  explicit Holders(Options options) : options_{options} {}

  /// Records that `targets` stored an announcement of `service`.
  void add(Service const& service, std::vector<Lookup::Target> const& targets);
  /// Removes and returns the holders of `service`, the latest last.
  [[nodiscard]] std::vector<Lookup::Target> take(Service const& service);
  [[nodiscard]] std::size_t size() const { return services_.size(); }
  void check() const;

 private:
  struct Entry {
    std::uint64_t sequence = 0;
    std::vector<Lookup::Target> targets;
  };
  Options options_;
  std::uint64_t next_ = 0;
  std::map<Service, Entry> services_;
  std::map<std::uint64_t, Service> order_;
};

}  // namespace grenache::grape
