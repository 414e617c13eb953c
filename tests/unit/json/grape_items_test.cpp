#include <gtest/gtest.h>

#include <grenache/json/grape_items.hpp>

namespace grenache::json {
namespace {

Error put_error(std::string_view data) {
  auto const put = parse_put_data(parse(data).value());
  return put ? Error{} : put.error();
}

dht::Item signed_item(std::string_view salt, std::int64_t seq, std::string_view v) {
  Random random{1};
  return dht::Item::sign(Ed25519SecretKey::generate(random), salt, seq, v).value();
}

std::string put_data(dht::Item const& item) {
  return to_text(*parse(put_request("r", item, std::nullopt)).value().find("data"));
}

TEST(GrapePut, takesAValueOrAnObjectWithOne) {
  for (char const* const data : {R"({"v":"hello world"})", R"("hello world")"}) {
    auto const put = parse_put_data(parse(data).value());
    ASSERT_TRUE(put) << data;
    EXPECT_EQ(put->item.target().hex(), "6d33adc2b6b2c14c3036feefb7fedbca1a880527");
    EXPECT_FALSE(put->item.is_mutable());
  }
  EXPECT_EQ(parse_put_data(parse(R"({"v":{"b":[1,2],"a":"x"}})").value())->item.value(),
            "d1:a1:x1:bli1ei2eee");
}

TEST(GrapePut, refusesInNodesWords) {
  std::string const key(64, 'a');
  std::string const sig(128, 'b');
  auto const with = [&](std::string const& more) {
    return R"({"v":"x","k":")" + key + R"(","sig":")" + sig + "\"" + more + "}";
  };
  EXPECT_EQ(put_error("{}"), GrapeErrc::put_value_missing);
  EXPECT_EQ(put_error("null"), GrapeErrc::put_value_missing);
  EXPECT_EQ(put_error(R"({"v":null})"), GrapeErrc::put_value_missing);
  EXPECT_EQ(put_error('"' + std::string(1000, 'a') + '"'), GrapeErrc::put_value_size);
  EXPECT_EQ(put_error('"' + std::string(999, 'a') + '"'), Error{});
  EXPECT_EQ(put_error(R"({"v":1.5})"), GrapeErrc::put_value);
  EXPECT_EQ(put_error(R"({"v":"x","k":"aa"})"), GrapeErrc::put_key);
  EXPECT_EQ(put_error(R"({"v":"x","k":5})"), GrapeErrc::put_key);
  EXPECT_EQ(put_error(R"({"v":"x","k":")" + key + "\"}"), GrapeErrc::put_signature_missing);
  EXPECT_EQ(put_error(with(R"(,"cas":"1")")), GrapeErrc::put_cas);
  EXPECT_EQ(put_error(with(R"(,"salt":")" + std::string(65, 's') + "\"")), GrapeErrc::put_salt);
  EXPECT_EQ(put_error(with("")), GrapeErrc::put_seq_missing);
  EXPECT_EQ(put_error(with(R"(,"seq":"1")")), GrapeErrc::put_seq);
  EXPECT_EQ(put_error(with(R"(,"seq":-1)")), GrapeErrc::put_seq);
  EXPECT_EQ(put_error(with(R"(,"seq":1)")), GrapeErrc::put_signature);
}

TEST(GrapePut, ofAMutableItemIsReadAsItWasWritten) {
  dht::Item const item = signed_item("a salt", 7, "5:value");
  auto const request = parse_grape_request("/put", put_request("r", item, 6));
  ASSERT_TRUE(request);
  EXPECT_EQ(request->route, GrapeRoute::put);
  auto const put = parse_put_data(request->data);
  ASSERT_TRUE(put) << put.error().message();
  EXPECT_EQ(put->item.target(), item.target());
  EXPECT_EQ(put->item.owner()->signature, item.owner()->signature);
  EXPECT_EQ(put->item.seq(), 7);
  EXPECT_EQ(put->cas, 6);
}

