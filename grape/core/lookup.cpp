#include "grape/core/lookup.hpp"

#include <algorithm>
#include <utility>

#include "grape/core/address_rules.hpp"
#include "grape/core/distance.hpp"
#include "proto/base/check.hpp"

namespace grenache::grape {

using dht::Contact;

namespace {

bool is_preferred(Lookup::Options const& options, Contact const& node) {
  return !options.prefer_fitting_ids || id_fits(node.id, node.endpoint.address);
}

// Counts up to k preferred nodes, or twice as many of any kind: where few are preferred, the others have to
// do.
class Enough {
 public:
  explicit Enough(Lookup::Options const& options) : options_{options} {}
  void count(Contact const& node) {
    ++all_;
    if (is_preferred(options_, node)) ++preferred_;
  }
  [[nodiscard]] bool reached() const { return preferred_ >= options_.k || all_ >= 2 * options_.k; }

 private:
  Lookup::Options const& options_;
  std::size_t all_ = 0;
  std::size_t preferred_ = 0;
};

}  // namespace

void Lookup::add(Contact const& node, std::uint32_t hops) {
  if (outcome_ != Outcome::running || node.id == own_) return;
  auto const place = std::ranges::lower_bound(
      candidates_, node.id, [this](NodeId const& a, NodeId const& b) { return is_closer(target_, a, b); },
      [](Candidate const& candidate) { return candidate.node.id; });
  if (place != candidates_.end() && place->node.id == node.id) return;
  if (place == candidates_.end() && candidates_.size() >= options_.candidate_count_max) return;
  if (is_crowded(node.endpoint)) return;
  candidates_.insert(place, Candidate{node, State::heard, 0, 0, hops, std::nullopt});
  if (candidates_.size() <= options_.candidate_count_max) return;
  // Waiting ones stay: their answer is still to come.
  auto const farthest = std::find_if(candidates_.rbegin(), candidates_.rend(),
                                     [](auto const& candidate) { return candidate.state != State::waiting; });
  if (farthest != candidates_.rend()) candidates_.erase(std::next(farthest).base());
}

bool Lookup::is_crowded(Endpoint const& newcomer) const {
  std::size_t same = 0;
  for (Candidate const& candidate : candidates_) {
    if (candidate.node.endpoint == newcomer) ++same;
    if (!options_.one_per_network || candidate.state == State::unreachable) continue;
    if (network_of(candidate.node.endpoint.address) == network_of(newcomer.address)) return true;
  }
  return same >= 2;
}

Lookup::Candidate* Lookup::find(Contact const& node) {
  return const_cast<Candidate*>(std::as_const(*this).find(node));
}

Lookup::Candidate const* Lookup::find(Contact const& node) const {
  auto const place = std::ranges::lower_bound(
      candidates_, node.id, [this](NodeId const& a, NodeId const& b) { return is_closer(target_, a, b); },
      [](Candidate const& candidate) { return candidate.node.id; });
  return place != candidates_.end() && place->node == node ? &*place : nullptr;
}

Lookup::Candidate* Lookup::nearest_heard() {
  Enough nearer{options_};
  for (Candidate& candidate : candidates_) {
    if (candidate.state == State::unreachable || candidate.state == State::slow) continue;
    if (candidate.state == State::heard) return &candidate;
    nearer.count(candidate.node);
    if (nearer.reached()) break;
  }
  return nullptr;
}

Lookup::Candidate* Lookup::nearest_to_retry() {
  auto const found = std::ranges::find_if(candidates_, [this](Candidate const& candidate) {
    return candidate.state == State::slow && candidate.try_count < options_.try_count_max;
  });
  return found == candidates_.end() ? nullptr : &*found;
}

std::optional<Contact> Lookup::next() {
  judge();
  if (outcome_ != Outcome::running || waiting_count_ >= options_.branch_max) return std::nullopt;
  if (query_count_ >= options_.query_count_max) return std::nullopt;
  Candidate* candidate = nearest_heard();
  if (candidate == nullptr && waiting_count_ == 0) candidate = nearest_to_retry();
  if (candidate == nullptr) return std::nullopt;
  candidate->state = State::waiting;
  ++candidate->try_count;
  ++candidate->open_count;
  ++waiting_count_;
  ++query_count_;
  return candidate->node;
}

void Lookup::answered(Contact const& node, std::optional<std::string_view> token) {
  Candidate* candidate = find(node);
  if (candidate == nullptr) return;
  if (candidate->state == State::waiting) --waiting_count_;
  if (candidate->state != State::waiting && candidate->state != State::slow) return;
  candidate->state = State::queried;
  if (token) candidate->token = std::string{*token};
}

void Lookup::slow(Contact const& node) {
  Candidate* candidate = find(node);
  if (candidate == nullptr || candidate->state != State::waiting) return;
  candidate->state = State::slow;
  --waiting_count_;
}

void Lookup::timed_out(Contact const& node) {
  Candidate* candidate = find(node);
  if (candidate == nullptr || candidate->open_count == 0) return;
  if (--candidate->open_count == 0) failed(node);
}

void Lookup::failed(Contact const& node) {
  Candidate* candidate = find(node);
  if (candidate == nullptr) return;
  if (candidate->state == State::waiting) --waiting_count_;
  if (candidate->state != State::queried) candidate->state = State::unreachable;
}

void Lookup::judge() {
  if (outcome_ != Outcome::running) return;
  Enough nearest{options_};
  bool any_slow = false;
  bool all_answered = true;
  bool any_heard = false;
  for (Candidate const& candidate : candidates_) {
    if (nearest.reached()) break;
    any_slow |= candidate.state == State::slow;
    if (candidate.state == State::unreachable || candidate.state == State::slow) continue;
    nearest.count(candidate.node);
    all_answered &= candidate.state == State::queried;
    any_heard |= candidate.state == State::heard;
  }
  if (all_answered && nearest.reached()) {
    outcome_ = Outcome::completed;
  } else if (waiting_count_ > 0) {
    return;
  } else if (query_count_ >= options_.query_count_max) {
    outcome_ = Outcome::exhausted;
  } else if (!any_heard && !any_slow) {
    outcome_ = Outcome::starved;
  }
}

std::size_t Lookup::answer_count() const {
  return static_cast<std::size_t>(std::ranges::count(candidates_, State::queried, &Candidate::state));
}

std::uint32_t Lookup::hops_to(Contact const& node) const {
  Candidate const* candidate = find(node);
  return candidate == nullptr ? 0 : candidate->hops;
}

std::uint32_t Lookup::hops() const {
  std::uint32_t hops = 0;
  std::size_t count = 0;
  for (Candidate const& candidate : candidates_) {
    if (candidate.state != State::queried) continue;
    hops = std::max(hops, candidate.hops + 1);
    if (++count == options_.k) break;
  }
  return hops;
}

std::vector<Lookup::Target> Lookup::store_targets() const {
  std::vector<Target> targets;
  std::vector<Target> others;
  for (Candidate const& candidate : candidates_) {
    if (targets.size() >= options_.k) break;
    if (candidate.state != State::queried || !candidate.token) continue;
    bool const good = is_preferred(options_, candidate.node);
    (good ? targets : others).push_back({candidate.node, *candidate.token});
  }
  for (Target& other : others) {
    if (targets.size() >= options_.k) break;
    targets.push_back(std::move(other));
  }
  return targets;
}

void Lookup::check() const {
  GRN_CHECK(candidates_.size() <= options_.candidate_count_max + options_.branch_max);
  auto const waiting = std::ranges::count(candidates_, State::waiting, &Candidate::state);
  GRN_CHECK(static_cast<std::size_t>(waiting) == waiting_count_);
  GRN_CHECK(waiting_count_ <= options_.branch_max && query_count_ <= options_.query_count_max);
  GRN_CHECK(std::ranges::is_sorted(candidates_, [this](Candidate const& a, Candidate const& b) {
    return is_closer(target_, a.node.id, b.node.id);
  }));
}

}  // namespace grenache::grape
