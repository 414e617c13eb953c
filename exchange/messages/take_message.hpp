// Messages between the taker of an order and its maker.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "exchange/messages/message_header.hpp"
#include "exchange/messages/order_record.hpp"

namespace grenache::exchange {

/// Asks the maker to reserve an amount of an order.
struct ExecuteOrderMessage {
  static constexpr std::string_view kType = "ExecuteOrderMessage";
  MessageHeader header;
  std::string order_id;
  std::optional<TakeTerms> take;  // none: a request of the original, for the whole order
};
[[nodiscard]] json::Value to_json(ExecuteOrderMessage const& message);

struct ExecuteOrderResponse {
  static constexpr std::string_view kType = "ExecuteOrderResponse";
  MessageHeader header;
  std::string order_id;
  std::string lightning_invoice;
  WallTime expires_at{};  // written as `expiresAt` and as `exiresAt`, the original's spelling
  std::string take_id;    // empty from the original
  std::optional<Satoshi> amount;
};
[[nodiscard]] json::Value to_json(ExecuteOrderResponse const& message);
[[nodiscard]] Result<ExecuteOrderResponse> parse_execute_response(json::Value const& body);

/// Pays an invoice: asks its maker for the preimage, which is the proof of payment. The same request again
/// gets the same answer. Only takes of ExecuteOrderMessages with terms can be paid.
struct PayMessage {
  static constexpr std::string_view kType = "PayMessage";
  MessageHeader header;
  std::string order_id;
  std::string take_id;  // UUID, of the take that got the invoice
  Sha256 payment_hash;  // of the invoice
  PeerId taker;
  Signature signature;  // of the taker over pay_digest()
};
[[nodiscard]] json::Value to_json(PayMessage const& message);
/// SHA-256 of "grenache/exchange/pay/1:" and the bencoded dictionary of hash, maker, order, take, taker (hash
/// and keys as raw bytes).
[[nodiscard]] Sha256 pay_digest(PayMessage const& message, PeerId const& maker);
/// Sets taker and signature.
void sign_pay(PayMessage& message, PeerId const& maker, SecretKey const& taker);
[[nodiscard]] bool verify_pay(PayMessage const& message, PeerId const& maker);

/// The answer to PayMessage.
struct PaidMessage {
  static constexpr std::string_view kType = "PaidMessage";
  MessageHeader header;
  std::string order_id;
  std::string take_id;
  Sha256 preimage;  // the taker checks that its SHA-256 is the payment hash
};
[[nodiscard]] json::Value to_json(PaidMessage const& message);
[[nodiscard]] Result<PaidMessage> parse_paid(json::Value const& body);

}  // namespace grenache::exchange
