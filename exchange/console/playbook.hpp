// The playbook: three peers who trade, from the first ping to the invoice.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "exchange/console/narrator.hpp"
#include "exchange/exchange.hpp"

namespace grenache::exchange {

struct PlaybookOptions {
  std::vector<rpc::GrapeUrl> grapes;
  net::TlsOptions grape_tls;  // see rpc::Link::Options::tls
  std::string service = "exchange";
  std::optional<RedisUrl> redis;
  Duration grape_limit = std::chrono::seconds{30};  // for a grape to answer
  Duration step_limit = std::chrono::seconds{30};   // for anything that needs others
  Duration patience = std::chrono::seconds{2};      // before a peer that is slow to start says why
  Duration poll_interval = std::chrono::seconds{1};
  Duration sell_delay = std::chrono::seconds{7};  // from Alice's order to Bob's, as in the original
};

/// Plays Alice, Bob and Carol, each with an identity, a port, a book and RPC peers of their own, who know
/// each other from the DHT alone and talk through sockets: all find each other, Alice pings, Alice publishes
/// a buy order and polls, Bob publishes the sell order, Alice takes it and gets an invoice, which is checked,
/// Carol comes too late. Every check that does not hold ends it.
///
/// Completes with nothing when all went well, else with a sentence that says what did not. `narrator` and
/// `log` must outlive it.
[[nodiscard]] net::Awaitable<std::optional<std::string>> play(net::Executor executor, PlaybookOptions options,
                                                              Random random, Narrator& narrator,
                                                              Log const& log);

}  // namespace grenache::exchange
