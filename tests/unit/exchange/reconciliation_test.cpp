// What two peers send each other to make their sets equal, counted in bytes and round trips.
#include "exchange/core/network/reconciliation.hpp"

#include <algorithm>

#include <gtest/gtest.h>

#include "exchange/messages/message.hpp"
#include "tests/support/sample_orders.hpp"

namespace grenache::exchange {
namespace {

using json::Value;

constexpr std::size_t kPageSize = 100;

/// An order whose signature is not valid: the set does not look at it.
OrderRecord random_order(Random& random) {
  auto order = samples::draft(1, random.below(2) == 0 ? Side::buy : Side::sell);
  order.id = make_uuid(random);
  order.maker = PeerId::random(random);
  order.signature = Signature::random(random);
  order.price = PriceCents{5'000'000 + static_cast<std::int64_t>(random.below(1'000'000))};
  order.amount = order.remaining = Satoshi{1 + static_cast<std::int64_t>(random.below(kSatoshiPerBtc))};
  order.exchange_id = 1337;
  return order;
}

OrderRecord next_version(OrderRecord order) {
  ++order.seq;
  order.expires += std::chrono::minutes{1};
  return order;
}

/// A replica without a book.
struct Replica {
  void put(OrderRecord const& order) {
    auto& known = orders[{position_of(order.id, *order.maker), order.id}];
    bool const is_newer = known.seq == 0 || is_newer_rank(version_rank(order), version_rank(known));
    if (!is_newer) return;
    known = order;
    index.put(order);
  }

  OrderIndex index;
  std::map<std::pair<OrderPosition, std::string>, OrderRecord> orders;
};

/// What a reconciliation costs.
struct Cost {
  std::size_t bytes = 0;         // of all payloads, escaped as strings of the RPC envelope
  std::size_t record_bytes = 0;  // of the records that one of them lacked, alone
  std::size_t round_trips = 0;   // of which each needs the answers of the one before
};

class Reconciling {
 public:
  Reconciling(Replica& ours, Replica& theirs, std::uint64_t salt)
      : ours_{ours}, theirs_{theirs}, walk_{ours.index, salt, Reconciliation::Limits{}} {}

  Cost run() {
    while (!walk_.is_done()) {
      std::vector<ReconcileMessage> asked;
      while (auto message = walk_.next()) asked.push_back(*std::move(message));
      for (auto const& message : asked) ask(message);
      ++cost_.round_trips;
    }
    auto const wanted = walk_.take_wanted();
    auto const lacking = walk_.take_ours();
    for (std::size_t i = 0; i < wanted.size(); i += kPageSize) fetch(wanted, i);
    for (std::size_t i = 0; i < lacking.size(); i += kPageSize) push(lacking, i);
    if (!wanted.empty() || !lacking.empty()) ++cost_.round_trips;
    return cost_;
  }

