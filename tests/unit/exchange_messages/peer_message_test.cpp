#include "exchange/messages/peer_message.hpp"

#include <gtest/gtest.h>

#include "tests/unit/exchange_messages/sample_messages.hpp"

namespace grenache::exchange {
namespace {

using namespace samples;

TEST(PeerMessage, readsThePingOfTheOriginalAndOurs) {
  auto const original = parse_as<PingPongMessage>(
      parsed(R"({"type":"PingPongMessage","exchangeId":1500,"creatorType":"client","createdAt":1,)"
             R"("message":"ping"})"));
  ASSERT_TRUE(original);
  EXPECT_FALSE(original->is_pong);
  EXPECT_FALSE(original->peer);

  PingPongMessage const ours{
      {1, CreatorType::server, from_unix_ms(5)}, true, key_of(1).public_key(), "ab", "Bob", {}, {}};
  auto const pong = parse_pong(to_json(ours));
  ASSERT_TRUE(pong);
  EXPECT_EQ(pong->peer, key_of(1).public_key());
  EXPECT_EQ(pong->instance, "ab");
  EXPECT_EQ(pong->name, "Bob");

  auto body = to_json(ours);
  body.set("message", "pang");
  EXPECT_EQ(parse_request(body).error(), MessageErrc::bad_ping);
  body = to_json(ours);
  body.set("name", std::string(65, 'x'));
  EXPECT_EQ(parse_request(body).error(), MessageErrc::bad_ping);
}

TEST(PeerMessage, aPongProvesItsPeerAndEndpointForOneNonce) {
  Random random{1};
  auto const nonce = PingNonce::random(random);
  PingPongMessage pong{{1, CreatorType::server, from_unix_ms(5)}, true, {}, "ab", "Bob", {}, {}};
  sign_pong(pong, nonce, "10.0.0.1:1337", key_of(1));
  auto const read = parse_pong(parsed(json::to_text(to_json(pong))));
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->peer, key_of(1).public_key());
  EXPECT_TRUE(is_proven(*read, nonce, "10.0.0.1:1337"));
  EXPECT_FALSE(is_proven(*read, PingNonce::random(random), "10.0.0.1:1337"));
  EXPECT_FALSE(is_proven(*read, nonce, "10.0.0.2:1337"));
  auto other = *read;
  other.instance = "cd";
  EXPECT_FALSE(is_proven(other, nonce, "10.0.0.1:1337"));
  other = *read;
  other.peer = key_of(2).public_key();
  EXPECT_FALSE(is_proven(other, nonce, "10.0.0.1:1337"));
  other = *read;
  other.peer.reset();
  EXPECT_FALSE(is_proven(other, nonce, "10.0.0.1:1337"));
  EXPECT_EQ(pong_digest(pong, PingNonce{}).hex().size(), 64u);

  PingPongMessage ping{{1, CreatorType::client, from_unix_ms(5)}, false, {}, "ab", "Bob", nonce, {}};
  EXPECT_EQ(parse_as<PingPongMessage>(to_json(ping))->nonce, nonce);
  expect_refused(to_json(ping),
                 {{"nonce", "abcd", MessageErrc::bad_ping}, {"nonce", 7, MessageErrc::bad_ping}});
  expect_refused(to_json(pong), {{"endpoint", "localhost", MessageErrc::bad_endpoint},
                                 {"endpoint", Value{}, MessageErrc::bad_endpoint},
                                 {"signature", "00", MessageErrc::bad_signature}});
}

TEST(PeerMessage, tellsWhereTheSenderListens) {
  GetPeersMessage const sent{{1, CreatorType::client, from_unix_ms(5)}, "10.0.0.1:1337"};
  auto const read = parse_as<GetPeersMessage>(parsed(json::to_text(to_json(sent))));
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->endpoint, "10.0.0.1:1337");

