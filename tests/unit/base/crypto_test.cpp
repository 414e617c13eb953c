#include <gtest/gtest.h>

#include <grenache/base/crypto.hpp>

namespace grenache {
namespace {

// The first 128-bit vectors of SipHash's reference implementation.
TEST(SipHash, matchesTheReferenceVector) {
  SipHash::Key key;
  for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::uint8_t>(i);
  SipHash const hash{key};
  EXPECT_EQ(hash("").hex(), "a3817f04ba25a8e66df67214c7550293");
  EXPECT_NE(hash("a"), hash("b"));
  EXPECT_EQ(hash("").hex(), "a3817f04ba25a8e66df67214c7550293");
}

TEST(Crypto, hashesAsTheStandardsSay) {
  // FIPS 180-4 examples for "abc".
  EXPECT_EQ(sha1("abc").hex(), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(sha256("abc").hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Crypto, computesTheHmacOfRfc4231) {
  EXPECT_EQ(hmac_sha256(std::string(20, '\x0b'), "Hi There").hex(),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(hmac_sha256("Jefe", "what do ya want for nothing?").hex(),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(
      hmac_sha256(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First").hex(),
      "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(Crypto, comparesInConstantTime) {
  EXPECT_TRUE(equal_constant_time("token", "token"));
  EXPECT_FALSE(equal_constant_time("token", "tokem"));
  EXPECT_FALSE(equal_constant_time("token", "toke"));
  EXPECT_TRUE(equal_constant_time("", ""));
}

TEST(SecretKey, refusesZeroTheOrderAndOtherSizes) {
  EXPECT_FALSE(SecretKey::from_bytes(std::string(32, '\0')));
  EXPECT_FALSE(
      SecretKey::from_bytes(*from_hex("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141")));
  EXPECT_TRUE(
      SecretKey::from_bytes(*from_hex("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140")));
  EXPECT_FALSE(SecretKey::from_bytes("short"));
}

TEST(SecretKey, hasTheNodeIdOfTheBoltExample) {
  auto const key =
      SecretKey::from_bytes(*from_hex("e126f68f7eafcc8b74f54d269fe206be715000f94dac067d1c04a8ca3b2db734"));
  ASSERT_TRUE(key);
  EXPECT_EQ(key->public_key().hex(), "03e7156ae33b0a208d0744199163177e909e80176e55d97a2f221ede0f934dd9ad");
}

TEST(Signature, isVerifiedRecoveredAndBoundToItsDigest) {
  Random random{1};
  auto const key = SecretKey::generate(random);
  auto const other = SecretKey::generate(random);
  auto const digest = sha256("an order");
  auto const signature = key.sign_recoverable(digest);
  EXPECT_TRUE(verify(key.public_key(), digest, signature.signature));
  EXPECT_EQ(recover(digest, signature), key.public_key());
  EXPECT_FALSE(verify(other.public_key(), digest, signature.signature));
  EXPECT_FALSE(verify(key.public_key(), sha256("another order"), signature.signature));
  EXPECT_EQ(key.sign(digest), signature.signature);
}

TEST(Signature, ofGarbageIsRefusedNotFatal) {
  auto const digest = sha256("x");
  Signature all_ones;
  all_ones.array().fill(0xff);
  EXPECT_FALSE(verify(PeerId{}, digest, Signature{}));
  EXPECT_FALSE(verify(PeerId{}, digest, all_ones));
  EXPECT_FALSE(recover(digest, {all_ones, 0}));
  EXPECT_FALSE(recover(digest, {Signature{}, 200}));
}

TEST(Ed25519, keepsTheFirstVectorOfRfc8032) {
  auto const key = Ed25519SecretKey::from_bytes(
      *from_hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"));
  ASSERT_TRUE(key);
  EXPECT_EQ(key->public_key().hex(), "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  EXPECT_EQ(key->sign("").hex(),
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555"
            "fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b");
  EXPECT_FALSE(Ed25519SecretKey::from_bytes(std::string(31, 'x')));
}

TEST(Ed25519, verifiesItsOwnSignaturesAndNoOthers) {
  Random random{3};
  auto const key = Ed25519SecretKey::generate(random);
  auto const signature = key.sign("message");
  EXPECT_TRUE(verify(key.public_key(), "message", signature));
  EXPECT_FALSE(verify(key.public_key(), "massage", signature));
  EXPECT_FALSE(verify(Ed25519SecretKey::generate(random).public_key(), "message", signature));
  for (std::size_t i = 0; i < Ed25519Signature::kSize; ++i) {
    auto broken = signature;
    broken.array()[i] ^= 1;
    EXPECT_FALSE(verify(key.public_key(), "message", broken)) << i;
  }
  EXPECT_FALSE(verify(Ed25519PublicKey{}, "message", Ed25519Signature{}));
}

}  // namespace
}  // namespace grenache
