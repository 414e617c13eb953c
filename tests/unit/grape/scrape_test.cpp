#include "grape/core/scrape.hpp"

#include <gtest/gtest.h>

#include "tests/unit/grape/node_fixture.hpp"
#include <grenache/base/hex.hpp>

namespace grenache::grape {
namespace {

using std::chrono::seconds;

TEST(BloomFilter, isThatOfTheBep) {
  BloomFilter filter;
  for (int i = 0; i < 256; ++i) {
    filter.insert(bloom_bits(IpAddress{192, 0, 2, static_cast<std::uint8_t>(i)}));
  }
  for (int i = 0; i < 1000; ++i) {
    filter.insert(bloom_bits(
        IpAddress{IpAddress::V6{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                                static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i & 0xff)}}));
  }
  EXPECT_EQ(to_hex(filter.view()),
            "f6c3f5eaa07ffd91bde89f777f26fb2bff37bdb8fb2bbaa2fd3ddde7bacfff75ee7ccbae"
            "fe5eedb1fbfaff67f6abff5e43ddbca3fd9b9ffdf4ffd3e9dff12d1bdf59db53dbe9fa5b"
            "7ff3b8fdfcde1afb8bedd7be2f3ee71ebbbfe93bcdeefe148246c2bc5dbff7e7efdcf24f"
            "d8dc7adffd8fffdfddfff7a4bbeedf5cb95ce81fc7fcff1ff4ffffdfe5f7fdcbb7fd79b3"
            "fa1fc77bfe07fff905b7b7ffc7fefeffe0b8370bb0cd3f5b7f2bd93feb4386cfdd6f7fd5"
            "bfaf2e9ebffffeecd67adbf7c67f17efd5d75eba6ffeba7fff47a91eb1bfbb53e8abfb57"
            "62abe8ff237279bfefbfeef5ffc5febfdfe5adffadfee1fb737ffffbfd9f6aeffeee76b6"
            "fd8f72ef");
}

class ScrapeTest : public NodeTest {
 protected:
  // Announces a name of 20 bytes from 10.0.0.`host`.
  void announce_from(std::uint8_t host, bool is_seed) {
    Endpoint const from{IpAddress{10, 0, 0, host}, 5000};
    std::string const token = token_for(from, id_of('A'), kName);
    auto const replies = receive(
        from, dht::encode_query("an", id_of('A'), dht::AnnouncePeer{kName, 80, false, token, is_seed}));
    ASSERT_EQ(replies.size(), 1u);
    (void)replies[0].as<dht::Reply>();
  }
  std::string ask(std::string_view name, std::string const& tid = "aa") {
    return receive(at(6000), dht::encode_query(tid, id_of('B'), dht::GetPeers{name, true})).at(0).bytes;
  }
  static std::string filter_of(std::vector<std::uint8_t> const& hosts) {
    BloomFilter filter;
    for (std::uint8_t const host : hosts) filter.insert(bloom_bits(IpAddress{10, 0, 0, host}));
    return std::string{filter.view()};
  }
  static constexpr std::string_view kName = "a name with 20 bytes";
};

TEST_F(ScrapeTest, tellsSeedsAndOtherPeersApart) {
  for (std::uint8_t host = 1; host <= 3; ++host) announce_from(host, false);
  announce_from(4, true);
  announce_from(3, true);  // it has it all by now
  std::string const reply = ask(kName);
  EXPECT_NE(reply.find("d4:BFpe256:" + filter_of({1, 2}) + "4:BFsd256:" + filter_of({3, 4}) + "2:id20:"),
            std::string::npos);
  now_ += seconds{241};
  EXPECT_NE(ask(kName).find("4:BFpe256:" + filter_of({}) + "4:BFsd256:" + filter_of({})), std::string::npos)
      << "expired peers do not count";
}

TEST_F(ScrapeTest, isAnsweredOnlyWhereItIsAskedForAndThereIsSomething) {
  EXPECT_EQ(ask(kName).find("BFpe"), std::string::npos);
  announce_from(1, false);
  EXPECT_NE(ask(kName).find("BFpe"), std::string::npos);
  EXPECT_EQ(ask("another name").find("BFpe"), std::string::npos);
  auto const plain = receive(at(6000), dht::encode_query("aa", id_of('B'), dht::GetPeers{kName}));
  EXPECT_EQ(plain.at(0).bytes.find("BFpe"), std::string::npos);
  for (char const* other : {"6:scrapei0e", "6:scrape1:1"}) {
    auto const replies =
        receive(at(6000), "d1:ad2:id20:aaaaaaaaaaaaaaaaaaaa9:info_hash20:" + std::string{kName} + other +
                              "e1:q9:get_peers1:t2:aa1:y1:qe");
    EXPECT_EQ(replies.at(0).bytes.find("BFpe"), std::string::npos) << other;
  }
}

TEST_F(ScrapeTest, takesTheRoomOfPeersAndNodes) {
  for (std::uint8_t host = 1; host < 251; ++host) announce_from(host, false);
  for (char c = 'C'; c < 'Z'; ++c)
    introduce(id_of(c), {IpAddress{10, 0, 1, static_cast<std::uint8_t>(c)}, 7000});
  auto const values_of = [](std::string const& bytes) { return Sent{{}, bytes}.as<dht::Reply>().values; };
  for (std::size_t const tid_size : {1u, 2u, 256u}) {
    std::string const reply = ask(kName, std::string(tid_size, 't'));
    EXPECT_LE(reply.size(), 1400u);
    EXPECT_FALSE(values_of(reply).empty());
    EXPECT_NE(reply.find("BFsd"), std::string::npos);
  }
}

}  // namespace
}  // namespace grenache::grape
