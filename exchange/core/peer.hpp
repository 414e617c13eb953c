// The core of an exchange peer, without sockets: answers requests, maintains the book, and sends requests.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "exchange/core/book.hpp"
#include "exchange/core/peer_output.hpp"
#include "exchange/core/take.hpp"
#include <grenache/base/random.hpp>
#include <grenache/json/json.hpp>

namespace grenache::exchange {

enum class PeerErrc {
  bad_terms = 1,  // an amount, price or life out of range
  not_listening,  // listening() was not called, but orders name their maker's endpoint
  no_such_order,  // not an open order of this peer
};
[[nodiscard]] std::string_view describe(PeerErrc code);
constexpr char const* category_name(PeerErrc) { return "exchange.peer"; }
inline Error make_error_code(PeerErrc code) { return make_enum_error(code); }

/// The answer to a Call, or an error.
struct CallAnswer {
  json::Value result;
  std::string error;  // empty: `result` is the answer
};

/// An exchange peer as a state machine: inputs run to completion, outputs are polled with poll_output(), the
/// caller passes the time. Several processes may run peers of one identity: each executes all orders of that
/// identity that it knows, and a shared reservation store prevents double reservation.
///
/// Requests are sent as JSON text (the original crashes on anything else), answers in the form of the
/// request. Own orders are sent to all peers; a new order of another maker is relayed once, to a few peers.
/// Unsigned orders are stored and returned, but never relayed.
class Peer {
 public:
  struct Options {
    std::string name{};  // for display; at most kPeerNameSizeMax bytes
    Book::Options book{};
    TakeOptions takes{};
    std::size_t pending_take_count_max = 1'000;  // takes that wait for the store; about 1 kB each
    /// Peers to which an order of another maker is relayed; they relay it further.
    std::size_t relay_count = 8;
    std::size_t endpoint_count_max = 500;  // tracked endpoints; a grape returns 100
    std::chrono::milliseconds endpoint_age_max = std::chrono::minutes{2};  // since a lookup last found it
    /// For an endpoint that did not answer.
    std::chrono::milliseconds sync_retry_delay = std::chrono::seconds{5};
    // Intervals of reading a known peer's book again, for missed orders. Peers of the original do not relay
    // orders, so theirs are read more often.
    std::chrono::milliseconds reread_interval = std::chrono::minutes{1};
    std::chrono::milliseconds original_reread_interval = std::chrono::seconds{5};
  };

  Peer(Options options, SecretKey const& key, Random random);
  Peer(Peer const&) = delete;
  Peer& operator=(Peer const&) = delete;

  [[nodiscard]] PeerId const& id() const { return id_; }
  [[nodiscard]] Book const& book() const { return book_; }

  /// Sets the endpoint (host:port) of this peer's RPC server; its port becomes the exchangeId.
  void listening(std::string endpoint);

  /// Processes a request of another peer. Exactly one Reply with `request` follows, at once or after
  /// reserved().
  void receive(RequestId request, json::Value payload, WallTime now);
  /// Reports the outcome of a Reserve.
  void reserved(RequestId request, ReserveOutcome const& outcome, WallTime now);

  /// Signs an order, adds it to the book and broadcasts it. Errors: PeerErrc, BookErrc.
  [[nodiscard]] Result<OrderRecord> publish(OrderTerms const& terms, WallTime now);
  /// Closes an order of this peer and broadcasts it. Existing reservations stay.
  [[nodiscard]] Result<OrderRecord> cancel(std::string const& order_id, WallTime now);
  /// The counterparts of an order, best first; empty if it is unknown.
  [[nodiscard]] std::vector<Match> matches(std::string_view order_id, WallTime now) const;

