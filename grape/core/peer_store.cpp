#include "grape/core/peer_store.hpp"

#include <algorithm>

#include "grape/core/address_rules.hpp"
#include <grenache/base/check.hpp>

namespace grenache::grape {
namespace {

// Time between sweeps. Expired peers are never returned; a sweep frees their memory and room for new names.
constexpr Duration kSweepEvery = std::chrono::seconds{30};
constexpr std::size_t kPeerCountMax = 30'000;  // per family: PeerGroup counts in 16 bits
constexpr std::size_t kTriesPerName = 4;       // sample_names() skips names of other lengths

}  // namespace

std::string_view describe(PeerStoreErrc code) {
  switch (code) {
    case PeerStoreErrc::too_many_names:
      return "too many services are stored";
  }
  return "unknown peer store error";
}

PeerStore::PeerStore(Options options) : options_{options} {
  options_.peer_count_max = std::clamp<std::size_t>(options_.peer_count_max, 1, kPeerCountMax);
  options_.peer_per_host_max = std::max<std::size_t>(options_.peer_per_host_max, 1);
}

Result<void> PeerStore::announce(dht::ServiceKey const& name, Endpoint const& peer, TimePoint now,
                                 std::optional<TimePoint> expires, bool is_seed) {
  auto found = names_.find(name.bytes());
  if (found == names_.end()) {
    if (!may_add_name(peer.address)) return PeerStoreErrc::too_many_names;
    if (names_.size() >= options_.name_count_max) {
      erase(names_.find(*hosts_.at(*greediest()).oldest().text));
    }
    if (names_.empty()) sweep_at_ = now + kSweepEvery;
    found = names_.try_emplace(name.bytes()).first;
    found->second.text = &found->first;
    found->second.host = host_of(peer.address);
  }
  Name& known = found->second;
  delist(known);
  peer_count_ += known.peers.announce(peer, expires.value_or(now + options_.age_max),
                                      {options_.peer_count_max, options_.peer_per_host_max}, is_seed);
  enlist(known);
  return {};
}

void PeerStore::enlist(Name& name) {
  if (!name.peers.has_host(name.host)) name.host = name.peers.any_host();
  HostNames& names = hosts_[name.host];
  names.list_of(name).push_back(name);
  if (names.size() == host_name_max() + 1) greedy_.push_back(name.host);
}

void PeerStore::delist(Name& name) {
  if (!name.is_linked()) return;
  auto const host = hosts_.find(name.host);
  HostNames& names = host->second;
  if (names.size() == host_name_max() + 1) std::erase(greedy_, host->first);
  HostNames::List& list = names.list_of(name);
  list.erase(list.iterator_to(name));
  if (names.size() == 0) hosts_.erase(host);
}

void PeerStore::erase(Names::iterator name) {
  delist(name->second);
  peer_count_ -= name->second.peers.size();
  names_.erase(name);
}

std::optional<IpAddress> PeerStore::greediest() const {
  auto const size_of = [this](IpAddress const& host) { return hosts_.at(host).size(); };
  auto const most = std::ranges::max_element(greedy_, {}, size_of);
  return most == greedy_.end() ? std::nullopt : std::optional{*most};
}

bool PeerStore::may_add_name(IpAddress const& from) const {
  if (names_.size() < options_.name_count_max) return true;
  return !greedy_.empty() && std::ranges::find(greedy_, host_of(from)) == greedy_.end();
}

bool PeerStore::remove(std::string_view name, Endpoint const& peer) {
  auto const found = names_.find(name);
  if (found == names_.end()) return false;
  Name& known = found->second;
  delist(known);
  bool const removed = known.peers.remove(peer);
  if (removed) --peer_count_;
  if (known.peers.size() == 0) {
    names_.erase(found);
  } else {
    enlist(known);
  }
  return removed;
}

bool PeerStore::has_room(std::string_view name, IpAddress const& from) const {
  return names_.contains(name) || may_add_name(from);
}

std::vector<Endpoint> PeerStore::sample(std::string_view name, std::size_t count_max, TimePoint now,
                                        Random& random, std::optional<Family> family) const {
  std::vector<Endpoint> chosen;
  auto const found = names_.find(name);
  if (found == names_.end()) return chosen;
  PeerGroup const& peers = found->second.peers;
  chosen.reserve(std::min(2 * count_max, peers.size()));
  if (family) {
    peers.sample(*family, count_max, now, random, chosen);
    return chosen;
  }
  peers.sample(Family::v4, count_max, now, random, chosen);
  std::size_t const count4 = chosen.size();
  peers.sample(Family::v6, count_max, now, random, chosen);
  if (chosen.size() <= count_max) return chosen;
  // Each family gets half of the room, plus what the other one does not use.
  std::size_t const count6 = chosen.size() - count4;
  std::size_t const kept4 =
      std::min(count4, std::max(count_max - count_max / 2, count_max - std::min(count_max, count6)));
  chosen.erase(chosen.begin() + static_cast<std::ptrdiff_t>(kept4),
               chosen.begin() + static_cast<std::ptrdiff_t>(count4));
  chosen.resize(count_max);
  return chosen;
}

std::optional<Scrape> PeerStore::scrape(std::string_view name, Family family, TimePoint now) const {
  auto const found = names_.find(name);
  if (found == names_.end()) return std::nullopt;
  return found->second.peers.scrape(family, now);
}

std::vector<std::string_view> PeerStore::sample_names(std::size_t count_max, Random& random) const {
  std::vector<std::string_view> chosen;
  auto place = names_.lower_bound(random.bytes(NodeId::kSize));
  std::size_t const tries = std::min(names_.size(), kTriesPerName * count_max);
  for (std::size_t i = 0; i < tries && chosen.size() < count_max; ++i) {
    if (place == names_.end()) place = names_.begin();
    if (place->first.size() == NodeId::kSize) chosen.push_back(place->first);
    ++place;
  }
  return chosen;
}

void PeerStore::expire(TimePoint now) {
  if (now < next_deadline()) return;
  sweep_at_ = now + kSweepEvery;
  for (auto item = names_.begin(); item != names_.end();) {
    auto const next = std::next(item);
    Name& name = item->second;
    if (!name.peers.has_expired(now)) {
      ++item;
      continue;
    }
    delist(name);
    peer_count_ -= name.peers.expire(now);
    if (name.peers.size() == 0) {
      names_.erase(item);
    } else {
      enlist(name);
    }
    item = next;
  }
}

void PeerStore::check() const {
  GRN_CHECK(names_.size() <= options_.name_count_max);
  std::size_t count = 0;
  std::map<IpAddress, std::size_t> of_host;
  for (auto const& [text, name] : names_) {
    name.peers.check({options_.peer_count_max, options_.peer_per_host_max});
    count += name.peers.size();
    GRN_CHECK(name.text == &text && name.is_linked() && name.peers.has_host(name.host));
    ++of_host[name.host];
  }
  GRN_CHECK(count == peer_count_ && of_host.size() == hosts_.size());
  std::size_t greedy = 0;
  for (auto const& [host, names] : hosts_) {
    GRN_CHECK(of_host.at(host) == names.size());
    if (names.size() > host_name_max()) ++greedy;
  }
  GRN_CHECK(greedy == greedy_.size());
}

}  // namespace grenache::grape
