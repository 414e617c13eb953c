// One exchange peer without its sockets: answers the requests of others, keeps the book, asks others.
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
  not_listening,  // orders name the endpoint of their maker, so there must be one
  no_such_order,  // not an open order of this peer
};
[[nodiscard]] std::string_view describe(PeerErrc code);
constexpr char const* category_name(PeerErrc) { return "exchange.peer"; }
inline Error make_error_code(PeerErrc code) { return make_enum_error(code); }

/// The answer to a Call, or why there is none.
struct CallAnswer {
  json::Value result;
  std::string error;  // empty: there is an answer
};

/// An exchange peer as a pure core: inputs run to completion, outputs are pulled with poll_output(), time is
/// handed in. Several processes may run peers of one identity: each executes the orders of that identity that
/// it knows, whoever published them, and a shared reservation store keeps them from promising twice.
///
/// Messages go out as JSON text (the original dies of anything else) and answers in the form asked. Own
/// orders are told to all peers; what others published and was new here is passed on once, to a few. Unsigned
/// orders are kept and answered, but never passed on.
class Peer {
 public:
  struct Options {
    std::string name{};  // for show, at most kPeerNameSizeMax bytes
    Book::Options book{};
    TakeOptions takes{};
    std::size_t pending_take_count_max = 1'000;  // takes that wait for the store; each costs about 1 kB
    std::size_t relay_count =
        8;  // peers told about an order of somebody else; the rest hears of it from them
    std::size_t endpoint_count_max = 500;  // peers that are looked at; a grape returns 100
    std::chrono::milliseconds endpoint_age_max = std::chrono::minutes{2};  // since it was last looked up
    std::chrono::milliseconds sync_retry_delay =
        std::chrono::seconds{5};  // of an endpoint that did not answer
    // When a book is read again, for what was missed. Peers of the original tell nobody what they hear.
    std::chrono::milliseconds reread_interval = std::chrono::minutes{1};
    std::chrono::milliseconds original_reread_interval = std::chrono::seconds{5};
  };

  Peer(Options options, SecretKey const& key, Random random);
  Peer(Peer const&) = delete;
  Peer& operator=(Peer const&) = delete;

  [[nodiscard]] PeerId const& id() const { return id_; }
  [[nodiscard]] Book const& book() const { return book_; }

  /// The RPC server of this peer can be reached there (host:port); its port becomes the exchangeId.
  void listening(std::string endpoint);

  /// A request of another peer. Answered by one Reply with `request`, at once or after reserved().
  void receive(RequestId request, json::Value payload, WallTime now);
  /// What the store said to a Reserve.
  void reserved(RequestId request, ReserveOutcome const& outcome, WallTime now);

  /// Signs an order, puts it into the book and tells everybody. Errors: PeerErrc, BookErrc.
  [[nodiscard]] Result<OrderRecord> publish(OrderTerms const& terms, WallTime now);
  /// Closes an order of this peer and tells everybody. What is reserved already stays reserved.
  [[nodiscard]] Result<OrderRecord> cancel(std::string const& order_id, WallTime now);
  /// What the order may trade with, best first; nothing when it is not known.
  [[nodiscard]] std::vector<Match> matches(std::string_view order_id, WallTime now) const;

  /// Asks whether somebody is there. Ends in PongReceived or CallFailed.
  CallId ping(std::string endpoint, WallTime now);
  /// Asks the maker of `order` for `amount` of it, at the order's price: at the endpoints where the maker
  /// answered a ping, then at the one in the order. Ends in TakeGranted, TakeRefused or CallFailed. A take
  /// that is asked for again with the same `take_id` is the same take; empty makes a new one.
  CallId take(OrderRecord const& order, Satoshi amount, std::string take_id, WallTime now);
  /// The endpoints under the service's name, as a lookup found them. New ones are pinged and asked for their
  /// books, known ones for their books from time to time.
  void found(std::vector<std::string> const& endpoints, WallTime now);
  void answered(CallId call, CallAnswer answer, WallTime now);

  /// Endpoints that answered as `peer`.
  [[nodiscard]] std::vector<std::string> endpoints_of(PeerId const& peer) const;
  /// Endpoints known at present, other than our own.
  [[nodiscard]] std::size_t endpoint_count() const;
  /// No endpoint waits for an answer to its first ping or book request.
  [[nodiscard]] bool is_synced() const;

  /// Forgets expired orders and endpoints that are gone. To be called about once a second.
  void expire(WallTime now);

  [[nodiscard]] std::optional<Output> poll_output();

 private:
  // Where an endpoint is on its way from being found to having shown its book.
  enum class Sync { none, pinging, reading, done };
  struct EndpointState {
    WallTime last_found{};
    WallTime next_at{};  // of the next attempt, when none is under way
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
    std::string endpoint;            // asked at present
    std::deque<std::string> others;  // still to be asked when this one does not answer
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
  std::string instance_;  // tells this process from others of the same identity
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
