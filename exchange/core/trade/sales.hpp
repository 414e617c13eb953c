// Takes of our orders, from the request to the preimage.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "exchange/core/self.hpp"
#include "exchange/core/trade/own_orders.hpp"
#include "exchange/core/trade/refused_takes.hpp"
#include "exchange/core/trade/take_rules.hpp"
#include "exchange/core/turn.hpp"
#include "exchange/messages/take_message.hpp"

namespace grenache::exchange {

/// Stages of a sale. All but `reserving` are durable.
enum class SaleState {
  reserving,  // the store was asked
  invoiced,   // the taker has the invoice
  paying,     // the taker has paid; the store was asked to settle. Not with a store in this process
  settled,    // the taker has the preimage
  expired,    // the invoice was not paid in time
};
[[nodiscard]] std::string_view to_text(SaleState state);
[[nodiscard]] std::optional<SaleState> parse_sale_state(std::string_view text);

/// One take of an order of this peer.
struct Sale {
  std::string order_id;
  std::string take_id;  // as chosen by the taker; empty for the original
  std::string taker;    // see taker_of()
  Satoshi amount;
  std::int64_t fence = 0;
  WallTime reserved_at{};
  std::chrono::milliseconds life{};
  SaleState state = SaleState::reserving;

  [[nodiscard]] WallTime invoice_expires() const { return reserved_at + life; }
};

/// The maker's side of all takes. A take is identified by order, take id and taker.
///
/// Promises: the preimage leaves only after the store has settled the take and that is durable
/// (TradeTest.aPreimageIsOnlySentOnceTheTradeIsDurable); one take id has one outcome, also after a restart
/// (TradeTest.aRepeatedTakeGetsTheSameInvoiceAfterARestartOfTheMaker); a late payment is refused
/// (TradeTest.aLatePaymentIsRefusedAndKeepsItsPreimage).
class Sales {
 public:
  struct Options {
    TakeOptions takes{};
    RefusedTakes::Options refused{};
    std::size_t reserving_count_max = 1'000;  // takes that wait for the store; about 1 kB each
    std::size_t waiting_count_max = 4;        // requests that wait for the same take
    std::chrono::milliseconds settle_retry = std::chrono::seconds{2};  // when the store does not answer
  };

  /// What other parts have to know of the outcome of a store command.
  struct Outcome {
    std::string order_id;
    OrderTotals totals;        // what the store has told
    std::optional<Sale> sold;  // set once, when a take was settled
  };

  /// `self` must outlive this object. A store in this process forgets a Settle when the process ends, so a
  /// payment has one transaction, that of the trade: until then the sale stays `invoiced`.
  Sales(Options options, Self const& self, bool is_store_in_process)
      : options_{std::move(options)},
        self_{self},
        is_store_in_process_{is_store_in_process},
        refused_{options_.refused} {}
  Sales(Sales const&) = delete;
  Sales& operator=(Sales const&) = delete;

  /// Handles a take request for one of `orders`. One reply follows.
  void execute(RequestId request, PayloadForm form, ExecuteOrderMessage const& message,
               OwnOrders const& orders, Turn& turn);
  /// Handles a payment. One reply follows: the preimage or a refusal.
  void pay(RequestId request, PayloadForm form, PayMessage const& message, OwnOrder const* order, Turn& turn);
  /// The answer to a store command of this part.
  [[nodiscard]] Outcome on_stored(std::uint64_t key, store::Answer const& answer, OwnOrders const& orders,
                                  Turn& turn);
  /// Ends sales whose invoices were not paid in time, and repeats Settle where the store did not answer.
  void expire(OwnOrders const& orders, Turn& turn);
  [[nodiscard]] TimePoint next_expiry() const;
  /// Forgets the sales of an order that has ended.
  void forget(std::string const& order_id, Turn& turn);

  /// Sum of the amounts with an unpaid invoice.
  [[nodiscard]] Satoshi reserved(std::string_view order_id) const;
  /// Adds what takers have asked for or have an unpaid invoice for.
  void add_claims(Claims& out) const;
  /// Number of unpaid invoices. Linear in the number of sales.
  [[nodiscard]] std::size_t open_count() const;
  /// Live reservations, for store::Recover.
  [[nodiscard]] std::vector<store::Recover::Take> live(WallTime now) const;
  [[nodiscard]] std::int64_t fence_max() const { return fence_max_; }

  /// Reads a row of kind "sale", "fence" or "refusal". False if it is malformed. Call resume() after all
  /// rows.
  [[nodiscard]] bool restore(Row const& row);
  /// Continues what was under way: settles what was being paid.
  void resume(OwnOrders const& orders, Turn& turn);
  /// Appends the rows that restore() reads, by kind and key. Sales that wait for their reservation are in
  /// memory alone.
  void dump(std::vector<Row>& out) const;
  static constexpr char const* kRowKind = "sale";
  static constexpr char const* kFenceKind = "fence";

 private:
  /// Order id and take id in the store.
  using Key = std::pair<std::string, std::string>;
  struct Waiting {
    RequestId request = 0;
    PayloadForm form = PayloadForm::text;
  };
  struct Entry {
    Sale sale;
    std::vector<Waiting> waiting;
    TimePoint deadline = TimePoint::max();
    bool is_asking = false;    // a store command is under way
    bool is_settling = false;  // `paying`, with a store in this process
  };

  static Key key_of(Sale const& sale) { return {sale.order_id, store_take_id(sale.take_id, sale.taker)}; }
  void refuse(Waiting const& to, Refusal const& refusal, Turn& turn) const;
  void refuse_all(Entry& entry, Refusal const& refusal, Turn& turn) const;
  void send_invoice(Entry& entry, Turn& turn) const;
  void send_preimage(Entry& entry, Turn& turn) const;
  void settle(Entry& entry, OwnOrder const& order, Turn& turn);
  void set_deadline(Entry& entry, TimePoint deadline);
  /// When the row of an expired sale is erased.
  [[nodiscard]] WallTime forgets_at(Sale const& sale) const;
  [[nodiscard]] static Row row_of(Sale const& sale);
  [[nodiscard]] Row fence_row() const;
  /// Erases the row of a sale. The greatest fence has a row of its own from then on: until then the rows of
  /// the sales have it.
  void erase_row(Key const& key, Turn& turn);
  Outcome on_reserved(Key const& key, Entry& entry, OwnOrder const* order, store::Answer const& answer,
                      Turn& turn);
  Outcome on_settled(Key const& key, Entry& entry, store::Answer const& answer, Turn& turn);
  void erase(Key const& key);

  Options options_;
  Self const& self_;
  bool is_store_in_process_;
  RefusedTakes refused_;
  std::map<Key, Entry> entries_;
  std::map<std::uint64_t, Key> asked_;  // store commands under way
  std::multimap<TimePoint, Key> deadlines_;
  std::uint64_t last_key_ = 0;
  std::int64_t fence_max_ = 0;
  std::int64_t fence_saved_ = 0;  // in a row of its own
};

}  // namespace grenache::exchange
