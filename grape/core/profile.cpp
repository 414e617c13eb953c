#include "grape/core/profile.hpp"

namespace grenache::grape {

std::optional<Profile> parse_profile(std::string_view text) {
  for (Profile const profile : {Profile::cluster, Profile::public_network}) {
    if (text == to_string(profile)) return profile;
  }
  return std::nullopt;
}

std::string_view to_string(Profile profile) { return profile == Profile::cluster ? "cluster" : "public"; }

NodeOptions options_of(Profile profile) {
  NodeOptions options;
  if (profile == Profile::cluster) return options;
  options.drop_martians = true;
  options.version = "Gr01";
  options.rate.public_per_second = 5;
  options.rate.verified_per_second = 5;  // no more than others: a verified node may still be hostile
  options.rate.private_per_second = 50;
  options.rate.burst = std::chrono::seconds{10};
  options.table.bucket_size = 8;
  options.table.replacement_count_max = 8;
  options.table.one_per_network = true;
  options.table.prefer_fitting_ids = true;
  options.table.liveness = std::chrono::minutes{15};
  options.service.search.lookup.k = 8;
  options.service.search.lookup.one_per_network = true;
  options.service.search.lookup.prefer_fitting_ids = true;
  options.peers.name_count_max = 2000;
  options.peers.peer_per_host_max = 8;  // about as many as share an address behind one NAT
  options.peers.age_max = std::chrono::minutes{45};
  options.keeper.announce_every = std::chrono::minutes{15};
  options.keeper.owner_patience = std::chrono::minutes{45};
  options.items.item_count_max = 1400;
  options.items.age_max = std::chrono::hours{2};
  return options;
}

}  // namespace grenache::grape
