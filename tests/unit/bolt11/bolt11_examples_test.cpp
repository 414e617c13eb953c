// The examples of the BOLT: decoded, and encoded again to the same characters.
#include <algorithm>

#include <gtest/gtest.h>

#include "exchange/messages/bech32.hpp"
#include "exchange/messages/bolt11.hpp"
#include "tests/unit/bolt11/examples.hpp"

namespace grenache::bolt11 {
namespace {

constexpr std::string_view kExampleHash = "0001020304050607080900010203040506070809000102030405060708090102";
constexpr std::string_view kListHash = "3925b6f67e2c340036ed12093dd44e0368df1b6ea26c53dbe4811f58fd5db8c1";
constexpr std::string_view kDonation = "Please consider supporting this project";
constexpr std::size_t kUpperCase = 12;
constexpr std::size_t kIgnoredFields = 13;
constexpr std::size_t kHighS = 15;
// The example negates S but keeps the recovery id, so the recovered key is not the signer's.
PeerId const kHighSPayee =
    *PeerId::from_hex("02d0139ce7427d6dfffd26a326c18be754ef1e64672b42694ba5b23ef6e6e7803d");

SecretKey example_key() { return *SecretKey::from_bytes(*from_hex(kExampleKey)); }

InvoiceSpec base() {
  InvoiceSpec spec;
  spec.network = Network::bitcoin;
  spec.timestamp = std::chrono::sys_seconds{std::chrono::seconds{1496314658}};
  spec.payment_hash = *Sha256::from_hex(kExampleHash);
  spec.payment_secret.array().fill(0x11);
  spec.features = {kVarOnion, kPaymentSecret};
  return spec;
}

InvoiceSpec with(std::optional<std::uint64_t> amount_msat, std::variant<std::string, Sha256> description) {
  auto spec = base();
  spec.amount_msat = amount_msat;
  spec.description = std::move(description);
  return spec;
}

InvoiceSpec list_with_fallback(std::uint8_t version, std::string_view program_hex) {
  auto spec = with(2'000'000'000, *Sha256::from_hex(kListHash));
  spec.fallbacks = {{version, *from_hex(program_hex)}};
  return spec;
}

RouteHop hop(std::string_view node, std::uint64_t block, std::uint64_t transaction, std::uint64_t output,
             std::uint32_t fee_base, std::uint32_t fee_millionths, std::uint16_t cltv) {
  return {*PeerId::from_hex(node), block << 40 | transaction << 16 | output, fee_base, fee_millionths, cltv};
}

InvoiceSpec coffee_beans() {
  auto spec = with(2'500'000'000, "coffee beans");
  spec.features.insert(99);
  return spec;
}

// The expected content of the valid examples, in the order of the BOLT.
std::vector<InvoiceSpec> expected_specs() {
  std::vector<InvoiceSpec> specs;
  specs.push_back(with(std::nullopt, std::string{kDonation}));
  specs.push_back(with(250'000'000, "1 cup coffee"));
  specs.back().expiry_s = 60;
  specs.push_back(with(250'000'000, "ナンセンス 1杯"));
  specs.back().expiry_s = 60;
  specs.push_back(with(2'000'000'000, *Sha256::from_hex(kListHash)));
  specs.push_back(list_with_fallback(17, "3172b5654f6683c8fb146959d347ce303cae4ca7"));
  specs.back().network = Network::testnet;
  specs.push_back(list_with_fallback(17, "04b61f7dc1ea0dc99424464cc4064dc564d91e89"));
  specs.back().route_hints = {{hop("029e03a901b85534ff1e92c43c74431f7ce72046060fcf7a95c37e148f78c77255",
                                   66051, 263430, 1800, 1, 20, 3),
                               hop("039e03a901b85534ff1e92c43c74431f7ce72046060fcf7a95c37e148f78c77255",
                                   197637, 395016, 2314, 2, 30, 4)}};
  specs.push_back(list_with_fallback(18, "8f55563b9a19f321c211e9b9f38cdf686ea07845"));
  specs.push_back(list_with_fallback(0, "751e76e8199196d454941c45d1b3a323f1433bd6"));
  specs.push_back(list_with_fallback(0, "1863143c14c5166804bd19203356da136c985678cd4d27a1b8c6329604903262"));
  specs.push_back(list_with_fallback(1, "0adac43daa9c8a5a68e09ea10692b82226ee190e572db9b90e17a410484ab405"));
  specs.push_back(
      with(967'878'534,
           "Blockstream Store: 88.85 USD for Blockstream Ledger Nano S x 1, \"Back In My Day\" Sticker x "
           "2, \"I Got Lightning Working\" Sticker x 2 and 1 more items"));
  specs.back().timestamp = std::chrono::sys_seconds{std::chrono::seconds{1572468703}};
  specs.back().payment_hash =
      *Sha256::from_hex("462264ede7e14047e9b249da94fefc47f41f7d02ee9b091815a5506bc8abf75f");
  specs.back().expiry_s = 604800;
  specs.back().min_final_cltv_expiry = 10;
  specs.back().route_hints = {{hop("03d06758583bb5154774a6eb221b1276c9e82d65bbaceca806d90e20c108f4b1c7",
                                   589390, 3312, 1, 1000, 2500, 40)}};
  specs.push_back(coffee_beans());
  specs.push_back(coffee_beans());
  specs.push_back(coffee_beans());
  specs.push_back(with(1'000'000'000, "payment metadata inside"));
  specs.back().metadata = *from_hex("01fafaf0");
  specs.back().features.insert(kPaymentMetadata);
  specs.push_back(with(std::nullopt, std::string{kDonation}));
  return specs;
}

// The examples differ in the order of their fields.
std::string_view field_order(std::size_t example) {
  if (example == 4 || (example >= 6 && example <= 8)) return "shpf";
  if (example == 5 || example == 9) return "sphfr";
  return example >= 10 && example <= 14 ? "pdms" : "";
}

TEST(Bolt11Examples, validOnesSayWhatTheBoltSays) {
  auto const expected = expected_specs();
  ASSERT_EQ(expected.size(), kValidExamples.size());
  for (std::size_t i = 0; i < kValidExamples.size(); ++i) {
    SCOPED_TRACE(kValidExamples[i].name);
    auto const invoice = decode(kValidExamples[i].text);
    ASSERT_TRUE(invoice) << invoice.error().message();
    EXPECT_EQ(invoice->payee, i == kHighS ? kHighSPayee : example_key().public_key());
    EXPECT_EQ(static_cast<InvoiceSpec const&>(*invoice), expected[i]);
  }
}

TEST(Bolt11Examples, validOnesAreEncodedCharacterByCharacter) {
  auto const specs = expected_specs();
  for (std::size_t i = 0; i < kValidExamples.size(); ++i) {
    // These three differ from encode()'s output: upper case, fields that no writer may write, high S.
    if (i == kUpperCase || i == kIgnoredFields || i == kHighS) continue;
    SCOPED_TRACE(kValidExamples[i].name);
    auto const text = encode(specs[i], example_key(), field_order(i));
    ASSERT_TRUE(text) << text.error().message();
    EXPECT_EQ(*text, kValidExamples[i].text);
  }
}

TEST(Bolt11Examples, invalidOnesAreRefusedForTheReasonTheBoltGives) {
  Error const reasons[] = {
      Bolt11Errc::unknown_required_feature,
      Bech32Errc::bad_checksum,
      Bech32Errc::no_separator,
      Bech32Errc::mixed_case,
      Bolt11Errc::bad_signature,
      Bolt11Errc::too_short,
      Bolt11Errc::bad_amount,
      Bolt11Errc::fraction_of_millisatoshi,
      Bolt11Errc::no_payment_secret,
      Bolt11Errc::bad_signature,
  };
  ASSERT_EQ(std::size(reasons), kInvalidExamples.size());
  for (std::size_t i = 0; i < kInvalidExamples.size(); ++i) {
    SCOPED_TRACE(kInvalidExamples[i].name);
    auto const invoice = decode(kInvalidExamples[i].text);
    ASSERT_FALSE(invoice);
    EXPECT_EQ(invoice.error(), reasons[i]) << invoice.error().message();
  }
}

TEST(Bolt11Examples, withOneCharacterChangedAreNeverAccepted) {
  constexpr std::string_view kOthers = "q1bpP7~ \x80";
  for (auto const& example : kValidExamples) {
    for (std::size_t at = 0; at < example.text.size(); ++at) {
      for (char const other : kOthers) {
        std::string changed{example.text};
        if (changed[at] == other) continue;
        changed[at] = other;
        EXPECT_FALSE(decode(changed)) << changed;
      }
    }
  }
}

// With a new checksum only the signature protects the text: a text that still decodes has another payee.
TEST(Bolt11Examples, withOneBitChangedUnderAValidChecksumAreNeverTheSameInvoice) {
  for (auto const& example : kValidExamples) {
    auto const original = *decode(example.text);
    auto const parts = *bech32_decode(example.text, kInvoiceSizeMax);
    for (std::size_t at = 0; at < parts.words.size(); ++at) {
      for (unsigned bit = 0; bit < 5; ++bit) {
        auto words = parts.words;
        words[at] = static_cast<std::uint8_t>(words[at] ^ (1u << bit));
        auto const changed = decode(bech32_encode(parts.prefix, words));
        EXPECT_FALSE(changed && *changed == original) << "word " << at << ", bit " << bit;
      }
    }
  }
}

TEST(Bolt11Examples, cutAnywhereAreRefused) {
  for (auto const& example : kValidExamples) {
    auto const parts = *bech32_decode(example.text, kInvoiceSizeMax);
    for (std::size_t size = 0; size < example.text.size(); ++size) {
      EXPECT_FALSE(decode(example.text.substr(0, size)));
    }
    for (std::size_t size = 0; size < parts.words.size(); ++size) {
      auto const invoice = decode(bech32_encode(parts.prefix, std::span{parts.words}.first(size)));
      EXPECT_FALSE(invoice && invoice->payee == example_key().public_key()) << size;
    }
  }
}

}  // namespace
}  // namespace grenache::bolt11
