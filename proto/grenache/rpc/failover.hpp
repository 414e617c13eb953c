// Selects a grape or destination after others have failed.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <grenache/base/random.hpp>
#include <grenache/base/time.hpp>

namespace grenache::rpc {

/// Selects the grape of a link to use: the first one that is not paused. A failed grape is paused. If all are
/// paused, the one whose pause ends first is used. Pure.
class GrapeSelector {
 public:
  GrapeSelector(std::size_t count, Duration pause) : free_from_(count, TimePoint::min()), pause_{pause} {}

  /// Returns the index of the grape to use, none of `excluded`; nothing when all are excluded.
  [[nodiscard]] std::optional<std::size_t> pick(TimePoint now,
                                                std::set<std::size_t> const& excluded = {}) const;
  void failed(std::size_t index, TimePoint now) { free_from_.at(index) = later_by(now, pause_); }
  void answered(std::size_t index) { free_from_.at(index) = TimePoint::min(); }

 private:
  std::vector<TimePoint> free_from_;
  Duration pause_;
};

/// Destinations that recently could not be reached and are tried last. Pure.
class DeadList {
 public:
  struct Options {
    Duration age_max = std::chrono::seconds{10};  // short, so that a restarted service is used again soon
    std::size_t entry_count_max = 1000;           // the oldest is evicted
  };

  explicit DeadList(Options options) : options_{options} {}

  void add(std::string_view destination, TimePoint now);
  void remove(std::string_view destination);
  [[nodiscard]] bool contains(std::string_view destination, TimePoint now) const;
  [[nodiscard]] std::size_t size() const { return since_.size(); }

 private:
  Options options_;
  std::map<std::string, TimePoint, std::less<>> since_;
};

/// Returns a random one of the untried `destinations`, preferring those not on the dead list. Nothing when
/// all were tried, unless there is only one, which may be repeated.
[[nodiscard]] std::optional<std::string> choose_destination(std::vector<std::string> const& destinations,
                                                            std::set<std::string> const& tried,
                                                            DeadList const& dead, TimePoint now,
                                                            Random& random);

}  // namespace grenache::rpc