  /// Pings a peer. Ends with PongReceived or CallFailed.
  CallId ping(std::string endpoint, WallTime now);
  /// Requests `amount` of `order` from its maker, at the order's price. Tries the endpoints where the maker
  /// answered a ping, then the one in the order. Ends with TakeGranted, TakeRefused or CallFailed. A repeated
  /// `take_id` is the same take; an empty one starts a new take.
  CallId take(OrderRecord const& order, Satoshi amount, std::string take_id, WallTime now);
  /// Reports the endpoints that a lookup of the service found. New ones are pinged and their books are read;
  /// the books of known ones are read again periodically.
  void found(std::vector<std::string> const& endpoints, WallTime now);
  void answered(CallId call, CallAnswer answer, WallTime now);

  /// Endpoints that answered as `peer`.
  [[nodiscard]] std::vector<std::string> endpoints_of(PeerId const& peer) const;
  /// Number of known endpoints except our own.
  [[nodiscard]] std::size_t endpoint_count() const;
  /// True when every known endpoint has answered, or failed, its first ping and book request.
  [[nodiscard]] bool is_synced() const;

  /// Removes expired orders and stale endpoints. Call it about once a second.
  void expire(WallTime now);

  [[nodiscard]] std::optional<Output> poll_output();

 private:
  // Progress of reading the book of an endpoint.
  enum class Sync { none, pinging, reading, done };
  struct EndpointState {
    WallTime last_found{};
    WallTime next_at{};  // time of the next attempt, if none is running
    Sync sync = Sync::none;
    std::optional<PeerId> peer;
    bool is_self = false;
  };
  struct PingCall {
    std::string endpoint;
    bool starts_sync = false;
  };
  struct BookCall {
    std::string endpoint;
  };
  struct TakeCall {
    OrderRecord order;
    ExecuteOrderMessage message;
    Satoshi amount;
    std::string endpoint;            // the one being tried
    std::deque<std::string> others;  // to be tried if it does not answer
  };
  using CallState = std::variant<PingCall, BookCall, TakeCall>;
  struct PendingRequest {
    PayloadForm form = PayloadForm::text;
    PendingTake take;
  };

  [[nodiscard]] MessageHeader header(CreatorType creator, WallTime now) const;
  void reply(RequestId request, PayloadForm form, json::Value body);
  void refuse(RequestId request, Refusal const& refusal);
  void handle(RequestId request, PayloadForm form, PingPongMessage const& message, WallTime now);
  void handle(RequestId request, PayloadForm form, AddOrderMessage const& message, WallTime now);
  void handle(RequestId request, PayloadForm form, GetOrderMatchesMessage const& message, WallTime now);
  void handle(RequestId request, PayloadForm form, ExecuteOrderMessage const& message, WallTime now);
  void handle(RequestId request, PayloadForm form, GetOrderbookMessage const& message, WallTime now);

  Result<OrderRecord> announce(OrderRecord order, WallTime now);
  CallId call(CallState state, std::string endpoint, json::Value const& body);
  CallId send_ping(std::string endpoint, bool starts_sync, WallTime now);
  void call_take(CallId id, TakeCall state);
  std::deque<std::string> endpoints_for(OrderRecord const& order) const;
  void answered_ping(CallId id, PingCall const& state, CallAnswer answer, WallTime now);
  void answered_book(CallId id, BookCall const& state, CallAnswer answer, WallTime now);
  void answered_take(CallId id, TakeCall state, CallAnswer answer, WallTime now);
  void read_book(std::string const& endpoint, WallTime now);
  void sync_failed(std::string const& endpoint, WallTime now);

  Options options_;
  SecretKey key_;
  PeerId id_;
  Random random_;
  std::string instance_;  // distinguishes processes of the same identity
  std::string endpoint_;
  std::int64_t exchange_id_ = -1;
  Book book_;
  std::map<std::string, EndpointState> endpoints_;
  std::map<RequestId, PendingRequest> pending_;
  std::map<CallId, CallState> calls_;
  CallId last_call_ = 0;
  std::deque<Output> outputs_;
};

}  // namespace grenache::exchange

GRN_ERROR_CODE_ENUM(grenache::exchange::PeerErrc);
