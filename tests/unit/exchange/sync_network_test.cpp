// How the books of several peers become equal, and what that costs.
#include <gtest/gtest.h>

#include "tests/support/trader_network.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using namespace samples;
using json::Value;
using test::TraderNetwork;
using Node = TraderNetwork::Node;

/// After this all books are equal once the network works: a ping and its back-off, and a reconciliation.
constexpr auto kEqualWithin = 3min;

command::AddOrder sell(std::int64_t satoshi = 1'000) {
  command::AddOrder out;
  out.side = Side::sell;
  out.price = PriceCents{6'000'000};
  out.amount = Satoshi{satoshi};
  return out;
}

OrderRecord publish(TraderNetwork& network, Node& node) {
  auto const result = network.execute(node, sell());
  auto const* const placed = std::get_if<result::Placed>(&result);
  EXPECT_TRUE(placed);
  return placed ? placed->order.order : OrderRecord{};
}

/// The signed orders of a book, open and closed.
std::vector<OrderRecord> signed_orders(TraderNetwork const& network, Node const& node) {
  auto out = network.orders_of(node);
  std::erase_if(out, [](OrderRecord const& order) { return !order.is_signed(); });
  return out;
}

/// The index of each peer is that of its book, and all books are equal.
void expect_equal_books(TraderNetwork const& network) {
  auto const& first = *network.nodes.front();
  for (auto const& node : network.nodes) {
    auto const orders = signed_orders(network, *node);
    EXPECT_EQ(orders, signed_orders(network, first)) << node->at;
    EXPECT_EQ(node->trader->sync().index().size(), orders.size()) << node->at;
    EXPECT_EQ(node->trader->sync().index().hash(0, 0), first.trader->sync().index().hash(0, 0)) << node->at;
    node->trader->sync().index().check();
    node->trader->book().check();
  }
}

Value body_of(Value const& payload) {
  auto read = read_payload(payload);
  return read ? read->body : Value{};
}

/// Counts the messages that peers send, by type; answers have none of these types.
class MessageCount {
 public:
  explicit MessageCount(TraderNetwork& network) {
    network.on_sent = [this](Node const&, Value const& sent) {
      auto const body = body_of(sent);
      if (auto const* const type = body.find_string("type")) ++counts[*type];
      auto const size = json::to_text(sent).size();
      EXPECT_LE(size, body.find("creatorType") ? kRequestBytesMax : kAnswerBytesMax);
      bytes += size;
    };
  }
  /// Those that spread orders.
  std::size_t of_orders() {
    return counts["AddOrderMessage"] + counts["InventoryMessage"] + counts["GetRecordsMessage"];
  }
  void reset() {
    counts.clear();
    bytes = 0;
  }

  std::map<std::string, std::size_t> counts;
  std::size_t bytes = 0;
};

void add_peers(TraderNetwork& network, std::size_t count) {
  for (std::uint64_t i = 1; i <= count; ++i) network.add("peer", i);
}

// Spreading

TEST(SyncNetwork, aNewOrderIsInAllBooksAtOnceAndCostsThreeMessagesForEachPeer) {
  for (std::size_t const count : {3u, 5u, 10u, 20u}) {
    TraderNetwork network;
    add_peers(network, count);
    network.look_up();
    network.live(2s);
    MessageCount sent{network};
    constexpr std::size_t kOrderCount = 10;
    for (std::size_t i = 0; i < kOrderCount; ++i) {
      publish(network, *network.nodes[i % count]);
      expect_equal_books(network);
      network.live(1s);
    }
    EXPECT_LE(sent.of_orders(), 3 * count * kOrderCount) << count << " peers";
    EXPECT_EQ(sent.counts["GetRecordsMessage"], 0u) << "nobody asks for what it has";
    RecordProperty("messages_" + std::to_string(count), std::to_string(sent.of_orders()));
  }
}

