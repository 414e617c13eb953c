#include <gtest/gtest.h>

#include <grenache/log/log.hpp>

namespace grenache {
namespace {

template <class Body>
std::string stderr_of(Body body) {
  testing::internal::CaptureStderr();
  body();
  return testing::internal::GetCapturedStderr();
}

TEST(Log, jsonLinesAreObjectsWithTimeLevelEventAndFields) {
  auto const line = stderr_of([] {
    Log{LogLevel::info, LogFormat::json}.info("listening", {{"port", 20001}, {"name", "a\"\n"}});
  });
  auto const value = json::parse(line.substr(0, line.size() - 1));
  ASSERT_TRUE(value) << line;
  EXPECT_EQ(line.back(), '\n');
  EXPECT_EQ(*value->find_string("level"), "info");
  EXPECT_EQ(*value->find_string("event"), "listening");
  EXPECT_EQ(value->find_int("port"), 20001);
  EXPECT_EQ(*value->find_string("name"), "a\"\n");
  EXPECT_EQ(value->find_string("ts")->size(), std::string{"2026-01-01T00:00:00.000Z"}.size());
}

TEST(Log, textEscapesWhatCouldForgeALine) {
  auto const line = stderr_of([] {
    Log{LogLevel::debug, LogFormat::text}.debug("peer",
                                                {{"peer", "127.0.0.1:1"}, {"name", "x\nerror fake\x1b[31m"}});
  });
  EXPECT_NE(line.find("peer peer=127.0.0.1:1 name=\"x\\nerror fake\\u001b[31m\"\n"), std::string::npos)
      << line;
}

TEST(Log, bytesThatAreNoTextBecomeText) {
  for (LogFormat const format : {LogFormat::json, LogFormat::text}) {
    auto const line = stderr_of([&] {
      Log{LogLevel::info, format}.info("announce", {{"name", "\xa6/\xffx \u00fc"}});
    });
    EXPECT_NE(line.find("\"\xef\xbf\xbd/\xef\xbf\xbdx \u00fc\""), std::string::npos) << line;
  }
}

TEST(Log, leavesOutWhatIsBelowTheLevel) {
  EXPECT_EQ(stderr_of([] { Log{LogLevel::warn, LogFormat::text}.info("listening"); }), "");
  EXPECT_NE(stderr_of([] { Log{LogLevel::warn, LogFormat::text}.error("failed"); }), "");
}

TEST(Log, knowsItsNames) {
  EXPECT_EQ(parse_log_level("debug"), LogLevel::debug);
  EXPECT_FALSE(parse_log_level("verbose"));
  EXPECT_EQ(parse_log_format("json"), LogFormat::json);
  EXPECT_FALSE(parse_log_format("xml"));
}

}  // namespace
}  // namespace grenache
