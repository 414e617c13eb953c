#include <gtest/gtest.h>

#include <grenache/net/web_access.hpp>

namespace grenache::net {
namespace {

/// As a browser asks.
WebVerdict ask(std::string_view host, std::string_view origin, WebAccess const& access = {}) {
  return check_web_access(access, {host, origin, "Mozilla/5.0 (X11; Linux x86_64)"});
}

TEST(WebAccess, aProgramThatIsNoBrowserMayUseAnyName) {
  for (char const* const host : {"", "grape.example:30001", "10.1.2.3:1", "::1"}) {
    EXPECT_EQ(check_web_access({}, {host, "", ""}), WebVerdict::allowed) << host;
    EXPECT_EQ(check_web_access({}, {host, "", "curl/7.88.1"}), WebVerdict::allowed) << host;
  }
  EXPECT_EQ(check_web_access({}, {"grape.example", "http://grape.example", "curl/7.88.1"}),
            WebVerdict::host_refused);
}

TEST(WebAccess, aBrowserIsAnsweredAtAddressesAndNamesThatNobodyCanBuy) {
  for (char const* const host :
       {"", "127.0.0.1", "127.0.0.1:30001", "10.1.2.3:1", "[::1]", "[::1]:30001", "localhost",
        "localhost:30001", "LocalHost:30001", "localhost.", "grape1:30001"}) {
    EXPECT_EQ(ask(host, ""), WebVerdict::allowed) << host;
  }
}

TEST(WebAccess, aNameThatWasReboundToUsIsRefusedThoughItsPageSeemsToBeOurs) {
  for (char const* const host : {"evil.example", "evil.example:30001", "127.0.0.1.evil.example",
                                 "localhost.evil", "[::1", "[evil]:1", "::1", ":30001"}) {
    EXPECT_EQ(ask(host, ""), WebVerdict::host_refused) << host;
    EXPECT_EQ(ask(host, "http://" + std::string{host}), WebVerdict::host_refused) << host;
  }
}

TEST(WebAccess, aPageOfAnotherOriginIsRefused) {
  for (char const* const origin : {"http://evil.example", "https://127.0.0.1:8080", "http://127.0.0.1",
                                   "http://localhost:30001", "null", "http://", "://127.0.0.1:30001x"}) {
    EXPECT_EQ(ask("127.0.0.1:30001", origin), WebVerdict::origin_refused) << origin;
  }
  EXPECT_EQ(ask("", "http://evil.example"), WebVerdict::origin_refused);
}

TEST(WebAccess, aPageOfTheServerItselfIsAnswered) {
  EXPECT_EQ(ask("127.0.0.1:30001", "http://127.0.0.1:30001"), WebVerdict::allowed);
  EXPECT_EQ(ask("[::1]:30001", "https://[::1]:30001"), WebVerdict::allowed);
  EXPECT_EQ(ask("Localhost", "http://localHOST:80"), WebVerdict::allowed);
  EXPECT_EQ(ask("localhost:443", "https://localhost"), WebVerdict::allowed);
}

TEST(WebAccess, listedNamesAndPagesAreAnswered) {
  WebAccess const access{{"Grape.example"}, {"https://app.example", "null"}};
  EXPECT_EQ(ask("grape.example:30001", "", access), WebVerdict::allowed);
  EXPECT_EQ(ask("grape.example.:30001", "", access), WebVerdict::allowed);  // the full name, as DNS writes it
  EXPECT_EQ(ask("grape.example", "https://APP.example", access), WebVerdict::allowed_cross_origin);
  EXPECT_EQ(ask("grape.example", "null", access), WebVerdict::allowed_cross_origin);
  EXPECT_EQ(ask("grape.example", "http://app.example", access), WebVerdict::origin_refused);
  EXPECT_EQ(ask("other.example", "https://app.example", access), WebVerdict::host_refused);
}

TEST(WebAccess, aStarAllowsEveryNameOrEveryPage) {
  WebAccess const access{{"*"}, {"*"}};
  EXPECT_EQ(ask("any.example", "", access), WebVerdict::allowed);
  EXPECT_EQ(ask("any.example", "http://evil.example", access), WebVerdict::allowed_cross_origin);
}

}  // namespace
}  // namespace grenache::net
