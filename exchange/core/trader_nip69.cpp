// Orders that leave and come as NIP-69 events.
#include <utility>

#include "exchange/core/trader.hpp"

namespace grenache::exchange {
namespace {

result::ImportOutcome outcome_of(Added added) {
  switch (added) {
    case Added::order:
      return result::ImportOutcome::added;
    case Added::version:
      return result::ImportOutcome::updated;
    case Added::nothing:
      break;
  }
  return result::ImportOutcome::known;
}

}  // namespace

void Trader::run(CommandId id, command::ExportOrders const& wanted, Turn& turn) {
  result::Exported out;
  auto const add = [&](OrderRecord const& order) {
    if (!order.is_signed() || order.expires <= turn.now.wall) return;
    if (out.events.size() < options_.listed_count_max) {
      out.events.push_back(to_nip69(order, self_.key, turn.now.wall));
    } else {
      ++out.left_out;
    }
  };
  // Pegged orders leave many closed ones.
  for (bool const is_open : {true, false}) {
    for (auto const& [order_id, order] : own_orders_.all()) {
      if ((order.record.status == OrderStatus::open) == is_open) add(order.record);
    }
  }
  if (wanted.all) {
    book_.for_each_live(turn.now.wall, [&](OrderRecord const& order) {
      if (order.maker != self_.id) add(order);
    });
  }
  turn.answer(id, std::move(out));
}

void Trader::run(CommandId id, command::AddImported const& wanted, Turn& turn) {
  result::Imported out{{}, wanted.left_out};
  for (auto const& line : wanted.lines) {
    auto& entry = out.orders.emplace_back();
    entry.line = line.number;
    if (!line.order) {
      entry.outcome = result::ImportOutcome::refused;
      entry.reason = line.order.error().message();
      continue;
    }
    entry.order = *line.order;
    entry.outcome = result::ImportOutcome::foreign;
    if (!line.order->record) continue;
    auto const added = admit(*line.order->record, {}, turn);  // whose signature was verified when it was read
    entry.outcome = added ? outcome_of(*added) : result::ImportOutcome::refused;
    if (!added) entry.reason = added.error().message();
  }
  turn.answer(id, std::move(out));
}

}  // namespace grenache::exchange