TEST(SyncNetwork, whereFewPeersKnowEachOtherAnOrderReachesAllWithThreeMessagesForEachPeer) {
  for (std::size_t const count : {4u, 10u, 20u}) {
    TraderNetwork network;
    std::map<std::string, std::size_t> number;
    for (std::size_t i = 0; i < count; ++i) number["127.0.0.1:" + std::to_string(2001 + i)] = i;
    // A ring, in which each knows the two next to it on both sides.
    network.is_cut = [&](std::string const& from, std::string const& to) {
      auto const distance = (number[from] + count - number[to]) % count;
      return std::min(distance, count - distance) > 2;
    };
    add_peers(network, count);
    network.look_up();
    network.live(2s);
    MessageCount sent{network};
    std::size_t reached = 0;
    constexpr std::size_t kOrderCount = 10;
    for (std::size_t i = 0; i < kOrderCount; ++i) {
      auto const order = publish(network, *network.nodes[i % count]);
      network.live(1s);
      for (auto const& node : network.nodes) reached += node->trader->book().find(key_of(order)) ? 1u : 0u;
    }
    EXPECT_LE(sent.of_orders(), 3 * count * kOrderCount) << count << " peers";
    EXPECT_GE(reached, count * kOrderCount * 9 / 10) << count << " peers";
    RecordProperty("messages_" + std::to_string(count), std::to_string(sent.of_orders()));
    RecordProperty("reached_" + std::to_string(count), std::to_string(reached));
    network.live(kEqualWithin);
    expect_equal_books(network);
  }
}

TEST(SyncNetwork, anOrderThatHalfOfThePeersRefuseCostsNoMore) {
  constexpr std::size_t kCount = 20;
  TraderNetwork network;
  for (std::uint64_t i = 1; i <= kCount; ++i) {
    // To every other peer, orders of the rest come from the future.
    network.add_at("127.0.0.1:" + std::to_string(2000 + i), i % 2 == 0 ? -5min : 0min, "peer", i, {});
  }
  network.look_up();
  network.live(2s);
  MessageCount sent{network};
  constexpr std::size_t kOrderCount = 10;
  for (std::size_t i = 0; i < kOrderCount; ++i) {
    auto const order = publish(network, *network.nodes[0]);
    EXPECT_FALSE(network.nodes[1]->trader->book().find(key_of(order)));
    network.live(1s);
  }
  EXPECT_LE(sent.of_orders(), 3 * kCount * kOrderCount);
}

TEST(SyncNetwork, manyChangesOfOneMomentShareAMessage) {
  TraderNetwork network;
  add_peers(network, 10);
  network.look_up();
  network.live(2s);
  MessageCount sent{network};
  auto& maker = *network.nodes[0];
  maker.holds_batches = true;
  for (int i = 0; i < 100; ++i) network.begin(maker, sell());
  EXPECT_EQ(sent.of_orders(), 0u) << "nothing is durable yet";
  maker.holds_batches = false;
  network.run();
  network.live(1s);
  expect_equal_books(network);
  EXPECT_EQ(maker.trader->sync().index().size(), 100u);
  EXPECT_LE(sent.of_orders(), 3 * 10u * 10u) << "a tenth of that of 100 orders, one by one";
}

