#include "grape/core/routing_table.hpp"

#include <algorithm>
#include <set>

#include "grape/core/address_rules.hpp"
#include "grape/core/distance.hpp"
#include <grenache/base/check.hpp>

namespace grenache::grape {

using dht::Contact;

std::size_t RoutingTable::index_of(NodeId const& id) const {
  GRN_CHECK(!buckets_.empty());
  return std::min(common_prefix_bits(own_, id), buckets_.size() - 1);
}

RoutingTable::Bucket RoutingTable::make_bucket(TimePoint now) const {
  Bucket bucket;
  bucket.touched_at = now;
  bucket.sparse_wait = options_.sparse_refresh;
  return bucket;
}

RoutingTable::Bucket& RoutingTable::bucket_of(NodeId const& id, TimePoint now) {
  if (buckets_.empty()) buckets_.push_back(make_bucket(now));
  return buckets_[index_of(id)];
}

RoutingTable::Entry const* RoutingTable::find(Contact const& node) const {
  if (buckets_.empty()) return nullptr;
  for (Entry const& known : buckets_[index_of(node.id)].nodes) {
    if (known.contact == node) return &known;
  }
  return nullptr;
}

bool RoutingTable::answered(Contact const& node, TimePoint now) {
  if (node.id == own_) return false;
  Bucket& bucket = bucket_of(node.id, now);
  std::erase_if(bucket.replacements, [&](auto const& item) { return item.contact.id == node.id; });
  auto const known =
      std::ranges::find_if(bucket.nodes, [&](Entry const& item) { return item.contact.id == node.id; });
  if (known == bucket.nodes.end()) return insert(node, now);
  if (known->contact.endpoint == node.endpoint) {
    known->answered_at = now;
    known->failures = 0;
    return false;
  }
  if (known->failures == 0 && now - known->answered_at <= options_.liveness) return false;
  bucket.nodes.erase(known);
  --size_;
  return insert(node, now);
}

bool RoutingTable::is_crowded(Bucket const& bucket, Contact const& newcomer) const {
  if (!options_.one_per_network) return false;
  IpAddress const& address = newcomer.endpoint.address;
  IpAddress const network = network_of(address);
  auto const other = [&](Entry const& node) {
    return node.contact.id != newcomer.id && node.contact.endpoint != newcomer.endpoint;
  };
  auto const near = [&](Entry const& node) {
    return other(node) && network_of(node.contact.endpoint.address) == network;
  };
  auto const same = [&](Entry const& node) {
    return other(node) && node.contact.endpoint.address == address;
  };
  if (std::ranges::any_of(bucket.nodes, near)) return true;
  return std::ranges::any_of(buckets_,
                             [&](Bucket const& any) { return std::ranges::any_of(any.nodes, same); });
}

RoutingTable::Entry* RoutingTable::worse_than(Bucket& bucket, Contact const& newcomer) const {
  auto const worst = std::ranges::max_element(bucket.nodes, {}, &Entry::failures);
  if (worst->failures > 0) return &*worst;
  if (!options_.prefer_fitting_ids || !id_fits(newcomer.id, newcomer.endpoint.address)) return nullptr;
  auto const misfit = std::ranges::find_if(bucket.nodes, [](Entry const& node) {
    return !id_fits(node.contact.id, node.contact.endpoint.address);
  });
  return misfit == bucket.nodes.end() ? nullptr : &*misfit;
}

bool RoutingTable::insert(Contact const& node, TimePoint now) {
  remove_endpoint(node.endpoint);
  for (;;) {
    std::size_t const index = index_of(node.id);
    Bucket& bucket = buckets_[index];
    if (is_crowded(bucket, node)) return false;
    if (bucket.nodes.size() < options_.bucket_size) {
      bucket.nodes.push_back({node, now, now, 0});
      ++size_;
      return true;
    }
    if (index + 1 == buckets_.size() && buckets_.size() <= 8 * NodeId::kSize) {
      split_last(now);
      continue;
    }
    if (Entry* worse = worse_than(bucket, node)) {
      *worse = {node, now, now, 0};
      return true;
    }
    add_replacement(bucket, node, now, now);
    return false;
  }
}

void RoutingTable::split_last(TimePoint now) {
  std::size_t const depth = buckets_.size() - 1;
  Bucket nearer = make_bucket(now);
  Bucket& last = buckets_.back();
  auto const move_nearer = [&](auto& from, auto& to) {
    auto const stays = [&](auto const& item) { return common_prefix_bits(own_, item.contact.id) == depth; };
    auto const moved = std::stable_partition(from.begin(), from.end(), stays);
    to.assign(moved, from.end());
    from.erase(moved, from.end());
  };
  move_nearer(last.nodes, nearer.nodes);
  move_nearer(last.replacements, nearer.replacements);
  buckets_.push_back(std::move(nearer));
}

void RoutingTable::remove_endpoint(Endpoint const& endpoint) {
  for (Bucket& bucket : buckets_) {
    size_ -=
        std::erase_if(bucket.nodes, [&](Entry const& node) { return node.contact.endpoint == endpoint; });
  }
}

bool RoutingTable::has_room(Bucket const& bucket) const {
  if (bucket.nodes.size() < options_.bucket_size || &bucket == &buckets_.back()) return true;
  return std::ranges::any_of(bucket.nodes, [](Entry const& node) { return node.failures > 0; });
}

void RoutingTable::add_replacement(Bucket& bucket, Contact const& node, TimePoint now, TimePoint pinged_at) {
  std::erase_if(bucket.replacements, [&](auto const& item) { return item.contact.id == node.id; });
  if (options_.replacement_count_max == 0) return;
  if (bucket.replacements.size() >= options_.replacement_count_max) {
    bucket.replacements.erase(bucket.replacements.begin());
  }
  bucket.replacements.push_back({node, now, pinged_at});
}

bool RoutingTable::on_query_from(Contact const& node, TimePoint now) {
  if (node.id == own_) return false;
  Bucket& bucket = bucket_of(node.id, now);
  for (Entry const& known : bucket.nodes) {
    // Another endpoint is considered only once the known one fails.
    if (known.contact.id == node.id && (known.contact == node || known.failures == 0)) return false;
  }
  auto const waiting =
      std::ranges::find_if(bucket.replacements, [&](auto const& item) { return item.contact == node; });
  TimePoint pinged_at = waiting == bucket.replacements.end() ? TimePoint::min() : waiting->pinged_at;
  if (is_crowded(bucket, node)) return false;
  bool const ping =
      has_room(bucket) && (pinged_at == TimePoint::min() || now - pinged_at >= options_.candidate_retry);
  if (ping) pinged_at = now;
  add_replacement(bucket, node, now, pinged_at);
  return ping;
}

bool RoutingTable::failed(Contact const& node, TimePoint now) {
  if (buckets_.empty()) return false;
  Bucket& bucket = buckets_[index_of(node.id)];
  std::erase_if(bucket.replacements, [&](auto const& item) { return item.contact == node; });
  auto const known =
      std::ranges::find_if(bucket.nodes, [&](Entry const& item) { return item.contact == node; });
  if (known == bucket.nodes.end()) return false;
  // Queries sent together fail together and count once.
  if (known->failures > 0 && now - known->pinged_at < options_.failure_gap) return false;
  known->pinged_at = now;
  if (++known->failures < options_.failure_count_max) return false;
  bucket.nodes.erase(known);
  --size_;
  return true;
}

void RoutingTable::evict(Contact const& node) {
  if (buckets_.empty()) return;
  Bucket& bucket = buckets_[index_of(node.id)];
  size_ -= std::erase_if(bucket.nodes, [&](Entry const& known) { return known.contact == node; });
  std::erase_if(bucket.replacements, [&](auto const& item) { return item.contact == node; });
}

void RoutingTable::gather(Bucket const& bucket, bool failing, std::vector<Contact>& out) const {
  for (Entry const& node : bucket.nodes) {
    if ((node.failures > 0) == failing) out.push_back(node.contact);
  }
}

void RoutingTable::closest(NodeId const& target, std::size_t size_max, bool failing,
                           std::vector<Contact>& out) const {
  if (buckets_.empty()) return;
  auto const sort_and_cut = [&](std::size_t begin) {
    auto const first = out.begin() + static_cast<std::ptrdiff_t>(begin);
    auto const last =
        out.begin() + static_cast<std::ptrdiff_t>(std::max(begin, std::min(size_max, out.size())));
    auto const closer = [&](Contact const& a, Contact const& b) { return is_closer(target, a.id, b.id); };
    // Most buckets fit whole, and for so few nodes sort() is faster than partial_sort().
    if (last == out.end()) {
      std::sort(first, last, closer);
    } else {
      std::partial_sort(first, last, out.end(), closer);
    }
    out.erase(last, out.end());
  };
  // The nodes of the target's own bucket are nearest. The buckets after it share exactly as many bits with
  // the target as we do; of those before it, each is farther than the next.
  std::size_t const index = index_of(target);
  std::size_t begin = out.size();
  gather(buckets_[index], failing, out);
  sort_and_cut(begin);
  begin = out.size();
  for (std::size_t i = index + 1; i < buckets_.size(); ++i) gather(buckets_[i], failing, out);
  sort_and_cut(begin);
  for (std::size_t i = index; i-- > 0 && out.size() < size_max;) {
    begin = out.size();
    gather(buckets_[i], failing, out);
    sort_and_cut(begin);
  }
}

void RoutingTable::closest(NodeId const& target, std::size_t count, std::vector<Contact>& out) const {
  std::size_t const size_max = out.size() + count;
  closest(target, size_max, false, out);
  if (out.size() < size_max) closest(target, size_max, true, out);
}

void RoutingTable::all_responsive(std::vector<Contact>& out) const {
  for (Bucket const& bucket : buckets_) gather(bucket, false, out);
}

bool RoutingTable::is_failing(Contact const& node) const {
  Entry const* known = find(node);
  return known != nullptr && known->failures > 0;
}

bool RoutingTable::is_fresh(Endpoint const& endpoint, TimePoint now) const {
  return std::ranges::any_of(buckets_, [&](Bucket const& bucket) {
    return std::ranges::any_of(bucket.nodes, [&](Entry const& node) {
      return node.contact.endpoint == endpoint && node.failures == 0 &&
             now - node.answered_at <= options_.liveness;
    });
  });
}

std::vector<Contact> RoutingTable::due(std::size_t count_max, TimePoint now) {
  std::vector<Contact> result;
  for (Bucket& bucket : buckets_) {
    bool const room = has_room(bucket);
    for (Entry& node : bucket.nodes) {
      if (result.size() >= count_max) return result;
      bool const silent = now - std::max(node.answered_at, node.pinged_at) >= options_.liveness;
      bool const retry = node.failures > 0 && now - node.pinged_at >= options_.retry;
      if (!silent && !retry) continue;
      node.pinged_at = now;
      result.push_back(node.contact);
    }
    for (Replacement& candidate : bucket.replacements) {
      if (result.size() >= count_max) return result;
      if (!room ||
          (candidate.pinged_at != TimePoint::min() && now - candidate.pinged_at < options_.candidate_retry)) {
        continue;
      }
      candidate.pinged_at = now;
      result.push_back(candidate.contact);
    }
  }
  return result;
}

void RoutingTable::touch(NodeId const& target, TimePoint now) { bucket_of(target, now).touched_at = now; }

std::optional<NodeId> RoutingTable::stale_bucket(TimePoint now, Random& random) {
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    Bucket& bucket = buckets_[i];
    bool const sparse = 4 * bucket.nodes.size() < options_.bucket_size;
    if (now - bucket.touched_at < (sparse ? bucket.sparse_wait : options_.refresh)) continue;
    if (sparse) bucket.sparse_wait = std::min(2 * bucket.sparse_wait, options_.refresh);
    return random_id_in(i, random);
  }
  return std::nullopt;
}

