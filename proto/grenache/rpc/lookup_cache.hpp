// A short-lived cache of lookup results.
#pragma once

#include <chrono>
#include <cstddef>
#include <list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <grenache/base/time.hpp>

namespace grenache::rpc {

/// An LRU cache of destinations by service name, as in grenache-nodejs-link. Pure: the caller passes the
/// time.
class LookupCache {
 public:
  struct Options {
    std::size_t entry_count_max = 2500;           // as in grenache-nodejs-link
    Duration age_max = std::chrono::seconds{10};  // as in grenache-nodejs-link
  };

  explicit LookupCache(Options options) : options_{options} {}

  /// Returns an entry not older than age_max, or nullptr. Valid until the next call.
  [[nodiscard]] std::vector<std::string> const* find(std::string_view name, TimePoint now);
  void store(std::string_view name, std::vector<std::string> destinations, TimePoint now);
  void forget(std::string_view name);
  [[nodiscard]] std::size_t size() const { return by_name_.size(); }

 private:
  struct Entry {
    std::string name;
    std::vector<std::string> destinations;
    TimePoint stored;
  };
  using Entries = std::list<Entry>;

  Options options_;
  Entries entries_;  // most recently used first
  std::map<std::string, Entries::iterator, std::less<>> by_name_;
};

}  // namespace grenache::rpc
