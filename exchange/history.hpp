// Answers questions about the past from the journal.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "exchange/core/command.hpp"
#include "exchange/journal/journal.hpp"

namespace grenache::exchange {

using HistoryDone = std::function<void(result::History)>;

/// Reads the newest trades. `done` is called once, unless the journal fails or ends before.
void list_trades(Journal& journal, command::ListTrades const& wanted, HistoryDone done);
/// Reads the newest payments over credit lines.
void list_payments(Journal& journal, command::ListPayments const& wanted, HistoryDone done);
/// A payment and the records that prove it.
struct PaymentRows {
  std::optional<Row> payment;
  std::optional<Row> version;
  bool is_ambiguous = false;  // several payments begin with this id
};
/// Finds a payment by its id or the first characters of it, and reads its rows. Reads all payments, in pages
/// of a thousand.
void find_payment(Journal& journal, std::string const& id, std::function<void(PaymentRows)> done);
/// Reads the rows about an order or a take, given by its id or the first characters of it, and says in words
/// what became of it; at most a thousand rows of a kind. `match`, which may be empty, says what it matches
/// now. Reads all rows of the journal, in pages of a thousand.
void explain(Journal& journal, command::Explain const& wanted, std::string match, HistoryDone done);

/// One sentence about a row; empty for a kind that says nothing to a person.
[[nodiscard]] std::string words_of(Row const& row);

}  // namespace grenache::exchange
