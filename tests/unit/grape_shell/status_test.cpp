#include "grape/status.hpp"

#include <set>
#include <sstream>

#include <gtest/gtest.h>

#include "grape/metrics.hpp"
#include "grape/page_cache.hpp"
#include "grape/status_page.hpp"
#include <grenache/json/json.hpp>

namespace grenache::grape {
namespace {

using namespace std::chrono_literals;

Status a_status() {
  Status status;
  status.version = "1.2.3";
  status.dht = *Endpoint::parse("127.0.0.1:20001");
  status.api = *Endpoint::parse("127.0.0.1:30001");
  status.bootstrap_count = 1;
  status.run = "0123456789abcdef";
  status.uptime = 90s;
  status.node.ready = true;
  status.node.nodes = 7;
  return status;
}

TEST(Health, isOkOnceTheNetworkIsReached) {
  Status status = a_status();
  EXPECT_EQ(status.health(), Health::ok);
  status.node.nodes = 0;
  EXPECT_EQ(status.health(), Health::alone);
  status.bootstrap_count = 0;
  EXPECT_EQ(status.health(), Health::ok) << "a network of one";
  status.node.ready = false;
  EXPECT_EQ(status.health(), Health::joining);
}

TEST(Health, tellsNodesDropsAndTheLastLookup) {
  Status status = a_status();
  status.node.dropped[static_cast<std::size_t>(DropReason::malformed)] = 5;
  auto value = json::parse(health_text(status));
  ASSERT_TRUE(value);
  EXPECT_EQ(*value->find_string("status"), "ok");
  EXPECT_EQ(*value->find_string("version"), "1.2.3");
  EXPECT_EQ(value->find_int("nodes"), 7);
  ASSERT_TRUE(value->find_string("run"));
  EXPECT_EQ(*value->find_string("run"), "0123456789abcdef");
  EXPECT_EQ(value->find_int("uptime_s"), 90);
  ASSERT_NE(value->find("dropped"), nullptr);
  EXPECT_EQ(value->find("dropped")->as_object()->size(), kDropReasonCount);
  EXPECT_EQ(value->find("dropped")->find_int("malformed"), 5);
  ASSERT_NE(value->find("last_lookup_age_s"), nullptr);
  EXPECT_TRUE(value->find("last_lookup_age_s")->is_null());
  status.last_lookup_age = 12'900ms;
  value = json::parse(health_text(status));
  ASSERT_TRUE(value);
  EXPECT_EQ(value->find_int("last_lookup_age_s"), 12);
}

TEST(Metrics, followTheTextFormatWithEachFamilyOnce) {
  std::istringstream lines{metrics_text(a_status())};
  std::set<std::string> families;
  std::string family;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words{line};
    std::string first;
    std::string second;
    std::string third;
    words >> first >> second;
    if (first == "#" && second == "TYPE") {
      words >> family >> third;
      EXPECT_TRUE(families.insert(family).second) << family;
      EXPECT_EQ(third == "counter", family.ends_with("_total")) << line;
    } else if (first != "#") {
      EXPECT_TRUE(first == family || first.starts_with(family + "{")) << line;
      EXPECT_FALSE(second.empty()) << line;
    }
  }
  EXPECT_GT(families.size(), 25u);
  EXPECT_TRUE(families.contains("process_resident_memory_bytes"));
}

TEST(Metrics, carryTheNumbersOfTheStatus) {
  Status status = a_status();
  status.node.lookups = 12'345'678;
  status.node.dropped[static_cast<std::size_t>(DropReason::rate_limited)] = 3;
  std::string const text = metrics_text(status);
  EXPECT_NE(text.find("\ngrape_nodes 7\n"), std::string::npos);
  EXPECT_NE(text.find("\ngrape_lookups_total 12345678\n"), std::string::npos) << text;
  EXPECT_NE(text.find("grape_datagrams_dropped_total{reason=\"rate_limited\"} 3\n"), std::string::npos);
  EXPECT_EQ(text.find("grape_last_lookup_age_seconds"), std::string::npos) << "there was none";
}

TEST(StatusPage, isCompleteAndNeedsNoScript) {
  std::string const page = status_page(a_status());
  EXPECT_TRUE(page.starts_with("<!doctype html>"));
  EXPECT_TRUE(page.ends_with("</html>\n"));
  EXPECT_NE(page.find("http-equiv=\"refresh\""), std::string::npos);
  EXPECT_NE(page.find("127.0.0.1:30001"), std::string::npos);
  EXPECT_EQ(page.find("<script"), std::string::npos);
  EXPECT_EQ(page.find("src="), std::string::npos);
}

TEST(StatusPage, escapesWhatItShows) {
  Status status = a_status();
  status.version = "<b onclick='x'>&\"";
  std::string const page = status_page(status);
  EXPECT_EQ(page.find("<b "), std::string::npos);
  EXPECT_NE(page.find("&lt;b onclick=&#39;x&#39;&gt;&amp;&quot;"), std::string::npos);
}

TEST(PageCache, rendersOncePerMoment) {
  PageCache cache;
  int renders = 0;
  auto const render = [&] { return std::to_string(++renders); };
  TimePoint const begin{1h};
  EXPECT_EQ(cache.get(begin, render), "1");
  EXPECT_EQ(cache.get(begin + 99ms, render), "1");
  EXPECT_EQ(cache.get(begin + 100ms, render), "2");
}

TEST(ProcessUse, isMoreThanNothing) { EXPECT_GT(process_use().resident_bytes, 100'000u); }

}  // namespace
}  // namespace grenache::grape
