#include "exchange/core/peer.hpp"

#include <set>

#include <gtest/gtest.h>

#include "exchange/reservation/embedded.hpp"
#include "tests/support/sample_orders.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using namespace samples;
using json::Value;

// A network of peers without sockets and delays.
class Network {
 public:
  struct Node {
    Node(Network& network, std::string name, std::string endpoint, std::uint64_t key, Peer::Options options)
        : net{network}, at{std::move(endpoint)} {
      options.name = std::move(name);
      peer.emplace(std::move(options), secret(key), Random{key * 1000 + network.nodes.size()});
      peer->listening(at);
    }
    Network& net;
    std::string at;
    std::optional<Peer> peer;
    std::vector<Output> events;
    std::map<RequestId, std::function<void(CallAnswer)>> waiting;
  };

  Node& add(std::string name, std::uint64_t key, Peer::Options options = {}) {
    auto const endpoint = "127.0.0.1:" + std::to_string(2000 + nodes.size());
    return *nodes.emplace_back(
        std::make_unique<Node>(*this, std::move(name), endpoint, key, std::move(options)));
  }

  std::vector<std::string> endpoints() const {
    std::vector<std::string> out;
    for (auto const& node : nodes) out.push_back(node->at);
    return out;
  }

  void request(std::string const& endpoint, Value payload, std::function<void(CallAnswer)> done) {
    for (auto& node : nodes) {
      if (node->at != endpoint || dead.contains(endpoint)) continue;
      ++request_count;
      auto const id = ++last_request;
      node->waiting.emplace(id, std::move(done));
      node->peer->receive(id, std::move(payload), now);
      return;
    }
    done({{}, "ERR_REQUEST_GENERIC: nobody there"});
  }

  void look_up() {
    for (auto& node : nodes) node->peer->found(endpoints(), now);
    run();
  }

  void run() {
    for (bool any = true; any;) {
      any = false;
      for (std::size_t i = 0; i < nodes.size(); ++i) {
        while (auto out = nodes[i]->peer->poll_output()) {
          any = true;
          std::visit([&](auto& output) { carry_out(*nodes[i], output); }, *out);
        }
      }
    }
  }

  void carry_out(Node& node, output::Reply& reply) {
    auto waiting = node.waiting.extract(reply.request);
    ASSERT_FALSE(waiting.empty()) << "answered twice";
    waiting.mapped()({reply.result, reply.error});
  }
  void carry_out(Node& node, output::Reserve& reserve) {
    auto const outcome = stores[node.peer->id()].reserve(reserve.wanted, TimePoint{now - kNow}, now);
    node.peer->reserved(reserve.request, outcome, now);
  }
  void carry_out(Node& node, output::Release& release) {
    stores[node.peer->id()].release(release.order_id, release.take_id, release.fence, TimePoint{now - kNow});
  }
  void carry_out(Node& node, output::Call& call) {
    request(call.endpoint, call.payload, [this, &node, id = call.call](CallAnswer const& answer) {
      node.peer->answered(id, answer, now);
    });
  }
  void carry_out(Node&, output::Broadcast& broadcast) {
    for (auto const& node : nodes) request(node->at, broadcast.payload, [](CallAnswer const&) {});
  }
  template <class Event>
  void carry_out(Node& node, Event& event) {
    node.events.emplace_back(event);
  }

  WallTime now = kNow;
  std::vector<std::unique_ptr<Node>> nodes;
  std::map<PeerId, ReservationTable> stores;  // shared by the processes of one identity
  std::set<std::string> dead;
  RequestId last_request = 0;
  std::size_t request_count = 0;
};

template <class Event>
std::vector<Event> events_of(Network::Node const& node) {
  std::vector<Event> out;
  for (auto const& event : node.events) {
    if (auto const* const wanted = std::get_if<Event>(&event)) out.push_back(*wanted);
  }
  return out;
}

CallAnswer ask(Network& network, Network::Node& node, Value payload) {
  CallAnswer out{{}, "no answer"};
  network.request(node.at, std::move(payload), [&](CallAnswer const& answer) { out = answer; });
  network.run();
  return out;
}

OrderTerms terms(Side side) { return {side, PriceCents{6'000'000}, Satoshi{kSatoshiPerBtc}, 1h}; }

Value parsed(std::string_view text) {
  auto value = json::parse(text);
  EXPECT_TRUE(value) << text;
  return value ? *value : Value{};
}

