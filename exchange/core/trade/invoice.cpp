#include "exchange/core/trade/invoice.hpp"

#include <algorithm>
#include <optional>

#include "exchange/core/trade/reservation.hpp"
#include <grenache/dht/bencode_writer.hpp>

namespace grenache::exchange {
namespace {

static_assert(kInvoiceLifeMax == kReservationLife);

Sha256 derive(std::string_view domain, InvoiceTerms const& terms, SecretKey const& maker) {
  dht::BencodeWriter out{std::string{domain}};
  out.begin_list();
  out.string(terms.order_id);
  out.string(terms.take_id);
  out.integer(terms.fence);
  out.integer(terms.amount.units());
  out.integer(to_unix_ms(terms.reserved_at));
  out.end();
  return hmac_sha256(maker.view(), out.view());
}

std::chrono::sys_seconds timestamp_of(InvoiceTerms const& terms) {
  return std::chrono::floor<std::chrono::seconds>(terms.reserved_at);
}

// Returns nothing for an amount that no invoice can be for.
std::optional<std::uint64_t> msat_of(Satoshi amount) {
  static_assert(std::uint64_t{Satoshi::kMax} * 1000 <= bolt11::kAmountMsatMax);
  if (amount.units() <= 0 || amount.units() > Satoshi::kMax) return std::nullopt;
  return static_cast<std::uint64_t>(amount.units()) * 1000;
}

// The description up to the fence.
std::string description_of(std::string_view order_id, std::string_view take_id) {
  std::string text{"order "};
  text.append(order_id).append(" take ").append(take_id).append(" fence ");
  return text;
}

bool names_take(bolt11::Invoice const& invoice, ExpectedInvoice const& expected) {
  auto const* const text = std::get_if<std::string>(&invoice.description);
  auto const start = description_of(expected.order_id, expected.take_id);
  if (!text || !text->starts_with(start) || text->size() == start.size()) return false;
  return std::all_of(text->begin() + static_cast<std::ptrdiff_t>(start.size()), text->end(),
                     [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::string_view describe(InvoiceErrc code) {
  switch (code) {
    case InvoiceErrc::wrong_payee:
      return "the invoice was not signed by the maker of the order";
    case InvoiceErrc::wrong_network:
      return "the invoice is not for regtest";
    case InvoiceErrc::wrong_amount:
      return "the invoice asks for another amount, or for none that exists";
    case InvoiceErrc::wrong_take:
      return "the invoice is for another order or take";
    case InvoiceErrc::from_the_future:
      return "the invoice was issued in the future";
    case InvoiceErrc::lives_too_long:
      return "the invoice lives longer than the reservation";
    case InvoiceErrc::expired:
      return "the invoice has expired";
  }
  return "unknown error";
}

Sha256 preimage_of(InvoiceTerms const& terms, SecretKey const& maker) {
  return derive("grenache/exchange/preimage/1:", terms, maker);
}

Result<std::string> issue_invoice(InvoiceTerms const& terms, SecretKey const& maker) {
  auto const msat = msat_of(terms.amount);
  if (!msat) return make_error_code(InvoiceErrc::wrong_amount);
  if (terms.life > kInvoiceLifeMax) return make_error_code(InvoiceErrc::lives_too_long);
  if (terms.life.count() <= 0) return make_error_code(InvoiceErrc::expired);
  bolt11::InvoiceSpec spec;
  spec.network = bolt11::Network::regtest;
  spec.amount_msat = *msat;
  spec.timestamp = timestamp_of(terms);
  spec.payment_hash = sha256(preimage_of(terms, maker).view());
  spec.payment_secret =
      bolt11::PaymentSecret{derive("grenache/exchange/payment-secret/1:", terms, maker).array()};
  spec.description = description_of(terms.order_id, terms.take_id) + std::to_string(terms.fence);
  spec.expiry_s = static_cast<std::uint32_t>(terms.life.count());
  spec.features = {bolt11::kVarOnion, bolt11::kPaymentSecret};
  return bolt11::encode(spec, maker);
}

WallTime invoice_expiry(InvoiceTerms const& terms) { return timestamp_of(terms) + terms.life; }

Result<bolt11::Invoice> check_invoice(std::string_view text, ExpectedInvoice const& expected, WallTime now) {
  auto invoice = bolt11::decode(text);
  if (!invoice) return invoice.error();
  if (invoice->payee != expected.maker) return make_error_code(InvoiceErrc::wrong_payee);
  if (invoice->network != bolt11::Network::regtest) return make_error_code(InvoiceErrc::wrong_network);
  auto const msat = msat_of(expected.amount);
  if (!msat || invoice->amount_msat != msat) return make_error_code(InvoiceErrc::wrong_amount);
  if (!names_take(*invoice, expected)) return make_error_code(InvoiceErrc::wrong_take);
  if (invoice->timestamp > now + kInvoiceSkewMax) return make_error_code(InvoiceErrc::from_the_future);
  if (std::chrono::seconds{invoice->expiry_s} > kInvoiceLifeMax) {
    return make_error_code(InvoiceErrc::lives_too_long);
  }
  if (invoice->is_expired(now)) return make_error_code(InvoiceErrc::expired);
  return invoice;
}

}  // namespace grenache::exchange
