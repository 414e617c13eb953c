#include "exchange/messages/order_record.hpp"

#include <algorithm>
#include <array>
#include <tuple>

#include <grenache/base/check.hpp>
#include <grenache/dht/bencode_writer.hpp>

namespace grenache::exchange {
namespace {

constexpr std::string_view kOrderDomain = "grenache/exchange/order/1:";
constexpr std::string_view kTakeDomain = "grenache/exchange/take/1:";

bool is_hex_digit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

}  // namespace

std::string_view to_text(Side side) { return side == Side::buy ? "buy" : "sell"; }

std::string_view to_text(OrderStatus status) {
  switch (status) {
    case OrderStatus::open:
      return "OPEN";
    case OrderStatus::filled:
      return "FILLED";
    case OrderStatus::cancelled:
      return "CANCELLED";
    case OrderStatus::expired:
      return "EXPIRED";
  }
  return "";
}

std::optional<OrderStatus> parse_order_status(std::string_view text) {
  for (auto const status :
       {OrderStatus::open, OrderStatus::filled, OrderStatus::cancelled, OrderStatus::expired}) {
    if (text == to_text(status)) return status;
  }
  return std::nullopt;
}

bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    bool const is_dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (is_dash ? text[i] != '-' : !is_hex_digit(text[i])) return false;
  }
  return true;
}

Sha256 order_digest(OrderRecord const& order) {
  GRN_CHECK(order.maker);
  dht::BencodeWriter out{std::string{kOrderDomain}};
  out.begin_dict();
  out.integer("amount", order.amount.units());
  out.integer("created", to_unix_ms(order.created));
  out.string("endpoint", order.endpoint);
  out.integer("expires", to_unix_ms(order.expires));
  out.string("id", order.id);
  out.string("maker", order.maker->view());
  if (order.least_take.units() != 0) out.integer("minimum", order.least_take.units());
  out.integer("price", order.price.units());
  out.integer("remaining", order.remaining.units());
  out.integer("seq", order.seq);
  out.string("side", to_text(order.side));
  out.string("status", to_text(order.status));
  out.end();
  return sha256(out.view());
}

void sign_order(OrderRecord& order, SecretKey const& maker) {
  order.maker = maker.public_key();
  order.signature = maker.sign(order_digest(order));
}

bool verify_order(OrderRecord const& order) {
  return order.maker && verify(*order.maker, order_digest(order), order.signature);
}

bool contradict(OrderRecord const& a, OrderRecord const& b) {
  auto const terms = [](OrderRecord const& order) {
    return std::tuple{order.side, order.price, order.amount, order.least_take, order.created};
  };
  return a.maker && a.maker == b.maker && a.id == b.id && terms(a) != terms(b);
}

Sha256 take_digest(TakeTerms const& take, std::string_view order_id, PeerId const& maker) {
  dht::BencodeWriter out{std::string{kTakeDomain}};
  out.begin_dict();
  out.integer("amount", take.amount.units());
  out.integer("created", to_unix_ms(take.created));
  out.string("maker", maker.view());
  out.string("order", order_id);
  out.integer("price", take.price.units());
  out.string("take", take.take_id);
  out.string("taker", take.taker.view());
  out.end();
  return sha256(out.view());
}

void sign_take(TakeTerms& take, std::string_view order_id, PeerId const& maker, SecretKey const& taker) {
  take.taker = taker.public_key();
  take.signature = taker.sign(take_digest(take, order_id, maker));
}

bool verify_take(TakeTerms const& take, std::string_view order_id, PeerId const& maker) {
  return verify(take.taker, take_digest(take, order_id, maker), take.signature);
}

}  // namespace grenache::exchange
