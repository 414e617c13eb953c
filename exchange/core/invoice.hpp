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
  wrong_amount,
  lives_too_long,
  expired,
};
[[nodiscard]] std::string_view describe(InvoiceErrc code);
constexpr char const* category_name(InvoiceErrc) { return "exchange.invoice"; }
inline Error make_error_code(InvoiceErrc code) { return make_enum_error(code); }

/// Lifetime of a reservation, and the maximum lifetime of an invoice.
inline constexpr std::chrono::seconds kReservationLife{900};

/// The inputs of an invoice besides the maker's key: from the same terms every process of the maker issues
/// the same invoice, byte for byte.
struct InvoiceTerms {
  std::string order_id;
  std::string take_id;
  /// Fence of the reservation; a later reservation of the same take has another invoice.
  std::int64_t fence = 0;
  Satoshi amount;
  WallTime reserved_at{};
  std::chrono::seconds life = kReservationLife;
};

/// Returns the preimage, which the payer receives for the payment: HMAC-SHA256 with the maker's secret key
/// over a domain, order id, take id and fence. Its SHA-256 is the payment hash.
[[nodiscard]] Sha256 preimage_of(InvoiceTerms const& terms, SecretKey const& maker);

/// Issues a regtest invoice (`lnbcrt`, so that no wallet pays it by mistake) for the whole amount, valid from
/// `reserved_at`, rounded down to seconds, for `life`. The description names order, take and fence.
[[nodiscard]] Result<std::string> issue_invoice(InvoiceTerms const& terms, SecretKey const& maker);
/// Returns when that invoice expires.
[[nodiscard]] WallTime invoice_expiry(InvoiceTerms const& terms);

/// Decodes an invoice and checks that `maker` signed it, that it is for exactly `amount`, lives no longer
/// than a reservation, and has not expired. Errors: InvoiceErrc, or those of bolt11::decode().
[[nodiscard]] Result<bolt11::Invoice> check_invoice(std::string_view text, PeerId const& maker,
                                                    Satoshi amount, WallTime now);

}  // namespace grenache::exchange

GRN_ERROR_CODE_ENUM(grenache::exchange::InvoiceErrc);
