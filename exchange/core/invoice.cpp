#include "exchange/core/invoice.hpp"

#include <grenache/dht/bencode_writer.hpp>

namespace grenache::exchange {
namespace {

Sha256 derive(std::string_view domain, InvoiceTerms const& terms, SecretKey const& maker) {
  dht::BencodeWriter out{std::string{domain}};
  out.begin_list();
  out.string(terms.order_id);
  out.string(terms.take_id);
  out.integer(terms.fence);
  out.end();
  return hmac_sha256(maker.view(), out.view());
}

std::chrono::sys_seconds timestamp_of(InvoiceTerms const& terms) {
  return std::chrono::floor<std::chrono::seconds>(terms.reserved_at);
}

}  // namespace

std::string_view describe(InvoiceErrc code) {
  switch (code) {
    case InvoiceErrc::wrong_payee:
      return "the invoice was not signed by the maker of the order";
    case InvoiceErrc::wrong_amount:
      return "the invoice asks for another amount";
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
  bolt11::InvoiceSpec spec;
  spec.network = bolt11::Network::regtest;
  spec.amount_msat = static_cast<std::uint64_t>(terms.amount.units()) * 1000;
  spec.timestamp = timestamp_of(terms);
  spec.payment_hash = sha256(preimage_of(terms, maker).view());
  spec.payment_secret =
      bolt11::PaymentSecret{derive("grenache/exchange/payment-secret/1:", terms, maker).array()};
  spec.description =
      "order " + terms.order_id + " take " + terms.take_id + " fence " + std::to_string(terms.fence);
  spec.expiry_s = static_cast<std::uint32_t>(terms.life.count());
  spec.features = {bolt11::kVarOnion, bolt11::kPaymentSecret};
  return bolt11::encode(spec, maker);
}

WallTime invoice_expiry(InvoiceTerms const& terms) { return timestamp_of(terms) + terms.life; }

Result<bolt11::Invoice> check_invoice(std::string_view text, PeerId const& maker, Satoshi amount,
                                      WallTime now) {
  auto invoice = bolt11::decode(text);
  if (!invoice) return invoice.error();
  if (invoice->payee != maker) return make_error_code(InvoiceErrc::wrong_payee);
  if (invoice->amount_msat != static_cast<std::uint64_t>(amount.units()) * 1000) {
    return make_error_code(InvoiceErrc::wrong_amount);
  }
  if (std::chrono::seconds{invoice->expiry_s} > kReservationLife) {
    return make_error_code(InvoiceErrc::lives_too_long);
  }
  if (invoice->is_expired(now)) return make_error_code(InvoiceErrc::expired);
  return invoice;
}

}  // namespace grenache::exchange