TEST(Peer, anOrderPublishedReachesEverybodyAndMatches) {
  Network network;
  auto& alice = network.add("Alice", 1);
  auto& bob = network.add("Bob", 2);
  auto& carol = network.add("Carol", 3);
  network.look_up();
  auto const buy = alice.peer->publish(terms(Side::buy), network.now);
  ASSERT_TRUE(buy);
  network.run();
  EXPECT_TRUE(alice.peer->matches(buy->id, network.now).empty());
  auto const sell = bob.peer->publish(terms(Side::sell), network.now);
  ASSERT_TRUE(sell);
  network.run();
  for (auto const* const node : {&alice, &bob, &carol}) {
    auto const matches = node->peer->matches(buy->id, network.now);
    ASSERT_EQ(matches.size(), 1u);
    EXPECT_EQ(matches[0].order, *sell);
    EXPECT_EQ(node->peer->book().live(network.now).size(), 2u);
  }
}

TEST(Peer, aNewcomerReadsTheBooksOfThoseItFinds) {
  Network network;
  auto& alice = network.add("Alice", 1);
  ASSERT_TRUE(alice.peer->publish(terms(Side::buy), network.now));
  network.run();
  auto& bob = network.add("Bob", 2);
  EXPECT_TRUE(bob.peer->book().live(network.now).empty());
  network.look_up();
  EXPECT_TRUE(bob.peer->is_synced());
  EXPECT_EQ(bob.peer->book().live(network.now), alice.peer->book().live(network.now));
  EXPECT_EQ(bob.peer->endpoint_count(), 1u) << "without itself";
  EXPECT_EQ(bob.peer->endpoints_of(alice.peer->id()), std::vector{alice.at});
  auto const read = events_of<output::BookReceived>(bob);
  ASSERT_EQ(read.size(), 1u);
  EXPECT_EQ(read[0].new_count, 1u);
}

TEST(Peer, anEndpointThatDoesNotAnswerIsTriedAgainLater) {
  Network network;
  auto& alice = network.add("Alice", 1);
  auto& bob = network.add("Bob", 2);
  ASSERT_TRUE(alice.peer->publish(terms(Side::buy), network.now));
  network.dead = {alice.at, bob.at};
  network.run();
  network.look_up();
  EXPECT_TRUE(bob.peer->book().live(network.now).empty());
  network.dead.clear();
  network.look_up();
  EXPECT_TRUE(bob.peer->book().live(network.now).empty()) << "not at once";
  network.now += 5s;
  network.look_up();
  EXPECT_EQ(bob.peer->book().live(network.now).size(), 1u);
}

TEST(Peer, readsTheBooksOfOthersAgainNowAndThen) {
  Network network;
  auto& alice = network.add("Alice", 1);
  auto& bob = network.add("Bob", 2);
  network.look_up();
  network.dead.insert(bob.at);
  ASSERT_TRUE(alice.peer->publish(terms(Side::buy), network.now));
  network.run();
  network.dead.clear();
  network.look_up();
  EXPECT_TRUE(bob.peer->book().live(network.now).empty()) << "Bob has missed it";
  network.now += 1min;
  network.look_up();
  EXPECT_EQ(bob.peer->book().live(network.now).size(), 1u);
}

TEST(Peer, ordersArePassedOnOnce) {
  Network network;
  for (std::uint64_t i = 1; i <= 4; ++i) network.add("peer", i);
  network.look_up();
  network.request_count = 0;
  ASSERT_TRUE(network.nodes[0]->peer->publish(terms(Side::buy), network.now));
  network.run();
  EXPECT_EQ(network.request_count, 4u * 4u) << "each of the four tells each of the four, once";
}

