// Which of several equal parties to ask, after some of them have failed.
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

/// Chooses which grape of a link to ask. The first one that is not paused is asked; a grape that failed is
/// paused. When all are paused, the one whose pause ends first is asked all the same. Pure.
class GrapeSelector {
 public:
  GrapeSelector(std::size_t count, Duration pause) : free_from_(count, TimePoint::min()), pause_{pause} {}

  /// The index of the grape to ask next, none of `excluded`; nothing when all are excluded.
  [[nodiscard]] std::optional<std::size_t> pick(TimePoint now,
                                                std::set<std::size_t> const& excluded = {}) const;
  void failed(std::size_t index, TimePoint now) { free_from_.at(index) = later_by(now, pause_); }
  void answered(std::size_t index) { free_from_.at(index) = TimePoint::min(); }

 private:
  std::vector<TimePoint> free_from_;
  Duration pause_;
};

/// Destinations that could not be reached lately, so that others are asked first. Pure.
class DeadList {
 public:
  struct Options {
    Duration age_max = std::chrono::seconds{10};  // a service that restarts is found again soon
    std::size_t entry_count_max = 1000;           // a full list forgets the oldest
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

/// A random one of `destinations` that was not tried yet, if possible one that is not on the dead list.
/// Nothing when all were tried, unless there is only one: that one may be asked again.
[[nodiscard]] std::optional<std::string> choose_destination(std::vector<std::string> const& destinations,
                                                            std::set<std::string> const& tried,
                                                            DeadList const& dead, TimePoint now,
                                                            Random& random);

}  // namespace grenache::rpc
