#include "grenache/rpc/announcement.hpp"

#include <algorithm>
#include <utility>

namespace grenache::rpc {

void AnnouncementState::confirmed(std::size_t grape, TimePoint next) {
  holders_.insert(grape);
  confirmed_by_ = grape;
  next_ = next;
}

void AnnouncementState::failed(Failure why, TimePoint next) {
  last_failure_ = std::move(why);
  next_ = next;
}

void AnnouncementState::lost(std::size_t grape) {
  if (confirmed_by_ == grape) is_due_ = true;
}

void AnnouncementState::renewed(std::size_t grape) {
  if (!confirmed_by_ || holders_.contains(grape)) is_due_ = true;
}

// Several grapes may answer alternately behind one address, so another known id is no sign of a restart, and
// runs are compared by id.
bool GrapeWatch::note_run() {
  auto const found = std::ranges::find(known_, last_->id, &Known::id);
  if (found == known_.end()) {
    known_.push_back({last_->id, last_->run});
    if (known_.size() > kKnownMax) known_.pop_front();
    return false;
  }
  auto const before = std::exchange(found->run, last_->run);
  return before != last_->run;
}

GrapeWatch::Change GrapeWatch::see(Sight sight) {
  auto const last = std::exchange(last_, std::move(sight));
  if (!last_->answers) return last && last->answers ? Change::lost : Change::none;
  bool const has_id = !last_->id.empty();
  bool const is_known = std::ranges::find(known_, last_->id, &Known::id) != known_.end();
  bool const is_restarted = has_id && note_run();
  if (!last) return Change::none;
  bool const has_other_id = has_id && !last->id.empty() && !is_known;
  bool const has_joined = last_->is_joined && !last->is_joined;
  bool const is_renewed = !last->answers || has_other_id || is_restarted || has_joined;
  return is_renewed ? Change::renewed : Change::none;
}

}  // namespace grenache::rpc
