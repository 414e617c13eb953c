// Outputs of a peer's core: commands to execute and events.
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

/// Identifies a request of another peer until it is answered; chosen by the caller of the core.
using RequestId = std::uint64_t;
/// Identifies a request to another peer until its answer arrives; chosen by the core.
using CallId = std::uint64_t;

/// Commands and events, polled with poll_output().
namespace output {

/// The answer to a request; a non-empty `error` is the error of the RPC envelope.
struct Reply {
  RequestId request = 0;
  json::Value result;
  std::string error;
};
/// Call the reservation store, then Peer::reserved().
struct Reserve {
  RequestId request = 0;
  ReserveRequest wanted;
};
/// Release a reservation.
struct Release {
  std::string order_id;
  std::string take_id;
  std::int64_t fence = 0;
};
/// Send a request to a peer, then call Peer::answered().
struct Call {
  CallId call = 0;
  std::string endpoint;  // host:port
  json::Value payload;
};
/// Send a request to several peers; the answers are ignored.
struct Broadcast {
  json::Value payload;
  std::size_t count_max = 0;  // number of peers, chosen at random; 0: all
};

/// Events.
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
  std::size_t dropped_count = 0;  // malformed or refused
};
struct OrderAdded {
  OrderRecord order;
  bool is_update = false;
};
/// The maker granted a take. The invoice of a signed order has been checked: signed by the maker, for the
/// requested amount, with a lifetime no longer than a reservation's.
struct TakeGranted {
  CallId call = 0;
  std::string endpoint;
  ExecuteOrderResponse response;
  /// None: from a peer of the original, whose invoices are not checked.
  std::optional<bolt11::Invoice> invoice;
};
struct TakeRefused {
  CallId call = 0;
  std::string endpoint;
  Refusal refusal;
};
/// No reply came, or one that could not be read or did not belong to the call.
struct CallFailed {
  CallId call = 0;
  std::string endpoint;
  std::string reason;
};
/// This peer, as the maker, answered a take.
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
