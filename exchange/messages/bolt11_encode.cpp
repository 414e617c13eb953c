#include <algorithm>

#include "exchange/messages/bolt11_wire.hpp"

namespace grenache::bolt11 {
namespace {

using namespace wire;

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

// Writes the words of an invoice; fails for a field that does not fit.
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

}  // namespace

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

}  // namespace grenache::bolt11
