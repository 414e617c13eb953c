#include <algorithm>

#include "exchange/messages/bolt11_wire.hpp"

namespace grenache::bolt11 {
namespace {

using namespace wire;

// Drops a leading `lightning:`. Schemes of URIs have no case.
std::string_view without_scheme(std::string_view text) {
  constexpr std::string_view kScheme = "lightning:";
  bool const has_scheme = text.size() >= kScheme.size() &&
                          std::equal(kScheme.begin(), kScheme.end(), text.begin(), [](char known, char c) {
                            return known == (c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
                          });
  return has_scheme ? text.substr(kScheme.size()) : text;
}

Result<std::uint64_t> read_amount_msat(std::string_view text) {
  auto digits = text;
  char const last = text.back();
  std::uint64_t unit = kMsatOfBitcoin;
  if (last < '0' || last > '9') {
    digits.remove_suffix(1);
    auto const found = std::find_if(kMultipliers.begin(), kMultipliers.end(),
                                    [&](Multiplier const& known) { return known.letter == last; });
    if (found != kMultipliers.end()) {
      unit = found->msat;
    } else if (last == 'p') {
      unit = 1;
      if (digits.empty() || digits.back() < '0' || digits.back() > '9') return Bolt11Errc::bad_amount;
      if (digits.back() != '0') return Bolt11Errc::fraction_of_millisatoshi;
      digits.remove_suffix(1);
    } else {
      return Bolt11Errc::bad_amount;
    }
  }
  if (digits.empty() || digits.front() == '0') return Bolt11Errc::bad_amount;
  auto const value_max = kAmountMsatMax / unit;
  std::uint64_t value = 0;
  for (char const c : digits) {
    if (c < '0' || c > '9') return Bolt11Errc::bad_amount;
    auto const digit = static_cast<std::uint64_t>(c - '0');
    if (value > (value_max - digit) / 10) return Bolt11Errc::amount_out_of_range;
    value = value * 10 + digit;
  }
  return value * unit;
}

Result<void> read_prefix(std::string_view prefix, InvoiceSpec& spec) {
  if (!prefix.starts_with("ln")) return Bolt11Errc::not_an_invoice;
  for (auto const& known : kNetworks) {
    if (!prefix.starts_with(known.prefix)) continue;
    auto const amount = prefix.substr(known.prefix.size());
    spec.network = known.network;
    if (amount.empty()) return {};
    // A letter makes it the name of another currency, as in lnbcx.
    if (amount.front() < '0' || amount.front() > '9') return Bolt11Errc::unknown_network;
    auto const msat = read_amount_msat(amount);
    if (!msat) return msat.error();
    spec.amount_msat = *msat;
    return {};
  }
  return Bolt11Errc::unknown_network;
}

std::uint64_t read_bits(WordView words) {
  std::uint64_t value = 0;
  for (auto const word : words) value = (value << 5) | word;
  return value;
}

Result<std::uint32_t> read_number(WordView words) {
  if (!words.empty() && words.front() == 0) return Bolt11Errc::number_not_minimal;
  if (words.size() > 7) return Bolt11Errc::number_too_large;
  auto const value = read_bits(words);
  if (value > UINT32_MAX) return Bolt11Errc::number_too_large;
  return static_cast<std::uint32_t>(value);
}

// Returns the bytes of a field. The padding must be shorter than a word and 0.
Result<std::string> read_bytes(WordView words) {
  auto const rest = words.size() * 5 % 8;
  if (rest >= 5) return Bolt11Errc::malformed_field;
  if (rest > 0 && (words.back() & ((1u << rest) - 1)) != 0) return Bolt11Errc::malformed_field;
  return whole_bytes(words);
}

template <class Integer>
Integer take_big_endian(std::string_view& bytes) {
  Integer value = 0;
  for (std::size_t i = 0; i < sizeof(Integer); ++i) {
    value = static_cast<Integer>((std::uint64_t{value} << 8) | static_cast<unsigned char>(bytes[i]));
  }
  bytes.remove_prefix(sizeof(Integer));
  return value;
}

std::vector<RouteHop> read_hops(std::string_view bytes) {
  std::vector<RouteHop> hops;
  while (!bytes.empty()) {
    RouteHop hop;
    hop.node = *PeerId::from_bytes(bytes.substr(0, PeerId::kSize));
    bytes.remove_prefix(PeerId::kSize);
    hop.short_channel_id = take_big_endian<std::uint64_t>(bytes);
    hop.fee_base_msat = take_big_endian<std::uint32_t>(bytes);
    hop.fee_proportional_millionths = take_big_endian<std::uint32_t>(bytes);
    hop.cltv_expiry_delta = take_big_endian<std::uint16_t>(bytes);
    hops.push_back(hop);
  }
  return hops;
}

// Collects the tagged fields of an invoice.
class Reader {
 public:
  explicit Reader(InvoiceSpec& spec) : spec_{spec} {}

  Result<void> read_all(WordView words) {
    for (std::size_t count = 0; !words.empty(); ++count) {
      if (count == kFieldCountMax) return Bolt11Errc::too_many_fields;
      if (words.size() < 3) return Bolt11Errc::malformed_field;
      auto const type = words[0];
      std::size_t const size = words[1] * 32u + words[2];
      words = words.subspan(3);
      if (size > words.size()) return Bolt11Errc::malformed_field;
      if (auto const read = read_field(type, words.first(size)); !read) return read;
      words = words.subspan(size);
    }
    if (!seen('p')) return Bolt11Errc::no_payment_hash;
    if (!seen('s')) return Bolt11Errc::no_payment_secret;
    if (seen('d') && seen('h')) return Bolt11Errc::two_descriptions;
    if (!seen('d') && !seen('h')) return Bolt11Errc::no_description;
    spec_.names_payee = seen('n');
    return {};
  }

  PeerId named_payee() const { return named_payee_; }

 private:
  Result<void> read_field(std::uint8_t type, WordView data) {
    for (char const tag : kFieldOrder) {
      if (bech32_value(tag) == type) return read_known(tag, data);
    }
    return {};
  }

  Result<void> read_known(char tag, WordView data) {
    switch (tag) {
      case 'f':
        return read_fallback(data);
      case 'r':
        return read_route(data);
      case 'p':
      case 's':
      case 'h':
        if (data.size() != kHashWords) return {};
        break;
      case 'n':
        if (data.size() != kNodeWords) return {};
        break;
      default:
        break;
    }
    if (seen(tag)) return {};
    seen_.push_back(tag);
    switch (tag) {
      case 'x':
        return read_number_into(spec_.expiry_s, data);
      case 'c':
        return read_number_into(spec_.min_final_cltv_expiry, data);
      case '9':
        return read_features(data);
      default:
        return read_bytes_of(tag, data);
    }
  }

  Result<void> read_bytes_of(char tag, WordView data) {
    auto const bytes = read_bytes(data);
    if (!bytes) return bytes.error();
    switch (tag) {
      case 'p':
        spec_.payment_hash = *Sha256::from_bytes(*bytes);
        break;
      case 's':
        spec_.payment_secret = *PaymentSecret::from_bytes(*bytes);
        break;
      case 'h':
        spec_.description = *Sha256::from_bytes(*bytes);
        break;
      case 'n':
        named_payee_ = *PeerId::from_bytes(*bytes);
        break;
      case 'm':
        spec_.metadata = *bytes;
        break;
      default:
        if (!is_utf8(*bytes)) return Bolt11Errc::not_utf8;
        spec_.description = *bytes;
    }
    return {};
  }

  static Result<void> read_number_into(std::uint32_t& out, WordView data) {
    auto const number = read_number(data);
    if (!number) return number.error();
    out = *number;
    return {};
  }

  Result<void> read_features(WordView data) {
    if (!data.empty() && data.front() == 0) return Bolt11Errc::number_not_minimal;
    for (std::uint32_t bit = 0; bit < data.size() * 5; ++bit) {
      if (((data[data.size() - 1 - bit / 5] >> (bit % 5)) & 1) == 0) continue;
      if (bit % 2 == 0 && !is_known_required(bit)) return Bolt11Errc::unknown_required_feature;
      spec_.features.insert(bit);
    }
    return {};
  }

  Result<void> read_fallback(WordView data) {
    if (data.empty() || data.front() > kScriptHash) return {};
    auto bytes = read_bytes(data.subspan(1));
    if (!bytes) return bytes.error();
    FallbackAddress address{data.front(), std::move(*bytes)};
    if (is_payable(address)) spec_.fallbacks.push_back(std::move(address));
    return {};
  }

  Result<void> read_route(WordView data) {
    auto const bytes = read_bytes(data);
    if (!bytes) return bytes.error();
    if (!bytes->empty() && bytes->size() % kHopSize == 0) spec_.route_hints.push_back(read_hops(*bytes));
    return {};
  }

  bool seen(char tag) const { return seen_.find(tag) != std::string::npos; }

  InvoiceSpec& spec_;
  PeerId named_payee_;
  std::string seen_;
};

}  // namespace

Result<Invoice> decode(std::string_view text) {
  auto const parts = bech32_decode(without_scheme(text), kInvoiceSizeMax);
  if (!parts) return parts.error();
  Invoice invoice;
  if (auto const read = read_prefix(parts->prefix, invoice); !read) return read.error();
  WordView const words = parts->words;
  if (words.size() < kTimestampWords + kSignatureWords) return Bolt11Errc::too_short;
  auto const signed_words = words.first(words.size() - kSignatureWords);
  auto const seconds = static_cast<std::int64_t>(read_bits(signed_words.first(kTimestampWords)));
  invoice.timestamp = std::chrono::sys_seconds{std::chrono::seconds{seconds}};

  Reader reader{invoice};
  if (auto const read = reader.read_all(signed_words.subspan(kTimestampWords)); !read) return read.error();

  auto const raw = whole_bytes(words.last(kSignatureWords));
  RecoverableSignature const signature{
      *Signature::from_bytes(std::string_view{raw}.substr(0, Signature::kSize)),
      static_cast<std::uint8_t>(raw.back())};
  auto const hash = signed_hash(parts->prefix, signed_words);
  if (invoice.names_payee) {
    if (!verify(reader.named_payee(), hash, signature.signature)) return Bolt11Errc::bad_signature;
    invoice.payee = reader.named_payee();
  } else {
    auto const signer = recover(hash, signature);
    if (!signer) return Bolt11Errc::bad_signature;
    invoice.payee = *signer;
  }
  return invoice;
}

}  // namespace grenache::bolt11