TEST(SyncNetwork, nobodyIsToldAnIdThatItHasShown) {
  TraderNetwork network;
  auto& bob = network.add("Bob", 1);
  std::map<std::string, std::size_t> told;  // ids by peer
  std::vector<OrderRecord> orders;
  for (std::uint64_t i = 1; i <= 20; ++i) orders.push_back(signed_by(9, draft(i, Side::sell)));
  for (std::string const at : {"127.0.0.1:7001", "127.0.0.1:7002", "127.0.0.1:7003"}) {
    network.strangers[at] = [&, at](Value const& payload) {
      auto const request = parse_request(body_of(payload));
      if (!request) return CallAnswer{{}, "?"};
      if (std::get_if<PingPongMessage>(&*request)) {
        PingPongMessage const pong{
            {1, CreatorType::server, network.now.wall}, true, secret(7).public_key(), at, {}};
        return CallAnswer{to_json(pong), {}};
      }
      if (auto const* const asked = std::get_if<ReconcileMessage>(&*request)) {
        OrderIndex index;
        for (auto const& order : orders) index.put(order);
        return CallAnswer{reconcile_answer_to_json(reconcile(index, *asked), asked->length), {}};
      }
      if (auto const* const asked = std::get_if<InventoryMessage>(&*request)) {
        told[at] += asked->ids.size();
        InventoryAnswer answer;
        answer.unknown.assign(asked->ids.size(), true);
        return CallAnswer{to_json(answer), {}};
      }
      return CallAnswer{endpoints_to_json({}), {}};
    };
  }
  network.look_up();
  InventoryMessage message;
  message.endpoint = "127.0.0.1:7001";
  message.orders = orders;
  network.ask(bob, to_json(message));
  message.endpoint = "127.0.0.1:7003";
  message.orders.clear();
  for (auto const& order : orders) message.ids.push_back(version_of(order));
  network.ask(bob, to_json(message));
  EXPECT_EQ(bob.trader->sync().index().size(), 20u);
  network.live(1s);
  EXPECT_EQ(told["127.0.0.1:7001"], 0u);
  EXPECT_EQ(told["127.0.0.1:7003"], 0u);
  EXPECT_EQ(told["127.0.0.1:7002"], 20u) << "once each";
}

TEST(SyncNetwork, anOwnVersionLeavesOnRequestOnlyOnceItIsDurable) {
  TraderNetwork network;
  auto& bob = network.add("Bob", 1);
  bob.holds_batches = true;
  network.begin(bob, sell());
  auto const [first, last] = bob.trader->sync().index().under(0, 0);
  ASSERT_NE(first, last);
  auto const& key = first->second.order;
  GetRecordsMessage const asked{{}, {position_of(key.id, *key.maker)}};
  std::string answer;
  network.request(bob.at, to_json(asked),
                  [&](CallAnswer const& said) { answer = json::to_text(said.result); });
  network.run();
  EXPECT_EQ(answer, "");
  network.make_durable(bob);
  EXPECT_NE(answer.find(key.id), std::string::npos);
}

// Equal books

TEST(SyncNetwork, booksThatDifferInEverythingBecomeEqual) {
  TraderNetwork network;
  add_peers(network, 2);
  for (auto& node : network.nodes) {
    for (int i = 0; i < 400; ++i) publish(network, *node);
  }
  MessageCount sent{network};
  network.look_up();
  network.live(1s);
  expect_equal_books(network);
  EXPECT_EQ(network.nodes[0]->trader->sync().index().size(), 800u);
  EXPECT_TRUE(network.nodes[0]->trader->is_synced());
  sent.reset();
  network.live(2min);
  EXPECT_EQ(sent.of_orders(), 0u);
  EXPECT_LE(sent.counts["ReconcileMessage"], 8u);
}

TEST(SyncNetwork, aPeerThatCannotBeCalledIsSentWhatItLacks) {
  TraderNetwork network;
  add_peers(network, 2);
  auto& alice = *network.nodes[0];
  auto& bob = *network.nodes[1];
  // Alice is behind a router: Bob cannot call her.
  network.is_cut = [&](std::string const&, std::string const& to) { return to == alice.at; };
  publish(network, bob);
  auto const order = publish(network, alice);
  network.execute(alice, command::CancelOrder{order.id});
  publish(network, alice);
  network.look_up();
  network.live(1s);
  EXPECT_EQ(alice.trader->sync().index().size(), 3u);
  EXPECT_EQ(bob.trader->sync().index().size(), 3u);
  expect_equal_books(network);
}

