#include "grape/core/lookup.hpp"

#include <algorithm>
#include <utility>

#include "grape/core/address_rules.hpp"
#include "grape/core/distance.hpp"
#include <grenache/base/check.hpp>

namespace grenache::grape {

using dht::Contact;

namespace {

bool is_preferred(Lookup::Options const& options, Contact const& node) {
  return !options.prefer_fitting_ids || id_fits(node.id, node.endpoint.address);
}

// Live ids per endpoint. An attacker must not make us query a victim again and again, nor keep us from the
// victim's true id by naming it under false ones.
constexpr std::size_t kIdsOfEndpoint = 2;

// Counts up to k preferred nodes, or 2 k of any kind, so that a lookup among few preferred nodes ends too.
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

void Lookup::add(Contact const& node, Contact const* from) {
  if (outcome_ != Outcome::running || node.id == own_) return;
  Candidate const* named_by = from == nullptr ? nullptr : find(*from);
  if (named_by != nullptr && is_distrusted(*named_by)) return;
  if (find_id(node.id) != nullptr) return;
  bool const is_last = candidates_.empty() || is_closer(target_, candidates_.back().node.id, node.id);
  if (is_last && candidates_.size() >= options_.candidate_count_max) return;
  NodeId const namer = named_by == nullptr ? own_ : named_by->node.id;
  std::uint32_t const hops = named_by == nullptr ? 0 : named_by->hops + 1;
  if (!admit(node)) return;
  Candidate candidate;
  candidate.node = node;
  candidate.hops = hops;
  candidate.named_by = namer;
  auto const place = std::ranges::lower_bound(
      candidates_, node.id, [this](NodeId const& a, NodeId const& b) { return is_closer(target_, a, b); },
      [](Candidate const& item) { return item.node.id; });
  candidates_.insert(place, std::move(candidate));
  if (candidates_.size() > options_.candidate_count_max) trim();
}

// Keeps waiting candidates, whose answers are pending, and drops those that answered last: an attacker can
// name any number of nodes, but these are known to exist.
void Lookup::trim() {
  auto const rank = [](Candidate const& candidate) {
    switch (candidate.state) {
      case State::unreachable:
        return 0;
      case State::unqueried:
      case State::slow:
        return 1;
      case State::queried:
        return 2;
      case State::waiting:
        return 3;
    }
    return 3;
  };
  // Among equal ranks, the farthest.
  auto const victim = std::ranges::min_element(candidates_.rbegin(), candidates_.rend(), {}, rank);
  if (victim->state != State::waiting) candidates_.erase(std::next(victim).base());
}

bool Lookup::is_distrusted(Candidate const& candidate) {
  // Honest nodes name dead ones too: where a third is dead and datagrams are lost, one in two seems false.
  return candidate.named_false >= 4 + 2 * candidate.named_true;
}

void Lookup::credit(Candidate const& candidate, bool was_slow) {
  Candidate* by = find_id(candidate.named_by);
  if (by == nullptr) return;
  ++by->named_true;
  if (was_slow && by->named_false > 0) --by->named_false;
}

void Lookup::blame(Candidate const& candidate) {
  Candidate* by = find_id(candidate.named_by);
  if (by == nullptr) return;
  ++by->named_false;
  if (!is_distrusted(*by)) return;
  NodeId const liar = by->node.id;
  std::erase_if(candidates_, [&](Candidate const& item) {
    return item.state == State::unqueried && item.named_by == liar;
  });
}

// At the limit, drops a farther unqueried rival: otherwise an attacker could keep a node out by naming it
// under a false id, or another address of its network, far from the target.
bool Lookup::admit(Contact const& newcomer, std::size_t limit, auto const& is_rival) {
  auto const alive = [&](Candidate const& candidate) {
    return candidate.state != State::unreachable && is_rival(candidate.node.endpoint);
  };
  if (static_cast<std::size_t>(std::ranges::count_if(candidates_, alive)) < limit) return true;
  auto const victim = std::find_if(candidates_.rbegin(), candidates_.rend(), [&](Candidate const& candidate) {
    return candidate.state == State::unqueried && is_rival(candidate.node.endpoint);
  });
  if (victim == candidates_.rend() || !is_closer(target_, newcomer.id, victim->node.id)) return false;
  candidates_.erase(std::next(victim).base());
  return true;
}

bool Lookup::admit(Contact const& newcomer) {
  auto const same = [&](Endpoint const& other) { return other == newcomer.endpoint; };
  auto const all =
      std::ranges::count_if(candidates_, same, [](Candidate const& c) { return c.node.endpoint; });
  if (static_cast<std::size_t>(all) >= 2 * kIdsOfEndpoint) return false;
  if (!admit(newcomer, kIdsOfEndpoint, same)) return false;
  if (!options_.one_per_network) return true;
  IpAddress const network = network_of(newcomer.endpoint.address);
  return admit(newcomer, 1, [&](Endpoint const& other) { return network_of(other.address) == network; });
}

Lookup::Candidate* Lookup::find(Contact const& node) {
  Candidate* candidate = find_id(node.id);
  return candidate != nullptr && candidate->node == node ? candidate : nullptr;
}

Lookup::Candidate* Lookup::find_id(NodeId const& id) {
  auto const place = std::ranges::lower_bound(
      candidates_, id, [this](NodeId const& a, NodeId const& b) { return is_closer(target_, a, b); },
      [](Candidate const& candidate) { return candidate.node.id; });
  return place != candidates_.end() && place->node.id == id ? &*place : nullptr;
}

Lookup::Candidate* Lookup::nearest_unqueried() {
  Enough nearer{options_};
  for (Candidate& candidate : candidates_) {
    if (candidate.state == State::unreachable || candidate.state == State::slow) continue;
    if (candidate.state == State::unqueried) return &candidate;
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
  update_outcome();
  if (outcome_ != Outcome::running || waiting_count_ >= options_.branch_max) return std::nullopt;
  if (query_count_ >= options_.query_count_max) return std::nullopt;
  Candidate* candidate = nearest_unqueried();
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
  credit(*candidate, candidate->state == State::slow);
  candidate->state = State::queried;
  if (token) candidate->token = std::string{*token};
}

void Lookup::slow(Contact const& node) {
  Candidate* candidate = find(node);
  if (candidate == nullptr || candidate->state != State::waiting) return;
  candidate->state = State::slow;
  --waiting_count_;
  blame(*candidate);
}

void Lookup::timed_out(Contact const& node) {
  Candidate* candidate = find(node);
  if (candidate == nullptr || candidate->open_count == 0) return;
  if (--candidate->open_count == 0) failed(node);
}

void Lookup::failed(Contact const& node) {
  Candidate* candidate = find(node);
  if (candidate == nullptr) return;
  bool const was_waiting = candidate->state == State::waiting;
  if (was_waiting) --waiting_count_;
  if (candidate->state != State::queried) candidate->state = State::unreachable;
  if (was_waiting) blame(*candidate);
}

void Lookup::update_outcome() {
  if (outcome_ != Outcome::running) return;
  Enough nearest{options_};
  bool any_slow = false;
  bool all_answered = true;
  bool any_unqueried = false;
  for (Candidate const& candidate : candidates_) {
    if (nearest.reached()) break;
    any_slow |= candidate.state == State::slow;
    if (candidate.state == State::unreachable || candidate.state == State::slow) continue;
    nearest.count(candidate.node);
    all_answered &= candidate.state == State::queried;
    any_unqueried |= candidate.state == State::unqueried;
  }
  if (all_answered && nearest.reached()) {
    outcome_ = Outcome::completed;
  } else if (waiting_count_ > 0) {
    return;
  } else if (query_count_ >= options_.query_count_max) {
    outcome_ = Outcome::exhausted;
  } else if (!any_unqueried && !any_slow) {
    outcome_ = Outcome::starved;
  }
}

std::size_t Lookup::answer_count() const {
  return static_cast<std::size_t>(std::ranges::count(candidates_, State::queried, &Candidate::state));
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
