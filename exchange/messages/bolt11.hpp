// Encodes, signs and decodes Lightning invoices (BOLT 11).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <grenache/base/crypto.hpp>
#include <grenache/base/ids.hpp>
#include <grenache/base/result.hpp>
#include <grenache/base/time.hpp>

namespace grenache::bolt11 {

/// Maximum length of an invoice, in characters: the capacity of the largest QR code, which is also LND's
/// limit.
inline constexpr std::size_t kInvoiceSizeMax = 7089;
/// Maximum number of tagged fields. Real invoices have about ten; each costs an allocation.
inline constexpr std::size_t kFieldCountMax = 100;
/// Maximum size of a tagged field in bytes (1023 words of 5 bits), and so of a description or metadata.
inline constexpr std::size_t kFieldBytesMax = 639;
/// Maximum number of hops in a route hint: 51 bytes each in one field.
inline constexpr std::size_t kRouteHopsMax = kFieldBytesMax / 51;
/// The total supply of bitcoin, in millisatoshi.
inline constexpr std::uint64_t kAmountMsatMax = 2'100'000'000'000'000'000;
/// The timestamp has 35 bits.
inline constexpr std::int64_t kTimestampMax = (std::int64_t{1} << 35) - 1;
inline constexpr std::uint32_t kFeatureBitMax = 1023 * 5 - 1;
inline constexpr std::uint32_t kDefaultExpirySeconds = 3600;
inline constexpr std::uint32_t kDefaultMinFinalCltvExpiry = 18;

/// Feature bits that BOLT 9 defines for invoices, in their required (even) form; odd ones are one higher.
inline constexpr std::uint32_t kVarOnion = 8;
inline constexpr std::uint32_t kPaymentSecret = 14;
inline constexpr std::uint32_t kBasicMpp = 16;
inline constexpr std::uint32_t kRouteBlinding = 24;
inline constexpr std::uint32_t kAttributionData = 36;
inline constexpr std::uint32_t kPaymentMetadata = 48;

enum class Bolt11Errc {
  not_an_invoice = 1,
  unknown_network,
  bad_amount,
  fraction_of_millisatoshi,
  amount_out_of_range,
  too_short,
  malformed_field,
  too_many_fields,
  number_not_minimal,
  number_too_large,
  no_payment_hash,
  no_payment_secret,
  no_description,
  two_descriptions,
  not_utf8,
  unknown_required_feature,
  bad_signature,
  field_too_long,
  timestamp_out_of_range,
  bad_fallback_address,
  bad_route_hint,
  invoice_too_long,
};

[[nodiscard]] std::string_view describe(Bolt11Errc code);
[[nodiscard]] constexpr char const* category_name(Bolt11Errc) { return "grenache.bolt11"; }
[[nodiscard]] inline Error make_error_code(Bolt11Errc code) { return make_enum_error(code); }

/// The network; in the text after `ln`: bc, tb, tbs, bcrt.
enum class Network { bitcoin, testnet, signet, regtest };

/// A secret of 32 bytes shared by payee and payer (field `s`).
using PaymentSecret = FixedBytes<struct PaymentSecretTag, 32>;

/// An on-chain address to pay if Lightning fails (field `f`).
struct FallbackAddress {
  /// 0 to 16: witness version; 17: public key hash; 18: script hash.
  std::uint8_t version = 0;
  /// 20 or 32 bytes for version 0, 20 for 17 and 18, otherwise 2 to 40.
  std::string program;

  friend bool operator==(FallbackAddress const&, FallbackAddress const&) = default;
};

/// One channel of a route to a payee without public channels (field `r`).
struct RouteHop {
  PeerId node;  // the node at the start of the channel
  std::uint64_t short_channel_id = 0;
  std::uint32_t fee_base_msat = 0;
  std::uint32_t fee_proportional_millionths = 0;
  std::uint16_t cltv_expiry_delta = 0;

  friend bool operator==(RouteHop const&, RouteHop const&) = default;
};

/// The content of an invoice.
struct InvoiceSpec {
  Network network = Network::regtest;
  std::optional<std::uint64_t> amount_msat;  // 1 to kAmountMsatMax; absent: any amount
  std::chrono::sys_seconds timestamp{};      // 1970 to the year 3058
  Sha256 payment_hash;                       // hash of the preimage, which proves the payment
  PaymentSecret payment_secret;
  /// UTF-8 text of up to kFieldBytesMax bytes, or the hash of a longer text that is sent separately. The text
  /// of a decoded invoice is untrusted: escape it before printing.
  std::variant<std::string, Sha256> description;
  std::uint32_t expiry_s = kDefaultExpirySeconds;  // after `timestamp`
  std::uint32_t min_final_cltv_expiry = kDefaultMinFinalCltvExpiry;
  std::set<std::uint32_t> features;                // bit numbers, each up to kFeatureBitMax
  std::vector<FallbackAddress> fallbacks;          // most preferred first
  std::vector<std::vector<RouteHop>> route_hints;  // most preferred first; 1 to kRouteHopsMax hops each
  std::optional<std::string> metadata;             // opaque bytes, up to kFieldBytesMax
  bool names_payee = false;                        // include the payee's key (field `n`)

  /// The time from which the invoice must not be paid.
  [[nodiscard]] std::chrono::sys_seconds expires_at() const {
    return timestamp + std::chrono::seconds{expiry_s};
  }
  [[nodiscard]] bool is_expired(WallTime now) const { return now >= expires_at(); }

  friend bool operator==(InvoiceSpec const&, InvoiceSpec const&) = default;
};

/// A decoded invoice with a verified signature.
struct Invoice : InvoiceSpec {
  PeerId payee;  // the signer

  friend bool operator==(Invoice const&, Invoice const&) = default;
};

/// Order of the tagged fields in the text, by their characters. Readers ignore the order; the examples of the
/// BOLT use several.
inline constexpr std::string_view kFieldOrder = "spdhmxcfrn9";

/// Encodes and signs an invoice, in lower case. Deterministic (RFC 6979). Writes the amount in its shortest
/// form, and `expiry_s` and `min_final_cltv_expiry` only if they differ from their defaults. The fields named
/// in `first`, each at most once, are written first and in that order, then the others in kFieldOrder.
///
/// Fails for a spec that decode() would refuse: every returned text decodes to the same spec.
[[nodiscard]] Result<std::string> encode(InvoiceSpec const& spec, SecretKey const& key,
                                         std::string_view first = {});

/// Decodes an invoice by the reader's rules of BOLT 11, with or without a leading `lightning:` in any case.
/// Errors are Bolt11Errc, or Bech32Errc when the text is not Bech32.
///
/// Choices where the BOLT is open or contradicts its examples:
///  - `p`, `h`, `s`, `n` of a wrong length are skipped, as in the example "fields which must be ignored";
///  - `f` and `r` that no writer may write, and fields of unknown type, are skipped;
///  - the first of several fields of one type is used, except for `f` and `r`;
///  - `c`, `x`, `9` that begin with a zero word are refused, and `c`, `x` of more than 32 bits;
///  - padding bits that are not 0 are refused, and amounts that are 0, begin with 0 or exceed kAmountMsatMax;
///  - known even feature bits are those above; an unknown odd bit is kept without effect.
[[nodiscard]] Result<Invoice> decode(std::string_view text);

}  // namespace grenache::bolt11

GRN_ERROR_CODE_ENUM(grenache::bolt11::Bolt11Errc);
