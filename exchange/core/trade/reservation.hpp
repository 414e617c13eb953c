// Commands to a reservation store and their answers.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "exchange/messages/money.hpp"
#include <grenache/base/time.hpp>

namespace grenache::exchange {

/// Lifetime of a reservation, and the maximum lifetime of an invoice.
inline constexpr std::chrono::milliseconds kReservationLife{900'000};
/// Maximum size of the ids in a command, in bytes.
inline constexpr std::size_t kReservationIdSizeMax = 128;

/// How long a store remembers an order after it has expired.
inline constexpr std::chrono::hours kOrderKept{24};

/// What a store keeps of an order beside its reservations. Every member only grows, so what several processes
/// know is merged by taking the greater value of each.
///
/// spent + live reservations never exceed the amount of the order. When merged totals leave less room than is
/// in use, the newest reservations end; `filled` takes precedence over `reduced`.
/// `spent` is what both are in sum, or more: after a loss of data a process that has filled a part may not
/// tell it, but others know the sum from the version of the order that it has signed, if they had heard of it
/// before they sold more of the order themselves.
struct OrderTotals {
  Satoshi filled;        // by settled takes
  Satoshi reduced;       // withdrawn by the maker
  bool closed = false;   // cancelled by the maker
  std::int64_t seq = 0;  // of the newest version of the order that may have been signed
  Satoshi spent{};       // filled and withdrawn

  void merge(OrderTotals const& other);
  /// Makes filled + reduced <= spent <= amount.
  void fit(Satoshi amount);
  friend bool operator==(OrderTotals const&, OrderTotals const&) = default;
};

/// An order as a process of its maker knows it.
struct KnownOrder {
  std::string id;    // unique for the maker; at most kReservationIdSizeMax bytes
  Satoshi amount;    // initial amount; never changes
  WallTime expires;  // the store may forget the order, with its settled takes, kOrderKept after this
  OrderTotals totals;
};

/// A live reservation.
struct Reservation {
  std::string take_id;
  std::string taker;
  Satoshi amount;
  /// Increases with every reservation of the maker, so stale holders have a lower one. Never used twice.
  std::int64_t fence = 0;
  WallTime reserved_at{};            // by the store's clock
  std::chrono::milliseconds life{};  // time until it expires
};

/// Commands. Each carries what its sender knows of the order, which the store merges into what it has. A
/// store executes commands in order, and refuses all with `unavailable` until it has executed the first
/// Recover.
namespace store {

/// Reserves `wanted`, all of it or nothing, if spent + live reservations + wanted does not exceed the amount
/// of the order, the order is not closed, and the taker has no other reservation of it. The same take id gets
/// the same live reservation again, also after the order was closed; once settled, it is refused as `gone`.
///
/// While one of `rivals` has a live reservation, and once one was filled in part, the order is not reserved.
/// A store in Redis refuses with `unavailable` if there are any.
struct Reserve {
  KnownOrder order;
  std::string take_id;  // at most kReservationIdSizeMax bytes
  std::string taker;    // peer id in hex, or "003:" and the exchangeId of a peer without a key
  Satoshi wanted;       // > 0
  std::chrono::milliseconds life = kReservationLife;  // > 0
  std::vector<std::string> rivals{};                  // ids of the other orders of its group
};
/// Makes a live reservation a part of `filled`, for ever. Repeated with the same take and fence, it has no
/// further effect: the answer has the same amount and the totals of that moment. So it is safe to repeat when
/// its answer was lost.
struct Settle {
  KnownOrder order;
  std::string take_id;
  std::int64_t fence = 0;
};
/// Ends a reservation, if its fence is still `fence`.
struct Release {
  std::string order_id;
  std::string take_id;
  std::int64_t fence = 0;
};
/// Withdraws up to `reduce_by` of what is neither filled nor reserved, closes the order if `close`, and gives
/// out the next seq. Reservations stay, and can be settled after the order was closed.
///
/// Counts from what the sender knows: raises `reduced` to order.totals.reduced + reduce_by at most. So it is
/// safe to repeat with the same totals when its answer was lost. A sender waits for the answer before it
/// sends the next Update of an order; of two processes that reduce from the same total, the greater counts.
struct Update {
  KnownOrder order;
  Satoshi reduce_by;
  bool close = false;
};
/// Tells a store that may have lost its data what this process has promised. May be repeated.
///
/// A take that does not fit into its order any more, or was settled, is not restored: its Settle is refused.
/// When `unavailable`, the sender tries again after a while.
struct Recover {
  struct Take {
    std::string order_id;
    Reservation reservation;
  };
  std::vector<KnownOrder> orders;
  std::vector<Take> takes;  // live ones, of these orders; `life` is what is left
  std::int64_t fence = 0;   // the greatest fence this process has seen
};

using Command = std::variant<Reserve, Settle, Release, Update, Recover>;

/// Answers.

/// To Reserve.
struct Granted {
  Reservation reservation;
  bool repeated = false;  // the reservation existed already
  OrderTotals totals;
};
/// To Settle.
struct Settled {
  Satoshi amount;
  OrderTotals totals;  // include this take, with a new seq unless it had been settled before
};
/// To Release and Recover.
struct Done {};
/// To Update.
struct Updated {
  OrderTotals totals;  // with a new seq
};

enum class RefusalReason {
  unavailable = 1,  // no definite answer; whatever was reserved is undone
  reserved,         // live reservations leave less than wanted
  rival_reserved,   // another order of its group has a live reservation
  taker_has_one,    // the taker has a live reservation of this order under another take id
  too_many_takes,   // the order has as many live reservations, or settled ones, as the store allows
  amount,           // less than wanted is left for good
  closed,           // the order was closed
  gone,  // to Settle: has expired or was released, or its fence is another; to Reserve: was settled
};
/// A fragment of a sentence, without a final stop.
[[nodiscard]] std::string_view describe(RefusalReason reason);

/// To Reserve, Settle and Update; with `unavailable` to every command.
struct Refused {
  RefusalReason reason{};
  /// After this time enough may be free, or the store available; 0 if retrying is useless or the time is
  /// unknown.
  std::chrono::milliseconds retry_after{};
  OrderTotals totals{};  // zero if `unavailable`
};

using Answer = std::variant<Granted, Settled, Done, Updated, Refused>;

}  // namespace store

}  // namespace grenache::exchange
