// When contacts are pinged, told of and forgotten, and what commands hear of them.
#include <gtest/gtest.h>

#include "exchange/messages/message.hpp"
#include "tests/support/peers_fixture.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;

std::string const kBob = "10.0.0.2:2";

class PeersTimesTest : public test::PeersFixture {
 protected:
  [[nodiscard]] Duration next() const { return peers_.next_expiry() - now_.steady; }
  /// Goes to the time at which something is due, which is not earlier.
  void expire_at_next() {
    auto const wait = next();
    if (wait > 0ns) {
      EXPECT_TRUE(expire_after(wait - 1ns).empty());
    }
    EXPECT_FALSE(ping_);
    expire_after(wait > 0ns ? 1ns : 0ns);
  }
  void connect(CommandId command, std::string const& endpoint) {
    auto const pings = in_turn([&](Turn& turn) { peers_.connect(command, endpoint, turn); });
    if (!pings.empty()) ping_ = pings.back();
  }
  /// The code of the failure that a command was answered with, if it was.
  std::optional<result::FailureCode> failure() {
    EXPECT_EQ(answers_.size(), 1u);
    if (answers_.empty()) return std::nullopt;
    auto const result = std::exchange(answers_, {}).front().result;
    auto const* const failure = std::get_if<result::Failure>(&result);
    return failure ? std::optional{failure->code} : std::nullopt;
  }
  void called_by(std::string const& endpoint, IpAddress const& from) {
    auto const pings = in_turn([&](Turn& turn) { peers_.called_by(endpoint, from, turn); });
    if (!pings.empty()) ping_ = pings.back();
  }
  /// The endpoints of `named` that are known afterwards.
  std::size_t count_of_named(std::vector<std::string> const& named, std::string const& by) {
    in_turn([&](Turn& turn) { peers_.found(named, ContactSource::peers, turn, by); });
    return static_cast<std::size_t>(
        std::ranges::count_if(named, [&](auto const& each) { return peers_.find(each) != nullptr; }));
  }
};

TEST_F(PeersTimesTest, aPeerThatAnswersIsPingedOnceAMinute) {
  find(kBob);
  EXPECT_FALSE(peers_.all_tried());
  prove();
  EXPECT_TRUE(peers_.all_tried());
  EXPECT_EQ(next(), 1min);
  expire_at_next();
  ASSERT_TRUE(ping_);
  prove();
  EXPECT_EQ(next(), 1min);
}

TEST_F(PeersTimesTest, aPeerThatDoesNotAnswerIsPingedAfterLongerAndLongerTimes) {
  find(kBob, ContactSource::connect);
  for (auto const pause : {1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s}) {
    answer({{}, std::string(300, 'x')});
    EXPECT_EQ(peers_.find(kBob)->trouble, std::string(200, 'x')) << "as far as anybody reads it";
    EXPECT_EQ(next(), pause);
    expire_at_next();
    ASSERT_TRUE(ping_);
    EXPECT_EQ(peers_.next_expiry(), TimePoint::max()) << "a person has named it, and it is being pinged";
  }
  prove();
  EXPECT_EQ(peers_.find(kBob)->trouble, "");
  EXPECT_EQ(next(), 1min);
}

TEST_F(PeersTimesTest, aKeptPeerIsPingedLessOftenOnceItIsAwayForTwoMinutes) {
  find(kBob);
  prove();
  expire_after(1min);
  for (auto const pause : {1s, 2s, 4s, 8s, 16s, 32s}) {
    refuse_ping();
    EXPECT_EQ(next(), pause);
    expire_at_next();
  }
  // 123 s after its answer.
  refuse_ping();
  EXPECT_EQ(next(), 64s);
  for (int i = 0; i < 5; ++i) {
    expire_at_next();
    refuse_ping();
  }
  EXPECT_EQ(next(), 10min);
}

