#include <gtest/gtest.h>

#include <grenache/dht/bencode_writer.hpp>
#include <grenache/dht/item.hpp>

namespace grenache::dht {
namespace {

std::string text(std::string_view bytes) {
  BencodeWriter writer;
  writer.string(bytes);
  return writer.take();
}

ItemOwner owner(std::string_view salt, std::string_view signature) {
  ItemOwner made;
  made.key = *Ed25519PublicKey::from_hex("77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548");
  made.signature = *Ed25519Signature::from_hex(signature);
  made.salt = salt;
  made.seq = 1;
  return made;
}

// The vectors of BEP 44.
constexpr std::string_view kSignature =
    "305ac8aeb6c9c151fa120f120ea2cfb923564e11552d06a5d856091e5e853cff"
    "1260d3f39e4999684aa92eb73ffd136e6f4f3ecbfda0ce53a1608ecd7ae21f01";
constexpr std::string_view kSaltedSignature =
    "6834284b6b24c3204eb2fea824d82f88883a3d95e8b4a21b8c0ded553d17d17d"
    "df9a8a7104b1258f30bed3787e6cb896fca78c58f8e03b5f18f14951a87d9a08";

TEST(Item, keepsTheVectorsOfBep44) {
  auto const plain = Item::mutable_of(owner("", kSignature), text("Hello World!"));
  ASSERT_TRUE(plain) << plain.error().message();
  EXPECT_EQ(plain->target().hex(), "4a533d47ec9c7d95b1ad75f576cffc641853b750");
  auto const salted = Item::mutable_of(owner("foobar", kSaltedSignature), text("Hello World!"));
  ASSERT_TRUE(salted) << salted.error().message();
  EXPECT_EQ(salted->target().hex(), "411eba73b6f087ca51a3795d9c8c938d365e32c1");
  auto const fixed = Item::immutable(text("Hello World!"));
  ASSERT_TRUE(fixed);
  EXPECT_EQ(fixed->target().hex(), "e5f96f6f38320f0f33959cb4d3d656452117aadb");
  EXPECT_FALSE(fixed->is_mutable());
}

TEST(Item, refusesWhatItsOwnerDidNotSign) {
  EXPECT_EQ(Item::mutable_of(owner("", kSignature), text("Hello World?")).error(), ItemErrc::bad_signature);
  EXPECT_EQ(Item::mutable_of(owner("salt", kSignature), text("Hello World!")).error(),
            ItemErrc::bad_signature);
  auto newer = owner("", kSignature);
  newer.seq = 2;
  EXPECT_EQ(Item::mutable_of(newer, text("Hello World!")).error(), ItemErrc::bad_signature);
  newer.seq = -1;
  EXPECT_EQ(Item::mutable_of(newer, text("Hello World!")).error(), ItemErrc::bad_sequence);
}

TEST(Item, takesStringsOfAThousandBytesAndOtherValuesOfAThousandEncoded) {
  EXPECT_TRUE(Item::immutable(text(std::string(999, 'a'))));
  EXPECT_EQ(Item::immutable(text(std::string(999, 'a')))->target().hex(),
            "a1ef0f1ac1d1462a8b0f169ed61f145a3b9723d4");  // as answered by Grape
  EXPECT_TRUE(Item::immutable(text(std::string(1000, 'a'))));
  EXPECT_EQ(Item::immutable(text(std::string(1001, 'a'))).error(), ItemErrc::value_too_big);
  EXPECT_TRUE(Item::immutable('l' + text(std::string(994, 'a')) + 'e'));
  EXPECT_EQ(Item::immutable('l' + text(std::string(995, 'a')) + 'e').error(), ItemErrc::value_too_big);
  EXPECT_EQ(Item::immutable(std::string(100'000, 'i')).error(), ItemErrc::value_too_big);
}

TEST(Item, takesCanonicalValuesOnly) {
  EXPECT_TRUE(Item::immutable("d1:a1:b1:c1:de"));
  for (std::string_view const bad : {"", "d1:c1:d1:a1:be", "d1:ai1e1:ai1ee", "i01e", "i1ei1e", "3:ab", "l"}) {
    EXPECT_EQ(Item::immutable(bad).error(), ItemErrc::bad_value) << bad;
  }
}

TEST(Item, isSignedAndVerifiedAgain) {
  Random random{7};
  auto const key = Ed25519SecretKey::generate(random);
  auto const made = Item::sign(key, "salt", 5, "i42e");
  ASSERT_TRUE(made);
  auto const read = Item::mutable_of(*made->owner(), made->value());
  ASSERT_TRUE(read);
  EXPECT_EQ(read->target(), made->target());
  EXPECT_EQ(read->seq(), 5);
  EXPECT_TRUE(Item::sign(key, std::string(64, 's'), 5, "i42e"));
  EXPECT_EQ(Item::sign(key, std::string(65, 's'), 5, "i42e").error(), ItemErrc::salt_too_big);
  EXPECT_EQ(item_signature_input("salt", 5, "i42e"), "4:salt4:salt3:seqi5e1:vi42e");
  EXPECT_EQ(item_signature_input("", 5, "i42e"), "3:seqi5e1:vi42e");
}

}  // namespace
}  // namespace grenache::dht
