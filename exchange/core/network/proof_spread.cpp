#include "exchange/core/network/proof_spread.hpp"

#include <algorithm>

#include "exchange/messages/message.hpp"

namespace grenache::exchange {

bool ProofSpread::remember(PeerId const& maker, std::string const& endpoint, TimePoint now) {
  if (shown_.size() >= options_.shown_count_max) {
    std::erase_if(shown_, [&](auto const& each) { return each.second <= now; });
  }
  if (shown_.size() >= options_.shown_count_max) {
    // The one that is remembered longest makes room, so that no flood of proofs hides another.
    shown_.erase(std::ranges::min_element(shown_, {}, [](auto const& each) { return each.second; }));
  }
  auto const [entry, is_new] = shown_.try_emplace({endpoint, maker}, later_by(now, options_.repeat));
  if (is_new) return true;
  if (entry->second > now) return false;
  entry->second = later_by(now, options_.repeat);
  return true;
}

void ProofSpread::show(Equivocations::Proof const& proof, std::string const& endpoint, Turn& turn) {
  if (call_count_ >= options_.call_count_max) return;
  if (!remember(*proof.first.maker, endpoint, turn.now.steady)) return;
  ++call_count_;
  EquivocationMessage const message{self_.header(CreatorType::client, turn.now.wall), proof.first,
                                    proof.second};
  turn.call_now({Part::proofs, 0}, endpoint, write_payload(to_json(message), PayloadForm::text));
}

void ProofSpread::spread(Equivocations::Proof const& proof, std::vector<std::string> endpoints, Turn& turn) {
  turn.random.shuffle(endpoints);
  endpoints.resize(std::min(endpoints.size(), options_.spread_count));
  for (auto const& endpoint : endpoints) show(proof, endpoint, turn);
}

}  // namespace grenache::exchange
