// Commands to a trading peer, by a person or a program, and their answers.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "exchange/core/credit_command.hpp"
#include "exchange/core/peg.hpp"
#include "exchange/messages/nip69.hpp"
#include "exchange/messages/order_record.hpp"

namespace grenache::exchange {

/// How long an order stays, and how much of it is traded at once.
enum class TimeInForce {
  good_till_cancelled,  // refreshed before it expires
  good_till_date,       // expires at its time
  immediate_or_cancel,  // takes what matches now; the rest is not published
  fill_or_kill,         // takes all of it now, or nothing
};
/// "GTC", "GTD", "IOC" or "FOK".
[[nodiscard]] std::string_view to_text(TimeInForce time_in_force);
[[nodiscard]] std::optional<TimeInForce> parse_time_in_force(std::string_view text);

/// True of orders that are executed at once and never published.
[[nodiscard]] constexpr bool is_immediate(TimeInForce time_in_force) {
  return time_in_force == TimeInForce::immediate_or_cancel || time_in_force == TimeInForce::fill_or_kill;
}

inline constexpr std::size_t kIdPrefixSizeMin = 4;
inline constexpr std::size_t kGroupNameSizeMax = 32;

/// Commands. An id of an order may be shortened to its first characters, as long as only one order begins
/// with them; at least kIdPrefixSizeMin.
namespace command {

/// Publishes an order. Answer: Placed. An IOC or FOK order is not published: it takes what matches in the
/// book and pays for it. Answer: Execution.
struct AddOrder {
  Side side = Side::buy;
  PriceCents price;  // not used if `peg` is set
  Satoshi amount;
  TimeInForce time_in_force = TimeInForce::good_till_cancelled;
  /// Until it expires, or is refreshed; none: a day. At most kOrderLifeMax. Only of GTC and GTD orders.
  std::optional<std::chrono::milliseconds> life;
  bool post_only = false;  // refused if it matches an order of the book; not of IOC and FOK orders
  /// Smaller takes are refused, except one of the whole rest; 0: any. Not of IOC and FOK orders.
  Satoshi least_take;
  /// Joins a one-cancels-other group of this peer's orders; at most kGroupNameSizeMax bytes, empty: none. Not
  /// of IOC and FOK orders, and not with a shared reservation store.
  std::string group{};
  /// The price follows an index, see PeggedOrders. Of GTC orders without a life and of GTD orders, which are
  /// in no group and not post-only, and not with a shared reservation store.
  std::optional<Peg> peg{};
};
/// Withdraws a part of an own order, which keeps its priority. Reserved and filled parts stay. Answer:
/// Placed.
struct ReduceOrder {
  std::string id;
  Satoshi by;  // > 0
};
/// Closes an own order. Reservations stay until they are paid or expire. Answer: Placed.
struct CancelOrder {
  std::string id;
};
/// Lists orders. Answer: OrderList.
struct ListOrders {
  bool own_only = false;
};
/// Sums up the live orders by price. Answer: Ladder.
struct ShowBook {
  std::size_t level_count_max = 10;  // of each side
};
/// Lists the counterparts of an order. Answer: OrderList, best first.
struct ListMatches {
  std::string id;
};
/// Asks the maker of an order for an amount of it: reserves it and gets an invoice. Answer: PurchaseView.
struct AcceptOrder {
  std::string id;
  std::optional<Satoshi> amount;  // none: all that remains
  // Guards: the order must still have this price, and this version. None: not looked at.
  std::optional<PriceCents> price;
  std::optional<std::int64_t> seq;
  /// Own order that this take is for: its amount is held until the take has ended, then counts as filled.
  std::string for_order;
  bool pay = false;  // pays the invoice at once
  bool or_next =
      false;  // if the maker refuses or does not answer, the next best orders at this price or better
};
/// Pays an invoice that AcceptOrder got. Answer: PurchaseView, with the preimage.
struct Pay {
  std::string invoice;  // or the id of the take, or the beginning of it
};
/// Lists finished trades, the newest first. Answer: History.
struct ListTrades {
  std::size_t count_max = 100;
};
/// Connects to a peer at host:port, without the DHT. Answer: Connected.
struct Connect {
  std::string endpoint;
};
/// Answer: PeerList.
struct ListPeers {};
/// Answer: StatusView.
struct ShowStatus {};
/// Says what became of an order and of the takes of it. Answer: History.
struct Explain {
  std::string id;  // of an order or a take
};

/// Writes orders as NIP-69 events, signed by us: our orders until they expire, closed ones included. Answer:
/// Exported.
struct ExportOrders {
  bool all = false;  // the open signed orders of other makers too
};
/// Reads a file of NIP-69 events, one a line, at most kImportedMax. Orders of this program enter the book as
/// if their makers had sent them; those of others are shown alone. Answer: Imported.
struct ImportOrders {
  std::string file;  // of the host on which the peer runs
};
/// What a line of that file holds.
struct ImportedLine {
  std::size_t number = 0;  // from 1
  Result<Nip69Order> order = NostrErrc::not_json;
};
/// The same with the file read.
struct AddImported {
  std::vector<ImportedLine> lines;
  std::size_t left_out = 0;  // lines beyond the limit
};

}  // namespace command

/// Events that are read of one file.
inline constexpr std::size_t kImportedMax = 1'000;

/// The commands that the core executes.
using TraderCommand =
    std::variant<command::AddOrder, command::ReduceOrder, command::CancelOrder, command::ListOrders,
                 command::ShowBook, command::ListMatches, command::AcceptOrder, command::Pay,
                 command::Connect, command::ListPeers, command::ShowStatus, command::ExportOrders,
                 command::AddImported, command::ProposeCredit, command::AnswerProposal, command::PayCredit,
                 command::LimitCredit, command::AskCredit, command::ForwardCredit, command::AllowNetting,
                 command::NetDebts, command::FreezeCredit, command::CloseCredit, command::ResetCredit,
                 command::ShowBalance, command::SettleCredit, command::ListUsers, command::DeleteUsers,
                 command::LeaveCredit>;
/// All commands; the last five are answered or prepared by the shell, from the journal or a file.
using Command =
    std::variant<command::AddOrder, command::ReduceOrder, command::CancelOrder, command::ListOrders,
                 command::ShowBook, command::ListMatches, command::AcceptOrder, command::Pay,
                 command::Connect, command::ListPeers, command::ShowStatus, command::ExportOrders,
                 command::ProposeCredit, command::AnswerProposal, command::PayCredit, command::LimitCredit,
                 command::AskCredit, command::ForwardCredit, command::AllowNetting, command::NetDebts,
                 command::FreezeCredit, command::CloseCredit, command::ResetCredit, command::ShowBalance,
                 command::SettleCredit, command::ListUsers, command::DeleteUsers, command::LeaveCredit,
                 command::ListTrades, command::Explain, command::ImportOrders, command::ListPayments,
                 command::ShowReceipt>;

/// Answers.
namespace result {

enum class FailureCode {
  invalid = 1,  // a parameter is missing or out of range
  not_found,    // no such order, take or invoice
  ambiguous,    // several orders begin with this id
  refused,      // by the maker, or by a guard of the command
  unavailable,  // the reservation store, the maker or the network does not answer; may be tried again
  stopped,
};
struct Failure {
  FailureCode code{};
  std::string text;  // one sentence for a person
  std::string hint;  // what to do next; may be empty
  CreditRefusal credit = CreditRefusal::none;
  std::int64_t cents = 0;  // see CreditRefusal
};

struct OrderView {
  OrderRecord order;
  bool is_own = false;
  Satoshi reserved{};   // of own orders: by takers with an invoice that is not paid yet
  Satoshi matched{};    // in an answer to ListMatches: the tradable amount
  std::string group{};  // of own orders, see OwnOrder::group
  std::string peg{};    // of own orders: what its price follows, and whether it is paused; empty: nothing
};

struct Placed {
  OrderView order;
};
struct OrderList {
  std::vector<OrderView> orders;
  std::size_t left_out = 0;      // beyond the limit of a list
  std::size_t hidden_count = 0;  // not listed, since their makers are silent
};
struct Level {
  PriceCents price;
  Satoshi amount;
  std::size_t order_count = 0;
};
struct Ladder {
  std::vector<Level> bids;       // the highest price first
  std::vector<Level> asks;       // the lowest price first
  std::size_t hidden_count = 0;  // orders of makers that are silent
};

/// The stages of a take at the taker.
enum class PurchaseState {
  asking,    // the maker was asked for an invoice
  invoiced,  // waits for the person to pay
  paying,    // the maker was asked for the preimage
  settled,   // the maker has given the preimage
  failed,
};
[[nodiscard]] std::string_view to_text(PurchaseState state);
[[nodiscard]] std::optional<PurchaseState> parse_purchase_state(std::string_view text);

struct PurchaseView {
  std::string take_id;
  std::string order_id;
  std::optional<PeerId> maker;
  Side side = Side::buy;  // of the taker
  Satoshi amount;
  PriceCents price;
  PurchaseState state{};
  std::string invoice;  // empty while asking
  WallTime invoice_expires{};
  std::string preimage;  // hex; empty until settled
};
/// The trades of an IOC or FOK order.
struct Execution {
  Side side = Side::buy;
  PriceCents limit;  // the worst price allowed
  Satoshi wanted;
  Satoshi filled;                   // settled
  std::vector<PurchaseView> takes;  // settled ones, and those whose makers have not confirmed the payment
};
struct History {
  std::vector<std::string> rows;   // JSON, of the journal
  std::vector<std::string> words;  // for people; of Explain
};
struct Connected {
  std::string endpoint;
  std::string name;
  std::optional<PeerId> peer;  // none: a peer of the original program
};
struct PeerView {
  std::string endpoint;
  std::string name;
  std::optional<PeerId> peer;  // claimed; none: a peer of the original program
  bool is_proven = false;      // it has signed that it is `peer`
  std::string source;          // "dht", "connect", "peers" or "earlier"
  bool is_synced = false;
  bool is_convicted = false;  // has signed contradictory terms of an order
  std::string trouble;        // why it could not be reached the last time
};
struct PeerList {
  std::vector<PeerView> peers;
};
struct IndexView {
  std::string name;
  std::optional<PriceCents> price;  // none: too few fresh quotes
  std::size_t fresh_count = 0;
  std::size_t needed_count = 0;
};
struct StatusView {
  PeerId id;
  std::string name;
  std::string endpoint;
  std::size_t peer_count = 0;
  std::size_t order_count = 0;
  std::size_t own_order_count = 0;
  std::size_t hidden_count = 0;    // of the orders, those of makers that are silent
  std::size_t sale_count = 0;      // invoices that wait for their payment
  std::size_t purchase_count = 0;  // takes that have not ended
  std::vector<IndexView> indexes{};
  // Filled in by the shell.
  std::string data_dir;      // empty: nothing is kept
  std::string grape;         // the one that answers, or why none does
  std::string reservations;  // "in this process", or the Redis and its state
};

struct Exported {
  std::vector<NostrEvent> events;
  std::size_t left_out = 0;  // beyond the limit of a list
};
/// What became of an event that was read.
enum class ImportOutcome {
  added,    // a new order of the book
  updated,  // a newer version of an order of the book
  known,    // the book has this version or a newer one
  foreign,  // of another program: cannot be taken here
  refused,  // not valid, or the book refuses it
};
/// "added", "updated", "known", "foreign" or "refused".
[[nodiscard]] std::string_view to_text(ImportOutcome outcome);
struct ImportedOrder {
  std::size_t line = 0;
  ImportOutcome outcome{};
  std::string reason;               // of a refusal
  std::optional<Nip69Order> order;  // none: not read
};
struct Imported {
  std::vector<ImportedOrder> orders;
  std::size_t left_out = 0;  // lines beyond the limit
};

}  // namespace result

using CommandResult =
    std::variant<result::Failure, result::Placed, result::OrderList, result::Ladder, result::PurchaseView,
                 result::Execution, result::History, result::Connected, result::PeerList, result::StatusView,
                 result::Exported, result::Imported, result::CreditLineView, result::CreditBalance,
                 result::CreditPayment, result::NettingDone, result::CreditForecast, result::Receipt,
                 result::CreditSettlement, result::LedgerUsers, result::LedgerDeleted, result::CreditLeave>;

}  // namespace grenache::exchange
