#include "exchange/console/tables.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "exchange/console/text_table.hpp"
#include "tests/unit/exchange_control/samples.hpp"

namespace grenache::exchange {
namespace {

using namespace std::string_literals;

TextStyle const kStyle{.now = samples::kNow};

std::string text(CommandResult const& result) { return to_table(result, kStyle); }
std::string text(Event const& event) { return to_table(event, kStyle); }

std::vector<std::string> lines_of(std::string const& text) {
  std::vector<std::string> out;
  std::size_t begin = 0;
  for (auto end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
    out.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  EXPECT_EQ(begin, text.size()) << "ends with a newline";
  return out;
}

void expect_fits(std::string const& text) {
  for (auto const& line : lines_of(text)) EXPECT_LE(display_width(line), 80u) << line;
}

TEST(Tables, ordersStandInColumnsWithTheirPointsBelowEachOther) {
  auto ours = samples::order("aaaaaaaa-1b2c-4d3e-8f90-123456789abc", Side::buy, "49999.5", "12");
  ours.is_own = true;
  auto other = samples::order(samples::kOrderId, Side::sell, "50000", "0.25");
  auto old = samples::order("bbbbbbbb-0000-4d3e-8f90-123456789abc", Side::sell, "1", "1.5");
  old.order.maker.reset();
  old.order.status = OrderStatus::cancelled;
  EXPECT_EQ(text(result::OrderList{{ours, other, old}, 2}),
            "id        side    BTC      USD  status     ends in  maker\n"
            "aaaaaaaa  buy   12     49999.5  OPEN         1d 0h  ours\n"
            "3f2a91bc  sell   0.25  50000    OPEN         1d 0h  02111111\n"
            "bbbbbbbb  sell   1.5       1    CANCELLED    1d 0h  unsigned\n"
            "2 more are not shown.\n");
  EXPECT_EQ(text(result::OrderList{}), "No orders.\n");
}

TEST(Tables, idsThatBeginAlikeAreShownAsFarAsTheyDiffer) {
  auto const one = samples::order("aaaaaaaa-1b2c-4d3e-8f90-123456789abc", Side::buy, "1", "1");
  auto const two = samples::order("aaaaaaaa-1b2d-4d3e-8f90-123456789abc", Side::buy, "1", "1");
  auto const lines = lines_of(text(result::OrderList{{one, two}, 0}));
  EXPECT_TRUE(lines[1].starts_with("aaaaaaaa-1b2c  buy")) << lines[1];
  EXPECT_TRUE(lines[2].starts_with("aaaaaaaa-1b2d  buy")) << lines[2];
}

TEST(Tables, matchesShowTheTradableAmount) {
  auto view = samples::order(samples::kOrderId, Side::sell, "50000", "2");
  view.matched = *Satoshi::parse("0.5");
  auto const lines = lines_of(text(result::OrderList{{view}, 0}));
  EXPECT_NE(lines[0].find("matched"), std::string::npos);
  EXPECT_NE(lines[1].find("0.5"), std::string::npos);
}

TEST(Tables, ownOrdersShowTheirGroupAndTheirPeg) {
  auto grouped = samples::order(samples::kOrderId, Side::sell, "50000", "2");
  grouped.is_own = true;
  grouped.group = "exit";
  auto pegged = samples::order("aaaaaaaa-1b2c-4d3e-8f90-123456789abc", Side::buy, "49000", "1");
  pegged.is_own = true;
  pegged.peg = "spot-2%";
  EXPECT_EQ(text(result::OrderList{{grouped, pegged}, 0}),
            "id        side  BTC    USD  oco   peg      status  ends in  maker\n"
            "3f2a91bc  sell    2  50000  exit           OPEN      1d 0h  ours\n"
            "aaaaaaaa  buy     1  49000        spot-2%  OPEN      1d 0h  ours\n");
  EXPECT_NE(text(result::Placed{grouped}).find("oco           exit: one cancels the other\n"),
            std::string::npos);
  EXPECT_NE(text(result::Placed{pegged}).find("peg           spot-2%\n"), std::string::npos);
}

TEST(Tables, theBookIsALadderWithTheBestPricesInTheMiddle) {
  auto const level = [](std::string const& price, std::string const& amount, std::size_t count) {
    return result::Level{*PriceCents::parse(price), *Satoshi::parse(amount), count};
  };
  EXPECT_EQ(text(result::Ladder{{level("49990", "0.5", 1), level("49980.25", "2", 3)},
                                {level("50010", "1.25", 1), level("50020", "10", 12)}}),
            "side       USD    BTC  total  orders\n"
            "sell  50020     10     11.25      12\n"
            "sell  50010      1.25   1.25       1\n"
            "----  spread 20\n"
            "buy   49990      0.5    0.5        1\n"
            "buy   49980.25   2      2.5        3\n");
  EXPECT_EQ(text(result::Ladder{}), "The book is empty.\n");
  EXPECT_EQ(text(result::Ladder{{}, {}, 2}),
            "The book is empty.\n"
            "2 orders are hidden: nothing was heard of their makers for 15 minutes.\n");
  EXPECT_EQ(text(result::OrderList{{}, 0, 1}),
            "No orders.\n"
            "1 order is hidden: nothing was heard of its maker for 15 minutes.\n");
}

TEST(Tables, aTakeShowsItsInvoiceWhole) {
  auto const view = samples::purchase(result::PurchaseState::invoiced);
  EXPECT_EQ(text(view),
            "take          7c01d2e4-1b2c-4d3e-8f90-123456789abc\n"
            "order         3f2a91bc-1b2c-4d3e-8f90-123456789abc\n"
            "maker         021111111111111111111111111111111111111111111111111111111111111111\n"
            "terms         buy 0.5 BTC at 50000 USD, 25000 USD in all\n"
            "state         invoiced; pay within 15m 0s: pay 7c01d2e4\n" +
                view.invoice + "\n");
  auto const settled = text(samples::purchase(result::PurchaseState::settled));
  EXPECT_NE(settled.find("preimage      " + std::string(64, 'f') + "\n"), std::string::npos);
  EXPECT_EQ(settled.find("lnbcrt"), std::string::npos);
}

TEST(Tables, anExecutionTellsWhatIsPaidApartFromWhatWasCancelled) {
  result::Execution done{
      Side::buy, *PriceCents::parse("50000"), *Satoshi::parse("1"), *Satoshi::parse("0.5"), {}};
  done.takes.push_back(samples::purchase(result::PurchaseState::settled));
  EXPECT_EQ(text(done),
            "bought 0.5 of 1 BTC for 25000 USD, at 50000 or better; the rest was cancelled\n"
            "take      BTC    USD  state\n"
            "7c01d2e4  0.5  50000  settled\n");
  done.takes.push_back(samples::purchase(result::PurchaseState::paying));
  EXPECT_EQ(lines_of(text(done))[0],
            "bought 0.5 of 1 BTC for 25000 USD, at 50000 or better; 0.5 BTC are paid and not confirmed yet");
}

TEST(Tables, aTakeOfTheOriginalDoesNotAskToPay) {
  auto view = samples::purchase(result::PurchaseState::invoiced);
  view.maker.reset();
  EXPECT_NE(
      text(view).find("\nstate         invoiced, ends in 15m 0s; a peer of the original program does not\n"
                      "              confirm a payment\n"),
      std::string::npos)
      << text(view);
}

TEST(Tables, aPlacedOrderShowsItsWholeId) {
  auto view = samples::order(samples::kOrderId, Side::sell, "50000", "1");
  view.order.remaining = *Satoshi::parse("0.75");
  view.reserved = *Satoshi::parse("0.25");
  EXPECT_EQ(text(result::Placed{view}),
            "order         3f2a91bc-1b2c-4d3e-8f90-123456789abc\n"
            "terms         sell 1 BTC at 50000 USD\n"
            "remaining     0.75 BTC\n"
            "reserved      0.25 BTC\n"
            "status        OPEN\n"
            "ends          2023-11-15 22:13:20 UTC, in 1d 0h\n");
}

TEST(Tables, tradesAreTheRowsOfTheJournal) {
  std::string const take =
      R"({"take":"7c01d2e4-1b2c-4d3e-8f90-123456789abc","side":"buy","amount":"0.5",)"
      R"("price":"50000","usd":"25000","role":"taker","x":{},"note":"é","at":1700000000000})";
  std::string const sale =
      R"({"side":"sell","amount":"10.25","price":"50000.5","usd":"512505.12","role":"maker",)"
      R"("at":1700000001000})";
  EXPECT_EQ(text(result::History{{take, sale}, {}}),
            "at                   side  amount    price        usd  role   take      note\n"
            "2023-11-14 22:13:20  buy     0.5   50000     25000     taker  7c01d2e4  é\n"
            "2023-11-14 22:13:21  sell   10.25  50000.5  512505.12  maker\n");
  EXPECT_EQ(text(result::History{{}, {"it was filled", "by 02111111"}}), "it was filled\nby 02111111\n");
  EXPECT_EQ(text(result::History{}), "Nothing is recorded.\n");
  EXPECT_EQ(text(result::History{{"\x1b[2J"}, {}}), "?[2J\n");
}

TEST(Tables, peersShowWhyTheyAreAway) {
  EXPECT_EQ(
      text(result::PeerList{{{"10.0.0.1:3001", "Bob", samples::peer('\x11'), true, "dht", true, false, ""},
                             {"10.0.0.2:3002", "", {}, false, "connect", false, false, "connection refused"},
                             {"10.0.0.3:3003", "", samples::peer('\x11'), false, "dht", true, false, ""}}}),
      "endpoint       peer       known by  book  name\n"
      "10.0.0.1:3001  02111111   dht       read  Bob\n"
      "10.0.0.2:3002  original   connect   away\n"
      "10.0.0.3:3003  02111111?  dht       read\n"
      "10.0.0.2:3002: connection refused\n");
  EXPECT_EQ(text(result::Connected{"10.0.0.1:3001", "Bob", samples::peer('\x11')}),
            "Connected to peer 02111111 (Bob) at 10.0.0.1:3001.\n");
}

TEST(Tables, exportedEventsAreLinesOfJsonForOtherPrograms) {
  NostrEvent const event{};
  auto const line = json::to_text(to_json(event)) + "\n";
  EXPECT_EQ(text(result::Exported{{event, event}, 0}), line + line);
  EXPECT_EQ(text(result::Exported{}), "");
}

TEST(Tables, importedOrdersShowWhatBecameOfThem) {
  auto fixed = samples::foreign_order();
  fixed.fiat_min = fixed.fiat_max = "60000";
  fixed.currency = "USD";
  fixed.premium = "0";
  fixed.platform = "grenache";
  auto market = samples::foreign_order();
  market.amount.reset();
  market.side = Side::buy;
  market.status = Nip69Status::in_progress;
  EXPECT_EQ(text(result::Imported{{{1, result::ImportOutcome::added, "", fixed},
                                   {2, result::ImportOutcome::foreign, "", market},
                                   {4, result::ImportOutcome::refused, "not JSON", {}}},
                                  3}),
            "outcome  id        side     BTC  for                      status       platform\n"
            "added    3f2a91bc  sell  0.0025  60000 USD                pending      grenache\n"
            "foreign  3f2a91bc  buy           50 to 150.5 EUR, -2.5 %  in-progress  robosats\n"
            "line 4: refused: not JSON\n"
            "3 more were not read.\n");
  EXPECT_EQ(text(result::Imported{}), "No events.\n");
}

TEST(Tables, aFailureIsItsTextAndThenItsHint) {
  EXPECT_EQ(text(result::Failure{result::FailureCode::refused, "the order is reserved", "try again in 5m"}),
            "the order is reserved\ntry again in 5m\n");
  EXPECT_EQ(text(result::Failure{result::FailureCode::refused, "no", ""}), "no\n");
}

TEST(Tables, eventsAreSentencesWithTheTime) {
  auto const order = samples::order(samples::kOrderId, Side::sell, "50000", "1").order;
  EXPECT_EQ(text(event::OrderChanged{order, true, true}),
            "22:13:20 our order 3f2a91bc: sell 1 BTC at 50000 USD, new\n");
  EXPECT_EQ(text(event::PeerMet{"a:1", samples::peer('\x11'), "Bob"}),
            "22:13:20 peer 02111111 (Bob) answers at a:1\n");
  EXPECT_EQ(text(event::TakeAnswered{samples::kOrderId, "02abcdef99", Satoshi{50'000'000}, {}}),
            "22:13:20 take of 0.5 BTC of order 3f2a91bc by 02abcdef: reserved, invoice sent\n");
  EXPECT_EQ(text(event::TradeDone{samples::kOrderId, samples::kTakeId, true, "02abcdef99", Side::sell,
                                  Satoshi{50'000'000}, PriceCents{5'000'000}, UsdCents{2'500'000}}),
            "22:13:20 trade: sold 0.5 BTC at 50000 USD, 25000 USD in all, with 02abcdef\n");
  EXPECT_EQ(
      text(event::PurchaseChanged{samples::purchase(result::PurchaseState::failed), "the order is gone"}),
      "22:13:20 take 7c01d2e4 of order 3f2a91bc: failed, the order is gone\n");
}

TEST(Tables, longSentencesAreWrapped) {
  std::string words;
  for (int i = 0; i < 30; ++i) words += "words and ";
  expect_fits(text(event::Warning{words}));
  EXPECT_GT(lines_of(text(event::Warning{words})).size(), 2u);
  expect_fits(text(event::Warning{std::string(500, 'x')}));
  expect_fits(text(result::Failure{result::FailureCode::refused, words + std::string(200, 'y'), words}));
}

TEST(Tables, theLargestValuesFitIntoEightyColumns) {
  auto view = samples::order(samples::kOrderId, Side::sell, "1000000000", "21000000");
  view.order.price = PriceCents{PriceCents::kMax - 1};
  view.order.amount = view.order.remaining = view.matched = view.reserved = Satoshi{Satoshi::kMax - 1};
  view.order.status = OrderStatus::cancelled;
  view.order.expires = WallTime::max();
  auto twin = view;
  twin.order.id = "3f2a91bc-1b2c-4d3e-8f90-123456789abd";
  expect_fits(text(result::OrderList{{view, twin}, 0}));
  view.matched = view.reserved = Satoshi{};
  expect_fits(text(result::OrderList{{view}, 0}));
  EXPECT_NE(text(result::OrderList{{view}, 0}).find("02111111"), std::string::npos) << "the maker still fits";
  twin.order.id = std::string(128, 'z');
  expect_fits(text(result::OrderList{{twin}, 0}));
  result::Level const level{PriceCents{PriceCents::kMax - 1}, Satoshi{Satoshi::kMax - 1}, 1'000'000};
  expect_fits(text(result::Ladder{{level, level}, {level}}));
  expect_fits(
      text(result::PeerList{{{std::string(253, 'h') + ":65535", std::string(64, 'n'), samples::peer('\x11'),
                              true, "connect", false, false, std::string(300, 'w')}}}));
  expect_fits(text(result::PeerList{
      {{"a:1", "王王王王王王王王王王王王王王王王王王王王王", {}, false, "peers", false, false, ""}}}));
  expect_fits(text(result::Connected{std::string(253, 'h') + ":65535", std::string(64, 'n'), {}}));
  result::StatusView status;
  status.data_dir = "/" + std::string(200, 'd');
  auto imported = samples::foreign_order();
  imported.id = imported.platform = std::string(128, 'z');
  imported.amount = Satoshi{Satoshi::kMax - 1};
  imported.fiat_min = imported.fiat_max = imported.premium = std::string(32, '1');
  expect_fits(
      text(result::Imported{{{1, result::ImportOutcome::refused, std::string(200, 'w'), imported}}, 0}));
  expect_fits(text(status));
  expect_fits(text(event::BookRead{std::string(253, 'h') + ":65535", 1'000'000, 1'000'000, 1'000'000}));
  std::string row = "{";
  for (int i = 0; i < 20; ++i) row += "\"member" + std::to_string(i) + "\":\"" + std::string(30, 'v') + "\",";
  expect_fits(text(result::History{{row + "\"last\":1}"}, {}}));
}

TEST(Tables, textOfStrangersCannotControlTheTerminal) {
  std::string const evil = "\x1b[2J\xc2\x9b"s + "31m\xe2\x80\xae\n\r\x7f";
  auto view = samples::order(evil, Side::sell, "1", "1");
  view.order.endpoint = evil;
  auto foreign = samples::foreign_order();
  foreign.id = foreign.platform = evil;
  std::vector<std::string> const texts{
      text(result::OrderList{{view}, 0}),
      text(result::Placed{view}),
      text(result::Connected{evil, evil, {}}),
      text(result::PeerList{{{evil, evil, {}, false, evil, false, false, evil}}}),
      text(result::Imported{{{1, result::ImportOutcome::foreign, evil, foreign}}, 0}),
      text(result::History{{evil}, {evil}}),
      text(result::History{{"{\"\\u001b[2J\":\"\\u001b[2J\\u202e\"}"}, {}}),
      text(result::Failure{result::FailureCode::refused, evil, evil}),
      text(event::PeerMet{evil, {}, evil}),
      text(event::PeerLost{evil, evil}),
      text(event::GrapeChanged{false, evil}),
      text(event::Warning{evil}),
      text(event::TakeAnswered{evil, evil, {}, Refusal{RefusalCode::limit, evil, {}}}),
      text(event::BookRead{evil, 1, 1, 1}),
      text(event::SaleExpired{evil, evil, {}}),
      text(event::TradeDone{evil, evil, true, evil, Side::buy, {}, {}, {}})};
  for (auto const& each : texts) {
    for (char const c : each) EXPECT_TRUE(c == '\n' || static_cast<unsigned char>(c) >= ' ') << each;
    EXPECT_EQ(each.find("\xc2\x9b"), std::string::npos) << each;
    EXPECT_EQ(each.find("\xe2\x80\xae"), std::string::npos) << each;
    EXPECT_EQ(each.find('\x7f'), std::string::npos) << each;
  }
}

TEST(Tables, coloursComeOnlyIfAskedFor) {
  auto const view = samples::order(samples::kOrderId, Side::sell, "1", "1");
  EXPECT_EQ(text(result::OrderList{{view}, 0}).find('\x1b'), std::string::npos);
  auto const coloured =
      to_table(CommandResult{result::OrderList{{view}, 0}}, {.colour = true, .now = samples::kNow});
  EXPECT_NE(coloured.find("\x1b[31msell\x1b[0m"), std::string::npos);
}

TEST(Tables, timesAreShownWithTheirTwoGreatestUnits) {
  auto const left = [](auto time) { return time_left_text(samples::kNow, samples::kNow + time); };
  EXPECT_EQ(left(std::chrono::seconds{59}), "59s");
  EXPECT_EQ(left(std::chrono::seconds{61}), "1m 1s");
  EXPECT_EQ(left(std::chrono::minutes{125}), "2h 5m");
  EXPECT_EQ(left(std::chrono::hours{7 * 24 - 1}), "6d 23h");
  EXPECT_EQ(left(std::chrono::milliseconds{-1}), "over");
  EXPECT_EQ(time_left_text(WallTime::min(), WallTime::max()), "years");
  EXPECT_EQ(time_text(WallTime::max()), "-");
  EXPECT_EQ(time_text(WallTime::min()), "-");
  EXPECT_EQ(time_text(from_unix_ms(1'700'000'000'123)), "2023-11-14 22:13:20");
}

TEST(TextTable, cutsBeforeItLeavesOutColumns) {
  TextTable table{{{"a", Align::left, 0, true}, {"b", Align::left, 1}, {"c", Align::left, 2}}};
  table.add({std::string(40, 'x'), "bb", "cc"});
  EXPECT_EQ(table.text(30, false), "a                       b   c\n" + std::string(21, 'x') + "…  bb  cc\n");
  EXPECT_EQ(table.text(16, false), "a             b\n" + std::string(11, 'x') + "…  bb\n");
}

TEST(TextTable, wideCharactersCountAsTwoColumns) {
  EXPECT_EQ(display_width("aé王"), 4u);
  EXPECT_EQ(cut_to_width("王王王", 5), "王王…");
  EXPECT_EQ(cut_to_width("王王王", 6), "王王王");
}

}  // namespace
}  // namespace grenache::exchange
