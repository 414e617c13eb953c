#include "exchange/core/credit/dues.hpp"

#include "exchange/core/row_fields.hpp"

namespace grenache::exchange {

std::string trade_payment_id(PeerId const& maker, PeerId const& taker, std::string_view order_id,
                             std::string_view take_id) {
  std::string text{"grenache/exchange/trade-payment/1:"};
  text.append(maker.view()).append(taker.view()).append(order_id).append("/").append(take_id);
  return uuid_of(sha256(text));
}

std::string uuid_of(Sha256 const& hash) {
  auto hex = hash.hex().substr(0, 32);
  hex[12] = '8';
  hex[16] = "89ab"[(hex[16] <= '9' ? hex[16] - '0' : hex[16] - 'a' + 10) % 4];
  for (auto const at : {20, 16, 12, 8}) hex.insert(static_cast<std::size_t>(at), 1, '-');
  return hex;
}

Row Dues::row_of(Due const& due) {
  auto const body = json::Value::object({{"peer", due.peer.hex()},
                                         {"id", due.id},
                                         {"wePay", due.we_pay},
                                         {"amount", due.amount.to_text()},
                                         {"trade", due.trade.key},
                                         {"row", due.trade.body}});
  return {kRowKind, due.peer.hex() + '/' + due.id, json::to_text(body)};
}

void Dues::add(Due due, Turn& turn) {
  turn.save(due.trade);
  if (dues_.size() >= options_.due_count_max) return;
  turn.save(row_of(due));
  Key key{due.peer, due.id};
  dues_.emplace(std::move(key), std::move(due));
}

void Dues::paid(PeerId const& peer, std::string const& id, bool by_us, UsdCents amount, Turn& turn) {
  auto const found = dues_.find({peer, id});
  if (found == dues_.end()) return;
  auto& due = found->second;
  if (due.we_pay != by_us || due.amount != amount) return;
  auto trade = due.trade;
  auto body = json::parse(trade.body);
  if (body) {
    body->set("usdIsDue", false);
    trade.body = json::to_text(*body);
  }
  turn.save(std::move(trade));
  turn.erase(kRowKind, peer.hex() + '/' + id);
  dues_.erase(found);
}

std::vector<Due const*> Dues::owed_to(PeerId const& peer) const {
  std::vector<Due const*> out;
  for (auto it = dues_.lower_bound({peer, {}}); it != dues_.end() && it->first.first == peer; ++it) {
    if (it->second.we_pay) out.push_back(&it->second);
  }
  return out;
}

Dues::Sums Dues::sums(PeerId const& peer) const {
  Sums out;
  for (auto it = dues_.lower_bound({peer, {}}); it != dues_.end() && it->first.first == peer; ++it) {
    auto& sum = it->second.we_pay ? out.to_them : out.to_us;
    sum = sum + it->second.amount;
  }
  return out;
}

bool Dues::restore(Row const& row) {
  RowFields fields{row.body};
  Due due;
  due.peer = fields.parsed("peer", [](std::string_view text) { return PeerId::from_hex(text); });
  due.id = fields.text("id");
  due.we_pay = fields.boolean("wePay");
  due.amount = fields.money<UsdCents>("amount");
  due.trade = {kTradeKind, fields.text("trade"), fields.text("row")};
  if (!fields.ok() || row.key != due.peer.hex() + '/' + due.id) return false;
  Key key{due.peer, due.id};
  return dues_.emplace(std::move(key), std::move(due)).second;
}

void Dues::dump(std::vector<Row>& out) const {
  for (auto const& [key, due] : dues_) out.push_back(row_of(due));
}

}  // namespace grenache::exchange
