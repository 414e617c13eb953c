#include "exchange/core/trade/refused_takes.hpp"

#include <utility>

#include "exchange/core/row_fields.hpp"

namespace grenache::exchange {

void RefusedTakes::add(std::string const& order_id, std::string const& taker, Satoshi amount,
                       Refusal const& refusal, Turn& turn) {
  Key const key{order_id, to_text(refusal.code)};
  auto const found = entries_.find(key);
  bool const is_recent =
      found != entries_.end() && std::chrono::abs(turn.now.wall - found->second.at) < options_.interval;
  if (is_recent) return;
  Entry entry{taker, amount, refusal.reason, turn.now.wall};
  turn.save(row_of(key, entry));
  entries_.insert_or_assign(key, std::move(entry));
}

void RefusedTakes::forget(std::string const& order_id, Turn& turn) {
  auto it = entries_.lower_bound({order_id, {}});
  while (it != entries_.end() && it->first.first == order_id) {
    turn.erase(kRowKind, order_id + "/" + it->first.second);
    it = entries_.erase(it);
  }
}

Row RefusedTakes::row_of(Key const& key, Entry const& entry) {
  auto const body = json::Value::object({{"order", key.first},
                                         {"code", key.second},
                                         {"taker", entry.taker},
                                         {"amount", entry.amount.to_text()},
                                         {"reason", entry.reason},
                                         {"at", to_unix_ms(entry.at)}});
  return {kRowKind, key.first + "/" + key.second, json::to_text(body)};
}

bool RefusedTakes::restore(Row const& row) {
  RowFields fields{row.body};
  Key key{fields.text("order"), fields.text("code")};
  Entry entry;
  entry.taker = fields.text("taker");
  entry.amount = fields.money<Satoshi>("amount");
  entry.reason = fields.text("reason");
  entry.at = fields.time("at");
  if (!fields.ok() || row.key != key.first + "/" + key.second) return false;
  return entries_.emplace(std::move(key), std::move(entry)).second;
}

void RefusedTakes::dump(std::vector<Row>& out) const {
  for (auto const& [key, entry] : entries_) out.push_back(row_of(key, entry));
}

}  // namespace grenache::exchange