TEST(Peer, aTakerGetsACheckedInvoiceAndTheNextOneHearsWhenToAskAgain) {
  Network network;
  auto& alice = network.add("Alice", 1);
  auto& bob = network.add("Bob", 2);
  auto& carol = network.add("Carol", 3);
  network.look_up();
  auto const sell = *bob.peer->publish(terms(Side::sell), network.now);
  network.run();
  alice.peer->take(sell, sell.amount, {}, network.now);
  network.run();
  auto const granted = events_of<output::TakeGranted>(alice);
  ASSERT_EQ(granted.size(), 1u);
  ASSERT_TRUE(granted[0].invoice);
  EXPECT_EQ(granted[0].invoice->payee, bob.peer->id());
  EXPECT_EQ(granted[0].invoice->amount_msat, 100'000'000'000u);

  network.now += 28s;
  carol.peer->take(sell, sell.amount, {}, network.now);
  network.run();
  auto const refused = events_of<output::TakeRefused>(carol);
  ASSERT_EQ(refused.size(), 1u);
  EXPECT_EQ(refused[0].refusal.code, RefusalCode::reserved);
  EXPECT_EQ(refused[0].refusal.retry_after, 872s);
  EXPECT_EQ(carol.peer->book().live(network.now).size(), 1u) << "the order stays visible";

  network.now += 872s;
  carol.peer->take(sell, sell.amount, {}, network.now);
  network.run();
  EXPECT_EQ(events_of<output::TakeGranted>(carol).size(), 1u) << "not paid in time: free again";
}

TEST(Peer, theSameTakeGetsTheSameInvoiceFromAnyProcessOfTheMaker) {
  Network network;
  auto& bob = network.add("Bob", 2);
  auto& twin = network.add("Bob's other process", 2);
  auto& alice = network.add("Alice", 1);
  network.look_up();
  EXPECT_EQ(alice.peer->endpoints_of(bob.peer->id()), (std::vector{bob.at, twin.at}));
  auto const sell = *bob.peer->publish(terms(Side::sell), network.now);
  network.run();
  alice.peer->take(sell, sell.amount, uuid(7), network.now);
  network.run();
  network.now += 1min;
  network.dead.insert(bob.at);
  alice.peer->take(sell, sell.amount, uuid(7), network.now);
  network.run();
  auto const granted = events_of<output::TakeGranted>(alice);
  ASSERT_EQ(granted.size(), 2u);
  EXPECT_EQ(granted[0].endpoint, bob.at);
  EXPECT_EQ(granted[1].endpoint, twin.at);
  EXPECT_EQ(granted[0].response.lightning_invoice, granted[1].response.lightning_invoice);
}

TEST(Peer, manyTakersOfOneOrderGetOneInvoice) {
  Network network;
  auto& bob = network.add("Bob", 1);
  for (std::uint64_t i = 2; i < 22; ++i) network.add("taker", i);
  network.look_up();
  auto const sell = *bob.peer->publish(terms(Side::sell), network.now);
  network.run();
  std::size_t granted = 0;
  std::size_t refused = 0;
  for (auto& node : network.nodes) node->peer->take(sell, sell.amount, {}, network.now);
  network.run();
  for (auto& node : network.nodes) {
    granted += events_of<output::TakeGranted>(*node).size();
    refused += events_of<output::TakeRefused>(*node).size();
  }
  EXPECT_EQ(granted, 1u);
  EXPECT_EQ(refused, 20u);
  EXPECT_EQ(events_of<output::TakeRefused>(bob).at(0).refusal.code, RefusalCode::self_trade);
}

TEST(Peer, aTakerSaysWhenTheMakerIsGone) {
  Network network;
  auto& alice = network.add("Alice", 1);
  auto order = draft(1, Side::sell);
  order.endpoint = "127.0.0.1:9";
  alice.peer->take(signed_by(5, order), Satoshi{1}, {}, network.now);
  network.run();
  auto const failed = events_of<output::CallFailed>(alice);
  ASSERT_EQ(failed.size(), 1u);
  EXPECT_NE(failed[0].reason.find("nobody there"), std::string::npos);
}

TEST(Peer, aTakerBelievesNoInvoiceOfSomebodyElse) {
  Network network;
  auto& alice = network.add("Alice", 1);
  auto const order = signed_by(5, draft(1, Side::sell));
  auto const call = alice.peer->take(order, order.amount, uuid(7), network.now);
  while (alice.peer->poll_output()) {
  }
  InvoiceTerms const invoice_terms{order.id, uuid(7), 1, order.amount, network.now, kReservationLife};
  ExecuteOrderResponse const response{
      {}, order.id, *issue_invoice(invoice_terms, secret(6)), network.now + 900s, uuid(7), order.amount};
  alice.peer->answered(call, {exchange::to_json(response), {}}, network.now);
  network.run();
  auto const failed = events_of<output::CallFailed>(alice);
  ASSERT_EQ(failed.size(), 1u);
  EXPECT_EQ(failed[0].reason, make_error_code(InvoiceErrc::wrong_payee).message());
}

TEST(Peer, cancelledOrdersLeaveEveryBook) {
  Network network;
  auto& alice = network.add("Alice", 1);
  auto& bob = network.add("Bob", 2);
  network.look_up();
  auto const order = *alice.peer->publish(terms(Side::buy), network.now);
  network.run();
  EXPECT_EQ(bob.peer->cancel(order.id, network.now).error(), PeerErrc::no_such_order);
  ASSERT_TRUE(alice.peer->cancel(order.id, network.now));
  network.run();
  EXPECT_TRUE(bob.peer->book().live(network.now).empty());
  EXPECT_EQ(alice.peer->cancel(order.id, network.now).error(), PeerErrc::no_such_order);
}

TEST(Peer, answersInTheFormAsked) {
  Network network;
  auto& bob = network.add("Bob", 2);
  auto const text =
      R"({"type":"PingPongMessage","exchangeId":1500,"creatorType":"client","createdAt":1,"message":"ping"})";
  auto const as_text = ask(network, bob, Value{text});
  ASSERT_TRUE(as_text.result.as_string());
  auto const as_object = ask(network, bob, parsed(text));
  EXPECT_EQ(*as_text.result.as_string(), json::to_text(as_object.result));
  auto const pong = parse_pong(as_object.result);
  ASSERT_TRUE(pong);
  EXPECT_EQ(pong->peer, bob.peer->id());
  EXPECT_EQ(pong->header.exchange_id, 2000);
  EXPECT_EQ(pong->header.creator, CreatorType::server);
}

TEST(Peer, servesThePlaybookOfTheOriginal) {
  Network network;
  auto& bob = network.add("Bob", 2);
  auto const order = [](std::string_view id, std::string_view buy, std::string_view sell) {
    return Value{
        R"({"type":"AddOrderMessage","exchangeId":1500,"creatorType":"client","createdAt":1700000000000,)"
        R"("id":")" +
        std::string{id} + R"(","buy":")" + std::string{buy} + R"(","sell":")" + std::string{sell} +
        R"(","amountToBuy":1})"};
  };
  auto const question = Value{R"({"type":"GetOrderMatchesMessage","exchangeId":1500,"creatorType":"client",)"
                              R"("createdAt":1,"orderId":")" +
                              uuid(1) + R"("})"};
  EXPECT_EQ(ask(network, bob, question).result, Value{"[]"}) << "unknown";
  EXPECT_EQ(ask(network, bob, order(uuid(1), "BTC", "USD")).result, Value{"\"ok\""});
  EXPECT_EQ(ask(network, bob, order(uuid(1), "BTC", "USD")).result, Value{"\"ok\""}) << "again";
  EXPECT_EQ(ask(network, bob, order(uuid(2), "USD", "BTC")).result, Value{"\"ok\""});
  auto const matches = ask(network, bob, question).result;
  ASSERT_TRUE(matches.as_string());
  auto const list = parsed(*matches.as_string());
  ASSERT_TRUE(list.at(0));
  EXPECT_EQ(*list.at(0)->find_string("id"), uuid(2));
  EXPECT_EQ(list.at(0)->find_int("exchangeId"), 1500);
  EXPECT_EQ(network.request_count, 5u) << "unsigned orders are not passed on";
}