NodeId RoutingTable::random_id_in(std::size_t index, Random& random) const {
  NodeId id = NodeId::random(random);
  auto const set = [&id](std::size_t bit, bool value) {
    auto const mask = static_cast<std::uint8_t>(0x80u >> bit % 8);
    auto& byte = id.array()[bit / 8];
    byte = static_cast<std::uint8_t>(value ? byte | mask : byte & ~mask);
  };
  auto const own = [this](std::size_t bit) { return (own_.array()[bit / 8] & 0x80u >> bit % 8) != 0; };
  for (std::size_t bit = 0; bit < index; ++bit) set(bit, own(bit));
  // Ids in the last bucket share the first bits with us; in other buckets they also differ in the next bit.
  if (index + 1 < buckets_.size()) set(index, !own(index));
  return id;
}

std::size_t RoutingTable::replacement_count() const {
  std::size_t count = 0;
  for (Bucket const& bucket : buckets_) count += bucket.replacements.size();
  return count;
}

void RoutingTable::check() const {
  GRN_CHECK(buckets_.size() <= 8 * NodeId::kSize + 1);
  std::set<NodeId> ids;
  std::set<Endpoint> endpoints;
  std::size_t count = 0;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    GRN_CHECK(buckets_[i].nodes.size() <= options_.bucket_size);
    GRN_CHECK(buckets_[i].replacements.size() <= options_.replacement_count_max);
    for (Entry const& node : buckets_[i].nodes) {
      GRN_CHECK(node.contact.id != own_ && index_of(node.contact.id) == i);
      GRN_CHECK(ids.insert(node.contact.id).second);
      GRN_CHECK(endpoints.insert(node.contact.endpoint).second);
      GRN_CHECK(node.failures < options_.failure_count_max);
    }
    for (Replacement const& item : buckets_[i].replacements) {
      GRN_CHECK(item.contact.id != own_ && index_of(item.contact.id) == i);
    }
    count += buckets_[i].nodes.size();
  }
  GRN_CHECK(count == size_);
}

}  // namespace grenache::grape
