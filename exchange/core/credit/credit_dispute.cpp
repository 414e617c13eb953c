// Two sides of a credit line that disagree.
#include <algorithm>
#include <utility>

#include "exchange/core/credit/credit_line.hpp"

namespace grenache::exchange {
namespace {

/// True if a line can go on from these versions.
bool are_terms(CreditRecord const& low, CreditRecord const& high, CreditSide by) {
  auto const debt = debt_of(CreditSide::low, low, high);
  bool const is_odd = low.counter % 2 == 1;
  return low.counter == high.counter && is_odd == (by == CreditSide::low) && low.settled == UsdCents{} &&
         high.settled == UsdCents{} && (low.paid == UsdCents{} || high.paid == UsdCents{}) &&
         debt <= high.limit.units() && -debt <= low.limit.units() && !low.frozen && !high.frozen &&
         (debt == 0 || (low.open && high.open));
}

}  // namespace

void CreditLine::dispute(std::int64_t counter_seen, CreditStep& step) {
  auto counter = std::max({counter_seen, last_counter_, decided_counter_, records_[0].record.counter,
                           records_[1].record.counter}) +
                 1;
  if ((counter % 2 == 1) != (side_ == CreditSide::low)) ++counter;
  auto const debt = debt_of(CreditSide::low, records_[0].record, records_[1].record);
  our_terms_ = ResetTerms{records_[0], records_[1]};
  for (auto* const each : {&our_terms_->low, &our_terms_->high}) {
    each->low = each->high = Signature{};
    auto& record = each->record;
    record.previous = record.counter;
    record.counter = counter;
    record.paid = UsdCents{std::max<std::int64_t>(0, record.side == CreditSide::low ? debt : -debt)};
    record.settled = UsdCents{};
    record.frozen = false;
    record.root = Sha256{};
  }
  step.save = true;
  step.tell.push_back({Kind::disputed});
  step.send.push_back(resend().front());
}

void CreditLine::on_reset(CreditReset const& reset, CreditStep& step) {
  auto const counter = reset.low.record.counter;
  if (counter <= std::max(records_[0].record.counter, records_[1].record.counter)) {
    if (!is_disputed()) step.send.push_back(sync());
    return;
  }
  if (!is_disputed() && is_untouched()) return;
  // A late copy: both records have gone on since.
  bool const is_old = reset.low.record.previous < records_[0].record.counter &&
                      reset.high.record.previous < records_[1].record.counter;
  if (!is_disputed() && is_old) {
    step.send.push_back(sync());
    return;
  }
  if (!are_terms(reset.low.record, reset.high.record, other_side(side_))) return;
  bool const is_new = !their_terms_ || their_terms_->low.record != reset.low.record ||
                      their_terms_->high.record != reset.high.record;
  if (!is_new) return;
  if (!is_disputed()) dispute(counter, step);
  their_terms_ = ResetTerms{reset.low, reset.high};
  step.save = true;
  step.tell.push_back({Kind::reset_terms});
}

Result<CreditStep> CreditLine::accept_reset() {
  if (!is_disputed() || !their_terms_) return CreditErrc::no_reset;
  CreditStep step;
  auto const terms = *their_terms_;
  end_dispute(terms.low, terms.high, step);
  step.send.push_back(sync());
  return step;
}

void CreditLine::end_dispute(SignedCreditRecord const& low, SignedCreditRecord const& high,
                             CreditStep& step) {
  records_[0] = low;
  records_[1] = high;
  last_counter_ = std::max(last_counter_, ours().record.counter);
  decided_counter_ = std::max(decided_counter_, theirs().record.counter);
  wanted_ = terms_of(ours().record);
  refusal_.reset();
  asked_.reset();
  our_terms_.reset();
  their_terms_.reset();
  fail_pending(CreditErrc::line_reset, step);
  step.save = true;
  step.tell.push_back({Kind::reset});
}

}  // namespace grenache::exchange
