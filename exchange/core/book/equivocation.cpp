#include "exchange/core/book/equivocation.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include "exchange/core/row_fields.hpp"
#include "exchange/messages/message.hpp"

namespace grenache::exchange {

void Equivocations::add(OrderRecord const& first, OrderRecord const& second, bool had_orders, Turn& turn) {
  if (proofs_.contains(*first.maker)) return;
  if (proofs_.size() >= options_.maker_count_max) {
    auto const oldest = std::ranges::min_element(proofs_, {}, [](auto const& each) {
      return std::tuple{each.second.had_orders, each.second.number};
    });
    turn.erase(kRowKind, oldest->first.hex());
    proofs_.erase(oldest);
  }
  auto const& proof =
      proofs_.emplace(*first.maker, Proof{first, second, had_orders, ++last_number_}).first->second;
  turn.save(row_of(proof));
}

Equivocations::Proof const* Equivocations::find(PeerId const& maker) const {
  auto const found = proofs_.find(maker);
  return found == proofs_.end() ? nullptr : &found->second;
}

// `order` is what explain() looks for.
Row Equivocations::row_of(Proof const& proof) {
  auto const body = json::Value::object({{"order", to_json(proof.first)},
                                         {"second", to_json(proof.second)},
                                         {"hadOrders", proof.had_orders},
                                         {"number", static_cast<std::int64_t>(proof.number)}});
  return {kRowKind, proof.first.maker->hex(), json::to_text(body)};
}

bool Equivocations::restore(Row const& row) {
  RowFields fields{row.body};
  Proof proof;
  proof.had_orders = fields.boolean("hadOrders");
  proof.number = static_cast<std::uint64_t>(fields.integer("number"));
  if (!fields.ok()) return false;
  for (auto const& [name, order] : {std::pair{"order", &proof.first}, std::pair{"second", &proof.second}}) {
    auto const* const member = fields.value().find(name);
    if (!member) return false;
    auto request = parse_request(*member);
    auto* const message = request ? std::get_if<AddOrderMessage>(&*request) : nullptr;
    if (!message) return false;
    *order = std::move(message->order);
  }
  if (!contradict(proof.first, proof.second) || proof.first.maker->hex() != row.key) return false;
  last_number_ = std::max(last_number_, proof.number);
  return proofs_.emplace(*proof.first.maker, std::move(proof)).second;
}

void Equivocations::dump(std::vector<Row>& out) const {
  for (auto const& [maker, proof] : proofs_) out.push_back(row_of(proof));
}

}  // namespace grenache::exchange
