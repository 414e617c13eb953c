#include "exchange/core/trade/immediate_orders.hpp"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

namespace grenache::exchange {

using result::Failure;
using result::FailureCode;

namespace {

/// An invoice that ends sooner may not be payable any more when the last one has come.
constexpr std::chrono::milliseconds kPayTimeMin = std::chrono::seconds{15};

/// How much of `left` this order can give.
std::optional<Satoshi> amount_of(Match const& match, Satoshi left) {
  auto const amount = std::min(match.amount, left);
  bool const is_too_little = amount < match.order.least_take && amount < match.order.remaining;
  if (amount.units() <= 0 || is_too_little) return std::nullopt;
  return amount;
}

}  // namespace

ImmediateOrders::Steps ImmediateOrders::start(CommandId command, command::AddOrder const& wanted,
                                              std::vector<Match> matches, Turn& turn) {
  Satoshi available{};
  for (auto const& match : matches) {
    if (auto const amount = amount_of(match, wanted.amount - available)) available = available + *amount;
  }
  bool const is_too_little = wanted.time_in_force == TimeInForce::fill_or_kill && available < wanted.amount;
  if (matches.empty() || is_too_little) {
    auto const what = matches.empty() ? "no order of the book matches"
                                      : "only " + available.to_text() + " BTC of the book can be taken";
    turn.answer(command, Failure{FailureCode::refused, what + "; nothing was traded", "see: book"});
    return {};
  }
  if (entries_.size() >= options_.count_max) {
    turn.answer(command,
                Failure{FailureCode::unavailable, "too many such orders are under way", "try again"});
    return {};
  }
  Entry entry;
  entry.command = command;
  entry.wanted = wanted;
  entry.matches.assign(std::make_move_iterator(matches.begin()), std::make_move_iterator(matches.end()));
  entry.last_take = later_by(turn.now.steady, options_.patience);
  entry.is_paying = wanted.time_in_force == TimeInForce::immediate_or_cancel;
  entries_.emplace(++last_entry_, std::move(entry));
  return advance(last_entry_, turn);
}

ImmediateOrders::Steps ImmediateOrders::on_report(Purchases::Report const& report, Turn& turn) {
  auto const owner = entry_of_leg_.find(report.leg);
  if (owner == entry_of_leg_.end()) return {};
  auto& entry = entries_.at(owner->second);
  auto& leg = entry.legs.at(report.leg);
  auto const& purchase = report.purchase;
  leg.take = purchase.view();
  leg.amount = purchase.amount;
  bool is_released = false;
  switch (purchase.state) {
    case result::PurchaseState::asking:
      return {};
    case result::PurchaseState::invoiced:
      is_released = purchase.invoice_expires < turn.now.wall + kPayTimeMin;
      leg.state = is_released ? LegState::failed : LegState::invoiced;
      break;
    case result::PurchaseState::paying:
      leg.state = LegState::unconfirmed;
      break;
    case result::PurchaseState::settled:
      leg.state = LegState::settled;
      break;
    case result::PurchaseState::failed:
      // A payment that was sent may have reached the maker, so its amount is not taken again.
      leg.state = purchase.may_be_paid() ? LegState::unconfirmed : LegState::failed;
      entry.trouble = purchase.failure;
      break;
  }
  auto steps = advance(owner->second, turn);
  if (is_released) steps.released.push_back(report.leg);
  return steps;
}

void ImmediateOrders::add_takes(std::uint64_t id, Steps& steps, Turn& turn) {
  auto& entry = entries_.at(id);
  Satoshi left = entry.wanted.amount;
  std::size_t asking_count = 0;
  for (auto const& [key, leg] : entry.legs) {
    if (leg.state == LegState::asking) ++asking_count;
    if (leg.state != LegState::failed) left = left - leg.amount;
  }
  while (left.units() > 0 && !entry.matches.empty() && turn.now.steady <= entry.last_take &&
         asking_count < options_.asking_count_max) {
    auto match = std::move(entry.matches.front());
    entry.matches.pop_front();
    auto const amount = amount_of(match, left);
    if (!amount) continue;
    entry.legs.emplace(++last_leg_, Leg{LegState::asking, *amount, {}});
    entry_of_leg_.emplace(last_leg_, id);
    steps.takes.push_back(
        {last_leg_, std::move(match.order), *amount, entry.is_paying, options_.take_patience});
    left = left - *amount;
    ++asking_count;
  }
}

ImmediateOrders::Steps ImmediateOrders::advance(std::uint64_t id, Turn& turn) {
  auto& entry = entries_.at(id);
  Steps steps;
  // Once a FOK order is being paid, it takes no more.
  bool const may_take = !entry.is_paying || entry.wanted.time_in_force == TimeInForce::immediate_or_cancel;
  if (may_take) add_takes(id, steps, turn);
  bool const is_asking =
      std::ranges::any_of(entry.legs, [](auto const& leg) { return leg.second.state == LegState::asking; });
  if (is_asking) return steps;
  if (entry.is_paying) {
    bool const waits = std::ranges::any_of(
        entry.legs, [](auto const& leg) { return leg.second.state == LegState::invoiced; });
    if (!waits) end(id, steps, turn);
    return steps;
  }
  Satoshi granted{};
  for (auto const& [key, leg] : entry.legs) {
    if (leg.state == LegState::invoiced) granted = granted + leg.amount;
  }
  if (granted < entry.wanted.amount) {
    end(id, steps, turn);
    return steps;
  }
  entry.is_paying = true;
  for (auto const& [key, leg] : entry.legs) {
    if (leg.state == LegState::invoiced) steps.payments.push_back(leg.take.take_id);
  }
  return steps;
}

void ImmediateOrders::end(std::uint64_t id, Steps& steps, Turn& turn) {
  auto const& entry = entries_.at(id);
  result::Execution out{entry.wanted.side, entry.wanted.price, entry.wanted.amount, {}, {}};
  for (auto const& [key, leg] : entry.legs) {
    entry_of_leg_.erase(key);
    bool const may_be_paid_later = leg.state == LegState::invoiced || leg.state == LegState::unconfirmed;
    if (may_be_paid_later) steps.released.push_back(key);
    if (leg.state == LegState::settled) out.filled = out.filled + leg.amount;
    bool const is_paid = leg.state == LegState::settled || leg.state == LegState::unconfirmed;
    if (is_paid) out.takes.push_back(leg.take);
  }
  if (!out.takes.empty()) {
    turn.answer(entry.command, std::move(out));
  } else {
    auto const why =
        entry.trouble.empty() ? "the matching orders cannot be taken for such an amount" : entry.trouble;
    auto const hint = steps.released.empty()
                          ? "see: book"
                          : "what was granted stays reserved at the makers for up to 15 minutes; another "
                            "attempt for at least as much uses it";
    turn.answer(entry.command, Failure{FailureCode::refused, "nothing was traded: " + why, hint});
  }
  entries_.erase(id);
}

}  // namespace grenache::exchange
