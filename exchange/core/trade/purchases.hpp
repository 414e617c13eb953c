// Our takes of others' orders, from the request to the preimage.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "exchange/core/network/peers.hpp"
#include "exchange/core/order.hpp"
#include "exchange/core/self.hpp"
#include "exchange/core/trade/own_orders.hpp"
#include "exchange/core/turn.hpp"

namespace grenache::exchange {

/// One take of another maker's order.
struct Purchase {
  std::string take_id;
  OrderRecord order;  // as it was when we asked
  Satoshi amount;
  std::string for_order;  // own order whose amount is held; may be empty
  bool pays = false;      // a person has asked to pay
  result::PurchaseState state = result::PurchaseState::asking;
  std::string invoice;
  std::string granted_at;  // the endpoint that gave the invoice
  Sha256 payment_hash;
  WallTime invoice_expires{};
  std::string preimage;  // hex
  /// Why it failed. While it is asking: it has failed for whoever waited for it, and ends when it is known
  /// what the maker and the store have granted.
  std::string failure;
  std::int64_t hold_fence = 0;  // of the reservation of `for_order`, until it is settled or released
  WallTime changed_at{};        // when it was saved the last time
  WallTime give_up_at{};        // the maker is not asked for an invoice after this

  [[nodiscard]] result::PurchaseView view() const;
  /// A payment may have been sent.
  [[nodiscard]] bool may_be_paid() const { return pays && !invoice.empty(); }
};

/// The taker's side of all takes.
///
/// A maker is asked at the endpoint in its order and at those where it has proved to be, one after the other,
/// under one take id. A refusal is final only when no endpoint has granted. Then the next order is tried, if
/// the command names others, under a new take id. Each order is asked for during `patience`, also across a
/// restart. Once a payment was sent, the same maker is asked for the preimage until `pay_patience` after the
/// invoice has expired, and no other order is taken instead: nothing is paid twice. Of several processes of a
/// maker, the one that gave the invoice is always asked, since the others may not know it.
///
/// Promises: a take that may have been granted is durable before its request leaves
/// (TradeTest.aTakeIsDurableBeforeItsRequestLeaves); an own order that is taking cannot be taken for the same
/// amount (TradeTest.theOwnOrderIsHeldWhileItTakes); what the maker has settled is settled here too, whatever
/// crashes, unless this process is down until the patience has ended
/// (CrashTest.allPromisesAreKeptWhateverFails).
class Purchases {
 public:
  struct Options {
    std::size_t count_max = 1'000;
    std::size_t waiting_count_max = 16;                             // commands that wait for one take
    std::chrono::milliseconds patience = std::chrono::seconds{20};  // of asking for an invoice
    std::chrono::milliseconds pay_patience = std::chrono::hours{1};
    Duration retry_min = std::chrono::milliseconds{500};  // doubled after each round of endpoints
    Duration retry_max = std::chrono::seconds{30};
    std::size_t endpoint_count_max = 8;  // asked for one take in a round
    /// Outlives the longest take: asking, an invoice of a clock that is ahead, and paying.
    std::chrono::milliseconds hold_life =
        std::chrono::minutes{1} + std::chrono::minutes{10} + kReservationLife + std::chrono::hours{1};
  };
  /// What other parts have to know.
  struct Outcome {
    std::optional<Purchase> settled;  // set once, when the preimage has arrived
    std::string own_order;            // with `totals`: what the store has told of it
    OrderTotals totals;
  };

  /// One take of an order that is spread over several.
  struct Leg {
    std::uint64_t key = 0;  // > 0; chosen by the caller
    OrderRecord order;
    Satoshi amount;
    bool pays = false;                     // pays the invoice when it arrives
    std::chrono::milliseconds patience{};  // of asking for an invoice
    std::string for_order{};               // own order whose amount is held; may be empty
  };
  /// A leg has an invoice that it does not pay, has ended, or its maker has not confirmed the payment in the
  /// first round.
  struct Report {
    std::uint64_t leg = 0;
    Purchase purchase;       // with the amount of an earlier take, if that was used
    bool is_silent = false;  // the maker has not answered, or not as it must
  };

  /// The parts must outlive this object.
  Purchases(Options options, Self const& self, Peers const& peers, OwnOrders const& own)
      : options_{options}, self_{self}, peers_{peers}, own_{own} {}
  Purchases(Purchases const&) = delete;
  Purchases& operator=(Purchases const&) = delete;

