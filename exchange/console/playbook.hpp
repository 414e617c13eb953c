// The playbook: trades between peers, from the first ping to the payment, including failures.
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
  Duration step_limit = std::chrono::seconds{30};   // for a step that waits for other peers
  Duration patience = std::chrono::seconds{2};      // until a slow start of a peer is reported
  Duration poll_interval = std::chrono::seconds{1};
  Duration sell_delay = std::chrono::seconds{7};         // from Alice's order to Bob's, as in the original
  Duration short_reservation = std::chrono::seconds{4};  // Dave's, so that an invoice expires while one looks
};

/// Plays Alice, Bob and Carol, three peers with their own identity, port, book, RPC client and server, who
/// find each other in the DHT and communicate through sockets, driven by the commands of a person.
///
/// Act one: Alice pings the others, publishes a buy order and polls for matches. Bob publishes a sell order.
/// Alice takes it and gets an invoice, which is checked. Carol tries to take it too, and is refused. Alice
/// pays, and the orders leave all books.
///
/// Act two: a part of an order is taken; an invoice expires unpaid; an order is cancelled while it is taken;
/// a maker dies and comes back between invoice and payment.
///
/// The first check that fails ends the playbook.
///
/// Completes with nothing on success, otherwise with a message for the user. `narrator` and `log` must
/// outlive it.
[[nodiscard]] net::Awaitable<std::optional<std::string>> play(net::Executor executor, PlaybookOptions options,
                                                              Random random, Narrator& narrator,
                                                              Log const& log);

}  // namespace grenache::exchange
