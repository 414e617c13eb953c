// Caches a rendered page.
#pragma once

#include <chrono>
#include <string>

#include <grenache/base/time.hpp>

namespace grenache::grape {

/// Caches a page for kAge, so that a client that requests it in a loop does not starve the node on the same
/// thread: rendering the metrics costs as much as a hundred datagrams.
class PageCache {
 public:
  static constexpr Duration kAge = std::chrono::milliseconds{100};  // short enough not to be noticed

  /// Returns the page, rendered by `render()` when it is older than kAge. Valid until the next call.
  template <class Render>
  [[nodiscard]] std::string const& get(TimePoint now, Render render) {
    if (page_.empty() || now >= stale_at_) {
      page_ = render();
      stale_at_ = now + kAge;
    }
    return page_;
  }

 private:
  std::string page_;
  TimePoint stale_at_ = TimePoint::min();
};

}  // namespace grenache::grape