TEST(Peer, theOriginalTakesAnOrderOfOurs) {
  Network network;
  auto& bob = network.add("Bob", 2);
  auto const sell = *bob.peer->publish(terms(Side::sell), network.now);
  network.run();
  auto const execute =
      Value{R"({"type":"ExecuteOrderMessage","exchangeId":1500,"creatorType":"client","createdAt":1,)"
            R"("orderId":")" +
            sell.id + R"("})"};
  auto const answer = ask(network, bob, execute);
  EXPECT_EQ(answer.error, "");
  ASSERT_TRUE(answer.result.as_string());
  auto const response = parse_execute_response(parsed(*answer.result.as_string()));
  ASSERT_TRUE(response);
  EXPECT_TRUE(check_invoice(response->lightning_invoice, bob.peer->id(), sell.amount, network.now));
  EXPECT_EQ(ask(network, bob, execute).result, answer.result) << "asked again, the same invoice";
}

TEST(Peer, anOrderOfTheOriginalIsTakenWhereItsExchangeIdSays) {
  Network network;
  auto& alice = network.add("Alice", 1);
  alice.peer->take(original(1, Side::sell, 1500), Satoshi{kSatoshiPerBtc}, {}, network.now);
  auto const out = alice.peer->poll_output();
  ASSERT_TRUE(out);
  auto const& call = std::get<output::Call>(*out);
  EXPECT_EQ(call.endpoint, "127.0.0.1:1500");
  ASSERT_TRUE(call.payload.as_string()) << "the original reads nothing but text";
  EXPECT_EQ(*parsed(*call.payload.as_string()).find_string("orderId"), uuid(1));
  alice.peer->answered(
      call.call,
      {Value{
           R"({"type":"ExecuteOrderResponse","exchangeId":1500,"creatorType":"server","createdAt":1,"orderId":")" +
           uuid(1) + R"(","lightningInvoice":"lntb1u1pwz5w78","exiresAt":1700000900000})"},
       {}},
      network.now);
  network.run();
  auto const granted = events_of<output::TakeGranted>(alice);
  ASSERT_EQ(granted.size(), 1u);
  EXPECT_FALSE(granted[0].invoice) << "it proves nothing";
}

