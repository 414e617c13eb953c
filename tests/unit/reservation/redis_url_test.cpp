#include "exchange/reservation/redis_url.hpp"

#include <gtest/gtest.h>

namespace grenache::exchange {
namespace {

TEST(RedisUrl, readsWhatPeopleWrite) {
  auto const url = RedisUrl::parse("redis://:secret@localhost:6380/3");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->kind, RedisUrl::Kind::tcp);
  EXPECT_EQ(url->servers.front().host, "localhost");
  EXPECT_EQ(url->servers.front().port, 6380);
  EXPECT_EQ(url->database, 3);
  EXPECT_EQ(url->user, "");
  EXPECT_EQ(url->password, "secret");
  EXPECT_EQ(url->to_string(), "redis://localhost:6380/3");
  EXPECT_EQ(RedisUrl::parse("redis://h")->servers.front().port, 6379);
  EXPECT_EQ(RedisUrl::parse("redis://[::1]:7/")->servers.front().host, "::1");
  EXPECT_EQ(RedisUrl::parse("redis://[::1]")->to_string(), "redis://[::1]:6379/0");
  EXPECT_EQ(RedisUrl::parse("rediss://h:1")->kind, RedisUrl::Kind::tls);
}

TEST(RedisUrl, decodesUserAndPassword) {
  auto const url = RedisUrl::parse("redis://al%69ce:p%40s%3As%2F%25:x@h");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->user, "alice");
  EXPECT_EQ(url->password, "p@s:s/%:x");
}

TEST(RedisUrl, readsUnixSockets) {
  auto const url = RedisUrl::parse("unix:/run/red%20is.sock?db=2");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->kind, RedisUrl::Kind::unix_socket);
  EXPECT_EQ(url->path, "/run/red is.sock");
  EXPECT_EQ(url->database, 2);
  EXPECT_EQ(url->to_string(), "unix:/run/red is.sock?db=2");
  EXPECT_EQ(RedisUrl::parse("unix:///a")->path, "/a");
  auto const login = RedisUrl::parse("unix://u:p@/a");
  ASSERT_TRUE(login);
  EXPECT_EQ(login->user, "u");
  EXPECT_EQ(login->path, "/a");
}

TEST(RedisUrl, readsSentinels) {
  auto const url = RedisUrl::parse("redis+sentinel://:p@one,two:1,[::1]:2/main/4");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->kind, RedisUrl::Kind::sentinel);
  ASSERT_EQ(url->servers.size(), 3u);
  EXPECT_EQ(url->servers[0].port, 26379);
  EXPECT_EQ(url->master, "main");
  EXPECT_EQ(url->password, "p");
  EXPECT_EQ(url->database, 4);
  EXPECT_EQ(url->to_string(), "redis+sentinel://one:26379,two:1,[::1]:2/main/4");
  EXPECT_EQ(RedisUrl::parse("redis+sentinel://one/main")->database, 0);
}

class Malformed : public testing::TestWithParam<char const*> {};

TEST_P(Malformed, isRefusedWithoutItsText) {
  auto const url = RedisUrl::parse(GetParam());
  ASSERT_FALSE(url) << url->to_string();
  EXPECT_EQ(url.error().find("geheim"), std::string::npos) << url.error();
  EXPECT_NE(url.error(), "");
}

INSTANTIATE_TEST_SUITE_P(
    RedisUrl, Malformed,
    testing::Values("", "h:1", "http://h", "redis:", "redis:/h", "redis://", "redis://h:0", "redis://h:x",
                    "redis://h:70000", "redis://h:", "redis://h/x", "redis://h/-1", "redis://h/99999999999",
                    "redis://geheim@h", "redis://:@h", "redis://u:geh%zzeim@h", "redis://u:geheim%2@h",
                    "redis://u:geheim%00@h", "redis://u:geh eim@h", "redis://u:geheim@", "redis://::1",
                    "redis://[::1", "redis://::1]", "redis://[::1]x:1", "redis://[::1]1", "redis://[]",
                    "redis://[h]:1", "redis://[1.2.3.4]:1", "redis://h:6379:1", "redis://h?db=1",
                    "redis://a b", "redis://h#1", "redis://h/1?x", "redis://a,b", "redis://h/1/2",
                    "rediss://", "unix:", "unix:a", "unix://h/a", "unix://geheim@/a", "unix:/a?db=x",
                    "unix:/a?x=1", "unix:/a?db=", "unix:/a#1", "unix:/a b", "redis+sentinel://h",
                    "redis+sentinel://h/", "redis+sentinel:///m", "redis+sentinel://h,/m",
                    "redis+sentinel://,h/m", "redis+sentinel://h/m/x", "redis+sentinel://h/m/1/2"));

}  // namespace
}  // namespace grenache::exchange