TEST_F(PeersTimesTest, aContactOfTheDhtIsForgottenTwoMinutesAfterItWasNamed) {
  find(kBob);
  answer({{}, "nobody there"});
  while (peers_.next_expiry() < later_by(TimePoint{} + 1h, 2min)) {
    expire_at_next();
    if (ping_) refuse_ping();
  }
  EXPECT_TRUE(peers_.find(kBob));
  EXPECT_EQ(peers_.next_expiry(), later_by(TimePoint{} + 1h, 2min));
  EXPECT_TRUE(expire_after(next() - 1ns).empty());
  EXPECT_EQ(expire_after(1ns), std::vector{kBob});
}

TEST_F(PeersTimesTest, aContactThatIsBackIsNotToldToBeForgotten) {
  find(kBob);
  refuse_ping();
  now_.steady = later_by(now_.steady, 2min);
  in_turn([&](Turn& turn) { (void)peers_.expire(turn); });
  EXPECT_FALSE(peers_.find(kBob));
  // It makes room for another one, and comes back before anybody was told.
  for (auto const* const endpoint : {"10.0.0.3:2", "10.0.0.4:2", "10.0.0.5:2", "10.0.0.6:2"}) {
    find(endpoint);
    refuse_ping();
  }
  find(kBob);
  EXPECT_EQ(peers_.all().size(), 4u);
  refuse_ping();
  std::string evicted;
  for (auto const* const endpoint : {"10.0.0.3:2", "10.0.0.4:2", "10.0.0.5:2", "10.0.0.6:2"}) {
    if (!peers_.find(endpoint)) evicted = endpoint;
  }
  find(evicted);
  refuse_ping();
  auto const told = expire_after(0s);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_NE(told[0], evicted);
}

TEST_F(PeersTimesTest, whatAPeerHasNamedIsTriedTwice) {
  EXPECT_EQ(count_of_named({"66.7.0.1:1"}, "66.6.0.1:1"), 1u);
  auto pings =
      in_turn([&](Turn& turn) { peers_.found({"66.7.0.2:1"}, ContactSource::peers, turn, "66.6.0.2:1"); });
  ping_ = pings.at(0);
  refuse_ping();
  EXPECT_TRUE(peers_.find("66.7.0.2:1"));
  expire_after(1s);
  ASSERT_TRUE(ping_);
  refuse_ping();
  expire_after(0s);
  EXPECT_FALSE(peers_.find("66.7.0.2:1"));
  EXPECT_TRUE(peers_.find("66.7.0.1:1")) << "its ping has no answer yet";
}

TEST_F(PeersTimesTest, aLookupExtendsTheTimeOfAContactAndARumourDoesNot) {
  find(kBob);
  refuse_ping();
  expire_after(1min);
  refuse_ping();
  in_turn([&](Turn& turn) { peers_.found({kBob}, ContactSource::peers, turn); });
  EXPECT_EQ(peers_.find(kBob)->last_seen, TimePoint{} + 1h);
  EXPECT_EQ(peers_.find(kBob)->source, ContactSource::dht);
  find(kBob);
  EXPECT_EQ(peers_.find(kBob)->last_seen, now_.steady);
  find(kBob, ContactSource::connect);
  EXPECT_EQ(peers_.find(kBob)->source, ContactSource::connect);
  find(kBob);
  EXPECT_EQ(peers_.find(kBob)->source, ContactSource::connect) << "what a person says is kept";
}

TEST_F(PeersTimesTest, aContactOfAnEarlierRunGetsTheSourceThatNamesIt) {
  EXPECT_TRUE(peers_.restore({Peers::kRowKind, kBob, R"({"endpoint":")" + kBob + R"("})"}));
  EXPECT_TRUE(is_kept(kBob));
  auto const pings = in_turn([&](Turn& turn) { peers_.resume(turn); });
  EXPECT_EQ(pings.size(), 1u);
  in_turn([&](Turn& turn) { peers_.found({kBob}, ContactSource::peers, turn); });
  EXPECT_EQ(peers_.find(kBob)->source, ContactSource::earlier);
  find(kBob);
  EXPECT_EQ(peers_.find(kBob)->source, ContactSource::dht);
}

