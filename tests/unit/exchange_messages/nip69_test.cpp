#include "exchange/messages/nip69.hpp"

#include <functional>

#include "tests/unit/exchange_messages/sample_messages.hpp"

namespace grenache::exchange {
namespace {

using samples::key_of;
using samples::signed_order;

constexpr WallTime kNow{std::chrono::milliseconds{1'700'000'000'999}};

// The tags of the NIP's example, signed by nostr-tools 2.25.2 with the key 3.
constexpr char const* kExample =
    R"({"id":"b0dc83cde902d727c3a65fc08b132c188dd0f9322bcd73fbac7e4ae66710ac7d","pubkey":"f9308a019258c)"
    R"(31049344f85f89d5229b531c845836f99b08601f113bce036f9","created_at":1702548701,"kind":38383,"tags")"
    R"(:[["d","ede61c96-4c13-4519-bf3a-dcf7f1e9d842"],["k","sell"],["f","VES"],["s","pending"],["amt",")"
    R"(0"],["fa","100"],["pm","face to face","bank transfer"],["premium","1"],["rating","{\"total_revie)"
    R"(ws\":1,\"total_rating\":3.0,\"last_rating\":3,\"max_rate\":5,\"min_rate\":1}"],["source","https:)"
    R"(//t.me/p2plightning/xxxxxxx"],["network","mainnet"],["layer","lightning"],["name","Nakamoto"],[")"
    R"(g","<geohash>"],["bond","0"],["expires_at","1719391096"],["expiration","1719995896"],["y","lnp2p)"
    R"(bot"],["z","order"]],"content":"","sig":"57ae5f5eabb29422143fcbbd8151b2f6f557d91e4b39d98ed26bb65)"
    R"(ba8f63f0b11922196ad72493eb4fd76ed06fc9a7271c1620e168f0d38df7261c0b657a10c"})";
// The same, with tags as RoboSats writes them: a range, no time, a platform with its host.
constexpr char const* kRange =
    R"({"id":"eaa78008b6d1516ad32a7cef89f2e405352d759c7a862de705c86fd16197e62d","pubkey":"f9308a019258c)"
    R"(31049344f85f89d5229b531c845836f99b08601f113bce036f9","created_at":1702548701,"kind":38383,"tags")"
    R"(:[["d","6543"],["k","buy"],["f","EUR"],["s","in-progress"],["amt","250000"],["fa","50","150.5000)"
    R"(0000"],["pm","SEPA"],["premium","-2.5"],["y","robosats","temple"]],"content":"","sig":"d41c253b1)"
    R"(5fc3bcd24f54f2966d7148cd79890d51b887e027a277c3a5902b5814a8bb1d582fe3f2eb713516013294e6d33674b5d0)"
    R"(caae6b05263ddf7f5ceef2a"})";

std::string value(NostrEvent const& event, std::string_view name) {
  auto const* const tag = event.find(name);
  return tag && tag->size() == 2 ? tag->at(1) : std::string{"?"};
}

/// The event signed again after a change.
NostrEvent changed(NostrEvent event, std::function<void(NostrEvent&)> const& change, int key = 1) {
  change(event);
  sign_nostr_event(event, key_of(static_cast<std::uint64_t>(key)));
  return event;
}
NostrEvent with_tag(NostrEvent const& event, NostrEvent::Tag const& tag) {
  return changed(event, [&](NostrEvent& e) {
    for (auto& each : e.tags) {
      if (each.front() == tag.front()) each = tag;
    }
  });
}
NostrEvent without_tag(NostrEvent const& event, std::string const& name) {
  return changed(event, [&](NostrEvent& e) {
    std::erase_if(e.tags, [&](auto const& tag) { return tag.front() == name; });
  });
}
/// An event of a foreign program.
NostrEvent foreign() { return without_tag(to_nip69(signed_order(), key_of(1), kNow), "grenache-order"); }

