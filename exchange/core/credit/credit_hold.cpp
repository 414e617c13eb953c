// Room of a credit line that is held for payments which may be given later.
#include "exchange/core/credit/credit_line.hpp"
#include "exchange/messages/order_record.hpp"

namespace grenache::exchange {

std::int64_t CreditLine::held_sum(CreditSide owner) const {
  std::int64_t out = 0;
  for (auto const& [id, hold] : holds_[index(owner)]) out += hold.is_given ? 0 : hold.amount.units();
  return out;
}

Result<void> CreditLine::hold(CreditSide owner, std::string const& id, UsdCents amount, HoldKind kind) {
  if (!is_uuid(id)) return CreditErrc::bad_id;
  if (amount.units() <= 0 || amount.units() > UsdCents::kMax) return CreditErrc::bad_amount;
  if (auto const error = why_not_changed()) return *error;
  if (wanted_.frozen || theirs().record.frozen) return CreditErrc::frozen;
  auto const& holds = holds_[index(owner)];
  auto const& counted = memories_[index(owner)].entries();
  if (holds.contains(id) || counted.contains(id) || (owner == side_ && is_pending(id))) {
    return CreditErrc::id_reused;
  }
  if (holds.size() >= kHoldsMax) return CreditErrc::too_many;
  bool const is_ours = owner == side_;
  auto const& payee = is_ours ? theirs().record : ours().record;
  auto const debt = is_ours ? pending_debt() : view().balance + held_sum(owner);
  auto const limit = kind == HoldKind::any ? payee.limit.units() : 0;
  // The sum of all holds stays below UsdCents::kMax, so that no sum of five amounts overflows.
  bool const has_room = debt + amount.units() <= limit && held_sum(owner) + amount.units() <= UsdCents::kMax;
  if (!has_room) return CreditErrc::over_limit;
  set_hold(owner, id, amount);
  return {};
}

void CreditLine::set_hold(CreditSide owner, std::string const& id, UsdCents amount) {
  if (memories_[index(owner)].entries().contains(id)) return;
  holds_[index(owner)][id] = {amount, owner == side_ && is_pending(id)};
}

void CreditLine::release(CreditSide owner, std::string_view id) {
  auto& holds = holds_[index(owner)];
  if (auto const found = holds.find(id); found != holds.end()) holds.erase(found);
}

}  // namespace grenache::exchange
