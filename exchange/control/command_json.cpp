#include "exchange/control/command_json.hpp"

#include <string>
#include <utility>
#include <variant>

#include "exchange/control/credit_json.hpp"
#include "exchange/messages/order_work.hpp"

namespace grenache::exchange {
namespace {

using Object = json::Value::Object;

json::Value json_of(WallTime time) { return to_unix_ms(time); }
json::Value json_of(std::optional<PeerId> const& peer) {
  return peer ? json::Value{peer->hex()} : json::Value{};
}
json::Value json_of(std::size_t count) { return std::uint64_t{count}; }
template <class Unit>
json::Value json_of(Quantity<Unit> amount) {
  return amount.to_text();
}

json::Value text_or_null(std::string const& text) { return text.empty() ? json::Value{} : json::Value{text}; }

template <class Item, class Convert>
json::Value json_list(std::vector<Item> const& items, Convert convert) {
  json::Value::Array out;
  out.reserve(items.size());
  for (auto const& item : items) out.push_back(convert(item));
  return out;
}

Object json_of(OrderRecord const& order) {
  return {{"id", order.id},
          {"maker", json_of(order.maker)},
          {"seq", order.seq},
          {"side", to_text(order.side)},
          {"price", json_of(order.price)},
          {"amount", json_of(order.amount)},
          {"remaining", json_of(order.remaining)},
          {"status", to_text(order.status)},
          {"created", json_of(order.created)},
          {"expires", json_of(order.expires)},
          {"endpoint", order.endpoint}};
}

json::Value json_of(result::OrderView const& view) {
  Object out = json_of(view.order);
  out.emplace_back("isOwn", view.is_own);
  out.emplace_back("reserved", json_of(view.reserved));
  out.emplace_back("matched", json_of(view.matched));
  if (!view.group.empty()) out.emplace_back("oco", view.group);
  if (!view.peg.empty()) out.emplace_back("peg", view.peg);
  if (auto const bits = work_of(view.order).bits; bits > 0) out.emplace_back("workBits", std::int64_t{bits});
  return out;
}

json::Value json_of(result::Level const& level) {
  return json::Value::object({{"price", json_of(level.price)},
                              {"amount", json_of(level.amount)},
                              {"orderCount", json_of(level.order_count)}});
}

json::Value json_of(result::IndexView const& view) {
  return json::Value::object({{"name", view.name},
                              {"price", view.price ? json_of(*view.price) : json::Value{}},
                              {"freshCount", json_of(view.fresh_count)},
                              {"neededCount", json_of(view.needed_count)}});
}

Object json_of(result::PurchaseView const& view) {
  return {{"take", view.take_id},
          {"order", view.order_id},
          {"maker", json_of(view.maker)},
          {"side", to_text(view.side)},
          {"amount", json_of(view.amount)},
          {"price", json_of(view.price)},
          {"state", to_text(view.state)},
          {"invoice", text_or_null(view.invoice)},
          {"invoiceExpires", view.invoice.empty() ? json::Value{} : json_of(view.invoice_expires)},
          {"preimage", text_or_null(view.preimage)}};
}

json::Value json_of(result::PeerView const& peer) {
  return json::Value::object({{"endpoint", peer.endpoint},
                              {"name", peer.name},
                              {"peer", json_of(peer.peer)},
                              {"isProven", peer.is_proven},
                              {"source", peer.source},
                              {"isSynced", peer.is_synced},
                              {"isConvicted", peer.is_convicted},
                              {"trouble", text_or_null(peer.trouble)}});
}

json::Value json_of(result::ImportedOrder const& imported) {
  auto out = json::Value::object({{"line", json_of(imported.line)},
                                  {"outcome", to_text(imported.outcome)},
                                  {"reason", text_or_null(imported.reason)}});
  if (!imported.order) return out;
  auto const& order = *imported.order;
  out.set("event", order.event.hex());
  out.set("author", order.author.hex());
  out.set("createdAt", order.created_at);
  out.set("id", order.id);
  out.set("side", to_text(order.side));
  out.set("currency", order.currency);
  out.set("status", to_text(order.status));
  out.set("amount", order.amount ? json_of(*order.amount) : json::Value{});
  out.set("fiatMin", order.fiat_min);
  out.set("fiatMax", order.fiat_max);
  out.set("paymentMethods", json_list(order.payment_methods, [](auto const& each) { return each; }));
  out.set("premium", text_or_null(order.premium));
  out.set("network", text_or_null(order.network));
  out.set("layer", text_or_null(order.layer));
  out.set("platform", text_or_null(order.platform));
  out.set("expires", order.expires ? json::Value{*order.expires} : json::Value{});
  out.set("order", order.record ? json::Value{json_of(*order.record)} : json::Value{});
  return out;
}

/// A row of the journal; as text if it is not JSON.
json::Value json_of_row(std::string const& row) {
  auto parsed = json::parse(row);
  return parsed ? std::move(*parsed) : json::Value{row};
}

struct ResultWriter {
  json::Value operator()(result::Failure const& failure) const {
    return json::Value::object({{"error", to_json(failure)}});
  }
  json::Value operator()(result::Placed const& placed) const {
    return json::Value::object({{"type", "placed"}, {"order", json_of(placed.order)}});
  }
  json::Value operator()(result::OrderList const& list) const {
    auto orders = json_list(list.orders, [](auto const& order) { return json_of(order); });
    return json::Value::object({{"type", "orders"},
                                {"orders", std::move(orders)},
                                {"leftOut", json_of(list.left_out)},
                                {"hidden", json_of(list.hidden_count)}});
  }
  json::Value operator()(result::Ladder const& ladder) const {
    auto const levels = [](auto const& side) {
      return json_list(side, [](auto const& level) { return json_of(level); });
    };
    return json::Value::object({{"type", "book"},
                                {"bids", levels(ladder.bids)},
                                {"asks", levels(ladder.asks)},
                                {"hidden", json_of(ladder.hidden_count)}});
  }
  json::Value operator()(result::PurchaseView const& view) const {
    Object out = json_of(view);
    out.insert(out.begin(), {"type", "purchase"});
    return out;
  }
  json::Value operator()(result::Execution const& execution) const {
    auto takes = json_list(execution.takes, [](auto const& take) { return json::Value{json_of(take)}; });
    return json::Value::object({{"type", "execution"},
                                {"side", to_text(execution.side)},
                                {"limit", json_of(execution.limit)},
                                {"wanted", json_of(execution.wanted)},
                                {"filled", json_of(execution.filled)},
                                {"takes", std::move(takes)}});
  }
  json::Value operator()(result::History const& history) const {
    return json::Value::object({{"type", "history"},
                                {"rows", json_list(history.rows, json_of_row)},
                                {"words", json_list(history.words, [](auto const& word) { return word; })}});
  }
  json::Value operator()(result::Connected const& connected) const {
    return json::Value::object({{"type", "connected"},
                                {"endpoint", connected.endpoint},
                                {"name", connected.name},
                                {"peer", json_of(connected.peer)}});
  }
  json::Value operator()(result::PeerList const& list) const {
    auto peers = json_list(list.peers, [](auto const& peer) { return json_of(peer); });
    return json::Value::object({{"type", "peers"}, {"peers", std::move(peers)}});
  }
  json::Value operator()(result::StatusView const& view) const {
    auto out = json::Value::object({{"type", "status"},
                                    {"id", view.id.hex()},
                                    {"name", view.name},
                                    {"endpoint", view.endpoint},
                                    {"peerCount", json_of(view.peer_count)},
                                    {"orderCount", json_of(view.order_count)},
                                    {"ownOrderCount", json_of(view.own_order_count)},
                                    {"hiddenCount", json_of(view.hidden_count)},
                                    {"saleCount", json_of(view.sale_count)},
                                    {"purchaseCount", json_of(view.purchase_count)},
                                    {"dataDir", text_or_null(view.data_dir)},
                                    {"grape", view.grape},
                                    {"reservations", view.reservations}});
    if (!view.indexes.empty()) {
      out.set("indexes", json_list(view.indexes, [](auto const& index) { return json_of(index); }));
    }
    return out;
  }
  json::Value operator()(result::Exported const& exported) const {
    auto events = json_list(exported.events, [](auto const& event) { return exchange::to_json(event); });
    return json::Value::object(
        {{"type", "events"}, {"events", std::move(events)}, {"leftOut", json_of(exported.left_out)}});
  }
  json::Value operator()(result::Imported const& imported) const {
    auto orders = json_list(imported.orders, [](auto const& order) { return json_of(order); });
    return json::Value::object(
        {{"type", "imported"}, {"orders", std::move(orders)}, {"leftOut", json_of(imported.left_out)}});
  }
  template <class CreditResult>
  json::Value operator()(CreditResult const& result) const {
    return exchange::to_json(result);
  }
};

struct EventWriter {
  json::Value operator()(event::OrderChanged const& changed) const {
    return json::Value::object({{"type", "orderChanged"},
                                {"order", json_of(changed.order)},
                                {"isNew", changed.is_new},
                                {"isOwn", changed.is_own}});
  }
  json::Value operator()(event::PeerMet const& met) const {
    return json::Value::object(
        {{"type", "peerMet"}, {"endpoint", met.endpoint}, {"peer", json_of(met.peer)}, {"name", met.name}});
  }
  json::Value operator()(event::PeerLost const& lost) const {
    return json::Value::object({{"type", "peerLost"}, {"endpoint", lost.endpoint}, {"reason", lost.reason}});
  }
  json::Value operator()(event::BookRead const& read) const {
    return json::Value::object({{"type", "bookRead"},
                                {"endpoint", read.endpoint},
                                {"orderCount", json_of(read.order_count)},
                                {"newCount", json_of(read.new_count)},
                                {"droppedCount", json_of(read.dropped_count)}});
  }
  json::Value operator()(event::TakeAnswered const& answered) const {
    json::Value refusal;
    if (answered.refusal) {
      refusal = json::Value::object({{"code", to_text(answered.refusal->code)},
                                     {"reason", answered.refusal->reason},
                                     {"retryAfterMs", std::int64_t{answered.refusal->retry_after.count()}}});
    }
    return json::Value::object({{"type", "takeAnswered"},
                                {"order", answered.order_id},
                                {"taker", answered.taker},
                                {"amount", json_of(answered.amount)},
                                {"refusal", std::move(refusal)}});
  }
  json::Value operator()(event::SaleExpired const& expired) const {
    return json::Value::object({{"type", "saleExpired"},
                                {"order", expired.order_id},
                                {"taker", expired.taker},
                                {"amount", json_of(expired.amount)}});
  }
  json::Value operator()(event::PurchaseChanged const& changed) const {
    return json::Value::object({{"type", "purchaseChanged"},
                                {"purchase", json_of(changed.purchase)},
                                {"text", text_or_null(changed.text)}});
  }
  json::Value operator()(event::TradeDone const& trade) const {
    return json::Value::object({{"type", "tradeDone"},
                                {"order", trade.order_id},
                                {"take", trade.take_id},
                                {"asMaker", trade.as_maker},
                                {"counterpart", trade.counterpart},
                                {"side", to_text(trade.side)},
                                {"amount", json_of(trade.amount)},
                                {"price", json_of(trade.price)},
                                {"usd", json_of(trade.cents)}});
  }
  json::Value operator()(event::GrapeChanged const& changed) const {
    return json::Value::object(
        {{"type", "grapeChanged"}, {"answers", changed.answers}, {"text", changed.text}});
  }
  json::Value operator()(event::Warning const& warning) const {
    return json::Value::object({{"type", "warning"}, {"text", warning.text}});
  }
  template <class CreditEvent>
  json::Value operator()(CreditEvent const& event) const {
    return exchange::to_json(event);
  }
};

}  // namespace

std::string_view to_text(result::FailureCode code) {
  switch (code) {
    case result::FailureCode::invalid:
      return "invalid";
    case result::FailureCode::not_found:
      return "notFound";
    case result::FailureCode::ambiguous:
      return "ambiguous";
    case result::FailureCode::refused:
      return "refused";
    case result::FailureCode::unavailable:
      return "unavailable";
    case result::FailureCode::stopped:
      return "stopped";
  }
  return "";
}

json::Value to_json(result::Failure const& failure) {
  return json::Value::object(
      {{"code", to_text(failure.code)}, {"text", failure.text}, {"hint", failure.hint}});
}

json::Value to_json(CommandResult const& result) { return std::visit(ResultWriter{}, result); }
json::Value to_json(Event const& event) { return std::visit(EventWriter{}, event); }

}  // namespace grenache::exchange
