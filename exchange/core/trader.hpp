// The core of a trading peer, without sockets: routes inputs to its parts and holds the rules between them.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "exchange/core/book.hpp"
#include "exchange/core/book/equivocation.hpp"
#include "exchange/core/credit/credit.hpp"
#include "exchange/core/network/book_answers.hpp"
#include "exchange/core/network/guard.hpp"
#include "exchange/core/network/heartbeats.hpp"
#include "exchange/core/network/intake.hpp"
#include "exchange/core/network/peers.hpp"
#include "exchange/core/network/proof_spread.hpp"
#include "exchange/core/network/relay_fees.hpp"
#include "exchange/core/network/sync.hpp"
#include "exchange/core/self.hpp"
#include "exchange/core/trade/crossing.hpp"
#include "exchange/core/trade/immediate_orders.hpp"
#include "exchange/core/trade/own_orders.hpp"
#include "exchange/core/trade/pegged_orders.hpp"
#include "exchange/core/trade/purchases.hpp"
#include "exchange/core/trade/reference_price.hpp"
#include "exchange/core/trade/sales.hpp"
#include "exchange/core/turn.hpp"

namespace grenache::exchange {

/// A trading peer as a state machine: each input runs to completion, outputs are polled with poll_output(),
/// the caller passes the time. At the start the caller restores the rows of its journal, then calls start().
///
/// Requests are sent as JSON text (the original program crashes on anything else), answers in the form of the
/// request. Unsigned orders are stored and returned, but never relayed.
class Trader {
 public:
  struct Options {
    std::string name{};  // for display; at most kPeerNameSizeMax bytes
    /// Other processes with this identity use the same reservation store.
    bool is_store_shared = false;
    /// The reservation store is memory of this process and ends with it.
    bool is_store_in_process = false;
    Position position = 0;  // of the journal
    Book::Options book{};
    BookAnswers::Options book_answers{};
    Equivocations::Options equivocations{};
    ProofSpread::Options proofs{};
    RelayFees::Options relay_fees{};
    Heartbeats::Options heartbeats{};
    Guard::Options guard{};
    /// How many new unsigned orders an address may bring: 100 a day, callers on this host ten times as many.
    Guard::Options unsigned_orders{.units_per_second = 100.0 / 86'400, .units_max = 100};
    Intake::Options intake{};
    Peers::Options peers{};
    Sync::Options sync{};
    OwnOrders::Options own_orders{};
    Sales::Options sales{};
    Purchases::Options purchases{};
    ImmediateOrders::Options immediate_orders{};
    Crossing::Options crossing{};
    ReferencePrices::Options reference_prices{};
    PeggedOrders::Options pegged_orders{};
    Credit::Options credit{};
    std::size_t listed_count_max = 1'000;  // orders in an answer to a command
    int work_bits = 0;                     // proof of work of own orders
    std::size_t work_count_max = 16;       // orders that wait for theirs, without those that replace others
    std::size_t next_order_count_max = 3;  // further orders that an AcceptOrder may try
  };

  Trader(Options options, SecretKey const& key, Random random);
  Trader(Trader const&) = delete;
  Trader& operator=(Trader const&) = delete;

  [[nodiscard]] PeerId const& id() const { return self_.id; }
  [[nodiscard]] std::string const& endpoint() const { return self_.endpoint; }
  [[nodiscard]] Book const& book() const { return book_; }
  [[nodiscard]] Peers const& peers() const { return peers_; }
  [[nodiscard]] Sync const& sync() const { return sync_; }
  [[nodiscard]] OwnOrders const& own_orders() const { return own_orders_; }
  [[nodiscard]] RelayFees const& relay_fees() const { return relay_fees_; }
  [[nodiscard]] Equivocations const& equivocations() const { return equivocations_; }
  [[nodiscard]] Credit const& credit() const { return credit_; }
  [[nodiscard]] PeggedOrders const& pegged_orders() const { return pegged_orders_; }

  /// Sets the endpoint (host:port) of this peer's RPC server; its port becomes the exchangeId. Before
  /// start().
  void set_endpoint(std::string endpoint);
  /// Others reach this peer at another endpoint: own orders get a version that names it.
  void endpoint_changed(std::string endpoint, Now now);

  /// The kinds of rows that are to be restored.
  [[nodiscard]] static std::vector<std::string_view> row_kinds();
  /// Takes over a row of an earlier run. False if it is malformed.
  [[nodiscard]] bool restore(Row const& row);
  /// Returns the rows from which restore() makes the present state, by kind and key. They are those of the
  /// journal once all batches are durable. Linear; for tests.
  [[nodiscard]] std::vector<Row> dump() const;
  /// Tells the reservation store what was promised, and continues what was under way. Once, before all other
  /// inputs.
  void start(Now now);

