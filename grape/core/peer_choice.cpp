#include "grape/core/peer_choice.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "grape/core/address_rules.hpp"
#include <grenache/base/check.hpp>

namespace grenache::grape {

void interleave_hosts(std::vector<Endpoint>& peers) {
  std::map<IpAddress, std::size_t> count_of;
  std::vector<std::pair<std::size_t, Endpoint>> order;
  order.reserve(peers.size());
  for (Endpoint const& peer : peers) {
    order.emplace_back(count_of[host_of(peer.address)]++, peer);
  }
  std::ranges::stable_sort(order, {}, &std::pair<std::size_t, Endpoint>::first);
  std::ranges::transform(order, peers.begin(), &std::pair<std::size_t, Endpoint>::second);
}

std::vector<Endpoint> PeerChoice::add(std::vector<Endpoint> peers) {
  interleave_hosts(peers);
  std::vector<Endpoint> news;
  for (std::size_t turn = 0; turn < peers.size(); ++turn) {
    if (insert(peers[turn], turn)) news.push_back(peers[turn]);
  }
  return news;
}

bool PeerChoice::insert(Endpoint const& peer, std::size_t turn) {
  auto place = std::ranges::lower_bound(peers_, peer, {}, &Peer::endpoint);
  if (place != peers_.end() && place->endpoint == peer) {
    place->turn = std::min(place->turn, turn);
    return false;
  }
  if (peers_.size() >= count_max_) {
    auto const last = std::ranges::max_element(peers_, {}, &Peer::turn);
    if (last == peers_.end() || last->turn <= turn) return false;
    peers_.erase(last);
    place = std::ranges::lower_bound(peers_, peer, {}, &Peer::endpoint);
  }
  peers_.insert(place, {peer, turn});
  return true;
}

std::vector<Endpoint> PeerChoice::choose(std::size_t count, Random& random) const {
  std::vector<Peer> order = peers_;
  random.shuffle(order);
  std::ranges::stable_sort(order, {}, &Peer::turn);
  if (order.size() > count) order.resize(count);
  random.shuffle(order);
  std::vector<Endpoint> chosen;
  chosen.reserve(order.size());
  for (Peer const& peer : order) chosen.push_back(peer.endpoint);
  return chosen;
}

bool PeerChoice::has_port(std::uint16_t port) const {
  return std::ranges::any_of(peers_, [port](Peer const& peer) { return peer.endpoint.port == port; });
}

void PeerChoice::check() const {
  GRN_CHECK(peers_.size() <= count_max_);
  GRN_CHECK(std::ranges::is_sorted(peers_, {}, &Peer::endpoint));
}

}  // namespace grenache::grape
