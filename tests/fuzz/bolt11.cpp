// Decodes arbitrary texts, and arbitrary words with a valid signature and checksum, as invoices: a decoded
// invoice can be encoded, decodes to the same, and is then stable.
#include "exchange/messages/bolt11.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "exchange/messages/bech32.hpp"
#include "exchange/messages/bolt11_wire.hpp"
#include "tests/fuzz/input.hpp"
#include <grenache/base/check.hpp>

namespace grenache::bolt11 {
namespace {

constexpr std::string_view kPrefixes[] = {
    "lnbc",     "lntb",      "lntbs",        "lnbcrt",
    "lnbc1",    "lnbc2500u", "lnbcrt20m",    "lnbc10p",
    "lnbc9p",   "lnbcx",     "lnbc21000000", "lnbc0",
    "lnbc007u", "ln",        "lnbc1000n",    "lnbcrt184467441737095516160p"};

SecretKey const& key() {
  static SecretKey const secret = *SecretKey::from_bytes(std::string(31, '\0') + '\x07');
  return secret;
}

__extension__ using Wide = unsigned __int128;

// The amount that the text names, read in tenths of a millisatoshi and without the decoder's arithmetic.
void check_amount(std::string_view text, Invoice const& invoice) {
  auto prefix = text.substr(0, text.rfind('1'));
  prefix.remove_prefix(std::min(prefix.find_first_of("0123456789"), prefix.size()));
  GRN_CHECK(prefix.empty() == !invoice.amount_msat);
  if (prefix.empty()) return;
  Wide value = 0;
  Wide unit = 1'000'000'000'000;
  for (char const c : prefix) {
    if (c == 'm' || c == 'M') unit = 1'000'000'000;
    if (c == 'u' || c == 'U') unit = 1'000'000;
    if (c == 'n' || c == 'N') unit = 1'000;
    if (c == 'p' || c == 'P') unit = 1;
    if (c < '0' || c > '9') continue;
    value = value * 10 + static_cast<unsigned>(c - '0');
    GRN_CHECK(value <= Wide{kAmountMsatMax} * 10);
  }
  GRN_CHECK(value * unit == Wide{*invoice.amount_msat} * 10);
}

void check(std::string_view text) {
  auto const invoice = decode(text);
  if (!invoice) return;
  check_amount(text, *invoice);
  auto const written = encode(*invoice, key());
  GRN_CHECK(written);
  GRN_CHECK(written->size() <= kInvoiceSizeMax);
  auto const again = decode(*written);
  GRN_CHECK(again);
  GRN_CHECK(static_cast<InvoiceSpec const&>(*again) == static_cast<InvoiceSpec const&>(*invoice));
  GRN_CHECK(again->payee == key().public_key());
  GRN_CHECK(encode(*again, key()) == written);
}

// Returns a field with a type and a matching size, filled from the input.
void append_field(Words& words, fuzz::Input& input) {
  auto const tag = kFieldOrder[input.below(kFieldOrder.size())];
  std::size_t size = input.byte();
  if (tag == 'p' || tag == 's' || tag == 'h') size = wire::kHashWords;
  if (tag == 'n') size = wire::kNodeWords;
  if (size == 255) size = wire::kFieldWordsMax;
  words.push_back(bech32_value(tag));
  words.push_back(static_cast<std::uint8_t>(size / 32));
  words.push_back(static_cast<std::uint8_t>(size % 32));
  std::size_t const end = words.size() + size;
  if (tag == 'n' && input.flag()) append_words(words, key().public_key().view());
  for (auto const c : input.bytes(end - words.size())) words.push_back(static_cast<std::uint8_t>(c & 31));
  words.resize(end);
}

std::string build(fuzz::Input& input) {
  std::string prefix{kPrefixes[input.below(std::size(kPrefixes))]};
  if (prefix == "lnbcx") {
    prefix = "lnbcrt";
    for (char const c : input.short_text()) prefix += "0123456789munpx"[static_cast<unsigned char>(c) % 15];
  }
  Words words;
  for (std::size_t i = 0; i < wire::kTimestampWords; ++i) words.push_back(input.byte() & 31);
  auto const field_count = input.below(128);
  for (std::size_t i = 0; i < field_count; ++i) append_field(words, input);
  for (char const c : input.rest()) words.push_back(static_cast<std::uint8_t>(c & 31));
  auto const signature = key().sign_recoverable(wire::signed_hash(prefix, words));
  append_words(words, std::string{signature.signature.view()} + static_cast<char>(signature.recovery_id));
  return bech32_encode(prefix, words);
}

}  // namespace
}  // namespace grenache::bolt11

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using namespace grenache;
  fuzz::Input input{data, size};
  if (input.flag()) {
    bolt11::check(bolt11::build(input));
  } else {
    bolt11::check(input.rest());
  }
  return 0;
}
