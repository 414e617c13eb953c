#include "grape/state.hpp"

#include <gtest/gtest.h>

#include "tests/support/temporary_folder.hpp"

namespace grenache::grape {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr WallTime kSaved = from_unix_ms(1'700'000'000'000);

Snapshot a_snapshot() {
  Random random{7};
  Snapshot out{{NodeId::random(random), NodeId::random(random)}, {}, {}, {}};
  out.contacts = {{NodeId::random(random), *Endpoint::parse("1.2.3.4:5")},
                  {NodeId::random(random), *Endpoint::parse("[2001:db8::1]:6")}};
  out.items = {dht::Item::immutable("5:hello").value(),
               dht::Item::sign(Ed25519SecretKey::generate(random), "salt", 9, "li1ei2ee").value()};
  out.services = {{{*dht::ServiceKey::from_bytes("rpc_test"), 1337, false}, seconds{200}},
                  {{*dht::ServiceKey::from_bytes(std::string{"\0\xff", 2}), 20001, true}, milliseconds{1}}};
  return out;
}

TEST(State, isReadAsItWasWritten) {
  Snapshot const before = a_snapshot();
  auto const after = decode_state(encode_state(before, kSaved), kSaved);
  ASSERT_TRUE(after);
  EXPECT_EQ(after->ids.v4, before.ids.v4);
  EXPECT_EQ(after->ids.v6, before.ids.v6);
  EXPECT_EQ(after->contacts, before.contacts);
  EXPECT_EQ(after->services, before.services);
  ASSERT_EQ(after->items.size(), 2u);
  EXPECT_EQ(after->items[0].value(), "5:hello");
  EXPECT_EQ(after->items[1].target(), before.items[1].target());
  EXPECT_EQ(after->items[1].seq(), 9);
}

TEST(State, countsTheTimeThatTheGrapeWasDown) {
  std::string const bytes = encode_state(a_snapshot(), kSaved);
  auto const life_left = [&](WallTime now) { return decode_state(bytes, now)->services[0].life_left; };
  EXPECT_EQ(life_left(kSaved + seconds{150}), seconds{50});
  EXPECT_EQ(life_left(kSaved + seconds{201}), seconds{-1});
  EXPECT_EQ(life_left(kSaved - minutes{5}), seconds{200}) << "the clock was set back";
  EXPECT_LT(life_left(from_unix_ms(INT64_MAX)), seconds{-3600});
}

TEST(State, ofAFullNodeFits) {
  Random random{1};
  Snapshot full{{NodeId::random(random), NodeId::random(random)}, {}, {}, {}};
  auto const key = Ed25519SecretKey::generate(random);
  dht::Item const item =
      dht::Item::sign(key, std::string(64, 's'), 1, "999:" + std::string(999, 'v')).value();
  full.items.assign(NodeOptions{}.own_item_count_max, item);
  full.services.assign(Keeper::Options{}.service_count_max,
                       {{*dht::ServiceKey::from_bytes(std::string(1024, 'n')), 1, false}, minutes{4}});
  std::string const bytes = encode_state(full, kSaved);
  EXPECT_LE(bytes.size(), StateFolder::kSizeMax);
  EXPECT_TRUE(decode_state(bytes, kSaved));
}

TEST(State, isRefusedWhenAnyByteIsWrongOrMissing) {
  std::string const whole = encode_state(a_snapshot(), kSaved);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    EXPECT_FALSE(decode_state(damaged, kSaved)) << at;
    EXPECT_FALSE(decode_state(whole.substr(0, at), kSaved)) << at;
  }
  EXPECT_FALSE(decode_state(whole + "x", kSaved));
}

TEST(StateFolder, belongsToOneGrapeAndStartsEmpty) {
  test::TemporaryFolder folder;
  auto const state = StateFolder::open(folder.path() / "new");
  ASSERT_TRUE(state) << state.error().message();
  auto const loaded = state->load(kSaved);
  EXPECT_FALSE(loaded.snapshot);
  EXPECT_EQ(loaded.warning, "");
  EXPECT_EQ(StateFolder::open(folder.path() / "new").error(),
            boost::system::errc::resource_unavailable_try_again);
}

TEST(StateFolder, warnsOfAFileThatCannotBeUsed) {
  test::TemporaryFolder folder;
  auto const state = StateFolder::open(folder.path());
  ASSERT_TRUE(state);
  ASSERT_TRUE(replace_private_file(state->file(), encode_state(a_snapshot(), kSaved)));
  EXPECT_TRUE(state->load(kSaved).snapshot);
  for (std::string const& bytes :
       {std::string{}, std::string{"garbage"}, std::string(StateFolder::kSizeMax + 1, 'x')}) {
    ASSERT_TRUE(replace_private_file(state->file(), bytes));
    EXPECT_FALSE(state->load(kSaved).snapshot);
    EXPECT_NE(state->load(kSaved).warning, "");
  }
}

}  // namespace
}  // namespace grenache::grape