TEST(SyncNetwork, whatOnePeerCannotKeepIsNotSentToItForEver) {
  TraderNetwork network;
  auto& alice = network.add("Alice", 1);
  Trader::Options small;
  small.book.order_count_max = 5;
  auto& bob = network.add("Bob", 2, small);
  for (int i = 0; i < 20; ++i) publish(network, alice);
  MessageCount sent{network};
  network.look_up();
  network.live(10min);
  EXPECT_EQ(bob.trader->sync().index().size(), 5u);
  EXPECT_LE(sent.counts["GetRecordsMessage"] + sent.counts["InventoryMessage"], 6u);
  EXPECT_LE(sent.bytes, 200'000u);
}

TEST(SyncNetwork, whatAStrangerHasBroughtIsTold) {
  TraderNetwork network;
  add_peers(network, 5);
  network.look_up();
  network.live(2s);
  auto const order = signed_by(9, draft(1, Side::sell));
  network.ask(*network.nodes[2], exchange::to_json(order));
  network.live(1s);
  expect_equal_books(network);
  EXPECT_EQ(network.nodes[0]->trader->sync().index().size(), 1u);
}

// Other peers

/// A peer of ours at 127.0.0.1:7000 that answers as the test says.
class Stranger {
 public:
  explicit Stranger(TraderNetwork& network, std::string endpoint = "127.0.0.1:7000")
      : network_{network}, at{std::move(endpoint)} {
    network.strangers[at] = [this](Value const& payload) {
      auto const body = body_of(payload);
      auto const request = parse_request(body);
      EXPECT_TRUE(request);
      if (!request) return CallAnswer{{}, "?"};
      ++counts[*body.find_string("type")];
      return std::visit([this](auto const& message) { return answer(message); }, *request);
    };
  }

  static CallAnswer refusal() { return {{}, to_error_text({RefusalCode::invalid, "unknown", {}})}; }

  OrderIndex index;                  // what it says that it has
  std::vector<OrderRecord> records;  // what it gives
  bool is_older = false;             // knows no messages of sync
  std::function<CallAnswer(ReconcileMessage const&)> on_reconcile = [this](ReconcileMessage const& asked) {
    return CallAnswer{reconcile_answer_to_json(reconcile(index, asked), asked.length), {}};
  };
  std::function<CallAnswer(GetRecordsMessage const&)> on_records = [this](GetRecordsMessage const& asked) {
    std::vector<Value> found;
    for (auto const position : asked.positions) {
      for (auto const& order : records) {
        if (position_of(order.id, *order.maker) == position) found.push_back(to_json(order));
      }
    }
    return CallAnswer{records_answer_to_json(std::move(found), 0), {}};
  };
  std::map<std::string, std::size_t> counts;
  std::vector<OrderRecord> told;

 private:
  CallAnswer answer(PingPongMessage const&) {
    PingPongMessage const pong{
        {1, CreatorType::server, network_.now.wall}, true, secret(99).public_key(), at, {}};
    return {to_json(pong), {}};
  }
  CallAnswer answer(GetPeersMessage const&) { return {endpoints_to_json({}), {}}; }
  CallAnswer answer(GetOrderbookMessage const&) {
    Value::Array orders;
    for (auto const& order : records) orders.push_back(to_json(order));
    return {Value{std::move(orders)}, {}};
  }
  CallAnswer answer(AddOrderMessage const& message) {
    told.push_back(message.order);
    return {"ok", {}};
  }
  CallAnswer answer(ReconcileMessage const& message) { return is_older ? refusal() : on_reconcile(message); }
  CallAnswer answer(InventoryMessage const& message) {
    if (is_older) return refusal();
    std::ranges::copy(message.orders, std::back_inserter(told));
    InventoryAnswer out;
    out.unknown.assign(message.ids.size(), false);
    return {to_json(out), {}};
  }
  CallAnswer answer(GetRecordsMessage const& message) { return is_older ? refusal() : on_records(message); }
  template <class Other>
  CallAnswer answer(Other const&) {
    return refusal();
  }

  TraderNetwork& network_;

 public:
  std::string at;
};

TEST(SyncNetwork, theBookOfAnOlderPeerIsReadAsAWholeAndItIsSentOrdersOneByOne) {
  TraderNetwork network;
  auto& bob = network.add("Bob", 1);
  Stranger older{network};
  older.is_older = true;
  older.records = {signed_by(9, draft(1, Side::sell))};
  auto const first = publish(network, bob);
  network.look_up();
  EXPECT_EQ(bob.trader->sync().index().size(), 2u);
  EXPECT_TRUE(bob.trader->is_synced());
  auto const second = publish(network, bob);
  EXPECT_EQ(older.told, std::vector{second});
  network.ask(bob, exchange::to_json(signed_by(8, draft(2, Side::sell))));
  network.live(1s);
  EXPECT_EQ(older.told.size(), 2u) << "orders of others are passed on";
  network.live(61s);
  EXPECT_EQ(older.counts["GetOrderbookMessage"], 2u);
  EXPECT_EQ(older.counts["ReconcileMessage"], 1u);
  EXPECT_EQ(older.counts["InventoryMessage"], 0u);
}

TEST(SyncNetwork, aRecordThatOnePeerDoesNotDeliverIsAskedForAtAnother) {
  TraderNetwork network;
  auto& bob = network.add("Bob", 1);
  Stranger silent{network, "127.0.0.1:7001"};
  Stranger liar{network, "127.0.0.1:7002"};
  Stranger honest{network, "127.0.0.1:7003"};
  network.look_up();
  auto const order = signed_by(9, draft(1, Side::sell));
  auto forged = order;
  forged.price = PriceCents{1};
  liar.records = {forged};
  honest.records = {order};
  InventoryMessage message;
  message.ids = {version_of(order)};
  network.hanging = {silent.at};
  for (auto const* const each : {&silent, &liar, &honest}) {
    message.endpoint = each->at;
    network.ask(bob, to_json(message));
  }
  EXPECT_EQ(bob.trader->sync().index().size(), 0u);
  EXPECT_EQ(liar.counts["GetRecordsMessage"], 0u) << "one at a time";
  network.live(2500ms);
  EXPECT_EQ(liar.counts["GetRecordsMessage"], 1u);
  EXPECT_EQ(honest.counts["GetRecordsMessage"], 1u);
  EXPECT_EQ(signed_orders(network, bob), std::vector{order});
  EXPECT_EQ(bob.trader->sync().load().wanted_count, 0u);
  network.end_hanging();
}

TEST(SyncNetwork, oneInvalidRecordHidesNoOther) {
  TraderNetwork network;
  auto& bob = network.add("Bob", 1);
  Stranger peer{network};
  for (std::uint64_t i = 1; i <= 9; ++i) peer.records.push_back(signed_by(i, draft(i, Side::sell)));
  for (auto const& order : peer.records) peer.index.put(order);
  peer.records[4].price = PriceCents{1};
  network.look_up();
  network.live(1s);
  EXPECT_EQ(bob.trader->sync().index().size(), 8u);
  InventoryMessage message;
  message.endpoint = peer.at;
  for (std::uint64_t i = 11; i <= 19; ++i) message.orders.push_back(signed_by(i, draft(i, Side::sell)));
  message.orders[3].price = PriceCents{1};
  EXPECT_EQ(network.ask(bob, to_json(message)).error, "");
  EXPECT_EQ(bob.trader->sync().index().size(), 16u);
}

TEST(SyncNetwork, ofVersionsWithChangedTermsNoneIsKept) {
  TraderNetwork network;
  auto& bob = network.add("Bob", 1);
  Stranger peer{network};
  auto const first = signed_by(9, draft(1, Side::sell));
  auto later = draft(1, Side::sell);
  later.price = PriceCents{1};
  later.seq = 2;
  later = signed_by(9, later);
  network.ask(bob, exchange::to_json(first));
  peer.records = {later};
  peer.index.put(later);
  network.look_up();
  network.live(1s);
  EXPECT_TRUE(signed_orders(network, bob).empty()) << "they convict their maker";
  EXPECT_TRUE(peer.told.empty());
}

TEST(SyncNetwork, recordsThatAnAnswerLeavesOutAreAskedForAgain) {
  TraderNetwork network;
  auto& bob = network.add("Bob", 1);
  Stranger peer{network};
  for (std::uint64_t i = 1; i <= 250; ++i) peer.records.push_back(signed_by(i % 9, draft(i, Side::sell)));
  for (auto const& order : peer.records) peer.index.put(order);
  auto const answer_all = peer.on_records;
  peer.on_records = [&](GetRecordsMessage const& asked) {
    auto const count = std::min<std::size_t>(asked.positions.size(), 30);
    auto first = asked;
    first.positions.resize(count);
    auto const read = parse_records_answer(answer_all(first).result, count);
    EXPECT_TRUE(read);
    if (!read) return CallAnswer{};
    std::vector<Value> orders;
    for (auto const& order : read->list.orders) orders.push_back(to_json(order));
    return CallAnswer{records_answer_to_json(std::move(orders), asked.positions.size() - count), {}};
  };
  network.look_up();
  network.live(1s);
  EXPECT_EQ(bob.trader->sync().index().size(), 250u);
  EXPECT_GE(peer.counts["GetRecordsMessage"], 250u / 30);
  EXPECT_EQ(bob.trader->sync().load().wanted_count, 0u);
}

/// What a hostile peer gets in half an hour.
struct HostileCost {
  std::size_t calls = 0;
  Sync::Load load_max;
};
HostileCost run_hostile(Stranger& peer, TraderNetwork& network, Node& bob) {
  network.look_up();
  HostileCost out;
  for (int i = 0; i < 30; ++i) {
    auto const load = bob.trader->sync().load();
    out.load_max.wanted_count = std::max(out.load_max.wanted_count, load.wanted_count);
    out.load_max.call_count = std::max(out.load_max.call_count, load.call_count);
    network.live(1min);
  }
  for (auto const* const type : {"ReconcileMessage", "GetRecordsMessage", "InventoryMessage"}) {
    out.calls += peer.counts[type];
  }
  EXPECT_TRUE(bob.trader->is_synced());
  return out;
}

TEST(SyncNetwork, aPeerWithWrongFingerprintsIsSeldomAsked) {
  TraderNetwork network;
  auto& bob = network.add("Bob", 1);
  for (int i = 0; i < 100; ++i) publish(network, bob);
  Stranger peer{network};
  Random random{1};
  // Its set is ours, but it says that it differs.
  peer.on_reconcile = [&](ReconcileMessage const& asked) {
    auto nodes = reconcile(bob.trader->sync().index(), asked);
    for (auto& node : nodes) {
      for (auto& child : node.children) child ^= child == 0 ? 0 : 1 + random.below(100);
      if (node.kind != ReconcileNode::Kind::equal) continue;
      node.kind = ReconcileNode::Kind::children;
      node.children.assign(256, 9);
    }
    return CallAnswer{reconcile_answer_to_json(nodes, asked.length), {}};
  };
  EXPECT_LE(run_hostile(peer, network, bob).calls, 30u);
  EXPECT_EQ(bob.trader->sync().index().size(), 100u);
}

TEST(SyncNetwork, endlessRangesCostABoundedNumberOfCalls) {
  TraderNetwork network;
  auto& bob = network.add("Bob", 1);
  Stranger peer{network};
  Random random{1};
  peer.on_reconcile = [&](ReconcileMessage const& asked) {
    std::vector<ReconcileNode> nodes;
    for (auto const prefix : asked.prefixes) {
      auto& node = nodes.emplace_back();
      bool const is_deep = asked.length + asked.expand > kPositionDigits;
      node.kind = is_deep ? ReconcileNode::Kind::entries : ReconcileNode::Kind::children;
      if (is_deep) node.entries = {{prefix, 1, 1}};
      node.children.assign(is_deep ? 0 : std::size_t{1} << (4 * asked.expand), 1 + random.below(1'000));
    }
    return CallAnswer{reconcile_answer_to_json(nodes, asked.length), {}};
  };
  EXPECT_LE(run_hostile(peer, network, bob).calls, 1'000u);
}

TEST(SyncNetwork, recordsThatAreNeverDeliveredCostABoundedNumberOfCalls) {
  TraderNetwork network;
  auto& bob = network.add("Bob", 1);
  Stranger peer{network};
  for (std::uint64_t i = 1; i <= 500; ++i) {
    auto order = draft(i, Side::sell);
    order.maker = secret(9).public_key();
    peer.index.put(order);
  }
  auto const cost = run_hostile(peer, network, bob);
  EXPECT_LE(cost.calls, 100u);
  EXPECT_LE(cost.load_max.wanted_count, 500u);
}

TEST(SyncNetwork, idsThatDoNotExistFillNothing) {
  TraderNetwork network;
  Trader::Options options;
  options.sync.wanted_count_max = 4'000;
  auto& bob = network.add("Bob", 1, options);
  Stranger peer{network};
  peer.on_records = [](auto const&) { return CallAnswer{{}, "ERR_TIMEOUT"}; };
  network.look_up();
  network.hanging = {peer.at};
  Random random{1};
  for (int i = 0; i < 50; ++i) {
    InventoryMessage message;
    message.endpoint = peer.at;
    for (std::size_t k = 0; k < kInventoryIdsMax; ++k) {
      message.ids.push_back({random() >> 16, random() >> 16});
    }
    network.ask(bob, to_json(message));
    EXPECT_LE(bob.trader->sync().load().wanted_count, 3'000u) << "of one peer, a half and what is asked for";
  }
  network.live(10s);
  EXPECT_LE(bob.trader->sync().load().call_count, 10u);
  network.end_hanging();
  network.live(10s);
  EXPECT_LE(bob.trader->sync().load().wanted_count, 2'000u);
  network.live(5min);
  EXPECT_EQ(bob.trader->sync().load().wanted_count, 0u);
}

TEST(SyncNetwork, whoNamesAnothersEndpointDoesNotKeepBooksFromBecomingEqual) {
  TraderNetwork network;
  add_peers(network, 2);
  auto& alice = *network.nodes[0];
  auto& bob = *network.nodes[1];
  network.look_up();
  network.live(2s);
  Random random{1};
  std::size_t round = 0;
  for (; round < 40; ++round) {
    // A stranger tells Alice in Bob's name of orders that nobody has, and of one that Bob lacks, and asks.
    auto const order = signed_by(9, draft(1 + round, Side::sell));
    InventoryMessage message;
    message.endpoint = bob.at;
    for (int i = 0; i < 300; ++i) message.ids.push_back({random() >> 16, random() >> 16});
    network.ask(alice, to_json(message));
    message.ids = {version_of(order)};
    network.ask(alice, to_json(message));
    network.ask(alice, exchange::to_json(order));
    ReconcileMessage asked;
    asked.endpoint = bob.at;
    asked.prefixes = {0};
    asked.fingerprint = 1;
    network.ask(alice, to_json(asked));
    network.live(3s);
  }
  EXPECT_LE(round - bob.trader->sync().index().size(), 21u) << "no older than the last reconciliation";
  network.live(61s);
  expect_equal_books(network);
}

TEST(SyncNetwork, whatAPeerMakesUsRememberIsBounded) {
  RecentIds ids;
  Random random{1};
  std::vector<VersionId> last;
  for (int i = 0; i < 100'000; ++i) {
    VersionId const id{random() >> 16, random() >> 16};
    ids.insert(id);
    EXPECT_TRUE(ids.contains(id));
    last.push_back(id);
  }
  std::size_t known = 0;
  for (auto const& id : last) known += ids.contains(id) ? 1u : 0u;
  EXPECT_EQ(known, 2'048u);
  for (std::size_t i = last.size() - 100; i < last.size(); ++i) EXPECT_TRUE(ids.contains(last[i]));
}

}  // namespace
}  // namespace grenache::exchange
