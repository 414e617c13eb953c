#include <gtest/gtest.h>

#include <grenache/base/endpoint.hpp>

namespace grenache {
namespace {

TEST(Endpoint, roundTripsBothFamilies) {
  for (auto const* text : {"127.0.0.1:20001", "255.255.255.255:65535", "[::1]:1", "[2001:db8::7]:443"}) {
    auto const endpoint = Endpoint::parse(text);
    ASSERT_TRUE(endpoint) << text;
    EXPECT_EQ(endpoint->to_string(), text);
  }
}

TEST(Endpoint, refusesWhatIsNotAnAddressAndAPort) {
  for (auto const* text :
       {"", ":", "1.2.3.4", "1.2.3.4:", "1.2.3.4:0", "1.2.3.4:65536", "1.2.3.4:+1", "1.2.3.4: 1", "1.2.3:4",
        "localhost:1", "::1:5", "[::1]", "[::1]5", "[1.2.3.4]:5", "[]:5"}) {
    EXPECT_FALSE(Endpoint::parse(text)) << text;
  }
}

TEST(HostPort, takesNamesAsPeopleTypeThem) {
  auto const parsed = HostPort::parse("grape.example:20001");
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->host, "grape.example");
  EXPECT_EQ(parsed->port, 20001);
  EXPECT_FALSE(HostPort::parse("grape.example"));
}

TEST(HostPort, refusesHostsThatCouldNotStandInAHeader) {
  for (std::string_view const text :
       {std::string_view{"a\r\nx: y:80"}, std::string_view{"a b:80"},
        std::string_view{"127.0.0.1\0.evil:80", 18}, std::string_view{"a/b:80"},
        std::string_view{"user@host:80"}, std::string_view{"\xc3\xa4:80"}, std::string_view{"[::1\n]:80"}}) {
    EXPECT_FALSE(HostPort::parse(text)) << text;
  }
  EXPECT_TRUE(HostPort::parse("my_service-1.example:80"));
  EXPECT_TRUE(HostPort::parse("[fe80::1%eth0]:80"));
}

TEST(IpAddress, readsAllOfTheTextOrNothing) {
  EXPECT_FALSE(IpAddress::parse(std::string_view{"127.0.0.1\0", 10}));
  EXPECT_FALSE(IpAddress::parse(std::string_view{"::1\0x", 5}));
  EXPECT_FALSE(IpAddress::parse(" 127.0.0.1"));
}

TEST(IpAddress, knowsPrivateNetworks) {
  for (auto const* text : {"127.0.0.1", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1",
                           "169.254.1.1", "100.64.0.1", "100.127.255.255", "::1", "fd00::1", "fe80::1"}) {
    EXPECT_TRUE(IpAddress::parse(text)->is_private()) << text;
  }
  for (auto const* text :
       {"8.8.8.8", "100.63.0.1", "100.128.0.1", "172.32.0.1", "192.169.0.1", "2001:db8::1"}) {
    EXPECT_FALSE(IpAddress::parse(text)->is_private()) << text;
  }
}

TEST(IpAddress, knowsWhatNoDatagramComesFrom) {
  EXPECT_TRUE(IpAddress::parse("224.0.0.1")->is_multicast_or_reserved());
  EXPECT_TRUE(IpAddress::parse("255.255.255.255")->is_multicast_or_reserved());
  EXPECT_TRUE(IpAddress::parse("ff02::1")->is_multicast_or_reserved());
  EXPECT_FALSE(IpAddress::parse("223.255.255.255")->is_multicast_or_reserved());
  EXPECT_TRUE(IpAddress{}.is_unspecified());
}

}  // namespace
}  // namespace grenache