  /// A request that came from `from`. Exactly one Reply with `request` follows.
  void receive(RequestId request, IpAddress const& from, json::Value payload, Now now);
  void call_answered(CallId call, CallAnswer answer, Now now);
  void store_answered(CallId call, store::Answer const& answer, Now now);
  /// The signatures of a batch were verified; `valid` tells for each of its orders whether its signature is.
  void verified(std::uint64_t batch, std::vector<bool> const& valid, Now now);
  /// The id with the work that was found for an output::Work; nothing if the time was over.
  void worked(std::uint64_t work, std::optional<std::string> found, Now now);
  /// A publisher has named the price of an index; the caller has verified that it was the publisher.
  void index_updated(IndexUpdate const& update, Now now);
  /// The reservation store has lost its data.
  void store_lost(Now now);
  /// Exactly one Answer with `id` follows.
  void execute(CommandId id, TraderCommand const& command, Now now);
  /// Endpoints that a lookup found, or that the configuration names.
  void endpoints_found(std::vector<std::string> const& endpoints, ContactSource source, Now now);
  /// Does what is due. Call it at next_deadline().
  void expire(Now now);
  [[nodiscard]] TimePoint next_deadline(Now now) const;

  /// True when this peer has orders whose rules only its own reservation store keeps: open ones of a
  /// one-cancels-other group, and pegged ones. Linear in the number of its orders.
  [[nodiscard]] bool needs_unshared_store(WallTime now) const;
  /// True when this peer has live orders of `side`. Linear in the number of its orders.
  [[nodiscard]] bool has_orders(Side side, WallTime now) const;
  /// Says in words what the live order whose id begins with `id` matches, or why it matches nothing. Empty
  /// unless there is exactly one.
  [[nodiscard]] std::string describe_match(std::string const& id, Now now) const;

  /// True when every known endpoint was pinged, every peer's book was read, once, and no order waits for the
  /// verification of its signature.
  [[nodiscard]] bool is_synced() const {
    return peers_.all_tried() && sync_.all_read() && intake_.size() == 0;
  }

  [[nodiscard]] std::optional<Output> poll_output();

 private:
  template <class Body>
  void in_turn(Now now, Body body);

  // Requests
  struct Caller {
    RequestId request = 0;
    PayloadForm form{};
    IpAddress address;
  };
  void handle(Caller const& caller, GetPeersMessage const& message, Turn& turn);
  void handle(Caller const& caller, ReconcileMessage const& message, Turn& turn);
  void handle(Caller const& caller, AddOrderMessage const& message, Turn& turn);
  void handle(Caller const& caller, InventoryMessage const& message, Turn& turn);
  void handle(Caller const& caller, EquivocationMessage const& message, Turn& turn);
  void handle(Caller const& caller, CreditMessages const& message, Turn& turn);
  void handle(RequestId request, PayloadForm form, RelayFeeMessage const& message, Turn& turn);
  /// What answering a request costs at most.
  [[nodiscard]] Guard::Units cost_of(Request const& request, PayloadForm form, TimePoint now) const;
  /// False if the guard refuses it, which is replied.
  [[nodiscard]] bool may_cost(RequestId request, IpAddress const& from, Guard::Units units, Turn& turn);
  void handle(RequestId request, PayloadForm form, PingPongMessage const& message, Turn& turn);
  void handle(RequestId request, PayloadForm form, GetOrderMatchesMessage const& message, Turn& turn);
  void handle(RequestId request, PayloadForm form, GetOrderbookMessage const& message, Turn& turn);
  void handle(RequestId request, PayloadForm form, ExecuteOrderMessage const& message, Turn& turn);
  void handle(RequestId request, PayloadForm form, PayMessage const& message, Turn& turn);
  void handle(RequestId request, PayloadForm form, GetRecordsMessage const& message, Turn& turn);
  template <class CreditRequest>
  requires requires(Credit& credit, RequestId request, PayloadForm form, CreditRequest const& message,
                    Turn& turn) {
    credit.handle_transit(request, form, message, turn);
  }
  void handle(RequestId request, PayloadForm form, CreditRequest const& message, Turn& turn) {
    credit_.handle_transit(request, form, message, turn);
  }

  // Commands
  void run(CommandId id, command::AddOrder const& wanted, Turn& turn);
  void run(CommandId id, command::ReduceOrder const& wanted, Turn& turn);
  void run(CommandId id, command::CancelOrder const& wanted, Turn& turn);
  void run(CommandId id, command::ListOrders const& wanted, Turn& turn);
  void run(CommandId id, command::ShowBook const& wanted, Turn& turn);
  void run(CommandId id, command::ListMatches const& wanted, Turn& turn);
  void run(CommandId id, command::AcceptOrder const& wanted, Turn& turn);
  void run(CommandId id, command::Pay const& wanted, Turn& turn);
  void run(CommandId id, command::Connect const& wanted, Turn& turn);
  void run(CommandId id, command::ListPeers const& wanted, Turn& turn);
  void run(CommandId id, command::ShowStatus const& wanted, Turn& turn);
  void run(CommandId id, command::ExportOrders const& wanted, Turn& turn);
  void run(CommandId id, command::AddImported const& wanted, Turn& turn);

  template <class CreditCommand>
  requires requires(Credit& credit, CommandId id, CreditCommand const& wanted, Turn& turn) {
    credit.run(id, wanted, turn);
  }
  void run(CommandId id, CreditCommand const& wanted, Turn& turn) { credit_.run(id, wanted, turn); }