  /// Takes `order`, or if that fails one of `others`, in this order. The guards of the command have been
  /// checked. The command ends with the invoice, with the preimage if it pays at once, or with the failure.
  void start(CommandId command, command::AcceptOrder const& wanted, OrderRecord const& order,
             std::vector<OrderRecord> others, Turn& turn);
  /// Begins a leg; poll_report() tells what becomes of it. Its maker is asked in one round. An invoice that
  /// was got before for the same terms and at most this amount is used again, since the maker grants a taker
  /// one at a time, unless the leg is for an own order. A leg that has no answer after its patience has
  /// failed; an invoice that comes later is not paid.
  void take(Leg leg, Turn& turn);
  /// Ends the reports of a leg; its invoice may be paid by a command, or used by another leg.
  void release(std::uint64_t leg);
  void pay(CommandId command, command::Pay const& wanted, Turn& turn);
  /// Returns the next change of a leg, or nothing. Call it until then after each input.
  [[nodiscard]] std::optional<Report> poll_report();
  [[nodiscard]] Outcome on_answered(std::uint64_t key, CallAnswer answer, Turn& turn);
  [[nodiscard]] Outcome on_stored(std::uint64_t key, store::Answer const& answer, Turn& turn);
  void expire(Turn& turn);
  [[nodiscard]] TimePoint next_expiry() const;
  /// Number of takes that have not ended.
  [[nodiscard]] std::size_t count() const { return entries_.size(); }
  /// How much of an own order is held, or will be, for takes that have not ended. Linear.
  [[nodiscard]] Satoshi held(std::string_view own_order) const;
  /// Adds what is held, or will be, of all own orders.
  void add_claims(Claims& out) const;
  /// An order of another maker is being taken. Linear.
  [[nodiscard]] bool is_taking(OrderKey const& order) const;
  /// Holds of own orders, for store::Recover.
  [[nodiscard]] std::vector<store::Recover::Take> holds(WallTime now) const;

  /// Reads a row of kind "purchase". False if it is malformed. Call resume() after all rows.
  [[nodiscard]] bool restore(Row const& row);
  /// Continues what was under way.
  void resume(Turn& turn);
  /// Appends the rows that restore() reads, by key.
  void dump(std::vector<Row>& out) const;
  static constexpr char const* kRowKind = "purchase";
  /// Ended takes; they are not loaded at the start. Those for own orders are kept only if there was an
  /// invoice, since no person has begun most of them.
  static constexpr char const* kEndedRowKind = "taken";

 private:
  using State = result::PurchaseState;
  struct Entry {
    Purchase purchase;
    std::vector<CommandId> waiting;
    std::deque<OrderRecord> others;
    std::deque<std::string> endpoints;  // not asked in this round
    std::string endpoint;               // the one being asked, or the last one
    std::optional<Refusal> refusal;     // of this round
    bool is_refusal_certain = false;    // it counts also while another endpoint does not answer
    std::string trouble;                // of this round: why an endpoint did not answer
    TimePoint give_up = TimePoint::max();
    TimePoint deadline = TimePoint::max();  // of the next round
    Duration delay{};
    bool is_asking = false;  // a call or a store command is under way
    std::uint64_t leg = 0;   // 0: none
  };
  struct Asked {
    std::string take_id;
    State state{};
  };
  enum class HoldStep { reserve, settle, release };
  struct AskedStore {
    std::string take_id;
    HoldStep step{};
  };

  /// The takes with this id or invoice; else those whose ids begin with `text`, of at least four characters.
  [[nodiscard]] std::vector<std::string> find_payable(std::string_view text) const;
  void begin(Entry entry, Turn& turn);
  void wait_for(Entry& entry, CommandId command, Turn& turn) const;
  void hold_then_ask(Entry& entry, Turn& turn);
  void start_round(Entry& entry, Turn& turn);
  void ask_next(Entry& entry, Turn& turn);
  void end_round(Entry& entry, Turn& turn);
  [[nodiscard]] json::Value request_of(Entry const& entry, Turn& turn) const;
  /// Returns why the answer is no invoice, or nothing.
  std::optional<std::string> read_invoice(Entry& entry, json::Value const& body, Turn& turn);
  std::optional<std::string> read_preimage(Entry& entry, json::Value const& body, Turn& turn);
  void try_next_order(Entry& entry, std::string reason, Turn& turn);
  void fail(Entry& entry, std::string reason, Turn& turn);
  void ask_hold(Entry& entry, HoldStep step, Turn& turn);
  void end(Entry& entry, Turn& turn);
  static void set_patience(Entry& entry, std::chrono::milliseconds patience, Turn const& turn);
  /// A call of a leg is under way that must not be awaited for ever.
  [[nodiscard]] static bool waits_for_leg(Entry const& entry) {
    return entry.is_asking && entry.leg != 0 && entry.purchase.state == State::asking;
  }
  void answer_waiting(Entry& entry, CommandResult const& result, Turn& turn) const;
  void report(Entry const& entry);
  [[nodiscard]] static bool is_kept(Purchase const& purchase);
  void abandon_leg(Entry& entry, Turn& turn);
  static void save(Purchase& purchase, Turn& turn);
  [[nodiscard]] static Row row_of(Purchase const& purchase);
  [[nodiscard]] std::deque<std::string> endpoints_for(OrderRecord const& order) const;

  Options options_;
  Self const& self_;
  Peers const& peers_;
  OwnOrders const& own_;
  std::map<std::string, Entry, std::less<>> entries_;  // by take id
  std::map<std::uint64_t, Asked> asked_;
  std::map<std::uint64_t, AskedStore> asked_store_;
  std::deque<Report> reports_;
  std::uint64_t last_key_ = 0;
};

}  // namespace grenache::exchange
