#include "exchange/messages/bolt11.hpp"

#include <gtest/gtest.h>

#include "exchange/messages/bech32.hpp"

namespace grenache::bolt11 {
namespace {

constexpr std::string_view kText = "order 7, take 1";

InvoiceSpec some_spec() {
  InvoiceSpec spec;
  spec.amount_msat = 100'000'000'000;
  spec.timestamp = std::chrono::sys_seconds{std::chrono::seconds{1'700'000'000}};
  spec.payment_hash = sha256("preimage");
  spec.payment_secret.array().fill(7);
  spec.description = std::string{kText};
  spec.expiry_s = 900;
  spec.features = {kVarOnion, kPaymentSecret};
  return spec;
}

SecretKey some_key() {
  Random random{1};
  return SecretKey::generate(random);
}

Result<std::string> encoded(InvoiceSpec const& spec) { return encode(spec, some_key()); }

// Returns the words of `spec` as written by encode(), without the signature.
Words unsigned_words(InvoiceSpec const& spec) {
  auto words = bech32_decode(*encoded(spec), kInvoiceSizeMax)->words;
  words.resize(words.size() - 104);
  return words;
}

void append_field(Words& words, char tag, Words const& data) {
  words.push_back(bech32_value(tag));
  words.push_back(static_cast<std::uint8_t>(data.size() / 32));
  words.push_back(static_cast<std::uint8_t>(data.size() % 32));
  words.insert(words.end(), data.begin(), data.end());
}

// Signs any words, including those that encode() refuses.
std::string sign(std::string_view prefix, Words words) {
  auto const signature = some_key().sign_recoverable(sha256(std::string{prefix} + padded_bytes(words)));
  append_words(words, std::string{signature.signature.view()} + static_cast<char>(signature.recovery_id));
  return bech32_encode(prefix, words);
}

Result<Invoice> decode_with_field(char tag, Words const& data) {
  auto words = unsigned_words(some_spec());
  append_field(words, tag, data);
  return decode(sign("lnbcrt1", words));
}

std::string random_text(Random& random, std::size_t size_max) {
  static constexpr std::string_view kPieces[] = {"a", " ", "é", "杯", "𝄞", "\n", "\"", "0"};
  std::string text;
  while (random.below(12) != 0) {
    auto const piece = kPieces[random.below(std::size(kPieces))];
    if (text.size() + piece.size() > size_max) break;
    text += piece;
  }
  return text;
}

InvoiceSpec random_spec(Random& random) {
  InvoiceSpec spec;
  spec.network = static_cast<Network>(random.below(4));
  if (random.chance(3, 4)) {
    std::uint64_t amount = 1 + random.below(999);
    for (auto zeros = random.below(15); zeros > 0; --zeros) amount *= 10;
    spec.amount_msat = amount;
  }
  spec.timestamp = std::chrono::sys_seconds{
      std::chrono::seconds{static_cast<std::int64_t>(random.below(std::uint64_t{kTimestampMax} + 1))}};
  spec.payment_hash = Sha256::random(random);
  spec.payment_secret = PaymentSecret::random(random);
  if (random.chance(1, 2)) {
    spec.description = random_text(random, kFieldBytesMax);
  } else {
    spec.description = Sha256::random(random);
  }
  if (random.chance(1, 2)) spec.expiry_s = static_cast<std::uint32_t>(random() >> (32 + random.below(32)));
  if (random.chance(1, 2)) spec.min_final_cltv_expiry = static_cast<std::uint32_t>(random.below(5000));
  for (auto const bit : {kVarOnion, kPaymentSecret, kBasicMpp, kRouteBlinding, kPaymentMetadata}) {
    if (random.chance(1, 3)) spec.features.insert(bit);
  }
  if (random.chance(1, 4)) spec.features.insert(1 + 2 * static_cast<std::uint32_t>(random.below(2557)));
  for (auto count = random.below(3); count > 0; --count) {
    auto const version = static_cast<std::uint8_t>(random.below(19));
    auto const size = version == 0 || version >= 17 ? 20 : 2 + random.below(39);
    spec.fallbacks.push_back({version, random.bytes(size)});
  }
  for (auto count = random.below(3); count > 0; --count) {
    auto& hops = spec.route_hints.emplace_back();
    for (auto left = 1 + random.below(kRouteHopsMax); left > 0; --left) {
      hops.push_back({PeerId::random(random), random(), static_cast<std::uint32_t>(random() >> 32),
                      static_cast<std::uint32_t>(random() >> 32),
                      static_cast<std::uint16_t>(random() >> 48)});
    }
  }
  if (random.chance(1, 3)) spec.metadata = random.bytes(random.below(kFieldBytesMax + 1));
  spec.names_payee = random.chance(1, 4);
  return spec;
}

TEST(Bolt11, whatIsEncodedDecodesToTheSame) {
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    SCOPED_TRACE(seed);
    Random random{seed};
    auto const spec = random_spec(random);
    auto const key = SecretKey::generate(random);
    auto const text = encode(spec, key);
    ASSERT_TRUE(text) << text.error().message();
    auto const invoice = decode(*text);
    ASSERT_TRUE(invoice) << *text << ": " << invoice.error().message();
    EXPECT_EQ(static_cast<InvoiceSpec const&>(*invoice), spec);
    EXPECT_EQ(invoice->payee, key.public_key());
  }
}

TEST(Bolt11, garbageIsRefused) {
  Random random{42};
  for (int i = 0; i < 2000; ++i) {
    EXPECT_FALSE(decode(random.bytes(random.below(300))));
    Words words(random.below(400));
    for (auto& word : words) word = static_cast<std::uint8_t>(random.below(32));
    // A valid checksum, but random words have no payment hash.
    EXPECT_FALSE(decode(bech32_encode("lnbcrt", words)));
  }
}

TEST(Bolt11, writesTheShortestAmountAndReadsTheOthers) {
  struct Case {
    std::uint64_t msat;
    std::string_view prefix;
  };
  for (auto const& [msat, prefix] : std::initializer_list<Case>{{1, "lnbcrt10p1"},
                                                                {100, "lnbcrt1n1"},
                                                                {150, "lnbcrt1500p1"},
                                                                {100'000, "lnbcrt1u1"},
                                                                {100'000'000, "lnbcrt1m1"},
                                                                {100'000'000'000, "lnbcrt11"},
                                                                {kAmountMsatMax, "lnbcrt210000001"}}) {
    auto spec = some_spec();
    spec.amount_msat = msat;
    EXPECT_TRUE(encoded(spec)->starts_with(prefix)) << *encoded(spec);
    EXPECT_EQ(decode(*encoded(spec))->amount_msat, msat);
  }
  auto const words = unsigned_words(some_spec());
  EXPECT_EQ(decode(sign("lnbcrt1000m", words))->amount_msat, 100'000'000'000u);
  EXPECT_EQ(decode(sign("lnbcrt1000000000000p", words))->amount_msat, 100'000'000'000u);
}

TEST(Bolt11, refusesAmountsThatAreNone) {
  auto const words = unsigned_words(some_spec());
  for (auto const prefix :
       {"lnbcrt0", "lnbcrt01", "lnbcrt1k", "lnbcrt1mm", "lnbcrt1.5", "lnbcrt1p0", "lnbcrt0p"}) {
    EXPECT_EQ(decode(sign(prefix, words)).error(), Bolt11Errc::bad_amount) << prefix;
  }
  EXPECT_EQ(decode(sign("lnbcrt5p", words)).error(), Bolt11Errc::fraction_of_millisatoshi);
  for (auto const prefix :
       {"lnbcrt21000001", "lnbcrt99999999999999999999999999", "lnbcrt21000000000000000000000010p"}) {
    EXPECT_EQ(decode(sign(prefix, words)).error(), Bolt11Errc::amount_out_of_range) << prefix;
  }
  for (std::uint64_t const msat : {std::uint64_t{0}, kAmountMsatMax + 1}) {
    auto spec = some_spec();
    spec.amount_msat = msat;
    EXPECT_EQ(encoded(spec).error(), Bolt11Errc::amount_out_of_range);
  }
}

TEST(Bolt11, amountsBeyondSixtyFourBitsDoNotWrap) {
  auto const words = unsigned_words(some_spec());
  // The first is 1 BTC above 2^64 millisatoshi.
  for (auto const prefix : {"lnbcrt184467441737095516160p", "lnbcrt18446744073709551617",
                            "lnbcrt18446744073709551617m", "lnbcrt184467440737095517u",
                            "lnbcrt184467440737095517n", "lnbcrt340282366920938463463374607431768211466"}) {
    EXPECT_EQ(decode(sign(prefix, words)).error(), Bolt11Errc::amount_out_of_range) << prefix;
  }
}

TEST(Bolt11, readsUrisOfEitherCase) {
  auto const text = *encoded(some_spec());
  std::string upper;
  for (char const c : text) upper += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  for (auto const& uri : {"lightning:" + text, "LIGHTNING:" + upper, "Lightning:" + text}) {
    auto const invoice = decode(uri);
    ASSERT_TRUE(invoice) << uri << ": " << invoice.error().message();
    EXPECT_EQ(static_cast<InvoiceSpec const&>(*invoice), some_spec());
  }
  for (auto const& uri : {"lightning", "lightning:lightning:", "bitcoin:"}) {
    EXPECT_FALSE(decode(uri + text)) << uri;
  }
  EXPECT_FALSE(decode("lightning:"));
}

TEST(Bolt11, refusesOtherNetworks) {
  auto const words = unsigned_words(some_spec());
  for (auto const prefix : {"lnsb", "lnbcx", "lnltc1", "ln", "lntbx1"}) {
    EXPECT_EQ(decode(sign(prefix, words)).error(), Bolt11Errc::unknown_network) << prefix;
  }
  EXPECT_EQ(decode(sign("bc", words)).error(), Bolt11Errc::not_an_invoice);
}

TEST(Bolt11, unknownOddFeaturesAreFineUnknownEvenOnesAreNot) {
  EXPECT_TRUE(decode_with_field('l', {1, 2, 3})) << "unknown field";
  auto spec = some_spec();
  spec.features.clear();
  auto words = unsigned_words(spec);
  append_field(words, '9', {1, 0});  // bit 5
  EXPECT_EQ(decode(sign("lnbcrt", words))->features, (std::set<std::uint32_t>{5}));
  words = unsigned_words(spec);
  append_field(words, '9', {2, 0});  // bit 6
  EXPECT_EQ(decode(sign("lnbcrt", words)).error(), Bolt11Errc::unknown_required_feature);
  spec.features = {6};
  EXPECT_EQ(encoded(spec).error(), Bolt11Errc::unknown_required_feature);
}

TEST(Bolt11, skipsFieldsThatNoWriterMayWrite) {
  for (char const tag : {'p', 'h', 's', 'n'}) {
    auto const invoice = decode_with_field(tag, Words(50));
    ASSERT_TRUE(invoice) << tag << invoice.error().message();
    EXPECT_EQ(invoice->payment_hash, some_spec().payment_hash);
  }
  EXPECT_TRUE(decode_with_field('f', Words{19, 0})->fallbacks.empty()) << "unknown version";
  EXPECT_TRUE(decode_with_field('f', Words{17, 0, 0})->fallbacks.empty()) << "too short for a hash";
  EXPECT_TRUE(decode_with_field('f', {})->fallbacks.empty());
  EXPECT_TRUE(decode_with_field('r', Words(80))->route_hints.empty()) << "50 bytes, a hop has 51";
  EXPECT_TRUE(decode_with_field('r', {})->route_hints.empty());
}

TEST(Bolt11, ofTwoFieldsOfAKindTheFirstCounts) {
  EXPECT_EQ(decode_with_field('p', Words(52))->payment_hash, some_spec().payment_hash);
  EXPECT_EQ(decode_with_field('s', Words(52))->payment_secret, some_spec().payment_secret);
  EXPECT_EQ(decode_with_field('x', {1})->expiry_s, 900u);
  EXPECT_EQ(std::get<std::string>(decode_with_field('d', {})->description), kText);
}

TEST(Bolt11, refusesMalformedFields) {
  EXPECT_EQ(decode_with_field('h', Words(52)).error(), Bolt11Errc::two_descriptions);
  EXPECT_EQ(decode_with_field('c', {0, 1}).error(), Bolt11Errc::number_not_minimal);
  EXPECT_EQ(decode_with_field('c', {4, 0, 0, 0, 0, 0, 0}).error(), Bolt11Errc::number_too_large);
  EXPECT_EQ(decode_with_field('c', Words(900, 1)).error(), Bolt11Errc::number_too_large);
  EXPECT_EQ(decode_with_field('m', {1}).error(), Bolt11Errc::malformed_field) << "five bits are no byte";
  EXPECT_EQ(decode_with_field('m', {1, 1}).error(), Bolt11Errc::malformed_field) << "padding is not 0";
  auto cut = unsigned_words(some_spec());
  cut.push_back(bech32_value('m'));
  EXPECT_EQ(decode(sign("lnbcrt", cut)).error(), Bolt11Errc::malformed_field);
  cut.push_back(0);
  cut.push_back(9);
  EXPECT_EQ(decode(sign("lnbcrt", cut)).error(), Bolt11Errc::malformed_field);
}

TEST(Bolt11, refusesInvoicesWithoutTheFieldsAPayerNeeds) {
  Words const timestamp(7);
  auto words = timestamp;
  EXPECT_EQ(decode(sign("lnbcrt", words)).error(), Bolt11Errc::no_payment_hash);
  append_field(words, 'p', Words(52));
  EXPECT_EQ(decode(sign("lnbcrt", words)).error(), Bolt11Errc::no_payment_secret);
  append_field(words, 's', Words(52));
  EXPECT_EQ(decode(sign("lnbcrt", words)).error(), Bolt11Errc::no_description);
  append_field(words, 'd', {});
  auto const invoice = decode(sign("lnbcrt", words));
  ASSERT_TRUE(invoice) << invoice.error().message();
  EXPECT_EQ(invoice->expiry_s, kDefaultExpirySeconds);
  EXPECT_EQ(invoice->min_final_cltv_expiry, kDefaultMinFinalCltvExpiry);
}

TEST(Bolt11, refusesAPayeeThatDidNotSign) {
  Random random{2};
  Words node;
  append_words(node, SecretKey::generate(random).public_key().view());
  EXPECT_EQ(decode_with_field('n', node).error(), Bolt11Errc::bad_signature);
  EXPECT_EQ(decode_with_field('n', Words(53)).error(), Bolt11Errc::bad_signature) << "not on the curve";
}

TEST(Bolt11, refusesDescriptionsThatAreNotUtf8) {
  for (std::string_view const text : {"\x80", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80", "\xc3", "\xe2\x82", "\xff", "a\xe2\x28\xa1"}) {
    auto spec = some_spec();
    spec.description = std::string{text};
    EXPECT_EQ(encoded(spec).error(), Bolt11Errc::not_utf8);
    Words words(7);
    append_field(words, 'p', Words(52));
    append_field(words, 's', Words(52));
    Words data;
    append_words(data, text);
    append_field(words, 'd', data);
    EXPECT_EQ(decode(sign("lnbcrt", words)).error(), Bolt11Errc::not_utf8);
  }
}

TEST(Bolt11, encodingRefusesWhatDoesNotFit) {
  auto const refused = [](auto change) {
    auto spec = some_spec();
    change(spec);
    auto const text = encoded(spec);
    return text ? Error{} : text.error();
  };
  EXPECT_EQ(refused([](auto& spec) { spec.description = std::string(640, 'a'); }),
            Bolt11Errc::field_too_long);
  EXPECT_EQ(refused([](auto& spec) { spec.description = std::string(639, 'a'); }), Error{});
  EXPECT_EQ(refused([](auto& spec) { spec.metadata = std::string(640, 'a'); }), Bolt11Errc::field_too_long);
  EXPECT_EQ(refused([](auto& spec) { spec.features.insert(kFeatureBitMax + 1); }),
            Bolt11Errc::field_too_long);
  EXPECT_EQ(refused([](auto& spec) { spec.timestamp += std::chrono::hours{24 * 365 * 2000}; }),
            Bolt11Errc::timestamp_out_of_range);
  EXPECT_EQ(refused([](auto& spec) { spec.timestamp = std::chrono::sys_seconds{std::chrono::seconds{-1}}; }),
            Bolt11Errc::timestamp_out_of_range);
  EXPECT_EQ(refused([](auto& spec) {
              spec.fallbacks = {{19, std::string(20, 'a')}};
            }),
            Bolt11Errc::bad_fallback_address);
  EXPECT_EQ(refused([](auto& spec) { spec.route_hints = {{}}; }), Bolt11Errc::bad_route_hint);
  EXPECT_EQ(refused([](auto& spec) { spec.route_hints = {std::vector<RouteHop>(kRouteHopsMax + 1)}; }),
            Bolt11Errc::bad_route_hint);
  EXPECT_EQ(refused([](auto& spec) {
              spec.fallbacks.assign(kFieldCountMax, {17, std::string(20, 'a')});
            }),
            Bolt11Errc::too_many_fields);
  EXPECT_EQ(refused([](auto& spec) { spec.route_hints.assign(10, std::vector<RouteHop>(kRouteHopsMax)); }),
            Bolt11Errc::invoice_too_long);
}

TEST(Bolt11, readingIsBounded) {
  EXPECT_EQ(decode(std::string(kInvoiceSizeMax + 1, 'q')).error(), Bech32Errc::too_long);
  auto words = unsigned_words(some_spec());
  for (std::size_t i = 0; i < kFieldCountMax; ++i) append_field(words, 'l', {});
  EXPECT_EQ(decode(sign("lnbcrt", words)).error(), Bolt11Errc::too_many_fields);
}

TEST(Bolt11, expiresWhenItsTimeHasPassed) {
  auto const spec = some_spec();
  EXPECT_FALSE(spec.is_expired(from_unix_ms(1'700'000'899'999)));
  EXPECT_TRUE(spec.is_expired(from_unix_ms(1'700'000'900'000)));
}

}  // namespace
}  // namespace grenache::bolt11
