#include "exchange/messages/message.hpp"

#include <gtest/gtest.h>

#include "tests/unit/exchange_messages/sample_messages.hpp"

namespace grenache::exchange {
namespace {

using namespace samples;

TEST(Message, refusesMessagesThatAreNoObjects) {
  for (auto const* const text : {"null", "1", "true", "\"ping\"", "[]"}) {
    EXPECT_EQ(parse_request(parsed(text)).error(), MessageErrc::not_an_object) << text;
  }
  EXPECT_EQ(parse_request(parsed("{}")).error(), MessageErrc::unknown_type);
}

TEST(Payload, isReadAsTextAndAsObject) {
  auto const text = read_payload(Value{kOriginalOrder});
  ASSERT_TRUE(text);
  EXPECT_EQ(text->form, PayloadForm::text);
  auto const object = read_payload(parsed(kOriginalOrder));
  ASSERT_TRUE(object);
  EXPECT_EQ(object->form, PayloadForm::object);
  EXPECT_EQ(text->body, object->body);
  EXPECT_EQ(read_payload(Value{"no json"}).error(), MessageErrc::not_json);
  EXPECT_EQ(read_payload(Value{std::string(1000, '[')}).error(), MessageErrc::not_json);
}

TEST(Payload, isAnsweredInTheFormAsked) {
  EXPECT_EQ(json::to_text(write_payload("ok", PayloadForm::text)), R"("\"ok\"")");
  EXPECT_EQ(json::to_text(write_payload("ok", PayloadForm::object)), R"("ok")");
}

}  // namespace
}  // namespace grenache::exchange