  auto const silent = parse_as<GetPeersMessage>(parsed(R"({"type":"GetPeersMessage"})"));
  ASSERT_TRUE(silent);
  EXPECT_EQ(silent->endpoint, "");
  expect_refused(to_json(sent), {
                                    {"endpoint", "localhost", MessageErrc::bad_endpoint},
                                    {"endpoint", "", MessageErrc::bad_endpoint},
                                    {"endpoint", 1337, MessageErrc::bad_endpoint},
                                    {"endpoint", std::string(300, 'h') + ":1", MessageErrc::bad_endpoint},
                                });
}

TEST(PeerMessage, pingsAskForHeartbeatsAndPongsBringThem) {
  Random random{1};
  auto const key = SecretKey::generate(random);
  PingPongMessage ping{{1, CreatorType::client, from_unix_ms(5)}, false, {}, "ab", "Bob", {}, {}};
  ping.wanted.assign(kHeartbeatsMax, key.public_key());
  auto const asked = parse_as<PingPongMessage>(to_json(ping));
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->wanted, ping.wanted);

  PingPongMessage pong{{1, CreatorType::server, from_unix_ms(5)}, true, {}, "ab", "Bob", {}, {}};
  pong.heartbeats.assign(kHeartbeatsMax, sign_heartbeat(key, from_unix_ms(1'700'000'000'123)));
  auto const answer = parse_pong(to_json(pong));
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->heartbeats, pong.heartbeats);
  EXPECT_TRUE(is_genuine(answer->heartbeats.back()));
}

TEST(PeerMessage, heartbeatsAreBoundedAndBadOnesAreSkipped) {
  Random random{1};
  auto const key = SecretKey::generate(random);
  auto const one = heartbeats_to_json(std::vector{sign_heartbeat(key, from_unix_ms(7))}).as_array()->front();
  auto const early = Value::object({{"maker", key.public_key().hex()}, {"at", -1}, {"signature", "00"}});
  EXPECT_EQ(parse_heartbeats(Value::array({one, 7, early, Value::object({}), one})).size(), 2u);
  EXPECT_EQ(parse_heartbeats(Value{Value::Array(kHeartbeatsMax + 1, one)}).size(), kHeartbeatsMax);
  EXPECT_TRUE(parse_heartbeats("heartbeats").empty());
  EXPECT_EQ(parse_makers(makers_to_text(std::vector(kHeartbeatsMax + 1, key.public_key()))).size(),
            kHeartbeatsMax);
  for (auto const* const text : {"", "?", "AAAA"}) EXPECT_TRUE(parse_makers(text).empty()) << text;
}

TEST(PeerMessage, oneBadEndpointOfAListHidesNoOther) {
  auto const list =
      parse_endpoints(parsed(R"(["10.0.0.1:1337","[::1]:5","here",7,null,"10.0.0.1:1337","bob.example:1"])"));
  ASSERT_TRUE(list);
  EXPECT_EQ(list->endpoints, (std::vector<std::string>{"10.0.0.1:1337", "[::1]:5", "bob.example:1"}));
  EXPECT_EQ(list->dropped, 4u);
  EXPECT_EQ(parse_endpoints(parsed("{}")).error(), MessageErrc::bad_answer);
}

TEST(PeerMessage, listsOfEndpointsAreBounded) {
  std::vector<std::string> endpoints;
  for (std::size_t i = 1; i <= kPeerEndpointsMax + 5; ++i) endpoints.push_back("h:" + std::to_string(i));
  auto const body = endpoints_to_json(endpoints);
  EXPECT_EQ(body.as_array()->size(), kPeerEndpointsMax);
  auto const list = parse_endpoints(Value{Value::Array(endpoints.begin(), endpoints.end())});
  ASSERT_TRUE(list);
  EXPECT_EQ(list->endpoints.size(), kPeerEndpointsMax);
  EXPECT_EQ(list->endpoints.front(), "h:1");
  EXPECT_EQ(list->dropped, 5u);
}

}  // namespace
}  // namespace grenache::exchange
