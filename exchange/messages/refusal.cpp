#include "exchange/messages/refusal.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "exchange/messages/fields.hpp"

namespace grenache::exchange {
namespace {

struct RefusalWord {
  RefusalCode code;
  std::string_view word;
};
constexpr std::array kRefusalWords{
    RefusalWord{RefusalCode::invalid, "invalid"},         RefusalWord{RefusalCode::unknown, "unknown"},
    RefusalWord{RefusalCode::expired, "expired"},         RefusalWord{RefusalCode::filled, "filled"},
    RefusalWord{RefusalCode::reserved, "reserved"},       RefusalWord{RefusalCode::self_trade, "self-trade"},
    RefusalWord{RefusalCode::amount, "amount"},           RefusalWord{RefusalCode::price, "price"},
    RefusalWord{RefusalCode::signature, "signature"},     RefusalWord{RefusalCode::limit, "limit"},
    RefusalWord{RefusalCode::unavailable, "unavailable"}, RefusalWord{RefusalCode::gone, "gone"},
    RefusalWord{RefusalCode::payment, "payment"},
};

// Cuts at the beginning of a UTF-8 character.
std::string_view shortened(std::string_view text) {
  if (text.size() <= kRefusalReasonSizeMax) return text;
  auto size = kRefusalReasonSizeMax;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) --size;
  return text.substr(0, size);
}

}  // namespace

std::string_view to_text(RefusalCode code) {
  for (auto const& entry : kRefusalWords) {
    if (entry.code == code) return entry.word;
  }
  return "invalid";
}

std::string to_error_text(Refusal const& refusal) {
  json::Value::Object out{{"type", "ErrorMessage"},
                          {"code", to_text(refusal.code)},
                          {"reason", shortened(refusal.reason)},
                          {"retryAfterMs", std::int64_t{refusal.retry_after.count()}}};
  if (!refusal.invoice.empty()) out.emplace_back("invoice", refusal.invoice);
  return json::to_text(json::Value{std::move(out)});
}

std::optional<Refusal> parse_refusal(std::string_view text) {
  auto const body = json::parse(text, fields::kPayloadLimits);
  if (!body) return std::nullopt;
  auto const* const type = body->find_string("type");
  auto const* const code = body->find_string("code");
  if (!type || *type != "ErrorMessage" || !code) return std::nullopt;
  Refusal out;
  auto const* const word = std::ranges::find(kRefusalWords, std::string_view{*code}, &RefusalWord::word);
  if (word != kRefusalWords.end()) out.code = word->code;
  if (auto const* const reason = body->find_string("reason")) out.reason = shortened(*reason);
  auto const* const invoice = body->find_string("invoice");
  if (invoice && invoice->size() <= kInvoiceSizeMax) out.invoice = *invoice;
  out.retry_after = std::chrono::milliseconds{
      std::clamp<std::int64_t>(body->find_int("retryAfterMs").value_or(0), 0, fields::kUnixMsMax)};
  return out;
}

}  // namespace grenache::exchange
