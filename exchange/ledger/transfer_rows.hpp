// What a ledger keeps of transfers in its journal.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "exchange/journal/journal.hpp"
#include "exchange/messages/ledger_answer.hpp"

namespace grenache::exchange {

/// A transfer that was made, and when.
struct PaidTransfer {
  Transfer transfer;  // without its signature
  TransferPaid paid;
};

/// The key of a transfer: the payer's key and the id that the payer has chosen.
[[nodiscard]] std::string transfer_key(Transfer const& transfer);

/// The rows of paid transfers are never changed and never erased, and are not kept in memory:
///   transfer        by transfer_key()
///   incoming/KEY    by seq: the transfers to KEY
///   statement/KEY   by time and seq: what KEY had after each transfer from or to it
[[nodiscard]] Row transfer_row(PaidTransfer const& made);
[[nodiscard]] Row incoming_row(PaidTransfer const& made);
[[nodiscard]] Row statement_row(PeerId const& key, TransferPaid const& paid, UsdCents balance);

/// Asks for the row of a transfer; if there is none, the answer is another row or none.
[[nodiscard]] RowQuery transfer_query(std::string const& transfer_key);
/// Asks for transfers to `key` with seqs greater than `after`.
[[nodiscard]] RowQuery incoming_query(PeerId const& key, std::int64_t after, std::int64_t count);
/// Asks for the last statement of `key` until `at`.
[[nodiscard]] RowQuery statement_query(PeerId const& key, WallTime at);

/// Each returns nothing if the row is malformed.
[[nodiscard]] std::optional<PaidTransfer> read_transfer_row(Row const& row);
[[nodiscard]] std::optional<IncomingTransfer> read_incoming_row(Row const& row);
[[nodiscard]] std::optional<LedgerStatement> read_statement_row(Row const& row);

}  // namespace grenache::exchange
