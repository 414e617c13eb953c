#include "grape/core/peer_group.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "grape/core/address_rules.hpp"
#include <grenache/base/check.hpp>

namespace grenache::grape {
namespace {

std::pair<bool, IpAddress> order_of(Endpoint const& peer) {
  return {peer.address.is_v6(), host_of(peer.address)};
}

/// Two draws below 2^16 from one number, so that a ChaCha block serves more replies. The bias is below 2^-16.
class ShortDraws {
 public:
  explicit ShortDraws(Random& random) : random_{random} {}
  std::size_t below(std::size_t bound) {
    if (left_ == 0) bits_ = random_();
    left_ = left_ == 0 ? 1 : 0;
    auto const draw = static_cast<std::uint32_t>(bits_);
    bits_ >>= 32;
    return static_cast<std::size_t>(std::uint64_t{draw} * bound >> 32);
  }

 private:
  Random& random_;
  std::uint64_t bits_ = 0;
  int left_ = 0;
};

}  // namespace

PeerGroup::Range PeerGroup::host(std::size_t index) const {
  return {index == 0 ? std::size_t{0} : starts_[index - 1],
          index < starts_.size() ? starts_[index] : peers_.size()};
}

PeerGroup::Range PeerGroup::find(Endpoint const& peer) const {
  auto const place = [](Peer const& known) { return order_of(known.endpoint); };
  auto const begin = std::ranges::lower_bound(peers_, order_of(peer), {}, place);
  auto const end = std::ranges::upper_bound(peers_, order_of(peer), {}, place);
  return {static_cast<std::size_t>(begin - peers_.begin()), static_cast<std::size_t>(end - peers_.begin())};
}

std::size_t PeerGroup::family_size(Family family) const {
  std::size_t const size4 = host_count4_ == 0 ? 0 : host(host_count4_ - 1u).end;
  return family == Family::v4 ? size4 : peers_.size() - size4;
}

std::size_t PeerGroup::announce(Endpoint const& peer, TimePoint expires, Limits const& limits, bool is_seed) {
  std::size_t const before = peers_.size();
  auto const at = [this](std::size_t index) { return peers_.begin() + static_cast<std::ptrdiff_t>(index); };
  Range range = find(peer);
  auto const known =
      std::find_if(at(range.begin), at(range.end), [&](Peer const& other) { return other.endpoint == peer; });
  if (known != at(range.end)) {
    known->expires = std::max(known->expires, expires);
    known->bloom.is_seed = is_seed;
    std::rotate(place_in(range.begin, known, known->expires), known, known + 1);
    return 0;
  }
  if (range.end - range.begin >= limits.per_host) {
    peers_.erase(at(range.end - 1));
    index();
  } else if (family_size(family_of(peer)) >= limits.per_family) {
    make_room(family_of(peer));
  }
  range = find(peer);
  static_assert(sizeof(Peer) == 32);
  BloomBits bloom = bloom_bits(peer.address);
  bloom.is_seed = is_seed;
  peers_.insert(place_in(range.begin, at(range.end), expires), {peer, bloom, expires});
  index();
  return peers_.size() - before;
}

PeerGroup::Peers::iterator PeerGroup::place_in(std::size_t begin, Peers::iterator end, TimePoint expires) {
  return std::find_if(peers_.begin() + static_cast<std::ptrdiff_t>(begin), end,
                      [&](Peer const& other) { return other.expires <= expires; });
}

void PeerGroup::make_room(Family family) {
  std::size_t const first = family == Family::v4 ? 0 : host_count4_;
  std::size_t const last = family == Family::v4 ? host_count4_ : host_count();
  Range worst;
  for (std::size_t i = first; i < last; ++i) {
    Range const range = host(i);
    std::size_t const size = range.end - range.begin;
    std::size_t const worst_size = worst.end - worst.begin;
    bool const is_older = worst_size > 0 && peers_[range.end - 1].expires < peers_[worst.end - 1].expires;
    if (size > worst_size || (size == worst_size && is_older)) worst = range;
  }
  peers_.erase(peers_.begin() + static_cast<std::ptrdiff_t>(worst.end) - 1);
  index();
}

bool PeerGroup::remove(Endpoint const& peer) {
  std::size_t const count = std::erase_if(peers_, [&](Peer const& known) { return known.endpoint == peer; });
  if (count > 0) index();
  return count > 0;
}

bool PeerGroup::has_expired(TimePoint now) const {
  return std::ranges::any_of(peers_, [&](Peer const& known) { return known.expires <= now; });
}

std::size_t PeerGroup::expire(TimePoint now) {
  std::size_t const count = std::erase_if(peers_, [&](Peer const& known) { return known.expires <= now; });
  if (count > 0) index();
  return count;
}

void PeerGroup::index() {
  starts_.clear();
  host_count4_ = 0;
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    bool const is_new = i == 0 || order_of(peers_[i - 1].endpoint) != order_of(peers_[i].endpoint);
    if (!is_new) continue;
    if (i > 0) starts_.push_back(static_cast<std::uint16_t>(i));
    if (!peers_[i].endpoint.address.is_v6()) ++host_count4_;
  }
}

