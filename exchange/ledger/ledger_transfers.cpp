// The transfers of a ledger.
#include <utility>

#include "exchange/ledger/ledger.hpp"

namespace grenache::exchange {
namespace {

/// Ended refusals that one more makes the ledger forget.
constexpr std::size_t kForgottenMax = 1'000;

}  // namespace

void Ledger::handle(Question const& question, Transfer const& wanted) {
  WaitingTransfer waiting{question, wanted};
  waiting.transfer.signature = {};
  if (wanted.from == wanted.to) return answer(question, TransferRefused{LedgerErrc::own_account});
  if (answer_refused(waiting)) return;
  auto const key = transfer_key(wanted);
  auto const found = waiting_.find(key);
  if (found == waiting_.end()) {
    if (look_up(question, TransferLookup{key}, transfer_query(key)))
      waiting_[key].push_back(std::move(waiting));
    return;
  }
  if (waiting_count_ >= options_.read_count_max) return busy(question, "too many requests are waiting");
  ++waiting_count_;
  found->second.push_back(std::move(waiting));
}

/// Answers a transfer whose id belongs to a refused one.
bool Ledger::answer_refused(WaitingTransfer const& waiting) {
  auto const* const refused = refusals_.find(transfer_key(waiting.transfer));
  if (!refused) return false;
  if (!refused->transfer.is_same(waiting.transfer)) {
    fail(waiting.question, LedgerErrc::id_reused);
  } else {
    answer(waiting.question, TransferRefused{refused->reason});
  }
  return true;
}

void Ledger::finish(TransferLookup const& lookup, std::vector<Row> const& rows) {
  auto const all = waiting_.extract(lookup.key);
  waiting_count_ -= all.mapped().size();
  std::optional<PaidTransfer> made;
  if (!rows.empty() && rows.front().key == lookup.key) {
    made = read_transfer_row(rows.front());
    if (!made) {
      for (auto const& each : all.mapped()) busy(each.question, "the journal has a row that cannot be read");
      return;
    }
  }
  for (auto const& each : all.mapped()) {
    if (made && !made->transfer.is_same(each.transfer)) {
      fail(each.question, LedgerErrc::id_reused);
    } else if (made) {
      answer(each.question, made->paid);
    } else if (!answer_refused(each)) {
      made = execute(each);
    }
  }
}

std::optional<PaidTransfer> Ledger::execute(WaitingTransfer const& waiting) {
  auto const& [question, transfer] = waiting;
  if (transfer.valid_until <= state_.time) {
    rely_on(transfer.valid_until);
    answer(question, TransferRefused{LedgerErrc::expired});
    return std::nullopt;
  }
  if (transfer.valid_until > state_.time + kTransferLifeMax) {
    fail(question, LedgerErrc::bad_expiry);
    return std::nullopt;
  }
  if (state_.seq >= options_.transfer_count_max) {
    busy(question, "the ledger keeps no more transfers");
    return std::nullopt;
  }
  if (auto const reason = accounts_.transfer(transfer.from, transfer.to, transfer.amount)) {
    refuse(waiting, *reason);
    return std::nullopt;
  }
  auto made = pay(transfer);
  answer(question, made.paid);
  return made;
}

void Ledger::refuse(WaitingTransfer const& waiting, LedgerErrc reason) {
  auto const& [question, transfer] = waiting;
  // A payer without an account could fill the memory with ids.
  if (reason == LedgerErrc::unknown_payer) return fail(question, reason);
  auto forgotten = refusals_.forget_ended(state_.time, kForgottenMax);
  rely_on(forgotten.latest);
  for (auto& key : forgotten.keys) erase(Refusals::kRowKind, std::move(key));
  if (!refusals_.has_room(transfer.from)) {
    return busy(question, "too many transfers of this account were refused");
  }
  save(refusals_.add({transfer, reason}));
  answer(question, TransferRefused{reason});
}

PaidTransfer Ledger::pay(Transfer const& transfer) {
  PaidTransfer made{transfer, {++state_.seq, state_.time}};
  auto const& payer = *accounts_.find(transfer.from);
  auto const& payee = *accounts_.find(transfer.to);
  save(to_row(payer));
  save(to_row(payee));
  save(transfer_row(made));
  save(incoming_row(made));
  save(statement_row(payer.key, made.paid, payer.balance));
  save(statement_row(payee.key, made.paid, payee.balance));
  outputs_.emplace_back(LedgerNotice{0, made});
  return made;
}

}  // namespace grenache::exchange