 private:
  Value sent(Value const& value) {
    auto const text = json::to_text(value);
    cost_.bytes += json::to_text(Value{text}).size();
    auto parsed = json::parse(text, {.depth_max = 16, .value_count_max = 300'000});
    EXPECT_TRUE(parsed);
    return parsed ? *parsed : Value{};
  }
  template <class Message>
  Message request(Message message) {
    message.header = {1337, CreatorType::client, samples::kNow};
    auto const body = sent(to_json(message));
    EXPECT_LE(json::to_text(body).size(), kRequestBytesMax);
    auto const parsed = parse_request(body);
    EXPECT_TRUE(parsed) << parsed.error().message();
    return std::get<Message>(*parsed);
  }
  Value record(OrderRecord const& order) {
    auto value = to_json(order);
    cost_.record_bytes += json::to_text(value).size();
    return value;
  }

  void ask(ReconcileMessage message) {
    message.endpoint = "127.0.0.1:1337";
    auto const read = request(message);
    auto const nodes = reconcile(theirs_.index, read);
    auto const answer = sent(reconcile_answer_to_json(nodes, read.length));
    auto const parsed = parse_reconcile_answer(answer, message);
    ASSERT_TRUE(parsed);
    EXPECT_EQ(*parsed, nodes);
    walk_.on_answer(message, *parsed);
  }

  void fetch(std::vector<Reconciliation::Wanted> const& wanted, std::size_t first) {
    GetRecordsMessage message;
    for (auto i = first; i < std::min(first + kPageSize, wanted.size()); ++i) {
      message.positions.push_back(wanted[i].position);
    }
    std::vector<Value> found;
    for (auto const position : request(message).positions) {
      for (auto it = theirs_.orders.lower_bound({position, {}});
           it != theirs_.orders.end() && it->first.first == position; ++it) {
        found.push_back(record(it->second));
      }
    }
    auto const answer = sent(records_answer_to_json(std::move(found), 0));
    auto const parsed = parse_records_answer(answer, message.positions.size());
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->list.dropped, 0u);
    for (auto const& order : parsed->list.orders) ours_.put(order);
  }

  void push(std::vector<OrderKey> const& lacking, std::size_t first) {
    InventoryMessage message;
    message.endpoint = "127.0.0.1:1337";
    for (auto i = first; i < std::min(first + kPageSize, lacking.size()); ++i) {
      auto const& order = ours_.orders.at({position_of(lacking[i].id, *lacking[i].maker), lacking[i].id});
      (void)record(order);
      message.orders.push_back(order);
    }
    for (auto const& order : request(message).orders) theirs_.put(order);
    (void)sent(to_json(InventoryAnswer{}));
  }

  Replica& ours_;
  Replica& theirs_;
  Reconciliation walk_;
  Cost cost_;
};

void expect_equal(Replica const& a, Replica const& b) {
  EXPECT_EQ(a.orders, b.orders);
  EXPECT_EQ(a.index.hash(0, 0), b.index.hash(0, 0));
  a.index.check();
}

/// Two replicas with 100,000 orders each, which share all but some.
class ReconciliationOf100000Test : public testing::Test {
 protected:
  static constexpr std::size_t kOrderCount = 100'000;

  /// Each of them has `count` that the other lacks, of which some are versions.
  void differ(std::size_t count, bool by_versions) {
    for (std::size_t i = 0; i < kOrderCount - count; ++i) {
      auto const order = random_order(random);
      a.put(order);
      b.put(order);
    }
    for (std::size_t i = 0; i < count; ++i) {
      auto& first = random.below(2) == 0 ? a : b;
      auto& second = &first == &a ? b : a;
      auto const order = random_order(random);
      first.put(order);
      if (by_versions) second.put(next_version(order));
      if (!by_versions && i % 2 == 0) second.put(random_order(random));
    }
  }
  Cost reconcile_once() {
    Reconciling run{a, b, random()};
    return run.run();
  }