void PeerGroup::sample(Family family, std::size_t count_max, TimePoint now, Random& random,
                       std::vector<Endpoint>& out) const {
  std::size_t const first = family == Family::v4 ? 0 : host_count4_;
  std::size_t const count = family == Family::v4 ? host_count4_ : host_count() - host_count4_;
  std::size_t const size_max = out.size() + count_max;
  std::vector<std::uint16_t> order(count);
  for (std::size_t i = 0; i < count; ++i) order[i] = static_cast<std::uint16_t>(first + i);
  ShortDraws draws{random};
  // The first round shuffles the hosts that it uses; `left` hosts have peers for the next round.
  std::size_t left = 0;
  for (std::size_t i = 0; i < count && out.size() < size_max; ++i) {
    std::swap(order[i], order[i + draws.below(count - i)]);
    Range const range = host(order[i]);
    if (peers_[range.begin].expires <= now) continue;
    out.push_back(peers_[range.begin].endpoint);
    order[left++] = order[i];
  }
  for (std::size_t round = 1; left > 0 && out.size() < size_max; ++round) {
    std::size_t const hosts = std::exchange(left, 0);
    for (std::size_t i = 0; i < hosts && out.size() < size_max; ++i) {
      Range const range = host(order[i]);
      std::size_t const at = range.begin + round;
      if (at >= range.end || peers_[at].expires <= now) continue;
      out.push_back(peers_[at].endpoint);
      order[left++] = order[i];
    }
  }
}

Scrape PeerGroup::scrape(Family family, TimePoint now) const {
  Scrape scrape;
  for (Peer const& peer : peers_) {
    if (peer.expires <= now || family_of(peer.endpoint) != family) continue;
    (peer.bloom.is_seed ? scrape.seeds : scrape.peers).insert(peer.bloom);
  }
  return scrape;
}

bool PeerGroup::has_host(IpAddress const& host) const {
  Range const range = find(Endpoint{host, 0});
  return range.begin < range.end;
}

void PeerGroup::check(Limits const& limits) const {
  GRN_CHECK(!peers_.empty());
  GRN_CHECK(family_size(Family::v4) <= limits.per_family && family_size(Family::v6) <= limits.per_family);
  for (std::size_t i = 0; i < host_count(); ++i) {
    Range const range = host(i);
    GRN_CHECK(range.begin < range.end && range.end - range.begin <= limits.per_host);
    GRN_CHECK((i < host_count4_) == !peers_[range.begin].endpoint.address.is_v6());
    auto const own = order_of(peers_[range.begin].endpoint);
    for (std::size_t at = range.begin; at < range.end; ++at) {
      GRN_CHECK(order_of(peers_[at].endpoint) == own);
      GRN_CHECK(at == range.begin || peers_[at - 1].expires >= peers_[at].expires);
    }
    if (i > 0) GRN_CHECK(order_of(peers_[range.begin - 1].endpoint) < own);
  }
}

}  // namespace grenache::grape
