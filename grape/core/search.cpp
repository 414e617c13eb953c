#include "grape/core/search.hpp"

#include <algorithm>

#include "grape/core/address_rules.hpp"
#include <grenache/base/check.hpp>

namespace grenache::grape {

using dht::Contact;

Search::Search(Subject subject, Options const& options, PerFamily<NodeId> const& own,
               PerFamily<bool> const& families)
    : subject_{std::move(subject)}, drop_martians_{options.drop_martians}, peers_{options.peer_gather_max} {
  for (Family const family : kFamilies) {
    if (families[family]) lookups_[family].emplace(subject_.target, own[family], options.lookup);
  }
}

bool Search::is_usable(Endpoint const& endpoint) const {
  IpAddress const& address = endpoint.address;
  if (address.is_multicast_or_reserved() || address.is_unspecified()) return false;
  return !drop_martians_ || !is_martian(address);
}

void Search::add(Contact const& node, Contact const* from) {
  if (!is_usable(node.endpoint)) return;
  if (auto& lookup = lookups_[family_of(node.endpoint)]) lookup->add(node, from);
}

std::size_t Search::query_count() const {
  std::size_t count = 0;
  for (Family const family : kFamilies) count += lookups_[family] ? lookups_[family]->query_count() : 0;
  return count;
}

std::uint32_t Search::hops() const {
  std::uint32_t hops = 0;
  for (Family const family : kFamilies)
    hops = std::max(hops, lookups_[family] ? lookups_[family]->hops() : 0);
  return hops;
}

std::optional<Contact> Search::next() {
  for (Family const family : kFamilies) {
    if (!lookups_[family]) continue;
    if (auto node = lookups_[family]->next()) return node;
  }
  return std::nullopt;
}

bool Search::is_over() const {
  return std::ranges::none_of(kFamilies, [this](Family family) {
    return lookups_[family] && lookups_[family]->outcome() == Lookup::Outcome::running;
  });
}

void Search::answered(Contact const& node, std::optional<std::string_view> token) {
  if (auto& lookup = lookups_[family_of(node.endpoint)]) lookup->answered(node, token);
}

void Search::slow(Contact const& node) {
  if (auto& lookup = lookups_[family_of(node.endpoint)]) lookup->slow(node);
}

void Search::timed_out(Contact const& node) {
  if (auto& lookup = lookups_[family_of(node.endpoint)]) lookup->timed_out(node);
}

void Search::failed(Contact const& node) {
  if (auto& lookup = lookups_[family_of(node.endpoint)]) lookup->failed(node);
}

std::vector<Endpoint> Search::add_peers(std::vector<Endpoint> peers, Random& random) {
  std::erase_if(peers, [this](Endpoint const& peer) { return !is_usable(peer); });
  // Nodes of this implementation send the best peers first. Node.js' Grape sends all of its peers, in any
  // order.
  if (peers.size() > kPeersTaken) {
    random.shuffle(peers);
    peers.resize(kPeersTaken);
  }
  return peers_.add(peers);
}

void Search::add_item(dht::Reply const& reply) {
  if (!reply.v) return;
  auto const key = reply.k ? Ed25519PublicKey::from_bytes(*reply.k) : std::nullopt;
  auto const signature = reply.sig ? Ed25519Signature::from_bytes(*reply.sig) : std::nullopt;
  Result<dht::Item> item = dht::ItemErrc::incomplete;
  if (key && signature && reply.seq) {
    // Cheap checks before the signature, since a reply may hold anything.
    if (found_ && found_->item.seq() >= *reply.seq) return;
    if (dht::item_target(*key, subject_.key) != subject_.target) return;
    item = dht::Item::mutable_of({*key, *signature, subject_.key, *reply.seq}, *reply.v);
  } else if (!found_ && !reply.k && !reply.sig && dht::item_target(*reply.v) == subject_.target) {
    item = dht::Item::immutable(*reply.v);
  }
  if (!item) return;
  found_.emplace(Found{std::move(*item), reply.sender, std::string{reply.token.value_or("")}});
}

std::vector<Lookup::Target> Search::store_targets() const {
  std::vector<Lookup::Target> targets;
  for (Family const family : kFamilies) {
    if (!lookups_[family]) continue;
    auto const some = lookups_[family]->store_targets();
    targets.insert(targets.end(), some.begin(), some.end());
  }
  return targets;
}

void Search::check() const {
  peers_.check();
  for (Family const family : kFamilies) {
    if (lookups_[family]) lookups_[family]->check();
  }
}

}  // namespace grenache::grape
