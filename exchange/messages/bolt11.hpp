// Lightning invoices as text (BOLT 11): encode, sign, decode, recover the payee.
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

/// Longest text read or written, in characters: what fits into the largest QR code, as LND limits it.
inline constexpr std::size_t kInvoiceSizeMax = 7089;
/// Tagged fields in one invoice. Real ones have about ten; each costs an allocation.
inline constexpr std::size_t kFieldCountMax = 100;
/// Bytes in one tagged field (1023 words of five bits), so also in a description or in metadata.
inline constexpr std::size_t kFieldBytesMax = 639;
/// Hops in one route hint: 51 bytes each in one field.
inline constexpr std::size_t kRouteHopsMax = kFieldBytesMax / 51;
/// All bitcoin there will be, in millisatoshi.
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

/// Whose bitcoin; the text after `ln`: bc, tb, tbs, bcrt.
enum class Network { bitcoin, testnet, signet, regtest };

/// 32 bytes that only the payee and the payer know (field `s`).
using PaymentSecret = FixedBytes<struct PaymentSecretTag, 32>;

/// An on-chain address to pay when Lightning fails, as it stands in the invoice (field `f`).
struct FallbackAddress {
  /// 0 to 16: witness version; 17: public key hash; 18: script hash.
  std::uint8_t version = 0;
  /// 20 or 32 bytes for version 0, 20 for 17 and 18, otherwise 2 to 40.
  std::string program;

  friend bool operator==(FallbackAddress const&, FallbackAddress const&) = default;
};

/// One channel on the way to a payee without public channels (field `r`).
struct RouteHop {
  PeerId node;  // where the channel starts
  std::uint64_t short_channel_id = 0;
  std::uint32_t fee_base_msat = 0;
  std::uint32_t fee_proportional_millionths = 0;
  std::uint16_t cltv_expiry_delta = 0;

  friend bool operator==(RouteHop const&, RouteHop const&) = default;
};

/// What the payee says.
struct InvoiceSpec {
  Network network = Network::regtest;
  std::optional<std::uint64_t> amount_msat;  // 1 to kAmountMsatMax; absent: the payer chooses
  std::chrono::sys_seconds timestamp{};      // 1970 to the year 3058
  Sha256 payment_hash;                       // of the preimage, which is the receipt
  PaymentSecret payment_secret;
  /// UTF-8 text of up to kFieldBytesMax bytes, written by a stranger when it was decoded: escape it before
  /// showing it. Or the hash of a longer text that travels elsewhere.
  std::variant<std::string, Sha256> description;
  std::uint32_t expiry_s = kDefaultExpirySeconds;  // after `timestamp`
  std::uint32_t min_final_cltv_expiry = kDefaultMinFinalCltvExpiry;
  std::set<std::uint32_t> features;                // bit numbers, each up to kFeatureBitMax
  std::vector<FallbackAddress> fallbacks;          // most preferred first
  std::vector<std::vector<RouteHop>> route_hints;  // most preferred first; 1 to kRouteHopsMax hops each
  std::optional<std::string> metadata;             // opaque bytes, up to kFieldBytesMax
  bool names_payee = false;                        // the payee is written out (field `n`)

  /// The first moment at which nobody should pay any more.
  [[nodiscard]] std::chrono::sys_seconds expires_at() const {
    return timestamp + std::chrono::seconds{expiry_s};
  }
  [[nodiscard]] bool is_expired(WallTime now) const { return now >= expires_at(); }

  friend bool operator==(InvoiceSpec const&, InvoiceSpec const&) = default;
};

/// A decoded invoice. Its signature was checked.
struct Invoice : InvoiceSpec {
  PeerId payee;  // who signed

  friend bool operator==(Invoice const&, Invoice const&) = default;
};

/// Order of the tagged fields on the wire, by their characters. It means nothing to a reader, but the
/// examples of the BOLT use several.
inline constexpr std::string_view kFieldOrder = "spdhmxcfrn9";

/// The signed text, lower case; the same for the same input (RFC 6979). The amount is written in its
/// shortest form; `expiry_s` and `min_final_cltv_expiry` only when they differ from their defaults.
/// Fields named in `first`, each at most once, come first and in that order, then the others in kFieldOrder.
///
/// Refuses what decode() would refuse: everything it returns decodes to the same spec.
[[nodiscard]] Result<std::string> encode(InvoiceSpec const& spec, SecretKey const& key,
                                         std::string_view first = {});

/// Reads an invoice as BOLT 11 tells a reader to; a leading `lightning:` must be taken off before. Errors are
/// Bolt11Errc or, when the text is no Bech32, Bech32Errc.
///
/// Where the BOLT leaves a choice or contradicts its examples:
///  - `p`, `h`, `s`, `n` of a wrong length are skipped, as the example "fields which must be ignored" wants;
///  - so are `f` and `r` that no writer may write, and fields of unknown type;
///  - of several fields of one type the first counts, except `f` and `r`;
///  - `c`, `x`, `9` that begin with a zero word are refused, and `c`, `x` beyond 32 bits;
///  - padding bits that are not 0 are refused, and amounts that are 0, begin with 0 or pass kAmountMsatMax;
///  - features: the even bits known are those above; an unknown odd bit is kept and means nothing.
[[nodiscard]] Result<Invoice> decode(std::string_view text);

}  // namespace grenache::bolt11

GRN_ERROR_CODE_ENUM(grenache::bolt11::Bolt11Errc);
