#include "exchange/part_options.hpp"

namespace grenache::exchange {

rpc::Link::Options link_options(Exchange::Options const& options) {
  rpc::Link::Options out;
  out.grapes = options.grapes;
  out.tls = options.grape_tls;
  out.announce_interval = options.announce_interval;
  out.cache.age_max = options.poll_interval / 2;  // every poll queries the grape
  return out;
}

rpc::Client::Options client_options() {
  rpc::Client::Options out;
  out.reply_bytes_max = kAnswerBytesMax;
  out.expanded_bytes_max = kAnswerBytesMax;
  return out;
}

rpc::Server::Options server_options(Exchange::Options const& options) {
  rpc::Server::Options out;
  out.web_access = options.web_access;
  out.body_bytes_max = kRequestBytesMax;
  out.expanded_bytes_max = kRequestBytesMax;
  return out;
}

Discovery::Options discovery_options(Exchange::Options const& options) {
  Discovery::Options out;
  out.grapes = options.grapes;
  out.service = options.service;
  out.poll_interval = options.poll_interval;
  out.start_limit = options.start_limit;
  out.takes_shown_address = options.advertised_host.empty() && options.bind.is_unspecified();
  out.requires_own_address = options.requires_own_address;
  return out;
}

IndexReader::Options index_reader_options(Exchange::Options const& options) {
  IndexReader::Options out;
  out.grapes = options.grapes;
  out.tls = options.grape_tls;
  out.indexes = options.indexes;
  out.interval = options.index_interval;
  return out;
}

Trader::Options trader_options(Exchange::Options const& options, Position position) {
  auto out = options.trader;
  out.position = position;
  out.is_store_shared = options.redis.has_value();
  out.is_store_in_process = !options.redis;
  for (auto const& index : options.indexes) {
    out.reference_prices.publisher_counts[index.name] = index.publishers.size();
  }
  return out;
}

std::string first_endpoint(Exchange::Options const& options, std::uint16_t port) {
  if (!options.advertised_host.empty()) return options.advertised_host + ":" + std::to_string(port);
  IpAddress const loopback{127, 0, 0, 1};
  return Endpoint{options.bind.is_unspecified() ? loopback : options.bind, port}.to_string();
}

}  // namespace grenache::exchange
