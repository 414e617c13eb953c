#include "grape/core/store_task.hpp"

#include <algorithm>

#include <grenache/base/check.hpp>

namespace grenache::grape {
namespace {

constexpr std::size_t kTextSizeMax = 200;  // of the text of a received error

}  // namespace

StoreTask::StoreTask(StoreJob job, std::vector<Lookup::Target> targets) : job_{std::move(job)} {
  goals_.reserve(targets.size());
  for (auto& target : targets) goals_.push_back({std::move(target), 0, 0, true, false, false});
}

Lookup::Target const* StoreTask::next() {
  auto const goal = std::ranges::find(goals_, true, &Goal::wants_query);
  if (goal == goals_.end()) return nullptr;
  goal->wants_query = false;
  ++goal->try_count;
  ++goal->open_count;
  return &goal->target;
}

StoreTask::Goal* StoreTask::find(dht::Contact const& node) {
  auto const goal = std::ranges::find_if(goals_, [&](Goal const& item) { return item.target.node == node; });
  return goal == goals_.end() ? nullptr : &*goal;
}

void StoreTask::slow(dht::Contact const& node) {
  Goal* goal = find(node);
  if (goal == nullptr || goal->done || goal->try_count >= kTryCountMax) return;
  goal->wants_query = true;
}

void StoreTask::timed_out(dht::Contact const& node) {
  Goal* goal = find(node);
  if (goal == nullptr || goal->open_count == 0) return;
  if (--goal->open_count == 0 && !goal->done) finish(*goal);
}

void StoreTask::answered(dht::Contact const& node, bool stored) {
  Goal* goal = find(node);
  if (goal == nullptr || goal->done) return;
  goal->stored = stored;
  if (stored) ++stored_;
  finish(*goal);
}

void StoreTask::refused(dht::Contact const& node, dht::ErrorReply const& error) {
  if (error.code >= 300 && error.code < 400) {
    refusal_ = PutRefusal{error.code, std::string{error.text.substr(0, kTextSizeMax)}};
  }
  answered(node, false);
}

std::vector<Lookup::Target> StoreTask::holders() const {
  std::vector<Lookup::Target> holders;
  for (Goal const& goal : goals_) {
    if (goal.stored) holders.push_back(goal.target);
  }
  return holders;
}

void StoreTask::finish(Goal& goal) {
  goal.done = true;
  goal.wants_query = false;
  ++done_count_;
}

void StoreTask::check() const {
  GRN_CHECK(static_cast<std::size_t>(std::ranges::count(goals_, true, &Goal::done)) == done_count_);
  GRN_CHECK(stored_ <= done_count_);
  for (Goal const& goal : goals_) {
    GRN_CHECK(goal.try_count <= kTryCountMax && goal.open_count <= goal.try_count);
    GRN_CHECK(!goal.done || !goal.wants_query);
    GRN_CHECK(goal.done || goal.wants_query || goal.open_count > 0);
  }
}

}  // namespace grenache::grape
