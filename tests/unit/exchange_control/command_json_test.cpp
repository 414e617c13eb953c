#include "exchange/control/command_json.hpp"

#include <string>

#include <gtest/gtest.h>

#include "tests/unit/exchange_control/samples.hpp"

namespace grenache::exchange {
namespace {

constexpr std::string_view kMaker = "021111111111111111111111111111111111111111111111111111111111111111";

/// With MAKER in place of the key of the samples.
std::string text(CommandResult const& result) {
  auto out = json::to_text(to_json(result));
  if (auto const at = out.find(kMaker); at != std::string::npos) out.replace(at, kMaker.size(), "MAKER");
  return out;
}
std::string text(Event const& event) { return json::to_text(to_json(event)); }

TEST(CommandJson, moneyIsDecimalTextAndTimesAreMilliseconds) {
  auto view = samples::order(samples::kOrderId, Side::sell, "50000.5", "1.25");
  view.order.maker.reset();
  view.order.remaining = *Satoshi::parse("0.25");
  view.is_own = true;
  view.reserved = Satoshi{1};
  EXPECT_EQ(text(result::Placed{view}),
            R"({"type":"placed","order":{"id":"3f2a91bc-1b2c-4d3e-8f90-123456789abc","maker":null,)"
            R"("seq":1,"side":"sell","price":"50000.5","amount":"1.25","remaining":"0.25","status":"OPEN",)"
            R"("created":1700000000000,"expires":1700086400000,"endpoint":"10.0.0.1:3001","isOwn":true,)"
            R"("reserved":"0.00000001","matched":"0"}})");
}

TEST(CommandJson, aGroupAndAPegAreToldOfOrdersThatHaveThem) {
  auto view = samples::order(samples::kOrderId, Side::sell, "50000", "1");
  view.group = "exit";
  view.peg = "spot+1%";
  auto const told = text(result::Placed{view});
  EXPECT_NE(told.find(R"("oco":"exit","peg":"spot+1%")"), std::string::npos) << told;
  result::StatusView status;
  status.indexes = {{"spot", PriceCents{100}, 2, 2}, {"other", {}, 0, 1}};
  auto const indexes = R"("indexes":[{"name":"spot","price":"1","freshCount":2,"neededCount":2},)"
                       R"({"name":"other","price":null,"freshCount":0,"neededCount":1}])";
  EXPECT_NE(text(status).find(indexes), std::string::npos) << text(status);
}

TEST(CommandJson, whatIsMissingIsNull) {
  auto view = samples::order(samples::kOrderId, Side::buy, "1", "1");
  view.order.maker.reset();
  auto const list = to_json(CommandResult{result::OrderList{{view}, 3}});
  EXPECT_TRUE(list.find("orders")->at(0)->find("maker")->is_null());
  EXPECT_EQ(list.find_int("leftOut"), 3);
  EXPECT_EQ(text(result::PurchaseView{}),
            R"({"type":"purchase","take":"","order":"","maker":null,"side":"buy","amount":"0","price":"0",)"
            R"("state":"asking","invoice":null,"invoiceExpires":null,"preimage":null})");
}

TEST(CommandJson, writesEveryAnswer) {
  EXPECT_EQ(text(result::Failure{result::FailureCode::not_found, "no such order", "see orders"}),
            R"({"error":{"code":"notFound","text":"no such order","hint":"see orders"}})");
  EXPECT_EQ(text(result::Ladder{{{PriceCents{100}, Satoshi{kSatoshiPerBtc}, 2}}, {}, 0}),
            R"({"type":"book","bids":[{"price":"1","amount":"1","orderCount":2}],"asks":[],"hidden":0})");
  EXPECT_EQ(text(result::History{{R"({"amount":0.10})", "{"}, {"it was filled"}}),
            R"({"type":"history","rows":[{"amount":0.10},"{"],"words":["it was filled"]})")
      << "rows are the JSON of the journal";
  EXPECT_EQ(text(result::Connected{"a:1", "Bob", {}}),
            R"({"type":"connected","endpoint":"a:1","name":"Bob","peer":null})");
  EXPECT_EQ(
      text(result::PeerList{{{"a:1", "Bob", samples::peer('\x11'), true, "dht", true, false, ""}}}),
      R"({"type":"peers","peers":[{"endpoint":"a:1","name":"Bob","peer":"MAKER","isProven":true,"source":"dht",)"
      R"("isSynced":true,"isConvicted":false,"trouble":null}]})");
  EXPECT_EQ(text(result::Exported{{}, 2}), R"({"type":"events","events":[],"leftOut":2})");
  EXPECT_EQ(
      text(result::Imported{{{1, result::ImportOutcome::refused, "not JSON", {}}}, 2}),
      R"({"type":"imported","orders":[{"line":1,"outcome":"refused","reason":"not JSON"}],"leftOut":2})");
  EXPECT_EQ(text(result::Imported{{{1, result::ImportOutcome::foreign, "", samples::foreign_order()}}, 0}),
            R"({"type":"imported","orders":[{"line":1,"outcome":"foreign","reason":null,)"
            R"("event":"0000000000000000000000000000000000000000000000000000000000000000",)"
            R"("author":"0000000000000000000000000000000000000000000000000000000000000000",)"
            R"("createdAt":1700000000,"id":"3f2a91bc-1b2c-4d3e-8f90-123456789abc","side":"sell",)"
            R"("currency":"EUR","status":"pending","amount":"0.0025","fiatMin":"50","fiatMax":"150.5",)"
            R"("paymentMethods":["SEPA","cash"],"premium":"-2.5","network":null,"layer":null,)"
            R"("platform":"robosats","expires":1700000100,"order":null}],"leftOut":0})");
  result::StatusView status;
  status.id = samples::peer('\x11');
  status.order_count = 7;
  status.hidden_count = 2;
  EXPECT_EQ(
      text(status),
      R"({"type":"status","id":"MAKER","name":"","endpoint":"","peerCount":0,"orderCount":7,"ownOrderCount":0,)"
      R"("hiddenCount":2,"saleCount":0,"purchaseCount":0,"dataDir":null,"grape":"","reservations":""})");
  EXPECT_EQ(
      text(result::Execution{Side::sell, PriceCents{100}, Satoshi{2}, Satoshi{1}, {}}),
      R"({"type":"execution","side":"sell","limit":"1","wanted":"0.00000002","filled":"0.00000001","takes":[]})");
  auto const settled = to_json(CommandResult{samples::purchase(result::PurchaseState::settled)});
  EXPECT_EQ(*settled.find_string("state"), "settled");
  EXPECT_EQ(settled.find_int("invoiceExpires"), 1'700'000'900'000);
}

TEST(CommandJson, writesEveryEvent) {
  auto const order = samples::order(samples::kOrderId, Side::buy, "1", "1").order;
  EXPECT_TRUE(
      text(event::OrderChanged{order, true, false}).starts_with(R"({"type":"orderChanged","order":{"id":)"));
  EXPECT_EQ(text(event::PeerMet{"a:1", {}, "Bob"}),
            R"({"type":"peerMet","endpoint":"a:1","peer":null,"name":"Bob"})");
  EXPECT_EQ(text(event::PeerLost{"a:1", "x"}), R"({"type":"peerLost","endpoint":"a:1","reason":"x"})");
  EXPECT_EQ(text(event::BookRead{"a:1", 3, 2, 1}),
            R"({"type":"bookRead","endpoint":"a:1","orderCount":3,"newCount":2,"droppedCount":1})");
  Refusal const refusal{RefusalCode::reserved, "later", std::chrono::milliseconds{5}};
  EXPECT_EQ(text(event::TakeAnswered{"o", "t", Satoshi{1}, refusal}),
            R"({"type":"takeAnswered","order":"o","taker":"t","amount":"0.00000001",)"
            R"("refusal":{"code":"reserved","reason":"later","retryAfterMs":5}})");
  EXPECT_TRUE(to_json(Event{event::TakeAnswered{"o", "t", Satoshi{1}, {}}}).find("refusal")->is_null());
  EXPECT_EQ(text(event::SaleExpired{"o", "t", Satoshi{1}}),
            R"({"type":"saleExpired","order":"o","taker":"t","amount":"0.00000001"})");
  auto const changed =
      to_json(Event{event::PurchaseChanged{samples::purchase(result::PurchaseState::paying), "why"}});
  EXPECT_EQ(*changed.find("purchase")->find_string("state"), "paying");
  EXPECT_EQ(text(event::TradeDone{"o", "t", true, "p", Side::sell, Satoshi{1}, PriceCents{100}, UsdCents{5}}),
            R"({"type":"tradeDone","order":"o","take":"t","asMaker":true,"counterpart":"p","side":"sell",)"
            R"("amount":"0.00000001","price":"1","usd":"0.05"})");
  EXPECT_EQ(text(event::GrapeChanged{true, "x"}), R"({"type":"grapeChanged","answers":true,"text":"x"})");
  EXPECT_EQ(text(event::Warning{"x"}), R"({"type":"warning","text":"x"})");
}

}  // namespace
}  // namespace grenache::exchange
