// Who holds what we announced.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "grape/core/lookup.hpp"

namespace grenache::grape {

/// Remembers the nodes that took our announcements, with the tokens that they gave: a service can be taken
/// back from them even when they are not among the nearest to its name any more. Holders of old announcements
/// are worth little and harm nobody: they have forgotten the peer, and their tokens are out of date.
///
/// At most `service_count_max` services, the one announced longest ago goes first, with `holder_count_max`
/// each: 12 MB in the worst case.
class Holders {
 public:
  struct Options {
    std::size_t service_count_max = 2000;
    std::size_t holder_count_max = 60;  // three announcements, if all of them changed their nodes
  };
  using Service = std::pair<std::string, std::uint16_t>;  // name and port

  explicit Holders(Options options) : options_{options} {}

  /// These nodes took an announcement of `service` just now.
  void add(Service const& service, std::vector<Lookup::Target> const& targets);
  /// Gives out and forgets the holders of `service`, the latest last.
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
