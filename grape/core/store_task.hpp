// Stores an announcement or item at the nodes that a search found, or unannounces one there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "grape/core/events.hpp"
#include "grape/core/lookup.hpp"
#include <grenache/dht/item.hpp>
#include <grenache/dht/krpc.hpp>

namespace grenache::grape {

struct AnnounceJob {
  std::uint16_t port = 0;
  bool implied_port = false;
};
struct UnannounceJob {
  std::uint16_t port = 0;
  bool implied_port = false;
};
struct PutJob {
  dht::Item item;
  std::optional<std::int64_t> cas;
};
using StoreJob = std::variant<AnnounceJob, UnannounceJob, PutJob>;

/// Queries each target until it answers, at most `kTryCountMax` times: after a lost datagram a node would
/// lack the peer, or worse, keep one that was unannounced. All jobs are idempotent.
class StoreTask {
 public:
  static constexpr std::uint32_t kTryCountMax = 3;

  StoreTask(StoreJob job, std::vector<Lookup::Target> targets);

  [[nodiscard]] StoreJob const& job() const { return job_; }
  /// Returns the target to query now; null when there is none. Valid as long as the task.
  [[nodiscard]] Lookup::Target const* next();
  /// Reports that the short timeout of a query has passed.
  void slow(dht::Contact const& node);
  /// Reports that a query timed out for good, or could not be sent.
  void timed_out(dht::Contact const& node);
  /// Reports an answer; `stored` when the job was done.
  void answered(dht::Contact const& node, bool stored);
  void refused(dht::Contact const& node, dht::ErrorReply const& error);

  [[nodiscard]] bool is_over() const { return done_count_ == goals_.size(); }
  [[nodiscard]] std::size_t stored() const { return stored_; }
  /// The targets that did the job.
  [[nodiscard]] std::vector<Lookup::Target> holders() const;
  /// The last refusal that concerns the user who put the item (301, 302).
  [[nodiscard]] std::optional<PutRefusal> const& refusal() const { return refusal_; }
  void check() const;

 private:
  struct Goal {
    Lookup::Target target;
    std::uint32_t try_count = 0;
    std::uint32_t open_count = 0;  // queries that may still be answered
    bool wants_query = true;
    bool done = false;
    bool stored = false;
  };
  [[nodiscard]] Goal* find(dht::Contact const& node);
  void finish(Goal& goal);

  StoreJob job_;
  std::vector<Goal> goals_;
  std::size_t done_count_ = 0;
  std::size_t stored_ = 0;
  std::optional<PutRefusal> refusal_;
};

}  // namespace grenache::grape
