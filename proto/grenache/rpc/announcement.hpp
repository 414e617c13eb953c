// When a link announces a service again, and which grapes have to take it back.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <set>
#include <string>

#include <grenache/base/time.hpp>
#include <grenache/rpc/rpc_error.hpp>

namespace grenache::rpc {

/// One service that a link keeps announced. Pure: a grape is its index in Link::Options::grapes, time is
/// handed in.
///
///     announcement due ─► begin() ─► sent(grape) … ─► confirmed(grape, next) or failed(why, next) ─►
///     next_at()
class AnnouncementState {
 public:
  /// The announcement is being made: whatever made it due is served by it.
  void begin() { is_due_ = false; }
  /// A request leaves for `grape`, which may list the service from now on. True when it is the first one.
  bool sent(std::size_t grape) { return holders_.insert(grape).second; }
  /// The first request to `grape` did not reach it.
  void not_delivered(std::size_t grape) { holders_.erase(grape); }
  /// `grape` has confirmed the announcement; it is repeated at `next`.
  void confirmed(std::size_t grape, TimePoint next);
  /// No grape has confirmed it; it is tried again at `next`.
  void failed(Failure why, TimePoint next);

  /// `grape` stopped answering. The announcement is due if that grape was the last one to confirm it: another
  /// one has to.
  void lost(std::size_t grape);
  /// `grape` may have forgotten what it was told. The announcement is due if that grape listed the service,
  /// or none did.
  void renewed(std::size_t grape);
  /// The announcement is due now.
  void hurry() { is_due_ = true; }

  /// When to announce: TimePoint::min() means now.
  [[nodiscard]] TimePoint next_at() const { return is_due_ ? TimePoint::min() : next_; }
  /// Whether a grape has confirmed it, ever.
  [[nodiscard]] bool is_confirmed() const { return confirmed_by_.has_value(); }
  /// not_ready until the first attempt has failed.
  [[nodiscard]] Failure const& last_failure() const { return last_failure_; }

  /// The grapes that may list the service, at most all of the link.
  [[nodiscard]] std::set<std::size_t> const& holders() const { return holders_; }
  /// Takes over grapes that list the service because of an earlier announcement.
  void adopt(std::set<std::size_t> const& holders) { holders_.insert(holders.begin(), holders.end()); }

 private:
  std::set<std::size_t> holders_;
  std::optional<std::size_t> confirmed_by_;  // the last one
  TimePoint next_ = TimePoint::min();
  bool is_due_ = true;
  Failure last_failure_{Errc::not_ready};
};

/// Tells from what a grape answers to GET /health whether it was restarted or lost. Pure.
class GrapeWatch {
 public:
  struct Sight {
    bool answers = false;
    std::string id;         // of the DHT node; empty when the grape does not tell (Node.js)
    bool is_joined = true;  // /health says "ok", or nothing
  };
  enum class Change {
    none,
    lost,     // it has stopped answering
    renewed,  // it may have forgotten: it answers again, has an id not seen lately, or has joined its network
  };

  [[nodiscard]] Change see(Sight sight);

 private:
  static constexpr std::size_t kIdsMax = 16;  // grapes behind one address; more only announce more often

  std::optional<Sight> last_;
  std::deque<std::string> ids_;  // seen here, the oldest first
};

}  // namespace grenache::rpc