// Bounds

TEST_F(PeersTimesTest, anEndpointHasAtMost260Bytes) {
  auto const of_size = [](std::size_t size) {
    auto const host = std::string(60, 'a') + "." + std::string(60, 'b') + "." + std::string(60, 'c') + ".";
    return host + std::string(size - host.size() - 2, 'd') + ":1";
  };
  find(of_size(kEndpointSizeMax));
  bool const is_a_host = HostPort::parse(of_size(kEndpointSizeMax)).has_value();
  EXPECT_EQ(peers_.find(of_size(kEndpointSizeMax)) != nullptr, is_a_host);
  find(of_size(kEndpointSizeMax + 1));
  EXPECT_FALSE(peers_.find(of_size(kEndpointSizeMax + 1)));
  auto const restore = [&](std::size_t size) {
    auto const at = of_size(size);
    return Peers{options(), self_, heartbeats_}.restore(
        {Peers::kRowKind, at, R"({"endpoint":")" + at + R"("})"});
  };
  EXPECT_EQ(restore(kEndpointSizeMax), is_a_host);
  EXPECT_FALSE(restore(kEndpointSizeMax + 1));
  find("nowhere");
  EXPECT_FALSE(peers_.find("nowhere"));
}

TEST_F(PeersTimesTest, strangersNameTwiceAsManyAsAPeer) {
  EXPECT_EQ(count_of_named({"66.1.0.1:1", "66.2.0.1:1"}, kBob), 1u);
  EXPECT_EQ(count_of_named({"66.3.0.1:1", "66.4.0.1:1", "66.5.0.1:1"}, ""), 2u);
  EXPECT_EQ(count_of_named({"66.6.0.1:1"}, "10.0.0.3:3"), 0u) << "three are too many in all";
}

TEST_F(PeersTimesTest, whoAnswersNoLongerCountsAsNamed) {
  auto const pings =
      in_turn([&](Turn& turn) { peers_.found({"66.1.0.1:1"}, ContactSource::peers, turn, kBob); });
  ping_ = pings.at(0);
  EXPECT_EQ(count_of_named({"66.2.0.1:1"}, kBob), 0u);
  pong_without_proof();
  EXPECT_EQ(count_of_named({"66.2.0.1:1"}, kBob), 1u);
}

TEST_F(PeersTimesTest, aNewcomerTakesThePlaceOfTheContactThatIsAwayLongest) {
  for (auto const* const endpoint : {"10.0.0.2:2", "10.1.0.3:3", "10.2.0.4:4"}) {
    find(endpoint);
    refuse_ping();
  }
  find("10.3.0.5:5");
  pong_without_proof();
  now_.steady = later_by(now_.steady, 1s);
  auto const due = in_turn([&](Turn& turn) { (void)peers_.expire(turn); });
  for (auto const& each : due) {
    if (each.endpoint != "10.1.0.3:3") continue;
    ping_ = each;
    refuse_ping();
  }
  EXPECT_EQ(peers_.find("10.1.0.3:3")->delay, Duration{2s});
  find("10.4.0.6:6");
  EXPECT_TRUE(peers_.find("10.4.0.6:6"));
  EXPECT_FALSE(peers_.find("10.1.0.3:3"));
}

TEST_F(PeersTimesTest, aNetworkGivesAPlaceToOneWithTwoLess) {
  for (auto const* const endpoint : {"10.0.0.2:1", "10.0.0.3:1", "10.1.0.4:1", "10.1.0.5:1"}) {
    expire_after(1s);
    find(endpoint);
    pong_without_proof();
  }
  find("10.2.0.6:1");
  EXPECT_TRUE(peers_.find("10.2.0.6:1")) << "none against two";
  EXPECT_FALSE(peers_.find("10.0.0.3:1")) << "the newest one of the first network";
  pong_without_proof();
  find("10.2.0.7:1");
  EXPECT_FALSE(peers_.find("10.2.0.7:1")) << "one against two";
}

