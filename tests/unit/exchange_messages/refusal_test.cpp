#include "exchange/messages/refusal.hpp"

#include <gtest/gtest.h>

#include "tests/unit/exchange_messages/sample_messages.hpp"

namespace grenache::exchange {
namespace {

using namespace samples;

TEST(Refusal, travelsAsErrorText) {
  for (int code = 1; code <= static_cast<int>(RefusalCode::payment); ++code) {
    Refusal const refusal{static_cast<RefusalCode>(code), "because", std::chrono::milliseconds{872'000}};
    auto const text = to_error_text(refusal);
    EXPECT_EQ(parse_refusal(text), refusal) << text;
  }
  EXPECT_EQ(to_error_text({RefusalCode::self_trade, "it is yours", {}}),
            R"({"type":"ErrorMessage","code":"self-trade","reason":"it is yours","retryAfterMs":0})");
}

TEST(Refusal, saysThatAnInvoiceIsGone) {
  EXPECT_EQ(to_text(RefusalCode::gone), "gone");
  auto const read = parse_refusal(R"({"type":"ErrorMessage","code":"gone","reason":"","retryAfterMs":0})");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->code, RefusalCode::gone);
}

TEST(Refusal, reasonsOfStrangersAreCut) {
  auto const text = [](std::string const& reason) {
    return json::to_text(
        json::Value::object({{"type", "ErrorMessage"}, {"code", "limit"}, {"reason", reason}}));
  };
  auto const plain = parse_refusal(text(std::string(100'000, 'x')));
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->reason, std::string(kRefusalReasonSizeMax, 'x'));
  std::string const head(kRefusalReasonSizeMax - 1, 'x');
  auto const wide = parse_refusal(text(head + "éé"));
  ASSERT_TRUE(wide);
  EXPECT_EQ(wide->reason, head) << "characters stay whole";
}

TEST(Refusal, otherErrorsAreNone) {
  for (auto const* const text : {"", "ERR_TIMEOUT", "{}", "[]", R"({"type":"ErrorMessage"})", "1"}) {
    EXPECT_FALSE(parse_refusal(text)) << text;
  }
  auto const newer = parse_refusal(R"({"type":"ErrorMessage","code":"moon","retryAfterMs":-5})");
  ASSERT_TRUE(newer);
  EXPECT_EQ(newer->code, RefusalCode::invalid);
  EXPECT_EQ(newer->retry_after.count(), 0);
}

}  // namespace
}  // namespace grenache::exchange