  /// An order that waits for its proof of work.
  struct PendingWork {
    CommandId command = 0;  // 0: a pegged order is replaced
    OwnOrder order;
  };
  void on_worked(std::uint64_t work, std::optional<std::string> found, Turn& turn);
  void on_peg_worked(PendingWork pending, bool is_found, Turn& turn);
  void begin_work(CommandId id, OwnOrder order, Turn& turn);
  void add_pegged(CommandId id, command::AddOrder const& wanted, Turn& turn);

  // Rules between parts
  /// Orders that were read from a peer, until all of them are verified.
  struct PendingRead {
    Sync::Read read;
    event::BookRead event;
    std::size_t waiting_count = 0;
  };
  /// An order has a new version: ours, or one that another peer has sent from `from`.
  void changed(OrderRecord const& order, std::string const& from, Turn& turn);
  [[nodiscard]] bool is_of_original(OrderRecord const& order, Sync::Read const& read) const;
  /// Takes an order of another peer into the book. Nothing is returned if it is decided later, when its
  /// signature was verified; then on_verified() tells `origin`.
  std::optional<Result<Added>> offer(OrderRecord const& order, Intake::Origin origin, Turn& turn);
  void on_verified(Intake::Verified const& verified, Turn& turn);
  Result<Added> admit(OrderRecord const& order, std::string const& from, Turn& turn);
  /// Two records, whose signatures are valid, contradict each other: hides the orders of their maker, and
  /// shows the proof to others.
  void convict(OrderRecord const& first, OrderRecord const& second, Turn& turn);
  [[nodiscard]] bool is_known(PeerId const& maker) const;
  /// True if orders of this maker are refused; then the peer that has sent one is shown why.
  bool is_refused(OrderRecord const& order, std::string const& from, Turn& turn);
  static void answer(Intake::Origin const& origin, Result<Added> const& added, Turn& turn);
  /// Saves a settled trade, whose USD leg moves over the credit line if there is one with room.
  void settled(event::TradeDone trade, std::optional<PeerId> const& counterpart, std::string const& unique,
               std::string const& preimage, Turn& turn);
  void sold(Sale const& sale, Turn& turn);
  void bought(Purchase const& purchase, Turn& turn);
  void run_steps(ImmediateOrders::Steps steps, Turn& turn);
  /// Begins takes of crossing orders, and passes on what has become of takes.
  void run_takes(Turn& turn);
  void apply(std::string const& order_id, OrderTotals const& totals, Turn& turn);
  /// Tells of the orders of a maker that need no work any more.
  void spread_welcome(PeerId const& maker, Turn& turn);
  /// Shows the orders of a maker that was silent.
  void show(PeerId const& maker);
  void on_ping(Peers::Outcome const& outcome, Turn& turn);
  void on_read(Sync::Read read, Turn& turn);
  void on_decided(std::uint64_t read, OrderRecord const& order, Result<Added> const& added, Turn& turn);
  void count(PendingRead& pending, OrderRecord const& order, Result<Added> const& added);
  void finish_read(std::uint64_t id, Turn& turn);
  /// Another peer has named its endpoint in a request that came from `from`.
  void on_sender(std::string const& endpoint, IpAddress const& from, Turn& turn);
  void expire_orders(WallTime now);
  /// What is asked for, reserved or held of own orders.
  [[nodiscard]] Claims claims() const;
  void look_at_pegs(Turn& turn);
  void recover_store(Turn& turn);
  [[nodiscard]] result::OrderView view(OrderRecord const& order) const;
  /// The pegged order that has this id, or whose order has it; or the beginning of either. Null if there is
  /// none.
  [[nodiscard]] PeggedOrder const* find_pegged(std::string const& id) const;
  [[nodiscard]] result::OrderView view(PeggedOrder const& peg) const;
  /// A closed order of a pegged order, of which nothing was sold or reserved.
  [[nodiscard]] bool is_replaced(OwnOrder const& order) const;
  [[nodiscard]] std::variant<OrderRecord const*, result::Failure> find_order(std::string const& id) const;
  [[nodiscard]] std::variant<OrderRecord const*, result::Failure> find_own_order(std::string const& id) const;

  Options options_;
  Self self_;
  Random random_;
  Book book_;
  BookAnswers book_answers_;
  Equivocations equivocations_;
  ProofSpread proofs_;
  RelayFees relay_fees_;
  Heartbeats heartbeats_;
  Guard guard_;
  Guard unsigned_guard_;
  Intake intake_;
  Peers peers_;
  Sync sync_;
  OwnOrders own_orders_;
  Sales sales_;
  Purchases purchases_;
  ImmediateOrders immediate_orders_;
  Crossing crossing_;
  ReferencePrices reference_prices_;
  PeggedOrders pegged_orders_;
  Credit credit_;
  CallTable calls_;
  std::map<std::uint64_t, PendingWork> works_;
  std::uint64_t last_work_ = 0;
  std::map<std::uint64_t, PendingRead> reads_;
  std::uint64_t last_read_ = 0;
  TurnPositions positions_;
  std::deque<Output> outputs_;
};

}  // namespace grenache::exchange
