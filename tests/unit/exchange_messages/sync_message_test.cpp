#include "exchange/messages/sync_message.hpp"

#include <gtest/gtest.h>

#include "tests/unit/exchange_messages/sample_messages.hpp"
#include <grenache/base/base64.hpp>

namespace grenache::exchange {
namespace {

using namespace samples;

MessageHeader const kHeader{1, CreatorType::client, from_unix_ms(5)};

template <class Message>
Message sent(Message const& message) {
  auto const read = parse_as<Message>(parsed(json::to_text(to_json(message))));
  EXPECT_TRUE(read) << read.error().message();
  return read ? *read : Message{};
}

ReconcileMessage about_all() {
  ReconcileMessage out;
  out.header = kHeader;
  out.endpoint = "10.0.0.1:1337";
  out.salt = 0x0102030405060708;
  out.prefixes = {0};
  out.expand = 2;
  out.fingerprint = 0xfedcba987654;
  return out;
}

ReconcileMessage about_parts() {
  ReconcileMessage out;
  out.header = kHeader;
  out.salt = ~std::uint64_t{0};
  out.length = 3;
  out.prefixes = {0x000000000000, 0xabc000000000, 0xfff000000000};
  return out;
}

TEST(SyncMessage, asksAboutAllAndAboutParts) {
  auto const all = sent(about_all());
  EXPECT_EQ(all.endpoint, "10.0.0.1:1337");
  EXPECT_EQ(all.salt, about_all().salt);
  EXPECT_EQ(all.length, 0u);
  EXPECT_EQ(all.prefixes, std::vector<OrderPosition>{0});
  EXPECT_EQ(all.fingerprint, about_all().fingerprint);
  auto const parts = sent(about_parts());
  EXPECT_EQ(parts.salt, about_parts().salt);
  EXPECT_EQ(parts.length, 3u);
  EXPECT_EQ(parts.prefixes, about_parts().prefixes);
  EXPECT_FALSE(parts.fingerprint);
}

TEST(SyncMessage, questionsThatAreTooLargeOrMalformedAreRefused) {
  auto const range = MessageErrc::bad_range;
  expect_refused(to_json(about_all()), {{"salt", "01", range},
                                        {"salt", 1, range},
                                        {"fingerprint", "AAAA", range},
                                        {"fingerprint", nullptr, range},
                                        {"expand", 3, range},
                                        {"expand", 0, range},
                                        {"endpoint", "here", MessageErrc::bad_endpoint}});
  std::string too_many;
  for (int i = 0; i < 257; ++i) too_many += to_hex(std::string{"\x01"} + static_cast<char>(i)).substr(1);
  expect_refused(to_json(about_parts()), {{"length", 0, range},
                                          {"length", 13, range},
                                          {"prefixes", "", range},
                                          {"prefixes", "00", range},
                                          {"prefixes", "abcab0", range},
                                          {"prefixes", "abcabc", range},
                                          {"prefixes", "xyz", range},
                                          {"prefixes", too_many, range},
                                          {"expand", nullptr, range}});
  auto wide = about_parts();
  wide.expand = 2;
  wide.prefixes.clear();
  for (OrderPosition i = 0; i < 17; ++i) wide.prefixes.push_back(i << 36);
  EXPECT_EQ(parse_request(to_json(wide)).error(), range) << "more children than an answer may have";
}

TEST(SyncMessage, answersHoldWhatIsUnderEachPrefix) {
  std::vector<ReconcileNode> nodes(3);
  nodes[0].kind = ReconcileNode::Kind::entries;
  nodes[1].kind = ReconcileNode::Kind::entries;
  nodes[1].entries = {{0xabc000000000, 7, 9}, {0xabc123456789, 0x8003, 0xffffffffffff}};
  nodes[2].kind = ReconcileNode::Kind::children;
  for (ShortTag i = 0; i < 16; ++i) nodes[2].children.push_back(i * 1'000'000'007);
  auto const body = parsed(json::to_text(reconcile_answer_to_json(nodes, 3)));
  auto const read = parse_reconcile_answer(body, about_parts());
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, nodes);

  std::vector<ReconcileNode> const equal(1);
  auto const all = parse_reconcile_answer(reconcile_answer_to_json(equal, 0), about_all());
  ASSERT_TRUE(all);
  EXPECT_EQ(*all, equal);
}

TEST(SyncMessage, answersThatDoNotFitTheQuestionAreRefused) {
  auto const refused = [](std::vector<ReconcileNode> const& nodes) {
    EXPECT_EQ(parse_reconcile_answer(reconcile_answer_to_json(nodes, 3), about_parts()).error(),
              MessageErrc::bad_answer);
  };
  ReconcileNode none;
  none.kind = ReconcileNode::Kind::entries;
  refused({none, none});
  refused({none, none, none, none});
  refused({none, ReconcileNode{}, none});  // equal, though no fingerprint was sent
  auto wide = none;
  wide.kind = ReconcileNode::Kind::children;
  wide.children.resize(17);
  refused({wide, none, none});
  auto unordered = none;
  unordered.entries = {{0xabc000000001, 0, 1}, {0xabc000000000, 0, 1}};
  refused({none, unordered, none});
  auto elsewhere = none;
  elsewhere.entries = {{0x00f000000000, 0, 1}};
  refused({none, elsewhere, none});
  auto many = none;
  for (OrderPosition i = 0; i <= kEntriesMax; ++i) many.entries.push_back({i, 0, 1});
  refused({many, none, none});
  for (auto const* const nodes : {"", "!", "AQ==", "AAAA", "AQEB"}) {
    auto const body = Value::object({{"type", "ReconcileAnswer"}, {"nodes", nodes}});
    EXPECT_FALSE(parse_reconcile_answer(body, about_parts())) << nodes;
  }
  EXPECT_FALSE(parse_reconcile_answer("ok", about_parts()));
}

TEST(SyncMessage, anInventoryNamesVersionsAndHoldsOrders) {
  InventoryMessage message;
  message.header = kHeader;
  message.endpoint = "10.0.0.1:1337";
  message.ids = {{1, 2}, version_of(signed_order())};
  message.orders = {signed_order()};
  auto const read = sent(message);
  EXPECT_EQ(read.endpoint, message.endpoint);
  EXPECT_EQ(read.ids, message.ids);
  EXPECT_EQ(read.orders, message.orders);
  EXPECT_EQ(read.dropped, 0u);
  EXPECT_TRUE(sent(InventoryMessage{}).ids.empty());
}

TEST(SyncMessage, oneMalformedOrderOfAnInventoryHidesNoOther) {
  InventoryMessage message;
  message.orders = {signed_order()};
  auto body = to_json(message);
  auto orders = *body.find("orders")->as_array();
  orders.insert(orders.begin(), {Value{7}, Value::object({{"type", "PingPongMessage"}})});
  body.set("orders", Value{orders});
  auto const read = parse_as<InventoryMessage>(body);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->orders, message.orders);
  EXPECT_EQ(read->dropped, 2u);
  orders.assign(kInventoryOrdersMax + 5, orders.back());
  body.set("orders", Value{orders});
  auto const many = parse_as<InventoryMessage>(body);
  ASSERT_TRUE(many);
  EXPECT_EQ(many->orders.size(), kInventoryOrdersMax);
  EXPECT_EQ(many->dropped, 5u);
}

TEST(SyncMessage, idsAreBounded) {
  InventoryMessage message;
  message.ids.resize(kInventoryIdsMax);
  auto body = to_json(message);
  EXPECT_TRUE(parse_request(body));
  EXPECT_LE(json::to_text(body).size(), kRequestBytesMax);
  message.ids.emplace_back();
  expect_refused(body, {{"ids", *to_json(message).find("ids"), MessageErrc::bad_range},
                        {"ids", to_base64("elf bytes.."), MessageErrc::bad_range},
                        {"orders", "all", MessageErrc::bad_range}});
  GetRecordsMessage records;
  records.positions.assign(kRecordsMax, 0xabcdef012345);
  auto const asked = to_json(records);
  EXPECT_EQ(sent(records).positions, records.positions);
  records.positions.push_back(1);
  expect_refused(asked, {{"positions", *to_json(records).find("positions"), MessageErrc::bad_range},
                         {"positions", "", MessageErrc::bad_range},
                         {"positions", "AAAA", MessageErrc::bad_range}});
}

TEST(SyncMessage, theAnswerToAnInventorySaysWhatWasUnknown) {
  InventoryAnswer answer;
  for (int i = 0; i < 11; ++i) answer.unknown.push_back(i % 3 == 0);
  answer.refused = 4;
  auto const read = parse_inventory_answer(to_json(answer), 11);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->unknown, answer.unknown);
  EXPECT_EQ(read->refused, 4u);
  EXPECT_FALSE(parse_inventory_answer(to_json(answer), 17));
  EXPECT_FALSE(parse_inventory_answer(to_json(InventoryAnswer{}), 1));
  EXPECT_TRUE(parse_inventory_answer(to_json(InventoryAnswer{}), 0));
  EXPECT_FALSE(parse_inventory_answer("ok", 0));
}

TEST(SyncMessage, theAnswerWithRecordsSaysWhatIsLeft) {
  auto const body = records_answer_to_json({to_json(signed_order()), Value{7}}, 3);
  auto const read = parse_records_answer(parsed(json::to_text(body)), 5);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->list.orders, std::vector{signed_order()});
  EXPECT_EQ(read->list.dropped, 1u);
  EXPECT_EQ(read->left, 3u);
  EXPECT_FALSE(parse_records_answer(body, 3)) << "nothing was looked up";
  EXPECT_FALSE(parse_records_answer(Value::array(), 3));
}

TEST(SyncMessage, aVersionIsNamedByItsOrderAndItsDigest) {
  auto order = signed_order();
  auto const id = version_of(order);
  EXPECT_EQ(id.position, position_of(order.id, *order.maker));
  EXPECT_LT(id.position, OrderPosition{1} << kPositionBits);
  ++order.seq;
  EXPECT_EQ(version_of(order).position, id.position);
  EXPECT_NE(version_of(order).version, id.version);
  sign_order(order, key_of(2));
  EXPECT_NE(version_of(order).position, id.position);
}

}  // namespace
}  // namespace grenache::exchange
