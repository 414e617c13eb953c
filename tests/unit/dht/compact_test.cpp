#include <gtest/gtest.h>

#include <grenache/dht/compact.hpp>

namespace grenache::dht {
namespace {

TEST(Compact, peersKeepTheirBytes) {
  std::string const v4{"\x7f\x00\x00\x01\x05\x39", 6};
  auto const peer = read_compact_peer(v4);
  ASSERT_TRUE(peer);
  EXPECT_EQ(peer->to_string(), "127.0.0.1:1337");
  std::string out;
  append_compact(out, *peer);
  EXPECT_EQ(out, v4);

  auto const v6 = Endpoint::parse("[2001:db8::1]:80");
  out.clear();
  append_compact(out, *v6);
  EXPECT_EQ(out.size(), kCompactPeer6Size);
  EXPECT_EQ(read_compact_peer(out), v6);
}

TEST(Compact, portZeroAndOddLengthsAreNoPeers) {
  EXPECT_FALSE(read_compact_peer(std::string(6, '\0')));
  for (std::size_t const size : {0u, 1u, 5u, 7u, 17u, 19u, 26u})
    EXPECT_FALSE(read_compact_peer(std::string(size, 'x')));
}

TEST(Compact, nodesAreReadInPlace) {
  Contact const a{*NodeId::from_bytes("aaaaaaaaaaaaaaaaaaaa"), *Endpoint::parse("1.2.3.4:5")};
  Contact const b{*NodeId::from_bytes("bbbbbbbbbbbbbbbbbbbb"), {IpAddress{6, 7, 8, 9}, 0}};
  std::string bytes;
  append_compact(bytes, a);
  append_compact(bytes, b);
  ASSERT_EQ(bytes.size(), 2 * kCompactNode4Size);
  auto const nodes = CompactNodes::from_bytes(bytes);
  ASSERT_TRUE(nodes);
  ASSERT_EQ(nodes->size(), 2u);
  EXPECT_EQ(nodes->at(0), a);
  EXPECT_FALSE(nodes->at(1));  // its port is 0
  EXPECT_FALSE(CompactNodes::from_bytes(bytes.substr(1)));

  Contact const c{a.id, *Endpoint::parse("[::1]:9")};
  bytes.clear();
  append_compact(bytes, c);
  auto const nodes6 = CompactNodes::from_bytes(bytes, kCompactNode6Size);
  ASSERT_TRUE(nodes6);
  EXPECT_EQ(nodes6->at(0), c);
}

}  // namespace
}  // namespace grenache::dht