  Random random{7};
  Replica a;
  Replica b;
};

TEST(Tagger, aTagDependsOnEachByteOfTheHashAndOfTheSalt) {
  auto const hash = sha256("x");
  for (std::size_t i = 0; i < 32; ++i) {
    auto other = hash;
    other.array()[i] ^= 1;
    EXPECT_NE(Tagger{7}(hash), Tagger{7}(other)) << i;
  }
  for (std::uint64_t i = 0; i < 8; ++i) {
    EXPECT_NE(Tagger{7}(hash), Tagger{7 ^ std::uint64_t{1} << (8 * i)}(hash)) << i;
  }
}

TEST_F(ReconciliationOf100000Test, equalSetsCost300Bytes) {
  differ(0, false);
  auto const cost = reconcile_once();
  EXPECT_LE(cost.bytes, 300u);
  EXPECT_EQ(cost.round_trips, 1u);
  RecordProperty("bytes", static_cast<int>(cost.bytes));
}

TEST_F(ReconciliationOf100000Test, tenMissingOrdersCost16KilobytesWithTheirRecords) {
  for (std::size_t i = 0; i < kOrderCount; ++i) {
    auto const order = random_order(random);
    if (i >= 10 || i % 2 == 0) a.put(order);
    if (i >= 10 || i % 2 != 0) b.put(order);
  }
  auto const cost = reconcile_once();
  EXPECT_LE(cost.bytes, 16u * 1024);
  EXPECT_LE(cost.round_trips, 4u);
  RecordProperty("bytes", static_cast<int>(cost.bytes));
  expect_equal(a, b);
  EXPECT_EQ(reconcile_once().round_trips, 1u);
}

TEST_F(ReconciliationOf100000Test, tenNewVersionsCost16KilobytesWithTheirRecords) {
  differ(10, true);
  auto const cost = reconcile_once();
  EXPECT_LE(cost.bytes, 16u * 1024);
  EXPECT_LE(cost.round_trips, 4u);
  RecordProperty("bytes", static_cast<int>(cost.bytes));
  expect_equal(a, b);
}

TEST_F(ReconciliationOf100000Test, tenThousandDifferencesCostLittleMoreThanTheirRecords) {
  differ(10'000, false);
  auto const cost = reconcile_once();
  EXPECT_LE(static_cast<double>(cost.bytes), 1.6 * static_cast<double>(cost.record_bytes));
  EXPECT_LE(cost.round_trips, 4u);
  RecordProperty("percent", static_cast<int>(100 * cost.bytes / cost.record_bytes));
  expect_equal(a, b);
}

TEST_F(ReconciliationOf100000Test, tenThousandNewVersionsCostLittleMoreThanTheirRecords) {
  differ(10'000, true);
  auto const cost = reconcile_once();
  EXPECT_LE(static_cast<double>(cost.bytes), 1.6 * static_cast<double>(cost.record_bytes));
  EXPECT_LE(cost.round_trips, 4u);
  RecordProperty("percent", static_cast<int>(100 * cost.bytes / cost.record_bytes));
  expect_equal(a, b);
}

TEST(Reconciliation, randomSetsEndEqual) {
  Random random{3};
  for (int round = 0; round < 60; ++round) {
    Replica a;
    Replica b;
    auto const shared = random.below(2'001);
    for (std::uint64_t i = 0; i < shared; ++i) {
      auto const order = random_order(random);
      a.put(order);
      b.put(random.below(20) == 0 ? next_version(order) : order);
    }
    for (auto* const side : {&a, &b}) {
      for (auto i = random.below(3) == 0 ? 0 : random.below(2'001 - shared); i > 0; --i) {
        side->put(random_order(random));
      }
    }
    Reconciling run{a, b, random()};
    EXPECT_LE(run.run().round_trips, 4u);
    expect_equal(a, b);
    if (HasFailure()) return;
  }
}

TEST(Reconciliation, aPeerWithNothingGetsAllAndTheOtherWay) {
  Random random{4};
  for (bool const is_first : {true, false}) {
    Replica a;
    Replica b;
    for (int i = 0; i < 3'000; ++i) (is_first ? a : b).put(random_order(random));
    Reconciling run{a, b, random()};
    run.run();
    expect_equal(a, b);
    EXPECT_EQ(a.orders.size(), 3'000u);
  }
}

TEST(Reconciliation, ofOneSeqAndOtherTermsBothVersionsAreTransferred) {
  Random random{5};
  Replica a;
  Replica b;
  auto order = random_order(random);
  a.put(order);
  order.price = PriceCents{1};
  b.put(order);
  Reconciliation walk{a.index, 1, {}};
  auto const asked = walk.next();
  ASSERT_TRUE(asked);
  walk.on_answer(*asked, reconcile(b.index, *asked));
  EXPECT_TRUE(walk.is_done());
  EXPECT_EQ(walk.take_wanted().size(), 1u);
  EXPECT_EQ(walk.take_ours().size(), 1u);
}

TEST(Reconciliation, aClosedVersionIsNewerThanAnOpenOneOfAnySeq) {
  Random random{5};
  auto order = random_order(random);
  order.seq = 1'000;
  auto closed = order;
  closed.status = OrderStatus::cancelled;
  closed.seq = 2;
  EXPECT_TRUE(is_newer_rank(version_rank(closed), version_rank(order)));
  EXPECT_FALSE(is_newer_rank(version_rank(order), version_rank(closed)));
  order.seq = 0x8001;  // beyond what a rank holds
  auto before = order;
  before.seq = 0x7fff;
  EXPECT_TRUE(is_newer_rank(version_rank(order), version_rank(before)));
  EXPECT_FALSE(is_newer_rank(version_rank(before), version_rank(order)));
}

// Hostile answers

/// Answers as `lie` says, up to the end; returns the number of requests.
template <class Lie>
std::size_t questions_until_end(OrderIndex const& index, Reconciliation::Limits limits, Lie lie) {
  Reconciliation walk{index, 1, limits};
  std::size_t count = 0;
  std::size_t wanted = 0;
  std::size_t ours = 0;
  while (auto const asked = walk.next()) {
    ++count;
    std::vector<ReconcileNode> nodes;
    for (auto const prefix : asked->prefixes) nodes.push_back(lie(*asked, prefix));
    auto const read = parse_reconcile_answer(reconcile_answer_to_json(nodes, asked->length), *asked);
    EXPECT_TRUE(read);
    if (!read) break;
    walk.on_answer(*asked, *read);
    wanted += walk.take_wanted().size();
    ours += walk.take_ours().size();
  }
  EXPECT_TRUE(walk.is_done());
  EXPECT_LE(wanted, limits.wanted_count_max);
  EXPECT_LE(ours, limits.ours_count_max);
  return count;
}

TEST(Reconciliation, endlessRangesEndAtALimit) {
  Random random{6};
  OrderIndex index;
  for (int i = 0; i < 500; ++i) index.put(random_order(random));
  Reconciliation::Limits limits;
  auto const count =
      questions_until_end(index, limits, [&](ReconcileMessage const& asked, OrderPosition prefix) {
        ReconcileNode node;
        if (asked.length + asked.expand > kPositionDigits) {
          node.kind = ReconcileNode::Kind::entries;
          node.entries = {{prefix, 0, 1}};
          return node;
        }
        node.kind = ReconcileNode::Kind::children;
        node.children.resize(std::size_t{1} << (4 * asked.expand));
        for (auto& child : node.children) child = 1 + random.below(1'000);
        return node;
      });
  EXPECT_LE(count, limits.prefix_count_max / kPrefixesMax + kPositionDigits + 1);
}

TEST(Reconciliation, hugeCountsEndAtALimit) {
  OrderIndex const index;
  Random random{6};
  Reconciliation::Limits limits;
  limits.wanted_count_max = 1'000;
  questions_until_end(index, limits, [&](ReconcileMessage const& asked, OrderPosition prefix) {
    ReconcileNode node;
    if (asked.length == 0) {
      node.kind = ReconcileNode::Kind::children;
      node.children.assign(256, 5);
      return node;
    }
    node.kind = ReconcileNode::Kind::entries;
    for (std::size_t i = 0; i < kEntriesMax; ++i)
      node.entries.push_back({prefix + i, 0, 1 + random.below(9)});
    return node;
  });
}

TEST(Reconciliation, aPeerThatSaysItHasNothingMakesUsListNoMoreThanTheLimit) {
  Random random{6};
  OrderIndex index;
  for (int i = 0; i < 2'000; ++i) index.put(random_order(random));
  Reconciliation::Limits limits;
  limits.ours_count_max = 100;
  EXPECT_EQ(questions_until_end(index, limits,
                                [](auto const&, auto) {
                                  ReconcileNode node;
                                  node.kind = ReconcileNode::Kind::entries;
                                  return node;
                                }),
            1u);
}

TEST(Reconciliation, anAnswerIsBoundedWhateverIsAsked) {
  Random random{6};
  OrderIndex index;
  for (int i = 0; i < 5'000; ++i) index.put(random_order(random));
  for (std::size_t length = 0; length <= kPositionDigits; ++length) {
    ReconcileMessage asked;
    asked.length = length;
    for (std::uint64_t i = 0; i < (length < 2 ? 1 : kPrefixesMax); ++i) {
      asked.prefixes.push_back(i << (kPositionBits - 4 * std::max<std::size_t>(length, 2)));
    }
    std::size_t count = 0;
    for (auto const& node : reconcile(index, asked)) count += node.entries.size() + node.children.size();
    EXPECT_LE(count, kPrefixesMax * kEntriesMax);
  }
}

// The index

TEST(OrderIndex, itsHashIsThatOfTheSetWhateverTheOrderOfChanges) {
  Random random{8};
  for (int round = 0; round < 20; ++round) {
    std::vector<OrderRecord> orders;
    for (auto count = random.below(300); count > 0; --count) orders.push_back(random_order(random));
    OrderIndex first;
    for (auto const& order : orders) first.put(order);
    random.shuffle(orders);
    OrderIndex second;
    for (auto const& order : orders) {
      auto other = random_order(random);
      second.put(other);
      second.put(next_version(order));
      (void)second.hash(0, 0);
      second.erase(key_of(other));
      second.put(order);
    }
    second.check();
    EXPECT_EQ(first.hash(0, 0), second.hash(0, 0));
    EXPECT_EQ(first.hash(0, 0).has_value(), !orders.empty());
    if (orders.empty()) continue;
    second.put(next_version(orders[0]));
    EXPECT_NE(first.hash(0, 0), second.hash(0, 0));
  }
}

TEST(OrderIndex, ordersLeaveItWhenTheyExpire) {
  Random random{9};
  OrderIndex index;
  OrderIndex rest;
  for (int i = 0; i < 200; ++i) {
    auto order = random_order(random);
    order.expires = samples::kNow + std::chrono::minutes{i};
    index.put(order);
    auto later = next_version(order);
    later.expires = order.expires + std::chrono::minutes{i % 3};
    index.put(later);
    if (later.expires > samples::kNow + std::chrono::hours{1}) rest.put(later);
  }
  index.expire(samples::kNow + std::chrono::hours{1});
  index.check();
  EXPECT_EQ(index.size(), rest.size());
  EXPECT_EQ(index.hash(0, 0), rest.hash(0, 0));
  index.expire(samples::kNow + std::chrono::hours{24});
  EXPECT_EQ(index.size(), 0u);
  EXPECT_EQ(index.hash(0, 0), std::nullopt);
}

TEST(OrderIndex, unsignedOrdersAreNotInIt) {
  OrderIndex index;
  index.put(samples::original(1, Side::buy, 1500));
  EXPECT_EQ(index.size(), 0u);
}

TEST(OrderIndex, ordersWithOnePositionPrefixMakeThePathLongerAndNothingElse) {
  // As by a maker who computes ids whose positions begin alike.
  Random random{10};
  Replica a;
  Replica b;
  for (int i = 0; i < 100'000; ++i) {
    auto order = random_order(random);
    if (position_of(order.id, *order.maker) >> (kPositionBits - 8) != 0) continue;
    a.put(order);
  }
  ASSERT_GT(a.orders.size(), 200u);
  a.index.check();
  Reconciling run{b, a, 1};
  EXPECT_LE(run.run().round_trips, 4u);
  expect_equal(a, b);
}

}  // namespace
}  // namespace grenache::exchange
