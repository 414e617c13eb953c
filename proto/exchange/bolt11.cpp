#include "proto/exchange/bolt11.hpp"

#include <algorithm>
#include <array>

#include "proto/base/check.hpp"
#include "proto/exchange/bech32.hpp"

namespace grenache::bolt11 {
namespace {

using WordView = std::span<std::uint8_t const>;

constexpr std::size_t kTimestampWords = 7;
constexpr std::size_t kSignatureWords = 104;
constexpr std::size_t kHashWords = 52;
constexpr std::size_t kNodeWords = 53;
constexpr std::size_t kFieldWordsMax = 1023;
constexpr std::size_t kHopSize = 51;
constexpr std::uint8_t kPublicKeyHash = 17;
constexpr std::uint8_t kScriptHash = 18;

struct NetworkName {
  Network network;
  std::string_view prefix;
};
// A name that begins another one stands after it.
constexpr std::array<NetworkName, 4> kNetworks{{{Network::regtest, "lnbcrt"},
                                                {Network::signet, "lntbs"},
                                                {Network::bitcoin, "lnbc"},
                                                {Network::testnet, "lntb"}}};

struct Multiplier {
  char letter;
  std::uint64_t msat;
};
// Largest first. The fourth one, p, is a tenth of a millisatoshi: a number of millisatoshi and a 0.
constexpr std::array<Multiplier, 3> kMultipliers{{{'m', 100'000'000}, {'u', 100'000}, {'n', 100}}};
constexpr std::uint64_t kMsatOfBitcoin = 100'000'000'000;

bool is_utf8(std::string_view text) {
  auto const byte = [&](std::size_t at) {
    return at < text.size() ? static_cast<unsigned char>(text[at]) : 0u;
  };
  for (std::size_t at = 0; at < text.size();) {
    unsigned const lead = byte(at);
    unsigned const second = byte(at + 1);
    std::size_t size = 1;
    // The ranges of the second byte keep out overlong forms, surrogates and what lies beyond U+10FFFF.
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

void append_number(Words& words, std::uint64_t value) {
  auto const start = static_cast<std::ptrdiff_t>(words.size());
  for (; value != 0; value >>= 5) words.push_back(static_cast<std::uint8_t>(value & 31));
  std::reverse(words.begin() + start, words.end());
}

template <class Integer>
void append_big_endian(std::string& bytes, Integer value) {
  for (std::size_t i = sizeof(Integer); i-- > 0;) {
    bytes.push_back(static_cast<char>((value >> (8 * i)) & 0xff));
  }
}

Result<std::string> write_prefix(InvoiceSpec const& spec) {
  std::string prefix;
  for (auto const& known : kNetworks) {
    if (known.network == spec.network) prefix = known.prefix;
  }
  if (prefix.empty()) return Bolt11Errc::unknown_network;
  if (!spec.amount_msat) return prefix;
  if (*spec.amount_msat == 0 || *spec.amount_msat > kAmountMsatMax) return Bolt11Errc::amount_out_of_range;
  if (*spec.amount_msat % kMsatOfBitcoin == 0) {
    return prefix + std::to_string(*spec.amount_msat / kMsatOfBitcoin);
  }
  for (auto const& multiplier : kMultipliers) {
    if (*spec.amount_msat % multiplier.msat == 0) {
      return prefix + std::to_string(*spec.amount_msat / multiplier.msat) + multiplier.letter;
    }
  }
  return prefix + std::to_string(*spec.amount_msat) + "0p";
}

// One invoice being written: refuses a field that does not fit.
class Writer {
 public:
  Writer(InvoiceSpec const& spec, SecretKey const& key) : spec_{spec}, key_{key} {}

  Result<void> write(char tag) {
    switch (tag) {
      case 'p':
        return bytes_field(tag, spec_.payment_hash.view());
      case 's':
        return bytes_field(tag, spec_.payment_secret.view());
      case 'd':
        return write_description();
      case 'h':
        if (auto const* hash = std::get_if<Sha256>(&spec_.description)) return bytes_field(tag, hash->view());
        return {};
      case 'm':
        return spec_.metadata ? bytes_field(tag, *spec_.metadata) : Result<void>{};
      case 'x':
        return number_field(tag, spec_.expiry_s, kDefaultExpirySeconds);
      case 'c':
        return number_field(tag, spec_.min_final_cltv_expiry, kDefaultMinFinalCltvExpiry);
      case 'f':
        return write_fallbacks();
      case 'r':
        return write_routes();
      case 'n':
        return spec_.names_payee ? bytes_field(tag, key_.public_key().view()) : Result<void>{};
      case '9':
        return write_features();
      default:
        return Bolt11Errc::malformed_field;
    }
  }

  Words words;

 private:
  Result<void> field(char tag, WordView data) {
    if (data.size() > kFieldWordsMax) return Bolt11Errc::field_too_long;
    if (++field_count_ > kFieldCountMax) return Bolt11Errc::too_many_fields;
    words.push_back(bech32_value(tag));
    words.push_back(static_cast<std::uint8_t>(data.size() / 32));
    words.push_back(static_cast<std::uint8_t>(data.size() % 32));
    words.insert(words.end(), data.begin(), data.end());
    return {};
  }

  Result<void> bytes_field(char tag, std::string_view bytes) {
    if (bytes.size() > kFieldBytesMax) return Bolt11Errc::field_too_long;
    Words data;
    append_words(data, bytes);
    return field(tag, data);
  }

  Result<void> number_field(char tag, std::uint32_t value, std::uint32_t default_value) {
    if (value == default_value) return {};
    Words data;
    append_number(data, value);
    return field(tag, data);
  }

  Result<void> write_description() {
    auto const* text = std::get_if<std::string>(&spec_.description);
    if (text == nullptr) return {};
    if (!is_utf8(*text)) return Bolt11Errc::not_utf8;
    return bytes_field('d', *text);
  }

  Result<void> write_fallbacks() {
    for (auto const& address : spec_.fallbacks) {
      if (!is_payable(address)) return Bolt11Errc::bad_fallback_address;
      Words data{address.version};
      append_words(data, address.program);
      if (auto const written = field('f', data); !written) return written;
    }
    return {};
  }

  Result<void> write_routes() {
    for (auto const& hops : spec_.route_hints) {
      if (hops.empty() || hops.size() > kRouteHopsMax) return Bolt11Errc::bad_route_hint;
      std::string bytes;
      for (auto const& hop : hops) {
        bytes += hop.node.view();
        append_big_endian(bytes, hop.short_channel_id);
        append_big_endian(bytes, hop.fee_base_msat);
        append_big_endian(bytes, hop.fee_proportional_millionths);
        append_big_endian(bytes, hop.cltv_expiry_delta);
      }
      if (auto const written = bytes_field('r', bytes); !written) return written;
    }
    return {};
  }

  Result<void> write_features() {
    if (spec_.features.empty()) return {};
    auto const highest = *spec_.features.rbegin();
    if (highest > kFeatureBitMax) return Bolt11Errc::field_too_long;
    Words data(highest / 5 + 1);
    for (auto const bit : spec_.features) {
      if (bit % 2 == 0 && !is_known_required(bit)) return Bolt11Errc::unknown_required_feature;
      auto& word = data[data.size() - 1 - bit / 5];
      word = static_cast<std::uint8_t>(word | (1u << (bit % 5)));
    }
    return field('9', data);
  }

  InvoiceSpec const& spec_;
  SecretKey const& key_;
  std::size_t field_count_ = 0;
};

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
  std::uint64_t value = 0;
  for (char const c : digits) {
    if (c < '0' || c > '9') return Bolt11Errc::bad_amount;
    value = value * 10 + static_cast<unsigned>(c - '0');
    if (value > kAmountMsatMax / unit) return Bolt11Errc::amount_out_of_range;
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
    // Letters would make it the name of another currency, as lnbcx.
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

// The bytes of a field; a writer pads with less than a word, and with 0 bits.
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

// The tagged fields of one invoice, collected as they come.
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
      return "amount is 0 or more than there is";
    case Bolt11Errc::too_short:
      return "invoice is too short for a timestamp and a signature";
    case Bolt11Errc::malformed_field:
      return "a field is cut off or badly padded";
    case Bolt11Errc::too_many_fields:
      return "invoice has too many fields";
    case Bolt11Errc::number_not_minimal:
      return "a number or the features begin with zeros";
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
      return "invoice requires a feature that is unknown here";
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

Result<std::string> encode(InvoiceSpec const& spec, SecretKey const& key, std::string_view first) {
  auto const prefix = write_prefix(spec);
  if (!prefix) return prefix.error();
  auto const timestamp = spec.timestamp.time_since_epoch().count();
  if (timestamp < 0 || timestamp > kTimestampMax) return Bolt11Errc::timestamp_out_of_range;

  Writer writer{spec, key};
  for (std::size_t i = kTimestampWords; i-- > 0;) {
    writer.words.push_back(static_cast<std::uint8_t>((timestamp >> (5 * i)) & 31));
  }
  std::string order{first};
  for (char const tag : kFieldOrder) {
    if (first.find(tag) == std::string_view::npos) order.push_back(tag);
  }
  for (char const tag : order) {
    if (auto const written = writer.write(tag); !written) return written.error();
  }
  auto const signature = key.sign_recoverable(signed_hash(*prefix, writer.words));
  append_words(writer.words,
               std::string{signature.signature.view()} + static_cast<char>(signature.recovery_id));
  auto text = bech32_encode(*prefix, writer.words);
  if (text.size() > kInvoiceSizeMax) return Bolt11Errc::invoice_too_long;
  return text;
}

Result<Invoice> decode(std::string_view text) {
  auto const parts = bech32_decode(text, kInvoiceSizeMax);
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
