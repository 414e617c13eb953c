// What a peer's core wants done and what it has to tell.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "exchange/messages/bolt11.hpp"
#include "exchange/messages/order_message.hpp"
#include "exchange/reservation/reservation_store.hpp"
#include <grenache/json/json.hpp>

namespace grenache::exchange {

/// Names a request of another peer until it is answered; chosen by the shell.
using RequestId = std::uint64_t;
/// Names a request to another peer until its answer is in; chosen by the core.
using CallId = std::uint64_t;

/// What the core wants done. The shell pulls these with poll_output().
namespace output {

/// The answer to a request: `error` goes into the error place of the envelope when it is not empty.
struct Reply {
  RequestId request = 0;
  json::Value result;
  std::string error;
};
/// Ask the store, then call Peer::reserved().
struct Reserve {
  RequestId request = 0;
  ReserveRequest wanted;
};
/// Give back what the store reserved.
struct Release {
  std::string order_id;
  std::string take_id;
  std::int64_t fence = 0;
};
/// Ask one peer, then call Peer::answered().
struct Call {
  CallId call = 0;
  std::string endpoint;  // host:port
  json::Value payload;
};
/// Tell peers; nobody waits for the answers.
struct Broadcast {
  json::Value payload;
  std::size_t count_max = 0;  // how many of them, chosen at random; 0: all
};

/// Things that somebody may want to know.
struct PongReceived {
  CallId call = 0;
  std::string endpoint;
  std::optional<PeerId> peer;  // none: a peer of the original program
  std::string name;
};
struct BookReceived {
  CallId call = 0;
  std::string endpoint;
  std::size_t order_count = 0;
  std::size_t new_count = 0;
  std::size_t dropped_count = 0;  // unreadable or refused
};
struct OrderAdded {
  OrderRecord order;
  bool is_update = false;
};
/// The invoice of a signed order was checked: it is the maker's, over the amount that was asked for, and
/// lives no longer than a reservation.
struct TakeGranted {
  CallId call = 0;
  std::string endpoint;
  ExecuteOrderResponse response;
  std::optional<bolt11::Invoice> invoice;  // none: from a peer of the original, whose invoice proves nothing
};
struct TakeRefused {
  CallId call = 0;
  std::string endpoint;
  Refusal refusal;
};
/// No answer, or one that is no answer.
struct CallFailed {
  CallId call = 0;
  std::string endpoint;
  std::string reason;
};
/// As maker: a take was answered.
struct TakeAnswered {
  std::string order_id;
  std::string taker;
  std::optional<Refusal> refusal;
};

}  // namespace output

using Output =
    std::variant<output::Reply, output::Reserve, output::Release, output::Call, output::Broadcast,
                 output::PongReceived, output::BookReceived, output::OrderAdded, output::TakeGranted,
                 output::TakeRefused, output::CallFailed, output::TakeAnswered>;

}  // namespace grenache::exchange
