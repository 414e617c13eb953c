// The invoice of a take: issued by the maker for a reservation, checked by the taker.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "exchange/messages/bolt11.hpp"
#include "exchange/messages/money.hpp"
#include <grenache/base/crypto.hpp>
#include <grenache/base/result.hpp>
#include <grenache/base/time.hpp>

namespace grenache::exchange {

enum class InvoiceErrc {
  wrong_payee = 1,
  wrong_network,
  wrong_amount,
  wrong_take,
  from_the_future,
  lives_too_long,
  expired,
};
[[nodiscard]] std::string_view describe(InvoiceErrc code);
constexpr char const* category_name(InvoiceErrc) { return "exchange.invoice"; }
inline Error make_error_code(InvoiceErrc code) { return make_enum_error(code); }

/// Maximum lifetime of an invoice: that of a reservation.
inline constexpr std::chrono::seconds kInvoiceLifeMax{900};
/// How far a maker's clock may be ahead of the taker's.
inline constexpr std::chrono::minutes kInvoiceSkewMax{10};

/// The inputs of an invoice besides the maker's key: from the same terms every process of the maker issues
/// the same invoice, byte for byte.
struct InvoiceTerms {
  std::string order_id;
  std::string take_id;     // as in the reservation store, where the takes of all takers differ
  std::int64_t fence = 0;  // of the reservation
  Satoshi amount;          // > 0, at most Satoshi::kMax
  WallTime reserved_at{};
  std::chrono::seconds life = kInvoiceLifeMax;  // > 0, at most kInvoiceLifeMax
};

/// Returns the preimage, which the payer receives for the payment: HMAC-SHA256 with the maker's secret key
/// over a domain, order id, take id, fence, amount and reserved_at in ms. Its SHA-256 is the payment hash.
///
/// Two reservations share a preimage only if all of these are equal, so a payment never proves another one,
/// even if a store that lost its data gives out a fence again.
[[nodiscard]] Sha256 preimage_of(InvoiceTerms const& terms, SecretKey const& maker);

/// Issues a regtest invoice (`lnbcrt`, so that no wallet pays it by mistake) for the whole amount, valid from
/// `reserved_at`, rounded down to seconds, for `life`. The description is "order ORDER_ID take TAKE_ID fence
/// FENCE". Errors: wrong_amount, lives_too_long and expired for terms out of range, or those of
/// bolt11::encode().
[[nodiscard]] Result<std::string> issue_invoice(InvoiceTerms const& terms, SecretKey const& maker);
/// Returns when that invoice expires.
[[nodiscard]] WallTime invoice_expiry(InvoiceTerms const& terms);

/// Terms that a taker expects of an invoice.
struct ExpectedInvoice {
  PeerId maker;
  std::string order_id;
  std::string take_id;  // as in InvoiceTerms
  Satoshi amount;
};

/// Decodes an invoice and checks that the maker signed it, that it is a regtest invoice for exactly the
/// amount, that its description is the one of issue_invoice() for the order and the take, with any fence,
/// that its time is at most kInvoiceSkewMax ahead, that it lives at most kInvoiceLifeMax, and that it has not
/// expired. Errors: InvoiceErrc, or those of bolt11::decode().
[[nodiscard]] Result<bolt11::Invoice> check_invoice(std::string_view text, ExpectedInvoice const& expected,
                                                    WallTime now);

}  // namespace grenache::exchange

GRN_ERROR_CODE_ENUM(grenache::exchange::InvoiceErrc);
