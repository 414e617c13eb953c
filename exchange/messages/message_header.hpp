// What all messages between exchange peers have in common: errors, limits, the header, and the form in the
// RPC envelope.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <grenache/base/result.hpp>
#include <grenache/base/time.hpp>
#include <grenache/json/json.hpp>

namespace grenache::exchange {

enum class MessageErrc {
  not_json = 1,
  not_an_object,
  unknown_type,
  bad_header,
  bad_ping,
  bad_order_id,
  bad_sides,
  bad_amount,
  bad_price,
  bad_status,
  bad_seq,
  bad_time,
  bad_key,
  bad_endpoint,
  bad_signature,
  bad_take_id,
  bad_answer,
  bad_invoice,
  unsigned_price,
  bad_payment_hash,
  bad_preimage,
  bad_range,
  bad_proof,
};
[[nodiscard]] std::string_view describe(MessageErrc code);
constexpr char const* category_name(MessageErrc) { return "grenache.exchange_message"; }
inline Error make_error_code(MessageErrc code) { return make_enum_error(code); }

inline constexpr std::size_t kOrderIdSizeMax = 128;    // bytes; limit of an id in a request
inline constexpr std::size_t kPeerNameSizeMax = 64;    // bytes; for display only
inline constexpr std::size_t kEndpointSizeMax = 260;   // a DNS name of 253 characters, colon, port
inline constexpr std::size_t kPeerEndpointsMax = 100;  // endpoints in an answer to GetPeersMessage
inline constexpr std::size_t kInvoiceSizeMax = 7089;   // the capacity of the largest QR code
/// Limits of an RPC body: a request holds at most one order, an answer a whole book of 10,000.
inline constexpr std::size_t kRequestBytesMax = 64 * 1024;
inline constexpr std::size_t kAnswerBytesMax = 16 * 1024 * 1024;

/// How a message is embedded in the RPC envelope. The original program sends JSON text as a string and
/// crashes on anything else, so requests are sent as text; answers use the form of the request.
enum class PayloadForm { text, object };

struct Payload {
  json::Value body;
  PayloadForm form = PayloadForm::text;
};

/// Parses a string as JSON text; any other value is the message itself. Errors: not_json.
[[nodiscard]] Result<Payload> read_payload(json::Value payload);
/// The body of an answer, in either form; a string that is not JSON text is returned unchanged.
[[nodiscard]] json::Value read_answer(json::Value result);
[[nodiscard]] json::Value write_payload(json::Value body, PayloadForm form);

enum class CreatorType { unknown, client, server };

/// The members that all messages have.
struct MessageHeader {
  std::int64_t exchange_id = -1;  // RPC port of the sender; the original executes at localhost:exchangeId
  CreatorType creator = CreatorType::unknown;
  WallTime created_at{};
};

}  // namespace grenache::exchange

GRN_ERROR_CODE_ENUM(grenache::exchange::MessageErrc);
