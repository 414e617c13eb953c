#include "exchange/ledger/transfer_rows.hpp"

#include <algorithm>
#include <charconv>

#include "exchange/core/row_fields.hpp"
#include "exchange/messages/order_record.hpp"

namespace grenache::exchange {
namespace {

constexpr std::string_view kTransferKind = "transfer";
constexpr std::size_t kDigits = 16;  // of the greatest time in ms and of kLedgerSeqMax

/// So that the order of the text is the order of the numbers.
std::string padded(std::int64_t number) {
  auto const text = std::to_string(number);
  return std::string(kDigits - std::min(kDigits, text.size()), '0') + text;
}

std::optional<std::int64_t> read_padded(std::string_view text) {
  std::int64_t out = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  bool const is_read = error == std::errc{} && end == text.data() + text.size() && text.size() == kDigits;
  return is_read ? std::optional{out} : std::nullopt;
}

std::string kind_of(std::string_view what, PeerId const& key) { return std::string{what} + "/" + key.hex(); }

}  // namespace

std::string transfer_key(Transfer const& transfer) { return transfer.from.hex() + "/" + transfer.id; }

Row transfer_row(PaidTransfer const& made) {
  auto const body = json::Value::object({{"to", made.transfer.to.hex()},
                                         {"amount", made.transfer.amount.to_text()},
                                         {"validUntil", to_unix_ms(made.transfer.valid_until)},
                                         {"seq", made.paid.seq},
                                         {"at", to_unix_ms(made.paid.at)}});
  return {std::string{kTransferKind}, transfer_key(made.transfer), json::to_text(body)};
}

Row incoming_row(PaidTransfer const& made) {
  auto const body = json::Value::object({{"id", made.transfer.id},
                                         {"from", made.transfer.from.hex()},
                                         {"amount", made.transfer.amount.to_text()},
                                         {"at", to_unix_ms(made.paid.at)}});
  return {kind_of("incoming", made.transfer.to), padded(made.paid.seq), json::to_text(body)};
}

Row statement_row(PeerId const& key, TransferPaid const& paid, UsdCents balance) {
  auto const body = json::Value::object({{"balance", balance.to_text()}});
  return {kind_of("statement", key), padded(to_unix_ms(paid.at)) + "-" + padded(paid.seq),
          json::to_text(body)};
}

RowQuery transfer_query(std::string const& transfer_key) {
  // In the order of bytes no key lies between this one and the same with a space: all have the same length.
  return {std::string{kTransferKind}, transfer_key + " ", 1, true};
}

RowQuery incoming_query(PeerId const& key, std::int64_t after, std::int64_t count) {
  return {kind_of("incoming", key), padded(after), static_cast<std::size_t>(count), false};
}

RowQuery statement_query(PeerId const& key, WallTime at) {
  return {kind_of("statement", key), padded(to_unix_ms(at) + 1), 1, true};
}

std::optional<PaidTransfer> read_transfer_row(Row const& row) {
  RowFields fields{row.body};
  auto const hex_end = row.key.find('/');
  auto const from = PeerId::from_hex(std::string_view{row.key}.substr(0, hex_end));
  if (hex_end == std::string::npos || !from) return std::nullopt;
  PaidTransfer out;
  out.transfer.id = row.key.substr(hex_end + 1);
  out.transfer.from = *from;
  out.transfer.to = fields.parsed("to", [](std::string_view text) { return PeerId::from_hex(text); });
  out.transfer.amount = fields.money<UsdCents>("amount");
  out.transfer.valid_until = fields.time("validUntil");
  out.paid = {fields.integer("seq"), fields.time("at")};
  if (!fields.ok() || !is_uuid(out.transfer.id) || out.paid.seq < 1) return std::nullopt;
  return out;
}

std::optional<IncomingTransfer> read_incoming_row(Row const& row) {
  RowFields fields{row.body};
  auto const seq = read_padded(row.key);
  IncomingTransfer out{seq.value_or(0), fields.text("id"),
                       fields.parsed("from", [](std::string_view text) { return PeerId::from_hex(text); }),
                       fields.money<UsdCents>("amount"), fields.time("at")};
  if (!seq || !fields.ok() || !is_uuid(out.id)) return std::nullopt;
  return out;
}

std::optional<LedgerStatement> read_statement_row(Row const& row) {
  RowFields fields{row.body};
  auto const dash = row.key.find('-');
  if (dash == std::string::npos) return std::nullopt;
  auto const seq = read_padded(std::string_view{row.key}.substr(dash + 1));
  LedgerStatement const out{fields.money<UsdCents>("balance"), seq.value_or(0)};
  if (!seq || !fields.ok()) return std::nullopt;
  return out;
}

}  // namespace grenache::exchange
