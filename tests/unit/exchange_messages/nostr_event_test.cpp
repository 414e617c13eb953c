#include "exchange/messages/nostr_event.hpp"

#include "tests/unit/exchange_messages/sample_messages.hpp"

namespace grenache::exchange {
namespace {

using samples::key_of;
using samples::parsed;

// Made by nostr-tools 2.25.2, with the key 3. Its content has all characters that are escaped, and some that
// are not.
constexpr char const* kForeign =
    R"({"id":"42408a67619afc00d875a0768fc5a99bbc8d402be57bb9438ef4794613add5fb","pubkey":"f9308a019258c)"
    R"(31049344f85f89d5229b531c845836f99b08601f113bce036f9","created_at":1702548701,"kind":38383,"tags")"
    R"(:[["a",""]],"content":"Zeichen: \u00fc \u20ac \ud83d\ude00 \"\\/\b\f\n\r\t\u0001\u001f\u007f\u20)"
    R"(28</script>","sig":"5419d2a8c245b23985f066a3cd0a3c6e5911741ec3603bbb2e734cdc1ad7d26b4cbef5a0def8)"
    R"(b49d5e071541f396efa73f1150cf39d7742c9569008fd15f3782"})";

NostrEvent sample() {
  NostrEvent out;
  out.created_at = 1'700'000'000;
  out.kind = 1;
  out.tags = {{"e", "x", "wss://a"}, {"empty"}, {"d", ""}, {"d", "second"}};
  out.content = "hello";
  sign_nostr_event(out, key_of(1));
  return out;
}

TEST(NostrEvent, hasTheTextThatNip01Describes) {
  auto event = sample();
  event.content = "a\n\"\\\r\t\b\f\x01/ü";
  EXPECT_EQ(nostr_text(event),
            "[0,\"" + event.author.hex() +
                R"(",1700000000,1,[["e","x","wss://a"],["empty"],["d",""],["d","second"]],)"
                R"("a\n\"\\\r\t\b\f\u0001/ü"])");
}

TEST(NostrEvent, ofAnotherProgramIsVerified) {
  auto const event = parse_nostr_line(kForeign);
  ASSERT_TRUE(event) << event.error().message();
  EXPECT_EQ(event->author.hex(), "f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9");
  EXPECT_EQ(parse_nostr_line(json::to_text(to_json(*event))).value(), *event);
}

TEST(NostrEvent, isReadBackAsItWasWritten) {
  auto const event = sample();
  EXPECT_EQ(event.author, x_only(key_of(1).public_key()));
  EXPECT_EQ(parse_nostr_event(to_json(event)).value(), event);
  auto const message = json::Value::array({"EVENT", "subscription", to_json(event)});
  EXPECT_EQ(parse_nostr_line(json::to_text(message)).value(), event);
}

TEST(NostrEvent, findsTheFirstTagWithAValue) {
  auto const event = sample();
  EXPECT_EQ(event.find("e")->at(2), "wss://a");
  EXPECT_EQ(event.find("d")->at(1), "");
  EXPECT_EQ(event.find("empty"), nullptr);
  EXPECT_EQ(event.find("missing"), nullptr);
}

TEST(NostrEvent, isSignedOverEachMember) {
  auto const valid = to_json(sample());
  for (auto const& [name, value] : std::vector<json::Value::Member>{
           {"pubkey", x_only(key_of(2).public_key()).hex()},
           {"created_at", 1'700'000'001},
           {"kind", 2},
           {"tags", json::Value::array()},
           {"content", "hallo"},
           {"id", std::string(64, '0')},
       }) {
    auto changed = valid;
    changed.set(name, value);
    EXPECT_EQ(parse_nostr_event(changed).error(), NostrErrc::bad_id) << name;
  }
  auto other = sample();
  other.signature = sign_schnorr(key_of(2), other.id);
  EXPECT_EQ(parse_nostr_event(to_json(other)).error(), NostrErrc::bad_signature);
}

TEST(NostrEvent, isRefusedWithMembersOfWrongTypes) {
  auto const valid = to_json(sample());
  auto const upper = [](std::string text) {
    for (auto& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return text;
  };
  using json::Value;
  for (auto const& [name, value] : std::vector<Value::Member>{
           {"id", Value{}},
           {"id", upper(sample().id.hex())},
           {"id", sample().id.hex() + "00"},
           {"pubkey", 7},
           {"pubkey", upper(sample().author.hex())},
           {"created_at", "1700000000"},
           {"created_at", -1},
           {"created_at", Value::number("1.5")},
           {"created_at", Value::number("8640000000001")},
           {"kind", 65'536},
           {"kind", -1},
           {"tags", Value{}},
           {"tags", Value::object()},
           {"tags", Value::array({"d"})},
           {"tags", Value::array({Value::array()})},
           {"tags", Value::array({Value::array({"d", 1})})},
           {"tags", Value{Value::Array(kNostrTagsMax + 1, Value::array({"a"}))}},
           {"tags", Value::array({Value{Value::Array(kNostrTagItemsMax + 1, Value{"a"})}})},
           {"content", 7},
           {"content", std::string(kNostrEventSizeMax, 'x')},
           {"sig", std::string(126, '0')},
       }) {
    auto changed = valid;
    changed.set(name, value);
    EXPECT_EQ(parse_nostr_event(changed).error(), NostrErrc::not_an_event) << name;
  }
}

TEST(NostrEvent, isRefusedAsText) {
  for (char const* const text : {"", "{", "{}x"}) {
    EXPECT_EQ(parse_nostr_line(text).error(), NostrErrc::not_json) << text;
  }
  for (char const* const text : {"7", "[]", R"(["EVENT"])", R"(["OK","id",{}])", R"(["EVENT",[]])", "{}"}) {
    EXPECT_EQ(parse_nostr_line(text).error(), NostrErrc::not_an_event) << text;
  }
  EXPECT_EQ(parse_nostr_line(std::string(100, '[') + std::string(100, ']')).error(), NostrErrc::not_json);
  std::string const large(kNostrEventSizeMax + 1, ' ');
  EXPECT_EQ(parse_nostr_line(large).error(), NostrErrc::not_an_event);
}

}  // namespace
}  // namespace grenache::exchange
