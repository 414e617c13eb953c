// The invoice of a take: made by the maker from what is reserved, checked by the taker.
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
  wrong_amount,
  lives_too_long,
  expired,
};
[[nodiscard]] std::string_view describe(InvoiceErrc code);
constexpr char const* category_name(InvoiceErrc) { return "exchange.invoice"; }
inline Error make_error_code(InvoiceErrc code) { return make_enum_error(code); }

/// How long a maker holds what is reserved, and the longest an invoice may live.
inline constexpr std::chrono::seconds kReservationLife{900};

/// All that an invoice depends on beside the maker's key: from the same terms every process of the maker
/// makes the same invoice, byte for byte.
struct InvoiceTerms {
  std::string order_id;
  std::string take_id;
  std::int64_t fence = 0;  // of the reservation; a later one of the same take has another invoice
  Satoshi amount;
  WallTime reserved_at{};
  std::chrono::seconds life = kReservationLife;
};

/// What the payer learns by paying: HMAC-SHA256 with the maker's secret key over a domain and order id, take
/// id and fence. Its SHA-256 is the payment hash.
[[nodiscard]] Sha256 preimage_of(InvoiceTerms const& terms, SecretKey const& maker);

/// A regtest invoice (`lnbcrt`: no wallet pays it by mistake) over the whole amount, from `reserved_at`,
/// rounded down to the second, for `life`; the description names order, take and fence.
[[nodiscard]] Result<std::string> issue_invoice(InvoiceTerms const& terms, SecretKey const& maker);
/// When that invoice ends.
[[nodiscard]] WallTime invoice_expiry(InvoiceTerms const& terms);

/// Decodes an invoice and checks that `maker` signed it, for exactly `amount`, that it lives no longer than a
/// reservation and has not expired. Errors: InvoiceErrc, or why it cannot be decoded.
[[nodiscard]] Result<bolt11::Invoice> check_invoice(std::string_view text, PeerId const& maker,
                                                    Satoshi amount, WallTime now);

}  // namespace grenache::exchange

GRN_ERROR_CODE_ENUM(grenache::exchange::InvoiceErrc);
