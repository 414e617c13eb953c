#include "tests/sim/exchange/hostile_peer.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "exchange/core/trade/take_rules.hpp"

namespace grenache::exchange::test {
namespace {

using json::Value;
using Node = TraderNetwork::Node;

constexpr std::size_t kHeardMax = 200;
constexpr std::size_t kVersionsMax = 200;
constexpr std::uint16_t kPort = 6'666;

Value text_of(Value const& body) { return write_payload(body, PayloadForm::text); }

}  // namespace

HostilePeer::HostilePeer(TradeWorld& world, std::string host, std::uint64_t key, Random random)
    : world_{world},
      random_{std::move(random)},
      key_{samples::secret(key)},
      id_{key_.public_key()},
      at_{host + ":" + std::to_string(kPort)} {
  addresses_.push_back(*IpAddress::parse(host));
  for (std::uint8_t i = 1; i < 4; ++i) addresses_.emplace_back(10, 66, 0, i);
  world.network.strangers[at_] = [this](Value const& payload) { return answer(payload); };
  world.watch.add_stranger(id_);
}

void HostilePeer::hear(Value const& sent) {
  auto const* const text = sent.as_string();
  if (!text) return;
  heard_.push_back(*text);
  if (heard_.size() > kHeardMax) heard_.pop_front();
}

std::string HostilePeer::any_heard(std::string_view type) {
  for (int i = 0; i < 20 && !heard_.empty(); ++i) {
    auto const& text = heard_[random_.below(heard_.size())];
    if (text.find(type) != std::string::npos) return text;
  }
  return "{}";
}

/// Changes a digit most of the time, so that the text stays JSON.
std::string HostilePeer::garbled(std::string text) {
  for (auto count = 1 + random_.below(3); count > 0 && !text.empty(); --count) {
    auto const at = random_.below(text.size());
    auto const kind = random_.below(10);
    if (kind < 7) {
      auto const digit = text.find_first_of("0123456789", at);
      if (digit != std::string::npos) text[digit] = static_cast<char>('0' + random_.below(10));
    } else if (kind == 7) {
      text[at] = static_cast<char>(random_.below(256));
    } else if (kind == 8) {
      text.erase(at, random_.below(20));
    } else {
      text.insert(at, text.substr(random_.below(text.size()), random_.below(20)));
    }
  }
  return text;
}

std::string HostilePeer::any_endpoint() {
  if (chance(4)) return "10.77.0." + std::to_string(random_.below(250)) + ":" + std::to_string(kPort);
  return world_.any_node().at;
}

// Orders

OrderRecord HostilePeer::own_order() {
  OrderRecord out;
  out.id = make_uuid(random_);
  out.seq = 1 + static_cast<std::int64_t>(random_.below(3));
  out.side = chance(2) ? Side::buy : Side::sell;
  out.price = PriceCents{5'900'000 + static_cast<std::int64_t>(random_.below(200'000))};
  out.amount = out.remaining = Satoshi{1 + static_cast<std::int64_t>(random_.below(1'000))};
  out.created = wall() - std::chrono::minutes{3} + std::chrono::seconds{random_.below(270)};
  out.expires = wall() + std::chrono::minutes{2 + random_.below(10)};
  out.endpoint = chance(4) ? any_endpoint() : at_;
  out.exchange_id = HostPort::parse(out.endpoint)->port;
  sign_order(out, key_);
  orders_.push_back(out);
  return out;
}

OrderRecord HostilePeer::contradicting() {
  if (orders_.empty()) return own_order();
  auto out = orders_[random_.below(orders_.size())];
  switch (random_.below(6)) {
    case 0:
      out.price = PriceCents{out.price.units() + 1};
      break;
    case 1:
      out.side = opposite(out.side);
      break;
    case 2:
      out.remaining = Satoshi{random_.below(2) == 0 ? 1 : out.amount.units()};
      break;
    case 3:
      out.status = OrderStatus::cancelled;
      break;
    case 4:
      out.created -= std::chrono::seconds{1};
      break;
    default:
      ++out.seq;
  }
  sign_order(out, key_);
  return out;
}

OrderRecord HostilePeer::forged() {
  auto const& node = world_.any_node();
  auto const known = node.trader ? world_.any_order(node, chance(2)) : std::nullopt;
  if (!known || !known->is_signed() || chance(4)) {
    auto out = own_order();
    orders_.pop_back();
    out.maker = world_.any_node().id;
    return out;
  }
  auto out = *known;
  switch (random_.below(9)) {
    case 0:
      out.price = PriceCents{out.price.units() + 1};
      break;
    case 1:
      out.remaining = Satoshi{1};
      break;
    case 2:
      out.amount = out.remaining = Satoshi{out.amount.units() + 1};
      break;
    case 3:
      out.status = OrderStatus::cancelled;
      break;
    case 4:
      ++out.seq;
      break;
    case 5:
      out.expires += std::chrono::minutes{1};
      break;
    case 6:
      out.endpoint = at_;
      out.exchange_id = kPort;
      break;
    case 7:
      out.side = opposite(out.side);
      break;
    default:
      // Signed by the wrong key.
      ++out.seq;
      sign_order(out, key_);
      out.maker = known->maker;
  }
  return out;
}

// Requests

void HostilePeer::send(Node& node, Value payload, std::function<void(CallAnswer)> done) {
  ++sent_count_;
  auto const& from = addresses_[random_.below(addresses_.size())];
  world_.network.request(from, node.at, std::move(payload), std::move(done));
  world_.network.run();
}

void HostilePeer::send_body(Node& node, Value body, std::function<void(CallAnswer)> done) {
  send(node, text_of(body), std::move(done));
}

void HostilePeer::tell(Node& node, OrderRecord const& order) {
  if (chance(2)) return send_body(node, exchange::to_json(order));
  InventoryMessage message;
  message.endpoint = chance(3) ? any_endpoint() : at_;
  message.orders.push_back(order);
  message.ids.push_back(version_of(order));
  send_body(node, to_json(message));
}

void HostilePeer::take(Node& node) {
  auto const known = node.trader ? world_.any_order(node, true) : std::nullopt;
  if (!known) return;
  auto const& order = *known;
  TakeTerms terms;
  terms.take_id = make_uuid(random_);
  terms.amount = Satoshi{world_.up_to(order.remaining.units())};
  terms.price = order.price;
  terms.created = wall();
  sign_take(terms, order.id, *order.maker, key_);
  ExecuteOrderMessage const message{{kPort, CreatorType::client, wall()}, order.id, terms};
  // The answer may come later, or never.
  auto const got = std::make_shared<CallAnswer>(CallAnswer{{}, "none yet"});
  send_body(node, to_json(message), [got](CallAnswer const& said) { *got = said; });
  if (!got->error.empty() || chance(2)) return;
  auto const response = parse_execute_response(read_answer(got->result));
  auto const invoice =
      response ? bolt11::decode(response->lightning_invoice) : Result<bolt11::Invoice>{response.error()};
  if (!invoice) return;
  PayMessage pay{message.header, order.id, terms.take_id, invoice->payment_hash, {}, {}};
  sign_pay(pay, *order.maker, key_);
  send_body(node, to_json(pay));
  if (chance(2)) send_body(node, to_json(pay));
}

void HostilePeer::act(Node& node) {
  auto const kind = random_.below(100);
  if (kind < 25) return send(node, garbled(any_heard()));
  if (kind < 40) return send(node, any_heard(chance(2) ? "ExecuteOrderMessage" : "PayMessage"));
  if (kind < 50) return send(node, any_heard());
  if (kind < 65) return tell(node, forged());
  if (kind < 80) {
    auto const order = chance(2) ? own_order() : contradicting();
    versions_.push_back(order);
    if (versions_.size() > kVersionsMax) versions_.erase(versions_.begin());
    if (chance(2)) index_.put(order);
    return tell(node, order);
  }
  if (kind < 85) return take(node);
  if (kind < 90) {
    InventoryMessage message;
    message.endpoint = any_endpoint();
    for (int i = 0; i < 20; ++i) message.ids.push_back({random_() >> 16, random_() >> 16});
    return send_body(node, to_json(message));
  }
  if (kind < 95) {
    ReconcileMessage message;
    message.endpoint = any_endpoint();
    message.prefixes = {0};
    message.fingerprint = random_() >> 16;
    return send_body(node, to_json(message));
  }
  send(node, Value{std::string(random_.below(100), '[')});
}

// Answers

CallAnswer HostilePeer::lie() {
  switch (random_.below(4)) {
    case 0:
      return {{}, "ERR_TIMEOUT"};
    case 1:
      return {Value{garbled(any_heard())}, {}};
    case 2:
      return {Value{any_heard()}, {}};
    default:
      return {{}, to_error_text({RefusalCode::invalid, "no", {}})};
  }
}

CallAnswer HostilePeer::answer(Value const& payload) {
  if (chance(6)) return lie();
  auto const read = read_payload(payload);
  auto const request = read ? parse_request(read->body) : Result<Request>{read.error()};
  if (!request) return lie();
  return std::visit([this](auto const& message) { return reply(message); }, *request);
}

CallAnswer HostilePeer::reply(PingPongMessage const& message) {
  PingPongMessage pong{{kPort, CreatorType::server, wall()}, true, id_, "bad", "hostile", {}, {}};
  if (message.nonce) sign_pong(pong, *message.nonce, chance(4) ? any_endpoint() : at_, key_);
  if (chance(6)) pong.peer = world_.any_node().id;
  return {to_json(pong), {}};
}

CallAnswer HostilePeer::reply(GetPeersMessage const&) {
  std::vector<std::string> named;
  for (int i = 0; i < 5; ++i) named.push_back(any_endpoint());
  return {endpoints_to_json(named), {}};
}

CallAnswer HostilePeer::reply(ReconcileMessage const& message) {
  auto nodes = reconcile(index_, message);
  if (chance(3)) {
    for (auto& node : nodes) {
      for (auto& child : node.children) child = 1 + random_.below(1'000'000);
      for (auto& entry : node.entries) entry.tag ^= 1;
    }
  }
  return {reconcile_answer_to_json(nodes, message.length), {}};
}

CallAnswer HostilePeer::reply(InventoryMessage const& message) {
  InventoryAnswer out;
  for (std::size_t i = 0; i < message.ids.size(); ++i) out.unknown.push_back(chance(2));
  return {to_json(out), {}};
}

CallAnswer HostilePeer::reply(GetRecordsMessage const& message) {
  std::vector<Value> out;
  for (auto const& order : versions_) {
    auto const position = position_of(order.id, id_);
    if (std::ranges::find(message.positions, position) != message.positions.end()) {
      out.push_back(exchange::to_json(order));
    }
  }
  if (chance(3)) out.push_back(exchange::to_json(forged()));
  return {records_answer_to_json(std::move(out), 0), {}};
}

CallAnswer HostilePeer::reply(ExecuteOrderMessage const& message) {
  if (!message.take || chance(3)) return {Value{any_heard("ExecuteOrderResponse")}, {}};
  auto const& take = *message.take;
  InvoiceTerms const terms{message.order_id, store_take_id(take.take_id, take.taker.hex()), 1, take.amount,
                           wall()};
  auto invoice = issue_invoice(terms, key_);
  if (!invoice) return lie();
  sales_[take.take_id] = terms;
  ExecuteOrderResponse const response{{kPort, CreatorType::server, wall()},
                                      message.order_id,
                                      *std::move(invoice),
                                      invoice_expiry(terms),
                                      take.take_id,
                                      take.amount};
  return {to_json(response), {}};
}

CallAnswer HostilePeer::reply(PayMessage const& message) {
  auto const sale = sales_.find(message.take_id);
  if (sale == sales_.end() || chance(3)) return {Value{any_heard("PaidMessage")}, {}};
  PaidMessage paid{{kPort, CreatorType::server, wall()},
                   message.order_id,
                   message.take_id,
                   preimage_of(sale->second, key_)};
  if (chance(3)) paid.preimage = sha256("no");
  return {to_json(paid), {}};
}

}  // namespace grenache::exchange::test
