#include <gtest/gtest.h>

#include <grenache/json/grape_api.hpp>

namespace grenache::json {
namespace {

Error announce_error(std::string_view data) { return parse_announce_data(parse(data).value()).error(); }

TEST(GrapeApi, looksAtTheBodyThenAtTheRoute) {
  EXPECT_EQ(parse_grape_request("/nope", "garbage").error(), GrapeErrc::payload_invalid);
  EXPECT_EQ(parse_grape_request("/nope", "{}").error(), GrapeErrc::request_not_found);
  EXPECT_EQ(parse_grape_request("/lookup?x=1", "{}").error(), GrapeErrc::request_not_found);
  auto const request = parse_grape_request("/announce", R"({"rid":"r","data":["a",1]})");
  ASSERT_TRUE(request);
  EXPECT_EQ(request->route, GrapeRoute::announce);
  EXPECT_EQ(request->data, Value::array({"a", 1}));
  EXPECT_TRUE(parse_grape_request("/get", "5")->data.is_null());
}

TEST(GrapeApi, aNameIsANonEmptyStringOfBoundedLength) {
  EXPECT_EQ(parse_lookup_data("svc").value(), "svc");
  EXPECT_TRUE(parse_lookup_data(std::string(kServiceNameMax, 'x')));
  for (Value const& data : {Value{}, Value{123}, Value{""}, Value{std::string(kServiceNameMax + 1, 'x')}}) {
    EXPECT_EQ(parse_lookup_data(data).error(), GrapeErrc::lookup);
  }
}

TEST(GrapeApi, anAnnouncementNeedsANameAndAPort) {
  auto const announce = parse_announce_data(Value::array({"svc", 65535}));
  ASSERT_TRUE(announce);
  EXPECT_EQ(announce->name, "svc");
  EXPECT_EQ(announce->port, 65535);
  EXPECT_EQ(parse_announce_data(Value::array({"svc", 0}))->port, 0);
  for (char const* const data :
       {R"(["a"])", R"(["a","x"])", R"(["a",1.5])", R"(["a",70000])", R"(["a",-1])", "[]"}) {
    EXPECT_EQ(announce_error(data), GrapeErrc::service_port) << data;
  }
  for (char const* const data : {R"("a")", "null", "{}", R"([123,1200])", R"(["",1])"}) {
    EXPECT_EQ(announce_error(data), GrapeErrc::announce) << data;
  }
}

TEST(GrapeApi, errorsAreJsonStringsButForBadPayloads) {
  EXPECT_EQ(error_answer(GrapeErrc::lookup).status, 200u);
  EXPECT_EQ(error_answer(GrapeErrc::lookup).body, "\"ERR_GRAPE_LOOKUP\"");
  EXPECT_EQ(error_answer(GrapeErrc::payload_invalid).status, 500u);
  EXPECT_EQ(error_answer(GrapeErrc::payload_invalid).body, "ERR_GRAPE_PAYLOAD_INVALID");
  EXPECT_EQ(error_answer(GrapeErrc::payload_size).status, 413u);
}

TEST(GrapeApi, requestsAreReadAsTheyWereWritten) {
  std::string const name = "l\xc3\xa4nger \"\xe2\x98\x83\"";
  auto const lookup = parse_grape_request("/lookup", lookup_request("r", name));
  EXPECT_EQ(parse_lookup_data(lookup->data).value(), name);
  auto const announce = parse_grape_request("/announce", announce_request("r", name, 1337));
  EXPECT_EQ(parse_announce_data(announce->data)->name, name);
  EXPECT_EQ(parse_announce_data(announce->data)->port, 1337);
  EXPECT_EQ(lookup_request("r", "a"), R"({"rid":"r","data":"a"})");
}

TEST(GrapeApi, repliesAreReadAsTheyWereWritten) {
  std::vector<Endpoint> const peers{{IpAddress{1, 2, 3, 4}, 5}, {IpAddress{6, 7, 8, 9}, 10}};
  EXPECT_EQ(lookup_answer(peers), R"(["1.2.3.4:5","6.7.8.9:10"])");
  EXPECT_EQ(parse_lookup_reply(lookup_answer(peers), 10).value,
            (std::vector<std::string>{"1.2.3.4:5", "6.7.8.9:10"}));
  EXPECT_EQ(parse_lookup_reply("[]", 10).value, std::vector<std::string>{});
  EXPECT_EQ(parse_announce_reply(announce_answer(3)).value, 3u);
}

TEST(GrapeApi, repliesOfAGrapeGoneWrongAreHarmless) {
  auto const filtered = parse_lookup_reply(R"(["1.2.3.4:5",7,"nonsense","1.2.3.4:5","a:1","b:2"])", 2);
  EXPECT_EQ(filtered.value, (std::vector<std::string>{"1.2.3.4:5", "a:1"}));
  EXPECT_EQ(parse_lookup_reply("\"ERR_GRAPE_LOOKUP\"", 10).error, "ERR_GRAPE_LOOKUP");
  EXPECT_EQ(parse_lookup_reply("bare text", 10).error, "bare text");
  EXPECT_EQ(parse_lookup_reply("", 10).error, "empty answer");
  EXPECT_EQ(parse_lookup_reply("\"\"", 10).error, "\"\"");
  EXPECT_EQ(parse_announce_reply("\"No nodes to query\"").error, "No nodes to query");
  EXPECT_FALSE(parse_announce_reply("-1").value);
}

}  // namespace
}  // namespace grenache::json