TEST(Peer, refusesWhatItCannotReadWithAReason) {
  Network network;
  auto& bob = network.add("Bob", 2);
  for (auto const& payload :
       {Value{}, Value{"hello"}, Value{5}, Value{"{}"}, Value::object({{"type", "Moon"}}),
        Value::object({{"type", "ExecuteOrderMessage"}})}) {
    auto const refusal = parse_refusal(ask(network, bob, payload).error);
    ASSERT_TRUE(refusal) << json::to_text(payload);
    EXPECT_EQ(refusal->code, RefusalCode::invalid);
    EXPECT_FALSE(refusal->reason.empty());
  }
}

TEST(Peer, refusesForgedOrdersAndTakesByTheirOwnNames) {
  Network network;
  auto& bob = network.add("Bob", 2);
  auto forged = signed_by(1, draft(1, Side::sell));
  forged.price = PriceCents{1};
  EXPECT_EQ(parse_refusal(ask(network, bob, exchange::to_json(forged)).error)->code, RefusalCode::signature);
  network.now = kNow + 2h;
  EXPECT_EQ(
      parse_refusal(ask(network, bob, exchange::to_json(signed_by(1, draft(1, Side::sell)))).error)->code,
      RefusalCode::expired);
}

TEST(Peer, boundsTheTakesThatWaitForTheStore) {
  Network network;
  Peer peer{Peer::Options{.pending_take_count_max = 2}, secret(2), Random{5}};
  peer.listening("127.0.0.1:2000");
  auto const sell = *peer.publish(terms(Side::sell), network.now);
  while (peer.poll_output()) {
  }
  for (RequestId id = 1; id <= 3; ++id) {
    TakeTerms take{uuid(id), sell.amount, sell.price, {}, network.now, {}};
    sign_take(take, sell.id, peer.id(), secret(10 + id));
    peer.receive(id, exchange::to_json(ExecuteOrderMessage{{}, sell.id, take}), network.now);
  }
  std::size_t asked = 0;
  std::optional<Refusal> refusal;
  while (auto const out = peer.poll_output()) {
    asked += std::holds_alternative<output::Reserve>(*out) ? 1u : 0u;
    if (auto const* const reply = std::get_if<output::Reply>(&*out)) refusal = parse_refusal(reply->error);
  }
  EXPECT_EQ(asked, 2u);
  ASSERT_TRUE(refusal);
  EXPECT_EQ(refusal->code, RefusalCode::limit);
}

TEST(Peer, publishesNothingThatCannotBe) {
  Peer peer{Peer::Options{}, secret(1), Random{1}};
  EXPECT_EQ(peer.publish(terms(Side::buy), kNow).error(), PeerErrc::not_listening);
  peer.listening("127.0.0.1:2000");
  for (auto const& wrong : {OrderTerms{Side::buy, PriceCents{0}, Satoshi{1}, 1h},
                            OrderTerms{Side::buy, PriceCents{1}, Satoshi{0}, 1h},
                            OrderTerms{Side::buy, PriceCents{1}, Satoshi{-1}, 1h},
                            OrderTerms{Side::buy, PriceCents{1}, Satoshi{1}, 0h},
                            OrderTerms{Side::buy, PriceCents{1}, Satoshi{1}, 169h},
                            OrderTerms{Side::buy, PriceCents{PriceCents::kMax + 1}, Satoshi{1}, 1h}}) {
    EXPECT_EQ(peer.publish(wrong, kNow).error(), PeerErrc::bad_terms);
  }
}

TEST(Peer, forgetsEndpointsThatAreGone) {
  Network network;
  auto& alice = network.add("Alice", 1);
  network.add("Bob", 2);
  network.look_up();
  EXPECT_EQ(alice.peer->endpoint_count(), 1u);
  alice.peer->expire(network.now + 119s);
  EXPECT_EQ(alice.peer->endpoint_count(), 1u);
  alice.peer->expire(network.now + 120s);
  EXPECT_EQ(alice.peer->endpoint_count(), 0u);
}

}  // namespace
}  // namespace grenache::exchange
