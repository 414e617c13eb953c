// Parses arbitrary bytes as messages between exchange peers: a parsed message can be written and parses to
// the same.
#include <algorithm>
#include <string>
#include <variant>

#include "exchange/messages/message.hpp"
#include "tests/fuzz/input.hpp"
#include <grenache/base/check.hpp>

namespace grenache::exchange {
namespace {

void check_order(OrderRecord const& order) {
  GRN_CHECK(is_uuid(order.id));
  GRN_CHECK(order.amount.units() > 0 && order.amount.units() <= Satoshi::kMax);
  GRN_CHECK(order.remaining.units() >= 0 && order.remaining <= order.amount);
  GRN_CHECK(order.price.units() > 0 && order.price.units() <= PriceCents::kMax);
  GRN_CHECK(order.least_take.units() >= 0 && order.least_take <= order.amount);
  GRN_CHECK(order.expires > order.created);
  GRN_CHECK(order.is_signed() == (order.seq > 0));
  GRN_CHECK(order.status != OrderStatus::open || order.remaining.units() > 0);
  auto const again = parse_request(to_json(order));
  GRN_CHECK(again && std::get<AddOrderMessage>(*again).order == order);
  GRN_CHECK(!verify_order(order) || order.is_signed());
}

void check_message(AddOrderMessage const& message) { check_order(message.order); }
void check_message(ExecuteOrderMessage const& message) {
  GRN_CHECK(message.order_id.size() <= kOrderIdSizeMax);
  if (message.take) GRN_CHECK(is_uuid(message.take->take_id) && message.take->amount.units() >= 0);
}
void check_message(GetOrderMatchesMessage const& message) {
  GRN_CHECK(message.order_id.size() <= kOrderIdSizeMax);
}
void check_message(PingPongMessage const& message) { GRN_CHECK(message.name.size() <= kPeerNameSizeMax); }
void check_message(GetOrderbookMessage const&) {}
void check_message(PayMessage const& message) {
  GRN_CHECK(message.order_id.size() <= kOrderIdSizeMax && is_uuid(message.take_id));
}
void check_message(GetPeersMessage const& message) { GRN_CHECK(message.endpoint.size() <= kEndpointSizeMax); }
void check_message(ReconcileMessage const& message) {
  GRN_CHECK(!message.prefixes.empty() && message.prefixes.size() <= kPrefixesMax);
  GRN_CHECK(message.prefixes.size() << (4 * message.expand) <= kChildrenMax);
  GRN_CHECK(message.fingerprint.has_value() == (message.length == 0));
}
void check_message(InventoryMessage const& message) {
  GRN_CHECK(message.ids.size() <= kInventoryIdsMax && message.orders.size() <= kInventoryOrdersMax);
  for (auto const& order : message.orders) check_order(order);
}
void check_message(GetRecordsMessage const& message) {
  GRN_CHECK(!message.positions.empty() && message.positions.size() <= kRecordsMax);
}

void check_message(TransitInvoiceMessage const& message) {
  GRN_CHECK(is_uuid(message.id) && message.amount.units() > 0);
}
void check_message(PrepareMessage const& message) {
  GRN_CHECK(is_uuid(message.id) && message.deliver.units() > 0 && message.deliver <= message.amount);
  GRN_CHECK(message.hops_left >= 0 && message.hops_left <= kTransitHopsMax);
  GRN_CHECK(message.path.size() <= kTransitPathMax);
}
void check_message(GetDebtsMessage const&) {}
void check_message(StartNettingMessage const& message) {
  GRN_CHECK(is_uuid(message.id) && message.amount.units() > 0 && message.path.size() <= kTransitPathMax);
}
void check_message(RelayFeeMessage const&) {}
void check_message(CreditMessages const& message) {
  GRN_CHECK(message.messages.size() <= kCreditMessagesMax);
  GRN_CHECK(message.endpoint.size() <= kEndpointSizeMax);
}
void check_message(EquivocationMessage const& message) {
  GRN_CHECK(contradict(message.first, message.second));
  check_order(message.first), check_order(message.second);
}

json::Value written(Request const& request) {
  return std::visit([](auto const& message) { return to_json(message); }, request);
}

void read_request(json::Value const& body) {
  auto const request = parse_request(body);
  if (!request) {
    GRN_CHECK(!request.error().message().empty());
    return;
  }
  std::visit([](auto const& message) { check_message(message); }, *request);
  auto const text = written(*request);
  auto const again = parse_request(text);
  GRN_CHECK(again && again->index() == request->index());
  // The first writing of a signed order adds its port; after that the text is stable.
  auto const second = written(*again);
  auto const third = parse_request(second);
  GRN_CHECK(third && written(*third) == second);
  bool const has_orders =
      std::holds_alternative<AddOrderMessage>(*request) || std::holds_alternative<InventoryMessage>(*request);
  if (!has_orders) GRN_CHECK(second == text);
}

void read_answers(json::Value const& body) {
  if (auto const list = parse_orders(body, 3)) {
    GRN_CHECK(list->orders.size() <= 3 && list->orders.size() + list->dropped == body.as_array()->size());
    for (auto const& order : list->orders) check_order(order);
  }
  if (auto const pong = parse_pong(body)) {
    auto const again = parse_pong(to_json(*pong));
    GRN_CHECK(again && pong->is_pong && to_json(*again) == to_json(*pong));
  }
  if (auto const response = parse_execute_response(body)) {
    auto const again = parse_execute_response(to_json(*response));
    GRN_CHECK(again && to_json(*again) == to_json(*response));
  }
  if (auto const paid = parse_paid(body)) {
    auto const again = parse_paid(to_json(*paid));
    GRN_CHECK(again && to_json(*again) == to_json(*paid));
  }
  if (auto const answer = parse_inventory_answer(body, 9)) {
    auto const again = parse_inventory_answer(to_json(*answer), 9);
    GRN_CHECK(again && again->unknown == answer->unknown && again->refused == answer->refused);
  }
  if (auto const answer = parse_records_answer(body, 3)) GRN_CHECK(answer->left < 3);
  ReconcileMessage asked;
  for (auto const length : {std::size_t{0}, std::size_t{3}, kPositionDigits}) {
    asked.length = length;
    asked.prefixes = {0, OrderPosition{1} << (kPositionBits - 4 * std::max<std::size_t>(length, 1))};
    asked.prefixes.resize(length == 0 ? 1 : 2);
    asked.fingerprint = length == 0 ? std::optional<ShortTag>{1} : std::nullopt;
    auto const nodes = parse_reconcile_answer(body, asked);
    if (!nodes) continue;
    GRN_CHECK(nodes->size() == asked.prefixes.size());
    auto const again = parse_reconcile_answer(reconcile_answer_to_json(*nodes, length), asked);
    GRN_CHECK(again && *again == *nodes);
  }
  if (auto const list = parse_endpoints(body)) {
    GRN_CHECK(list->endpoints.size() <= kPeerEndpointsMax);
    GRN_CHECK(list->endpoints.size() + list->dropped == body.as_array()->size());
    auto const again = parse_endpoints(endpoints_to_json(list->endpoints));
    GRN_CHECK(again && again->dropped == 0 && again->endpoints == list->endpoints);
  }
}

void run(std::string_view input) {
  if (auto const refusal = parse_refusal(input)) {
    GRN_CHECK(refusal->retry_after.count() >= 0);
    GRN_CHECK(refusal->reason.size() <= kRefusalReasonSizeMax);
    GRN_CHECK(parse_refusal(to_error_text(*refusal)) == refusal);
  }
  auto const payload = read_payload(json::Value{input});
  if (!payload) return;
  GRN_CHECK(payload->form == PayloadForm::text);
  auto const again = read_payload(write_payload(payload->body, PayloadForm::text));
  GRN_CHECK(again && again->body == payload->body);
  if (auto const object = read_payload(payload->body); object && object->form == PayloadForm::object) {
    GRN_CHECK(object->body == payload->body);
  }
  read_request(payload->body);
  read_answers(payload->body);
}

}  // namespace
}  // namespace grenache::exchange

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  grenache::exchange::run(grenache::fuzz::as_text(data, size));
  return 0;
}
