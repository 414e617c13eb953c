#include "grape/core/peer_store.hpp"

#include <algorithm>

#include "grape/core/peer_choice.hpp"
#include <grenache/base/check.hpp>

namespace grenache::grape {
namespace {

// Expired peers are not returned anyway; sweeping frees memory and room for new names.
constexpr Duration kSweepEvery = std::chrono::seconds{30};

}  // namespace

std::string_view describe(PeerStoreErrc code) {
  switch (code) {
    case PeerStoreErrc::too_many_names:
      return "too many services are stored";
  }
  return "unknown peer store error";
}

PeerStore::PeerStore(Options options) : options_{options} {
  options_.peer_count_max = std::max<std::size_t>(options_.peer_count_max, 1);
  options_.peer_per_address_max = std::max<std::size_t>(options_.peer_per_address_max, 1);
}

Result<void> PeerStore::announce(dht::ServiceKey const& name, Endpoint const& peer, TimePoint now) {
  auto found = peers_.find(name.bytes());
  if (found == peers_.end()) {
    if (peers_.size() >= options_.name_count_max) return PeerStoreErrc::too_many_names;
    if (peers_.empty()) sweep_at_ = now + kSweepEvery;
    found = peers_.try_emplace(name.bytes()).first;
  }
  Peers& peers = found->second;
  auto const known = std::ranges::find(peers, peer, &Peer::endpoint);
  if (known != peers.end()) {
    known->expires = now + options_.age_max;
    return {};
  }
  make_room(peers, peer.address);
  peers.push_back({peer, now + options_.age_max});
  ++peer_count_;
  return {};
}

void PeerStore::make_room(Peers& peers, IpAddress const& newcomer) {
  auto const same = [&newcomer](Peer const& peer) { return peer.endpoint.address == newcomer; };
  auto oldest = peers.end();
  if (static_cast<std::size_t>(std::ranges::count_if(peers, same)) >= options_.peer_per_address_max) {
    for (auto peer = peers.begin(); peer != peers.end(); ++peer) {
      if (same(*peer) && (oldest == peers.end() || peer->expires < oldest->expires)) oldest = peer;
    }
  } else if (peers.size() >= options_.peer_count_max) {
    oldest = std::ranges::min_element(peers, {}, &Peer::expires);
  }
  if (oldest == peers.end()) return;
  peers.erase(oldest);
  --peer_count_;
}

bool PeerStore::remove(std::string_view name, Endpoint const& peer) {
  auto const found = peers_.find(name);
  if (found == peers_.end()) return false;
  std::size_t const count =
      std::erase_if(found->second, [&](Peer const& item) { return item.endpoint == peer; });
  peer_count_ -= count;
  if (found->second.empty()) peers_.erase(found);
  return count > 0;
}

bool PeerStore::has_room(std::string_view name) const {
  return peers_.size() < options_.name_count_max || peers_.contains(name);
}

std::vector<Endpoint> PeerStore::sample(std::string_view name, std::size_t count_max, TimePoint now,
                                        Random& random, std::optional<Family> family) const {
  std::vector<Endpoint> chosen;
  auto const found = peers_.find(name);
  if (found == peers_.end()) return chosen;
  for (Peer const& peer : found->second) {
    if (family && family_of(peer.endpoint) != *family) continue;
    if (peer.expires > now) chosen.push_back(peer.endpoint);
  }
  if (chosen.size() <= count_max) return chosen;
  random.shuffle(chosen);
  let_hosts_take_turns(chosen);
  chosen.resize(count_max);
  return chosen;
}

void PeerStore::expire(TimePoint now) {
  if (now < next_deadline()) return;
  sweep_at_ = now + kSweepEvery;
  for (auto item = peers_.begin(); item != peers_.end();) {
    peer_count_ -= std::erase_if(item->second, [now](Peer const& peer) { return peer.expires <= now; });
    item = item->second.empty() ? peers_.erase(item) : std::next(item);
  }
}

void PeerStore::check() const {
  GRN_CHECK(peers_.size() <= options_.name_count_max);
  std::size_t count = 0;
  for (auto const& [name, peers] : peers_) {
    GRN_CHECK(!peers.empty() && peers.size() <= options_.peer_count_max);
    std::map<IpAddress, std::size_t> per_address;
    for (Peer const& peer : peers) {
      GRN_CHECK(++per_address[peer.endpoint.address] <= options_.peer_per_address_max);
    }
    count += peers.size();
  }
  GRN_CHECK(count == peer_count_);
}

}  // namespace grenache::grape
