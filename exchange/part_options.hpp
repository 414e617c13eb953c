// The options of the parts of an Exchange, from its own.
#pragma once

#include <cstdint>
#include <string>

#include "exchange/discovery.hpp"
#include "exchange/exchange.hpp"
#include "exchange/index_reader.hpp"
#include <grenache/rpc/client.hpp>
#include <grenache/rpc/link.hpp>
#include <grenache/rpc/server.hpp>

namespace grenache::exchange {

[[nodiscard]] rpc::Link::Options link_options(Exchange::Options const& options);
[[nodiscard]] rpc::Client::Options client_options();
[[nodiscard]] rpc::Server::Options server_options(Exchange::Options const& options);
[[nodiscard]] Discovery::Options discovery_options(Exchange::Options const& options);
[[nodiscard]] IndexReader::Options index_reader_options(Exchange::Options const& options);
/// `position` is that of the journal.
[[nodiscard]] Trader::Options trader_options(Exchange::Options const& options, Position position);
/// Our endpoint as long as the DHT does not show it.
[[nodiscard]] std::string first_endpoint(Exchange::Options const& options, std::uint16_t port);

}  // namespace grenache::exchange
