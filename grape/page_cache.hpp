// A page that many ask for at once.
#pragma once

#include <chrono>
#include <string>

#include <grenache/base/time.hpp>

namespace grenache::grape {

/// Keeps a page for a moment, so that who asks for it all the time does not stop the node, which runs on the
/// same thread: a page of metrics costs as much as a hundred datagrams.
class PageCache {
 public:
  static constexpr Duration kAge = std::chrono::milliseconds{100};  // too short for anybody to notice

  /// The page, made anew by `render()` when it is too old. Valid until the next call.
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