TEST_F(PeersTimesTest, contactsOfAPersonMakeNoRoom) {
  for (auto const* const endpoint : {"10.0.0.2:1", "10.0.0.3:1", "10.0.0.4:1", "10.0.0.5:1"}) {
    find(endpoint, ContactSource::connect);
    refuse_ping();
  }
  connect(1, "10.2.0.6:1");
  EXPECT_EQ(failure(), result::FailureCode::invalid);
  EXPECT_EQ(peers_.all().size(), 4u);
}

// Commands

TEST_F(PeersTimesTest, aCommandHearsWhatAnswers) {
  connect(1, kBob);
  EXPECT_TRUE(answers_.empty());
  prove();
  ASSERT_EQ(answers_.size(), 1u);
  EXPECT_EQ(answers_[0].command, 1u);
  auto const result = std::exchange(answers_, {})[0].result;
  auto const* const connected = std::get_if<result::Connected>(&result);
  ASSERT_TRUE(connected);
  EXPECT_EQ(connected->endpoint, kBob);
  EXPECT_EQ(connected->name, "Bob");
  EXPECT_EQ(connected->peer, samples::secret(2).public_key());
  connect(2, kBob);
  ASSERT_TRUE(ping_) << "it is pinged again at once";
  refuse_ping();
  EXPECT_EQ(failure(), result::FailureCode::unavailable);
  connect(3, "nowhere");
  EXPECT_EQ(failure(), result::FailureCode::invalid);
  connect(4, "10.0.0.9:9");
  auto self = pong_of_bob(nonce_of(*ping_), "10.0.0.9:9");
  self.instance = self_.instance;
  answer_ping(self);
  EXPECT_EQ(failure(), result::FailureCode::invalid) << "it is this peer";
  EXPECT_EQ(peers_.met().size(), 0u);
}

TEST_F(PeersTimesTest, aHundredCommandsWaitAtMost) {
  for (CommandId i = 1; i <= 100; ++i) connect(i, kBob);
  EXPECT_TRUE(answers_.empty());
  connect(101, kBob);
  EXPECT_EQ(failure(), result::FailureCode::unavailable);
  prove();
  EXPECT_EQ(answers_.size(), 100u);
}

TEST_F(PeersTimesTest, meetingAndLosingAPeerIsReportedOnce) {
  find(kBob);
  auto outcome = answer_ping(pong_of_bob(nonce_of(*ping_), kBob));
  EXPECT_TRUE(outcome.is_met);
  expire_after(1min);
  outcome = answer_ping(pong_of_bob(nonce_of(*ping_), kBob));
  EXPECT_FALSE(outcome.is_met || outcome.is_lost);
  expire_after(1min);
  auto other = pong_of_bob(nonce_of(*ping_), kBob);
  other.instance = "restarted";
  EXPECT_TRUE(answer_ping(other).is_met) << "it is another process";
  expire_after(1min);
  EXPECT_TRUE(answer({{}, "nobody there"}).is_lost);
  expire_after(1s);
  EXPECT_FALSE(answer({json::Value{"?"}, {}}).is_lost);
  EXPECT_EQ(std::ranges::count_if(
                events_, [](auto const& each) { return std::holds_alternative<event::PeerMet>(each); }),
            2);
  EXPECT_EQ(std::ranges::count_if(
                events_, [](auto const& each) { return std::holds_alternative<event::PeerLost>(each); }),
            1);
}

// Requests

TEST_F(PeersTimesTest, aPeerThatAnswersIsAskedWhomItKnows) {
  find(kBob);
  auto const tag = calls_.remove(ping_->call);
  auto const pong = pong_of_bob(nonce_of(*ping_), kBob);
  auto const calls = in_turn([&](Turn& turn) {
    (void)peers_.on_answered(tag->key, {to_json(pong), {}}, turn);
  });
  ASSERT_EQ(calls.size(), 1u);
  ping_ = calls[0];
  auto const body = read_payload(ping_->payload)->body;
  EXPECT_EQ(*body.find_string("type"), GetPeersMessage::kType);
  auto const outcome = answer({endpoints_to_json(std::vector<std::string>{"10.0.0.3:3", "10.0.0.4:4"}), {}});
  EXPECT_EQ(outcome.named, (std::vector<std::string>{"10.0.0.3:3", "10.0.0.4:4"}));
  EXPECT_FALSE(outcome.is_met || outcome.is_lost);
  Peers::Outcome unknown;
  in_turn([&](Turn& turn) { unknown = peers_.on_answered(99, {}, turn); });
  EXPECT_EQ(unknown.endpoint, "");
}

