// Orders that are executed at once and never published: immediate-or-cancel and fill-or-kill.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "exchange/core/book.hpp"
#include "exchange/core/trade/purchases.hpp"
#include "exchange/core/turn.hpp"

namespace grenache::exchange {

/// Spreads each order over the orders that it matches, the best first. What a maker does not grant is asked
/// of the next one.
///
/// An IOC order pays each invoice when it arrives. A FOK order pays all of its invoices in one turn, as soon
/// as they add up to its amount; if they cannot, none is paid, and the makers' reservations end with the
/// invoices. A maker that fails after it has given its invoice can still leave a FOK order partly filled.
///
/// The state is in memory alone. After a restart Purchases continues what was being paid, and what is asked
/// for within its patience; the rest is cancelled.
///
/// Promises: no amount is taken again whose payment may have arrived
/// (ImmediateOrderTest.anAmountWhosePaymentMayHaveArrivedIsNotBoughtAgain); a FOK order pays nothing unless
/// all of it was granted (ImmediateOrderTest.aFokOrderPaysNothingWhenOneMakerDoesNotGrant); no order takes
/// more than it wants, whatever fails (CrashTest.allPromisesAreKeptWhateverFails).
class ImmediateOrders {
 public:
  struct Options {
    std::size_t count_max = 16;
    std::size_t asking_count_max = 64;  // takes of an order that ask at the same time
    /// No take is begun after this.
    Duration patience = std::chrono::seconds{10};
    /// A maker that has not answered by then has not granted.
    std::chrono::milliseconds take_patience = std::chrono::seconds{2};
  };
  /// Tasks for Purchases. The caller passes its reports to on_report().
  struct Steps {
    std::vector<Purchases::Leg> takes;
    std::vector<std::string> payments;    // take ids
    std::vector<std::uint64_t> released;  // legs whose invoices are not paid
  };

  explicit ImmediateOrders(Options options) : options_{options} {}
  ImmediateOrders(ImmediateOrders const&) = delete;
  ImmediateOrders& operator=(ImmediateOrders const&) = delete;

  /// `matches` are those of `wanted`, the best first. The command ends with an Execution, or with a Failure
  /// if nothing was filled.
  [[nodiscard]] Steps start(CommandId command, command::AddOrder const& wanted, std::vector<Match> matches,
                            Turn& turn);
  [[nodiscard]] Steps on_report(Purchases::Report const& report, Turn& turn);

 private:
  enum class LegState { asking, invoiced, unconfirmed, settled, failed };
  struct Leg {
    LegState state = LegState::asking;
    Satoshi amount;
    result::PurchaseView take;
  };
  struct Entry {
    CommandId command = 0;
    command::AddOrder wanted;
    std::deque<Match> matches;  // not asked yet
    TimePoint last_take;        // none is begun later
    bool is_paying = false;     // each invoice is paid
    std::map<std::uint64_t, Leg> legs;
    std::string trouble;  // why the last leg failed
  };

  [[nodiscard]] Steps advance(std::uint64_t id, Turn& turn);
  void add_takes(std::uint64_t id, Steps& steps, Turn& turn);
  void end(std::uint64_t id, Steps& steps, Turn& turn);

  Options options_;
  std::map<std::uint64_t, Entry> entries_;
  std::map<std::uint64_t, std::uint64_t> entry_of_leg_;
  std::uint64_t last_entry_ = 0;
  std::uint64_t last_leg_ = 0;
};

}  // namespace grenache::exchange
