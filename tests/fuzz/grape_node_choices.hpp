// The choices of the script in grape_node.cpp: options, items, addresses.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "grape/core/address_rules.hpp"
#include "grape/core/node.hpp"
#include "grape/core/profile.hpp"
#include <grenache/base/crypto.hpp>
#include <grenache/dht/item.hpp>

namespace grenache::grape::fuzz_node {

// Options with tables so small that a short input fills them.
inline void make_small(NodeOptions& options) {
  options.concurrency = 4;
  options.verify_count_max = 4;
  options.upkeep_ping_max = 2;
  options.keep_concurrency = 2;
  options.own_item_count_max = 2;
  options.bootstrap.address_count_max = 3;
  options.items.item_count_max = 3;
  options.keeper.service_count_max = 2;
  options.peers.name_count_max = 3;
  options.peers.peer_count_max = 6;
  options.peers.peer_per_host_max = 3;
  options.table.bucket_size = 2;
  options.table.replacement_count_max = 2;
  options.service.holders.service_count_max = 2;
  options.service.search.lookup.k = 2;
  options.service.search.lookup.branch_max = 2;
  options.service.search.lookup.candidate_count_max = 8;
  options.service.search.lookup.query_count_max = 12;
  options.service.search_count_max = 3;
  options.service.request_count_max = 5;
  options.service.peer_count_max = 4;
  options.service.search.peer_gather_max = 8;
  options.transactions.count_max = 16;
  options.rate.private_per_second = 8;
  options.rate.public_per_second = 4;
  options.rate.bucket_count = 16;
}

inline NodeOptions options_of(std::uint8_t choice) {
  NodeOptions options = options_of((choice & 4) != 0 ? Profile::public_network : Profile::cluster);
  if ((choice & 1) != 0) make_small(options);
  options.port = 20001;
  options.ipv6 = (choice & 8) != 0;
  if ((choice & 16) == 0) options.id = NodeId{};
  if ((choice & 2) != 0) {
    options.own_address = IpAddress{10, 0, 0, 1};
    options.own_address6 = IpAddress{IpAddress::V6{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 1}};
  }
  return options;
}

// Valid items, created once: mutable ones of one key with two salts, and immutable ones.
inline std::vector<dht::Item> make_items() {
  std::vector<dht::Item> items;
  auto const key = *Ed25519SecretKey::from_bytes(std::string(Ed25519SecretKey::kSize, 'k'));
  std::string const long_value = "1000:" + std::string(1000, 'v');
  for (std::string_view const value : {std::string_view{"i1e"}, std::string_view{long_value}}) {
    items.push_back(*dht::Item::immutable(value));
    for (std::string_view const salt : {"", "salt"}) {
      for (std::int64_t const seq : {0, 1, 2}) items.push_back(*dht::Item::sign(key, salt, seq, value));
    }
  }
  items.push_back(*dht::Item::immutable("d1:ai1e1:bl1:xee"));
  items.push_back(*dht::Item::immutable("2:ok"));
  return items;
}
inline std::vector<dht::Item> const kItems = make_items();

// Addresses of hosts 0 to 15; pairs share a /24 or /64, and the last four are unusual.
inline IpAddress address4(std::uint8_t host, std::uint8_t net) {
  if (host < 8) return {10, 0, net, host};
  if (host < 12) return {203, 0, net, host};
  if (host == 12) return {127, 0, 0, 1};
  if (host == 13) return {0, 0, 0, 7};
  return host == 14 ? IpAddress{224, 0, 0, 1} : IpAddress{};
}
inline IpAddress address6(std::uint8_t host, std::uint8_t net) {
  using V6 = IpAddress::V6;
  if (host < 8) return IpAddress{V6{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, net, 0, 0, 0, 0, 0, 0, 0, host}};
  if (host < 12) return IpAddress{V6{0xfd, 0, 0, 0, 0, 0, 0, net, 0, 0, 0, 0, 0, 0, 0, host}};
  if (host == 12) return IpAddress{V6{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
  if (host == 13) return IpAddress{V6{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 3}};
  return host == 14 ? IpAddress{V6{0xff, 2}} : IpAddress{V6{}};
}
// Addresses to which the node may send. Bootstrap addresses given by the operator are not restricted; all
// others are.
[[nodiscard]] inline bool is_usable(NodeOptions const& options, Endpoint const& endpoint) {
  IpAddress const& address = endpoint.address;
  return endpoint.port != 0 && (address.is_v6() ? options.ipv6 : options.ipv4) && !address.is_unspecified() &&
         !address.is_multicast_or_reserved() && !(options.drop_martians && is_martian(address));
}

/// A query of the node that waits for an answer.
struct OwnQuery {
  Endpoint to;
  std::string tid;
};

/// A token with its owner and its key.
struct Grant {
  Endpoint asker;
  NodeId id;
  std::string key;
  std::string token;
};

}  // namespace grenache::grape::fuzz_node