TEST(Nip69, writesTheTagsOfTheNip) {
  auto const event = to_nip69(signed_order(), key_of(1), kNow);
  EXPECT_EQ(event.kind, 38'383);
  EXPECT_EQ(event.created_at, 1'700'000'000);
  EXPECT_EQ(event.content, "");
  EXPECT_EQ(event.author, x_only(*signed_order().maker));
  std::vector<NostrEvent::Tag> const expected{{"d", samples::kOrderId},
                                              {"k", "sell"},
                                              {"f", "USD"},
                                              {"s", "pending"},
                                              {"amt", "40000000"},
                                              {"fa", "24000.2"},
                                              {"pm", "credit"},
                                              {"premium", "0"},
                                              {"network", "regtest"},
                                              {"layer", "lightning"},
                                              {"expires_at", "1700003600"},
                                              {"expiration", "1700003600"},
                                              {"y", "grenache"},
                                              {"z", "order"},
                                              {"grenache-order", json::to_text(to_json(signed_order()))}};
  EXPECT_EQ(event.tags, expected);
}

TEST(Nip69, writesTheStatusAndTheInitialAmountOfClosedOrders) {
  auto order = signed_order();
  for (auto const& [status, text] :
       std::vector<std::pair<OrderStatus, char const*>>{{OrderStatus::filled, "success"},
                                                        {OrderStatus::cancelled, "canceled"},
                                                        {OrderStatus::expired, "expired"}}) {
    order.status = status;
    order.remaining = Satoshi{0};
    sign_order(order, key_of(1));
    auto const event = to_nip69(order, key_of(1), kNow);
    EXPECT_EQ(value(event, "s"), text);
    EXPECT_EQ(value(event, "amt"), "100000000");
    EXPECT_EQ(value(event, "fa"), "60000.5");
    EXPECT_EQ(read_nip69(event).value().record, order);
  }
}

TEST(Nip69, roundsTheEndOutwardsAndTheValueDown) {
  auto order = signed_order();
  order.expires += std::chrono::milliseconds{1};
  order.remaining = Satoshi{1};
  sign_order(order, key_of(1));
  auto const event = to_nip69(order, key_of(1), kNow);
  EXPECT_EQ(value(event, "expires_at"), "1700003600");
  EXPECT_EQ(value(event, "expiration"), "1700003601");
  EXPECT_EQ(value(event, "fa"), "0");  // 0.06 cents
  EXPECT_EQ(read_nip69(event).value().record, order);
}

TEST(Nip69, anOrderIsReadBackExactlyAsItWasSigned) {
  auto order = signed_order();
  order.least_take = Satoshi{12'345};
  order.price = PriceCents{1};
  order.side = Side::buy;
  sign_order(order, key_of(1));
  auto const read = parse_nip69(json::to_text(to_json(to_nip69(order, key_of(1), kNow))));
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->record, order);
  EXPECT_EQ(read->author, x_only(*order.maker));
  EXPECT_EQ(read->id, order.id);
  EXPECT_EQ(read->side, Side::buy);
  EXPECT_EQ(read->amount, order.remaining);
  EXPECT_EQ(read->expires, 1'700'003'600);
  EXPECT_EQ(read->platform, "grenache");
}

TEST(Nip69, anOrderOfAnotherMakerNamesItsMakerInItsId) {
  auto const order = signed_order();
  auto const event = to_nip69(order, key_of(2), kNow);
  EXPECT_EQ(value(event, "d"), order.id + "@" + order.maker->hex());
  auto const read = read_nip69(event);
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->record, order);
  EXPECT_EQ(read->author, x_only(key_of(2).public_key()));
}

TEST(Nip69, readsAnOrderOfAnotherProgram) {
  auto const order = parse_nip69(kExample);
  ASSERT_TRUE(order) << order.error().message();
  EXPECT_EQ(order->id, "ede61c96-4c13-4519-bf3a-dcf7f1e9d842");
  EXPECT_EQ(order->side, Side::sell);
  EXPECT_EQ(order->currency, "VES");
  EXPECT_EQ(order->status, Nip69Status::pending);
  EXPECT_FALSE(order->amount);
  EXPECT_EQ(order->fiat_min, "100");
  EXPECT_EQ(order->fiat_max, "100");
  EXPECT_EQ(order->payment_methods, (std::vector<std::string>{"face to face", "bank transfer"}));
  EXPECT_EQ(order->premium, "1");
  EXPECT_EQ(order->network, "mainnet");
  EXPECT_EQ(order->layer, "lightning");
  EXPECT_EQ(order->platform, "lnp2pbot");
  EXPECT_EQ(order->expires, 1'719'391'096);
  EXPECT_EQ(order->created_at, 1'702'548'701);
  EXPECT_FALSE(order->record);
}

TEST(Nip69, readsARangeAndGoesWithoutWhatIsOnlyShown) {
  auto const order = parse_nip69(kRange);
  ASSERT_TRUE(order) << order.error().message();
  EXPECT_EQ(order->status, Nip69Status::in_progress);
  EXPECT_EQ(order->amount, Satoshi{250'000});
  EXPECT_EQ(order->fiat_min, "50");
  EXPECT_EQ(order->fiat_max, "150.5");
  EXPECT_EQ(order->premium, "-2.5");
  EXPECT_EQ(order->platform, "robosats");
  EXPECT_EQ(order->network, "");
  EXPECT_FALSE(order->expires);
  auto const event = foreign();
  for (char const* const name : {"pm", "premium", "network", "layer", "expires_at", "expiration", "y", "z"}) {
    EXPECT_TRUE(read_nip69(without_tag(event, name))) << name;
  }
  EXPECT_EQ(read_nip69(without_tag(event, "expires_at")).value().expires, 1'700'003'600);
}

TEST(Nip69, refusesWrongTags) {
  auto const event = foreign();
  ASSERT_TRUE(read_nip69(event));
  struct Case {
    NostrEvent::Tag tag;
    Nip69Errc error;
  };
  for (auto const& [tag, error] : std::vector<Case>{
           {{"z", "dispute"}, Nip69Errc::other_kind},
           {{"d", ""}, Nip69Errc::bad_order_id},
           {{"d"}, Nip69Errc::bad_order_id},
           {{"d", std::string(129, 'd')}, Nip69Errc::bad_order_id},
           {{"k", "Sell"}, Nip69Errc::bad_side},
           {{"f", "usd"}, Nip69Errc::bad_currency},
           {{"f", "USDT"}, Nip69Errc::bad_currency},
           {{"s", "open"}, Nip69Errc::bad_status},
           {{"amt", "-1"}, Nip69Errc::bad_amount},
           {{"amt", "0.5"}, Nip69Errc::bad_amount},
           {{"amt", ""}, Nip69Errc::bad_amount},
           {{"amt", "2100000000000001"}, Nip69Errc::bad_amount},
           {{"fa", "many"}, Nip69Errc::bad_fiat},
           {{"fa", "2", "1"}, Nip69Errc::bad_fiat},
           {{"fa", "1", "2", "3"}, Nip69Errc::bad_fiat},
           {{"fa", "-1"}, Nip69Errc::bad_fiat},
           {{"fa", "99999999999999999999"}, Nip69Errc::bad_fiat},
           {{"premium", "--1"}, Nip69Errc::bad_premium},
           {{"premium", "much"}, Nip69Errc::bad_premium},
           {{"premium", std::string(33, '1')}, Nip69Errc::bad_premium},
           {{"expires_at", "soon"}, Nip69Errc::bad_time},
           {{"expires_at", "8640000000001"}, Nip69Errc::bad_time},
       }) {
    auto const read = read_nip69(with_tag(event, tag));
    ASSERT_FALSE(read) << tag.front();
    EXPECT_EQ(read.error(), error) << tag.front() << ": " << read.error().message();
  }
  for (auto const& [name, error] :
       std::vector<std::pair<char const*, Nip69Errc>>{{"d", Nip69Errc::bad_order_id},
                                                      {"k", Nip69Errc::bad_side},
                                                      {"f", Nip69Errc::bad_currency},
                                                      {"s", Nip69Errc::bad_status},
                                                      {"amt", Nip69Errc::bad_amount},
                                                      {"fa", Nip69Errc::bad_fiat}}) {
    EXPECT_EQ(read_nip69(without_tag(event, name)).error(), error) << name;
  }
  EXPECT_EQ(read_nip69(changed(event, [](NostrEvent& e) { e.kind = 38'384; })).error(),
            Nip69Errc::other_kind);
}

TEST(Nip69, refusesTagsThatContradictTheRecord) {
  auto const event = to_nip69(signed_order(), key_of(1), kNow);
  for (auto const& tag : std::vector<NostrEvent::Tag>{{"d", "other"},
                                                      {"k", "buy"},
                                                      {"f", "EUR"},
                                                      {"s", "success"},
                                                      {"amt", "40000001"},
                                                      {"fa", "24000.19"},
                                                      {"fa", "24000.2", "24000.2"},
                                                      {"pm", "cash"},
                                                      {"premium", "1"},
                                                      {"network", "mainnet"},
                                                      {"layer", "onchain"},
                                                      {"expires_at", "1700003601"},
                                                      {"expiration", "1700003599"},
                                                      {"y", "mostro"}}) {
    EXPECT_EQ(read_nip69(with_tag(event, tag)).error(), Nip69Errc::contradiction) << tag.front();
  }
  // Another author must not pass for the maker.
  EXPECT_EQ(read_nip69(changed(
                           event, [](NostrEvent&) {}, 2))
                .error(),
            Nip69Errc::contradiction);
  // A tag that a later version adds does no harm.
  EXPECT_TRUE(read_nip69(changed(event, [](NostrEvent& e) { e.tags.push_back({"bond", "0"}); })));
}

TEST(Nip69, refusesRecordsThatTheirMakerHasNotSigned) {
  auto const event = to_nip69(signed_order(), key_of(1), kNow);
  auto forged = signed_order();
  forged.price = PriceCents{1};
  auto const deep = std::string(10, '[') + std::string(10, ']');
  for (auto const& record :
       std::vector<std::string>{json::to_text(to_json(forged)), samples::kOriginalOrder, "", "{}", "7", deep,
                                json::to_text(to_json(GetOrderbookMessage{}))}) {
    EXPECT_EQ(read_nip69(with_tag(event, {"grenache-order", record})).error(), Nip69Errc::bad_record)
        << record;
  }
}

TEST(Nip69, errorsOfTheEventAreThoseOfNostr) {
  EXPECT_EQ(parse_nip69("x").error(), NostrErrc::not_json);
  auto event = to_json(foreign());
  event.set("content", "changed");
  EXPECT_EQ(parse_nip69(json::to_text(event)).error(), NostrErrc::bad_id);
}

}  // namespace
}  // namespace grenache::exchange
