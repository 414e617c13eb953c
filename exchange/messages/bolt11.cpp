#include "exchange/messages/bolt11.hpp"

#include <algorithm>

#include "exchange/messages/bolt11_wire.hpp"

namespace grenache::bolt11 {

std::string_view describe(Bolt11Errc code) {
  switch (code) {
    case Bolt11Errc::not_an_invoice:
      return "text does not begin with 'ln'";
    case Bolt11Errc::unknown_network:
      return "invoice is for an unknown network";
    case Bolt11Errc::bad_amount:
      return "amount is not a number with an optional m, u, n or p";
    case Bolt11Errc::fraction_of_millisatoshi:
      return "amount is finer than a millisatoshi";
    case Bolt11Errc::amount_out_of_range:
      return "amount is 0 or more than the bitcoin supply";
    case Bolt11Errc::too_short:
      return "invoice is too short for a timestamp and a signature";
    case Bolt11Errc::malformed_field:
      return "a field is truncated or badly padded";
    case Bolt11Errc::too_many_fields:
      return "invoice has too many fields";
    case Bolt11Errc::number_not_minimal:
      return "a number or the features have leading zeros";
    case Bolt11Errc::number_too_large:
      return "a number has more than 32 bits";
    case Bolt11Errc::no_payment_hash:
      return "payment hash is missing";
    case Bolt11Errc::no_payment_secret:
      return "payment secret is missing";
    case Bolt11Errc::no_description:
      return "description is missing";
    case Bolt11Errc::two_descriptions:
      return "invoice has both a description and the hash of one";
    case Bolt11Errc::not_utf8:
      return "description is not UTF-8";
    case Bolt11Errc::unknown_required_feature:
      return "invoice requires an unknown feature";
    case Bolt11Errc::bad_signature:
      return "signature is not valid";
    case Bolt11Errc::field_too_long:
      return "a field is longer than an invoice can hold";
    case Bolt11Errc::timestamp_out_of_range:
      return "timestamp does not fit into 35 bits";
    case Bolt11Errc::bad_fallback_address:
      return "fallback address has a wrong version or length";
    case Bolt11Errc::bad_route_hint:
      return "route hint is empty or too long";
    case Bolt11Errc::invoice_too_long:
      return "invoice is too long";
  }
  return "unknown invoice error";
}

namespace wire {

bool is_utf8(std::string_view text) {
  auto const byte = [&](std::size_t at) {
    return at < text.size() ? static_cast<unsigned char>(text[at]) : 0u;
  };
  for (std::size_t at = 0; at < text.size();) {
    unsigned const lead = byte(at);
    unsigned const second = byte(at + 1);
    std::size_t size = 1;
    // The ranges of the second byte exclude overlong forms, surrogates and code points above U+10FFFF.
    if (lead >= 0x80) {
      unsigned low = 0x80;
      unsigned high = 0xbf;
      if (lead >= 0xc2 && lead <= 0xdf) {
        size = 2;
      } else if (lead >= 0xe0 && lead <= 0xef) {
        size = 3;
        if (lead == 0xe0) low = 0xa0;
        if (lead == 0xed) high = 0x9f;
      } else if (lead >= 0xf0 && lead <= 0xf4) {
        size = 4;
        if (lead == 0xf0) low = 0x90;
        if (lead == 0xf4) high = 0x8f;
      } else {
        return false;
      }
      if (second < low || second > high) return false;
    }
    for (std::size_t i = 2; i < size; ++i) {
      if ((byte(at + i) & 0xc0) != 0x80) return false;
    }
    at += size;
  }
  return true;
}

bool is_known_required(std::uint32_t bit) {
  static constexpr std::array kKnown{kVarOnion,      kPaymentSecret,   kBasicMpp,
                                     kRouteBlinding, kAttributionData, kPaymentMetadata};
  return std::find(kKnown.begin(), kKnown.end(), bit) != kKnown.end();
}

bool is_payable(FallbackAddress const& address) {
  auto const size = address.program.size();
  if (address.version == 0) return size == 20 || size == 32;
  if (address.version <= 16) return size >= 2 && size <= 40;
  return (address.version == kPublicKeyHash || address.version == kScriptHash) && size == 20;
}

Sha256 signed_hash(std::string_view prefix, WordView words) {
  return sha256(std::string{prefix} + padded_bytes(words));
}

}  // namespace wire
}  // namespace grenache::bolt11
