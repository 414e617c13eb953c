// Decides when a link re-announces a service, and which grapes have to unannounce it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <set>
#include <string>

#include <grenache/base/time.hpp>
#include <grenache/rpc/rpc_error.hpp>

namespace grenache::rpc {

/// The state of one announced service. Pure: a grape is identified by its index in Link::Options::grapes, and
/// the caller passes the time.
///
///     announcement due ─► begin() ─► sent(grape) … ─► confirmed(grape, next) or failed(why, next) ─►
///     next_at()
class AnnouncementState {
 public:
  /// An announcement starts; it is no longer due.
  void begin() { is_due_ = false; }
  /// A request is sent to `grape`, which may list the service from now on. Returns true for the first one.
  bool sent(std::size_t grape) { return holders_.insert(grape).second; }
  /// The first request to `grape` did not reach it.
  void not_delivered(std::size_t grape) { holders_.erase(grape); }
  /// `grape` has confirmed the announcement; repeat it at `next`.
  void confirmed(std::size_t grape, TimePoint next);
  /// No grape has confirmed it; try again at `next`.
  void failed(Failure why, TimePoint next);

  /// `grape` stopped answering. The announcement becomes due if that grape confirmed it last, so that another
  /// one does.
  void lost(std::size_t grape);
  /// `grape` may have lost its announcements. The announcement becomes due if that grape listed the service,
  /// or none did.
  void renewed(std::size_t grape);
  /// Makes the announcement due now.
  void hurry() { is_due_ = true; }

  /// When to announce next; TimePoint::min() means now.
  [[nodiscard]] TimePoint next_at() const { return is_due_ ? TimePoint::min() : next_; }
  /// True when a grape has ever confirmed it.
  [[nodiscard]] bool is_confirmed() const { return confirmed_by_.has_value(); }
  /// not_ready until the first attempt has failed.
  [[nodiscard]] Failure const& last_failure() const { return last_failure_; }

  /// The grapes that may list the service.
  [[nodiscard]] std::set<std::size_t> const& holders() const { return holders_; }
  /// Adds grapes that list the service because of an earlier announcement.
  void adopt(std::set<std::size_t> const& holders) { holders_.insert(holders.begin(), holders.end()); }

 private:
  std::set<std::size_t> holders_;
  std::optional<std::size_t> confirmed_by_;  // the last one to confirm
  TimePoint next_ = TimePoint::min();
  bool is_due_ = true;
  Failure last_failure_{Errc::not_ready};
};

/// Detects from a grape's answers to GET /health whether it was restarted or lost. Pure.
class GrapeWatch {
 public:
  struct Sight {
    bool answers = false;
    std::string id;         // of the DHT node; empty if the grape does not report it (Node.js)
    bool is_joined = true;  // /health says "ok", or nothing
    std::string run = {};   // another after each start; empty if the grape does not report it
  };
  enum class Change {
    none,
    lost,     // it stopped answering
    renewed,  // it may have lost its announcements: it answers again, has a new id, was restarted under its
              // id, or has joined its network
  };

  [[nodiscard]] Change see(Sight sight);

 private:
  struct Known {
    std::string id;
    std::string run;  // when last seen
  };
  /// Grapes behind one address; with more, services are only announced more often.
  static constexpr std::size_t kKnownMax = 16;

  /// Stores what the last answer reports of its grape. Returns true if that grape was restarted.
  bool note_run();

  std::optional<Sight> last_;
  std::deque<Known> known_;  // recently seen, oldest first
};

}  // namespace grenache::rpc
