#include "exchange/ledger/refusals.hpp"

#include "exchange/core/row_fields.hpp"
#include "exchange/messages/order_record.hpp"
#include <grenache/base/check.hpp>

namespace grenache::exchange {
namespace {

Row refusal_row(std::string const& key, RefusedTransfer const& refused) {
  auto const body = json::Value::object({{"to", refused.transfer.to.hex()},
                                         {"amount", refused.transfer.amount.to_text()},
                                         {"validUntil", to_unix_ms(refused.transfer.valid_until)},
                                         {"reason", to_text(refused.reason)}});
  return {std::string{Refusals::kRowKind}, key, json::to_text(body)};
}

}  // namespace

RefusedTransfer const* Refusals::find(std::string const& key) const {
  auto const found = refused_.find(key);
  return found != refused_.end() ? &found->second : nullptr;
}

bool Refusals::has_room(PeerId const& payer) const {
  auto const found = counts_.find(payer);
  return refused_.size() < options_.count_max &&
         (found == counts_.end() || found->second < options_.payer_count_max);
}

void Refusals::insert(std::string key, RefusedTransfer refused) {
  ends_.emplace(refused.transfer.valid_until, key);
  ++counts_[refused.transfer.from];
  bool const is_new = refused_.emplace(std::move(key), std::move(refused)).second;
  GRN_CHECK(is_new);
}

Row Refusals::add(RefusedTransfer refused) {
  auto key = transfer_key(refused.transfer);
  auto row = refusal_row(key, refused);
  insert(std::move(key), std::move(refused));
  return row;
}

Refusals::Forgotten Refusals::forget_ended(WallTime now, std::size_t count) {
  Forgotten out;
  while (!ends_.empty() && ends_.begin()->first <= now && out.keys.size() < count) {
    auto [end, key] = std::move(ends_.extract(ends_.begin()).value());
    auto const found = refused_.find(key);
    auto const counted = counts_.find(found->second.transfer.from);
    if (--counted->second == 0) counts_.erase(counted);
    refused_.erase(found);
    out.latest = end;
    out.keys.push_back(std::move(key));
  }
  return out;
}

bool Refusals::restore(Row const& row) {
  RowFields fields{row.body};
  auto const hex_end = row.key.find('/');
  auto const from = PeerId::from_hex(std::string_view{row.key}.substr(0, hex_end));
  if (hex_end == std::string::npos || !from) return false;
  RefusedTransfer out;
  out.transfer.id = row.key.substr(hex_end + 1);
  out.transfer.from = *from;
  out.transfer.to = fields.parsed("to", [](std::string_view text) { return PeerId::from_hex(text); });
  out.transfer.amount = fields.money<UsdCents>("amount");
  out.transfer.valid_until = fields.time("validUntil");
  out.reason = fields.parsed("reason", parse_ledger_errc);
  if (!fields.ok() || !is_uuid(out.transfer.id) || refused_.contains(row.key)) return false;
  insert(row.key, std::move(out));
  return true;
}

std::vector<Row> Refusals::dump() const {
  std::vector<Row> out;
  for (auto const& [key, refused] : refused_) out.push_back(refusal_row(key, refused));
  return out;
}

}  // namespace grenache::exchange
