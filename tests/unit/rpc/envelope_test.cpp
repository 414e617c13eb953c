#include <gtest/gtest.h>

#include <grenache/json/rpc_envelope.hpp>
#include <grenache/rpc/rpc_error.hpp>

namespace grenache::json {
namespace {

TEST(RpcEnvelope, readsARequest) {
  auto const request = parse_rpc_request(R"(["r1","svc",{"a":1}])");
  ASSERT_TRUE(request);
  EXPECT_EQ(request->rid, Value{"r1"});
  EXPECT_EQ(request->key, "svc");
  EXPECT_EQ(request->payload, Value::object({{"a", 1}}));
}

TEST(RpcEnvelope, whatIsMissingIsNull) {
  for (std::string_view const text : {R"({"a":1})", "5", "[]", R"("text")", "true"}) {
    auto const request = parse_rpc_request(text);
    ASSERT_TRUE(request) << text;
    EXPECT_TRUE(request->rid.is_null());
    EXPECT_EQ(request->key, "");
    EXPECT_TRUE(request->payload.is_null());
  }
  EXPECT_EQ(parse_rpc_request(R"([7,8])")->rid, Value{7});
  EXPECT_EQ(parse_rpc_request(R"([7,8])")->key, "");
}

TEST(RpcEnvelope, refusesWhatNodeNeverAnswers) {
  for (std::string_view const text : {"", "garbage", "null", "[1,", "\xff"}) {
    auto const request = parse_rpc_request(text);
    ASSERT_FALSE(request) << text;
    EXPECT_EQ(request.error(), RpcEnvelopeErrc::request_parse);
  }
  EXPECT_EQ(rpc_refusal(RpcEnvelopeErrc::request_parse), R"([null, "ERR_REQUEST_PARSE", null])");
}

TEST(RpcEnvelope, theGrHeaderReplacesRidAndKey) {
  auto request = parse_rpc_request(R"(["r1","svc",1])");
  ASSERT_TRUE(apply_gr_header(R"(["rr","kk"])", *request));
  EXPECT_EQ(request->rid, Value{"rr"});
  EXPECT_EQ(request->key, "kk");
  EXPECT_EQ(request->payload, Value{1});
  for (std::string_view const header : {"", "notjson", "{}", R"(["rr"])", R"(["rr",1])", "null"}) {
    EXPECT_FALSE(apply_gr_header(header, *request)) << header;
  }
  EXPECT_EQ(request->key, "kk");
}

TEST(RpcEnvelope, writesAndReadsReplies) {
  auto const good = parse_rpc_reply(rpc_reply("r", Value::array({1, "x"})));
  ASSERT_TRUE(good);
  EXPECT_EQ(good->rid, Value{"r"});
  EXPECT_FALSE(good->error);
  EXPECT_EQ(good->result, Value::array({1, "x"}));
  auto const bad = parse_rpc_reply(rpc_error_reply("r", "no \"way\""));
  ASSERT_TRUE(bad);
  EXPECT_EQ(bad->error, "no \"way\"");
  EXPECT_TRUE(bad->result.is_null());
  EXPECT_EQ(parse_rpc_reply(R"(["r",{"code":1},null])")->error, R"({"code":1})");
  EXPECT_FALSE(parse_rpc_reply(R"(["r",null])")->error);
  for (std::string_view const text : {"", "nonsense", "{}", "null"}) EXPECT_FALSE(parse_rpc_reply(text));
}

TEST(Failure, readsAsInNode) {
  using rpc::Errc;
  using rpc::Failure;
  EXPECT_EQ(Failure(Errc::timeout).text(), "ERR_TIMEOUT");
  EXPECT_EQ(Failure(Errc::request_generic, "fail").text(), "ERR_REQUEST_GENERIC: fail");
  EXPECT_EQ(Failure(Errc::remote, "boom").text(), "boom");
}

}  // namespace
}  // namespace grenache::json