TEST_F(PeersTimesTest, aRefusalToNamePeersNamesNone) {
  find(kBob);
  auto const tag = calls_.remove(ping_->call);
  auto const pong = pong_of_bob(nonce_of(*ping_), kBob);
  auto const calls = in_turn([&](Turn& turn) {
    (void)peers_.on_answered(tag->key, {to_json(pong), {}}, turn);
  });
  ping_ = calls.at(0);
  EXPECT_TRUE(answer({endpoints_to_json(std::vector<std::string>{"10.0.0.3:3"}), "refused"}).named.empty());
  EXPECT_TRUE(peers_.find(kBob)->is_met);
}

TEST_F(PeersTimesTest, aPingIsAnsweredWithAProofOfOurEndpoint) {
  auto const nonce = PingNonce::random(random_);
  PingPongMessage ping{{1, CreatorType::client, samples::kNow}, false, {}, "other", "Bob", nonce, {}};
  auto const pong = [&] {
    in_turn([&](Turn& turn) { peers_.handle(1, PayloadForm::object, ping, turn); });
    EXPECT_EQ(replies_.size(), 1u);
    auto const out = parse_pong(std::exchange(replies_, {}).at(0).result);
    EXPECT_TRUE(out);
    return *out;
  };
  EXPECT_TRUE(exchange::is_proven(pong(), nonce, self_.endpoint));
  ping.nonce.reset();
  EXPECT_FALSE(pong().proof) << "nobody asked for it";
  ping.nonce = nonce;
  self_.endpoint.clear();
  EXPECT_FALSE(pong().proof) << "we do not listen yet";
}

TEST_F(PeersTimesTest, thoseWhoAskHearOfTheOthersThatAnswer) {
  for (auto const* const endpoint : {"10.0.0.2:2", "10.0.0.3:3", "10.0.0.4:4"}) {
    find(endpoint);
    if (endpoint != std::string{"10.0.0.4:4"}) pong_without_proof();
  }
  in_turn([&](Turn& turn) {
    peers_.handle(1, PayloadForm::object, GetPeersMessage{{}, "10.0.0.2:2"}, turn);
  });
  ASSERT_EQ(replies_.size(), 1u);
  EXPECT_EQ(parse_endpoints(replies_[0].result)->endpoints, std::vector<std::string>{"10.0.0.3:3"});
}

TEST_F(PeersTimesTest, aContactThatCallsAfterAnAbsenceIsPingedAtMostEachFiveSeconds) {
  IpAddress const host{10, 0, 0, 2};
  find(kBob, ContactSource::connect);
  called_by(kBob, host);
  for (int i = 0; i < 5; ++i) {
    refuse_ping();
    expire_after(next());
  }
  refuse_ping();
  EXPECT_EQ(next(), 32s);
  auto const failed = now_.steady;
  now_.steady = later_by(failed, 5s - 1ns);
  called_by(kBob, host);
  EXPECT_FALSE(ping_);
  now_.steady = later_by(failed, 5s);
  called_by(kBob, IpAddress{10, 0, 0, 3});
  EXPECT_FALSE(ping_) << "from elsewhere";
  called_by(kBob, host);
  ASSERT_TRUE(ping_);
  prove();
  now_.steady = later_by(now_.steady, 30s);
  called_by(kBob, host);
  EXPECT_FALSE(ping_) << "it is here";
}

}  // namespace
}  // namespace grenache::exchange
