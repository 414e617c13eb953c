#include <gtest/gtest.h>

#include <grenache/net/local_address.hpp>
#include <grenache/rpc/shown_at.hpp>

namespace grenache::rpc {
namespace {

Endpoint at(char const* text) { return *Endpoint::parse(text); }

bool is_ours(IpAddress const& address) {
  return address.is_loopback() || address == IpAddress{192, 0, 2, 1} ||
         address == *IpAddress::parse("2001:db8::1");
}

Endpoint const kAll4{IpAddress{}, 7000};
Endpoint const kAll6{IpAddress{IpAddress::V6{}}, 7000};

TEST(ShownAt, isTheAddressOfThisHostAmongPeersWithOnePort) {
  auto const shown = shown_at({"198.51.100.7:7000", "192.0.2.1:7000", "198.51.100.8:7000", "192.0.2.1:7001"},
                              kAll4, true, is_ours);
  EXPECT_EQ(shown.here, at("192.0.2.1:7000"));
  EXPECT_EQ(shown.elsewhere, (std::vector{at("198.51.100.7:7000"), at("198.51.100.8:7000")}));
}

TEST(ShownAt, isALoopbackAddressOnlyWithoutAnother) {
  EXPECT_EQ(shown_at({"127.0.0.1:7000"}, kAll4, true, is_ours).here, at("127.0.0.1:7000"));
  EXPECT_EQ(shown_at({"127.0.0.1:7000", "192.0.2.1:7000"}, kAll4, true, is_ours).here, at("192.0.2.1:7000"));
  EXPECT_EQ(shown_at({"192.0.2.1:7000", "127.0.0.1:7000"}, kAll4, true, is_ours).here, at("192.0.2.1:7000"));
}

TEST(ShownAt, aLoopbackAddressThatAGrapeOfAnotherHostShowsIsNotThisHosts) {
  auto const shown = shown_at({"127.0.0.1:7000"}, kAll4, false, is_ours);
  EXPECT_FALSE(shown.here);
  EXPECT_EQ(shown.elsewhere, std::vector{at("127.0.0.1:7000")});
}

TEST(ShownAt, isWhereTheServiceListens) {
  EXPECT_FALSE(shown_at({"[2001:db8::1]:7000"}, kAll4, true, is_ours).here);
  EXPECT_EQ(shown_at({"[2001:db8::1]:7000"}, kAll6, true, is_ours).here, at("[2001:db8::1]:7000"));
  EXPECT_EQ(shown_at({"192.0.2.1:7000"}, kAll6, true, is_ours).here, at("192.0.2.1:7000"));
  EXPECT_FALSE(shown_at({"127.0.0.1:7000"}, at("127.0.0.2:7000"), true, is_ours).here);
  EXPECT_FALSE(shown_at({}, kAll4, true, is_ours).here);
}

TEST(ShownAt, aGrapeIsHereWhenItsAddressIsOrItsNameMayBe) {
  auto const grape = [](char const* url) { return std::vector{*parse_grape_url(url)}; };
  EXPECT_TRUE(may_be_here(grape("http://192.0.2.1:30001"), is_ours));
  EXPECT_TRUE(may_be_here(grape("http://[::1]:30001"), is_ours));
  EXPECT_TRUE(may_be_here(grape("http://grape.test:30001"), is_ours));
  EXPECT_FALSE(may_be_here(grape("http://198.51.100.7:30001"), is_ours));
}

TEST(LocalAddress, knowsTheAddressesOfThisHost) {
  EXPECT_TRUE(net::is_of_this_host({127, 0, 0, 1}));
  EXPECT_FALSE(net::is_of_this_host({203, 0, 113, 1}));  // documentation only (RFC 5737)
  EXPECT_TRUE(net::all_addresses().is_unspecified());
}

}  // namespace
}  // namespace grenache::rpc