TEST(GrapePut, readsKeysThatJavaScriptWroteAsBuffers) {
  dht::Item const item = signed_item("", 1, "1:x");
  Value::Array bytes;
  for (char const c : item.owner()->key.view())
    bytes.emplace_back(static_cast<int>(static_cast<unsigned char>(c)));
  auto data = parse(put_data(item)).value();
  data.set("k", Value::object({{"type", "Buffer"}, {"data", bytes}}));
  EXPECT_TRUE(parse_put_data(data));
}

TEST(GrapeGet, takesAHashWithOrWithoutASalt) {
  std::string const hash(40, 'a');
  EXPECT_EQ(parse_get_data(Value{hash})->target.hex(), hash);
  EXPECT_EQ(parse_get_data(Value::object({{"hash", hash}, {"salt", "s"}}))->salt, "s");
  for (char const* const data : {R"("zzzz")", R"("aa")", R"({"hash":"aa"})"}) {
    EXPECT_EQ(parse_get_data(parse(data).value()).error(), GrapeErrc::hash_format) << data;
  }
  for (char const* const data : {"null", "5", "true", "{}", R"({"hash":5})", R"({"hash":null})", "[]"}) {
    EXPECT_EQ(parse_get_data(parse(data).value()).error(), GrapeErrc::generic) << data;
  }
}

TEST(GrapeGet, answersAsNodeDoes) {
  auto const item = dht::Item::immutable("11:hello world").value();
  NodeId const id = NodeId::from_hex(std::string(40, 'c')).value();
  EXPECT_EQ(get_answer(item, id, ""), R"({"id":")" + id.hex() + R"(","token":null,"v":"hello world"})");
  EXPECT_EQ(get_answer(item, id, "\x01\x02"),
            R"({"id":")" + id.hex() + R"(","token":"0102","v":"hello world"})");
}

TEST(GrapeGet, verifiesWhatAGrapeAnswers) {
  NodeId const id;
  auto const item = dht::Item::immutable("11:hello world").value();
  auto const found = parse_get_reply(get_answer(item, id, "t"), {item.target(), ""});
  ASSERT_TRUE(found.value) << found.error;
  EXPECT_EQ(found.value->item.value(), "11:hello world");
  EXPECT_FALSE(parse_get_reply(get_answer(item, id, ""), {NodeId{}, ""}).value) << "another item";
  EXPECT_EQ(parse_get_reply("", {item.target(), ""}).error, kNotFound);
  EXPECT_EQ(parse_get_reply("\"ERR_GRAPE_HASH_FORMAT\"", {item.target(), ""}).error, "ERR_GRAPE_HASH_FORMAT");
  EXPECT_EQ(parse_get_reply(R"({"error":"E","message":"words"})", {item.target(), ""}).error, "words");

  dht::Item const owned = signed_item("salt", 3, "5:value");
  std::string const answer = get_answer(owned, id, "");
  EXPECT_TRUE(parse_get_reply(answer, {owned.target(), "salt"}).value);
  EXPECT_FALSE(parse_get_reply(answer, {owned.target(), ""}).value) << "signed with a salt";
  std::string forged = answer;
  forged.replace(forged.find("value"), 5, "other");
  EXPECT_FALSE(parse_get_reply(forged, {owned.target(), "salt"}).value);
}

TEST(GrapeGet, carriesValuesThatAreNoText) {
  auto const item = dht::Item::immutable("2:\xff\xfe").value();
  auto const found = parse_get_reply(get_answer(item, NodeId{}, ""), {item.target(), ""});
  ASSERT_TRUE(found.value) << found.error;
  EXPECT_EQ(found.value->item.value(), item.value());
}

TEST(GrapeErrors, areObjectsWithAStatusForTheStrict) {
  auto const conflict = strict_error_answer(GrapeErrc::put_key);
  EXPECT_EQ(conflict.status, 400u);
  EXPECT_EQ(*parse(conflict.body).value().find_string("error"), "ERR_GRAPE_PUT");
  EXPECT_EQ(strict_error_answer(GrapeErrc::request_not_found).status, 404u);
  EXPECT_EQ(strict_error_answer(GrapeErrc::busy).status, 503u);
}

}  // namespace
}  // namespace grenache::json
