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

GrapeWatch::Change GrapeWatch::see(Sight sight) {
  auto const last = std::exchange(last_, std::move(sight));
  if (last_->answers && !last && !last_->id.empty()) ids_.push_back(last_->id);
  if (!last) return Change::none;
  if (!last_->answers) return last->answers ? Change::lost : Change::none;
  // Several grapes may answer alternately behind one address, so a known id is no sign of a restart.
  bool const is_known = std::ranges::find(ids_, last_->id) != ids_.end();
  bool const has_other_id = !last->id.empty() && !last_->id.empty() && !is_known;
  if (!last_->id.empty() && !is_known) {
    ids_.push_back(last_->id);
    if (ids_.size() > kIdsMax) ids_.pop_front();
  }
  bool const has_joined = last_->is_joined && !last->is_joined;
  return !last->answers || has_other_id || has_joined ? Change::renewed : Change::none;
}

}  // namespace grenache::rpc
