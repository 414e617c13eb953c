#include "exchange/control/command_table.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace grenache::exchange {

/// For messages of failed tests.
void PrintTo(result::Failure const& failure, std::ostream* out) { *out << failure.text; }

namespace {

using namespace command;
using namespace std::string_literals;

OrFailure<ParsedCommand> parse_line(std::string_view line) {
  auto const request = read_line(line);
  if (!request) return request.error();
  return parse(*request);
}

OrFailure<ParsedCommand> parse_json(std::string_view text) {
  auto const request = read_request(*json::parse(text));
  if (!request) return request.error();
  return parse(*request);
}

/// The command of type T that `parsed` holds; a failed test and a default if it holds another.
template <class T>
T expect(OrFailure<ParsedCommand> const& parsed) {
  if (!parsed) {
    ADD_FAILURE() << parsed.error().text;
    return {};
  }
  auto const* const command = std::get_if<exchange::Command>(&*parsed);
  auto const* const out = command ? std::get_if<T>(command) : nullptr;
  if (!out) ADD_FAILURE() << "another command";
  return out ? *out : T{};
}

/// The text of the failure; empty if there is none.
std::string refusal(OrFailure<ParsedCommand> const& parsed) { return parsed ? "" : parsed.error().text; }

constexpr char const* kId = "3f2a91bc-1b2c-4d3e-8f90-123456789abc";

// The page of seed 002, with its words.

TEST(CommandTable, readsTheCommandsOfTheOrderBookPage) {
  auto const add = expect<AddOrder>(parse_line(R"(addOrder '{
    "buy": "BTC",
    "sell": "USD",
    "price": 50000,
    "amount": 1
}')"));
  EXPECT_EQ(add.side, Side::buy);
  EXPECT_EQ(add.price, PriceCents{5'000'000});
  EXPECT_EQ(add.amount, Satoshi{kSatoshiPerBtc});
  EXPECT_EQ(add.time_in_force, TimeInForce::good_till_cancelled);
  EXPECT_FALSE(expect<ListOrders>(parse_line("orders")).own_only);
  EXPECT_EQ(expect<Connect>(parse_line("connect 127.0.0.1:3002")).endpoint, "127.0.0.1:3002");
  auto const take = expect<AcceptOrder>(parse_line("acceptOrder '{\"id\": \""s + kId + "\"}'"));
  EXPECT_EQ(take.id, kId);
  EXPECT_EQ(take.amount, std::nullopt);
}

TEST(CommandTable, readsWordsOfAShell) {
  std::vector<std::string> const words{"addOrder",
                                       R"({"buy":"USD","sell":"BTC","price":"50000.5","amount":0.1})"};
  auto const request = read_words(words);
  ASSERT_TRUE(request);
  auto const add = expect<AddOrder>(parse(*request));
  EXPECT_EQ(add.side, Side::sell);
  EXPECT_EQ(add.price, PriceCents{5'000'050});
  EXPECT_EQ(add.amount, Satoshi{10'000'000});
}

TEST(CommandTable, everyExampleIsAccepted) {
  for (auto const& command : command_table()) {
    auto const parsed = parse_line(command.example);
    EXPECT_TRUE(parsed) << command.example << ": " << refusal(parsed);
    EXPECT_FALSE(command.help.empty());
  }
}

TEST(CommandTable, findsCommandsByNameAliasAndInEitherCase) {
  EXPECT_EQ(find_command("addorder")->name, "addOrder");
  EXPECT_EQ(find_command("ACCEPT")->name, "acceptOrder");
  EXPECT_EQ(find_command("buy")->name, "sell");
  EXPECT_EQ(find_command("nonsense"), nullptr);
  EXPECT_EQ(find_command(""), nullptr);
}

TEST(CommandTable, readsArgumentsByPositionByNameAndAsFlags) {
  auto const take =
      expect<AcceptOrder>(parse_line("acceptOrder 3f2a91bc 0.5 price=50000 seq=3 forOrder=aaaa pay orNext"));
  EXPECT_EQ(take.id, "3f2a91bc");
  EXPECT_EQ(take.amount, Satoshi{50'000'000});
  EXPECT_EQ(take.price, PriceCents{5'000'000});
  EXPECT_EQ(take.seq, 3);
  EXPECT_EQ(take.for_order, "aaaa");
  EXPECT_TRUE(take.pay);
  EXPECT_TRUE(take.or_next);
  EXPECT_TRUE(expect<AcceptOrder>(parse_line("acceptOrder pay=true id=3f2a")).pay);
  auto const reduce = expect<ReduceOrder>(parse_line("reduce 3f2a 0.25"));
  EXPECT_EQ(reduce.by, Satoshi{25'000'000});
  EXPECT_TRUE(expect<ListOrders>(parse_line("orders own")).own_only);
  EXPECT_EQ(expect<ShowBook>(parse_line("book 5")).level_count_max, 5u);
  EXPECT_EQ(expect<ListTrades>(parse_line("trades")).count_max, 100u);
  EXPECT_EQ(expect<Pay>(parse_line("pay lnbcrt1abc")).invoice, "lnbcrt1abc");
  EXPECT_EQ(expect<Explain>(parse_line("explain 3f2a")).id, "3f2a");
  EXPECT_EQ(expect<CancelOrder>(parse_line("cancel '3f2a91bc'")).id, "3f2a91bc");
}

TEST(CommandTable, readsOrdersInWords) {
  auto const sell = expect<AddOrder>(parse_line("sell 1 BTC at 50000"));
  EXPECT_EQ(sell.side, Side::sell);
  EXPECT_EQ(sell.amount, Satoshi{kSatoshiPerBtc});
  EXPECT_EQ(sell.price, PriceCents{5'000'000});
  auto const buy = expect<AddOrder>(parse_line("  BUY 0.5 @ 49000 usd for 2h  "));
  EXPECT_EQ(buy.side, Side::buy);
  EXPECT_EQ(buy.life, std::chrono::hours{2});
  EXPECT_EQ(buy.time_in_force, TimeInForce::good_till_date) << "for 2h means: it ends then";
  auto const all = expect<AddOrder>(parse_line("sell 1 BTC at 50000 post-only min 0.1 btc gtc oco exit"));
  EXPECT_TRUE(all.post_only);
  EXPECT_EQ(all.group, "exit");
  EXPECT_EQ(all.least_take, Satoshi{10'000'000});
  auto const pegged = expect<AddOrder>(parse_line("buy 0.01 BTC at spot-1.5% from 5 to 7 USD for 2h"));
  EXPECT_EQ(pegged.peg, (Peg{"spot", -150, PriceCents{500}, PriceCents{700}}));
  EXPECT_EQ(pegged.life, std::chrono::hours{2});
  EXPECT_EQ(expect<AddOrder>(parse_line("sell 1 at 5 fok")).time_in_force, TimeInForce::fill_or_kill);
  EXPECT_EQ(expect<AddOrder>(parse_line("sell 1 at 5 for 30m GTC")).time_in_force,
            TimeInForce::good_till_cancelled);
}

TEST(CommandTable, refusesOrdersInWordsThatItDoesNotUnderstand) {
  for (std::string const line : {"sell",
                                 "sell 1",
                                 "sell 1 BTC",
                                 "sell 1 BTC at",
                                 "sell 1 BTC 50000 at",
                                 "sell at 50000 1 BTC",
                                 "sell 1 at 5 for",
                                 "sell 1 at 5 soon",
                                 "sell 1 at 5 for 2h for 3h",
                                 "sell 1 at 5 IOC FOK",
                                 "sell 1 at 5 min",
                                 "sell 1 at 5 for 2",
                                 "sell 1 at 5 for 8d",
                                 "sell 1 at 5 for 0h",
                                 "sell 1 at 5 for -2h",
                                 "sell 1 at 5 for 99999999999999999999h",
                                 "sell one at 5",
                                 "sell 1 at five",
                                 "sell 1 at 5 for 2h IOC",
                                 "sell 1 at 5 post-only IOC",
                                 "sell 1 at 5 min 0.5 FOK",
                                 "sell 1 at 5 oco",
                                 "sell 1 at 5 oco a oco b",
                                 "sell 1 at 5 oco 'a b'",
                                 "sell 1 at 5 oco a IOC",
                                 "sell 1 at 5 oco 123456789012345678901234567890123",
                                 "sell 1 at 5 from 4",
                                 "sell 1 at 5 to 6",
                                 "sell 1 at spot+1.555%",
                                 "sell 1 at 5%",
                                 "sell 1 at spot+1% from 7 to 5",
                                 "sell 1 at spot+1% FOK",
                                 "sell 1 at spot+1% post-only",
                                 "sell 1 at spot+1% oco a",
                                 "sell 1 at 5 min 2"}) {
    auto const parsed = parse_line(line);
    ASSERT_FALSE(parsed) << line;
    EXPECT_EQ(parsed.error().code, result::FailureCode::invalid) << line;
    EXPECT_NE(parsed.error().hint.find("Example: "), std::string::npos) << line;
  }
}

TEST(CommandTable, readsJsonRequests) {
  auto const add = expect<AddOrder>(parse_json(
      R"({"command":"addOrder","id":7,"arguments":{"side":"sell","price":"1","amount":"2","timeInForce":"GTC",)"
      R"("leastTake":"0.5"}})"));
  EXPECT_EQ(add.side, Side::sell);
  EXPECT_EQ(add.time_in_force, TimeInForce::good_till_cancelled);
  EXPECT_EQ(add.least_take, Satoshi{50'000'000});
  auto const ioc = expect<AddOrder>(parse_json(
      R"({"command":"addOrder","arguments":{"side":"sell","price":"1","amount":"2","timeInForce":"IOC"}})"));
  EXPECT_EQ(ioc.time_in_force, TimeInForce::immediate_or_cancel);
  EXPECT_TRUE(parse_json(
      R"({"command":"addOrder","arguments":{"side":"sell","price":1,"amount":2,"timeInForce":"FOK",)"
      R"("postOnly":false}})"));
  EXPECT_EQ(expect<AddOrder>(
                parse_json(
                    R"({"command":"addOrder","arguments":{"side":"buy","price":1,"amount":2,"life":60000}})"))
                .life,
            std::chrono::minutes{1});
  auto const watch = parse_json(R"({"command":"watch","form":"text","colour":true})");
  ASSERT_TRUE(watch);
  EXPECT_TRUE(std::holds_alternative<WatchCommand>(*watch));
  EXPECT_TRUE(std::holds_alternative<StopCommand>(*parse_json(R"({"command":"stop","arguments":{}})")));
  EXPECT_EQ(std::get<HelpCommand>(*parse_line("help add")).command, "addOrder");
}

TEST(CommandTable, writesTheRequestThatItReads) {
  auto const request = read_line("acceptOrder 3f2a91bc 0.5 pay");
  ASSERT_TRUE(request);
  EXPECT_EQ(json::to_text(to_json(*request)),
            R"({"command":"acceptOrder","arguments":{"id":"3f2a91bc","amount":"0.5","pay":true}})");
  auto const again = read_request(to_json(*request));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->arguments, request->arguments);
}

TEST(CommandTable, refusesRequestsOfAnotherShape) {
  for (std::string const text :
       {R"([])", R"("orders")", R"({})", R"({"command":1})", R"({"command":"x"})",
        R"({"command":"orders","arguments":[]})", R"({"command":"orders","arguments":"{}"})",
        R"({"command":"orders","args":{}})", R"({"command":"sell","arguments":{}})", R"({"command":""})"}) {
    EXPECT_FALSE(parse_json(text)) << text;
  }
}

// Each argument that is missing, of another type, out of range, unknown or too large.

struct Bad {
  std::string arguments;
  std::string part;  // of the message
};

void expect_refused(std::string const& command, std::vector<Bad> const& cases) {
  for (auto const& each : cases) {
    auto const parsed = parse_json(R"({"command":")" + command + R"(","arguments":)" + each.arguments + "}");
    ASSERT_FALSE(parsed) << command << each.arguments;
    EXPECT_EQ(parsed.error().code, result::FailureCode::invalid);
    EXPECT_NE(parsed.error().text.find(each.part), std::string::npos)
        << each.arguments << ": " << parsed.error().text;
    EXPECT_TRUE(parsed.error().text.starts_with(command)) << parsed.error().text;
    EXPECT_NE(parsed.error().hint.find(command), std::string::npos) << "shows the example";
  }
}

TEST(CommandTable, readsExportsAndImports) {
  EXPECT_FALSE(expect<ExportOrders>(parse_line("exportOrders")).all);
  EXPECT_TRUE(expect<ExportOrders>(parse_line("export all")).all);
  EXPECT_EQ(expect<ImportOrders>(parse_line("importOrders events.jsonl")).file, "events.jsonl");
  EXPECT_EQ(expect<ImportOrders>(parse_line(R"(import {"file":"my events"})")).file, "my events");
  EXPECT_EQ(expect<ImportOrders>(parse_line("import 'my events'")).file, "my events");
  expect_refused("importOrders", {{R"({})", "file is missing"},
                                  {R"({"file":""})", "file must be the path of a file"},
                                  {R"({"file":7})", "file must be the path of a file"},
                                  {R"({"file":"a\u0000b"})", "file must be the path of a file"}});
}

TEST(CommandTable, refusesMoneyThatIsNotAPositiveExactDecimal) {
  for (auto const& [argument, digits, high] :
       {std::tuple{"amount"s, "8"s, "21000000.00000001"s}, std::tuple{"price"s, "2"s, "1000000000.01"s},
        std::tuple{"leastTake"s, "8"s, "21000000.00000001"s}}) {
    auto const with = [&argument = argument](std::string const& value) {
      std::string out = R"({"side":"buy")";
      for (std::string const name : {"price", "amount", "leastTake"}) {
        if (name != argument) out += ",\"" + name + "\":1";
      }
      return value.empty() ? out + "}" : out + ",\"" + argument + "\":" + value + "}";
    };
    std::vector<Bad> cases{
        {with("0"), argument + " must be greater than 0, not 0"},
        {with("\"0.000\""), argument + " must be greater than 0, not '0.000'"},
        {with("-1"), argument + " must be greater than 0"},
        {with("\"NaN\""), argument + " must be a number of"},
        {with("\"Infinity\""), argument + " must be a number of"},
        {with("\"\""), argument + " must be a number of"},
        {with("\"0x10\""), argument + " must be a number of"},
        {with("null"), argument + " must be a number of"},
        {with("true"), argument + " must be a number of"},
        {with("[1]"), argument + " must be a number of"},
        {with("{\"a\":1}"), argument + " must be a number of"},
        {with("0.123456789"), "at most " + digits + " decimals"},
        {with("1e300"), argument + " must be greater than 0 and at most"},
        {with("99999999999999999999999"), argument + " must be greater than 0 and at most"},
        {with(high), argument + " must be"}};
    if (argument != "leastTake") cases.push_back({with(""), argument + " is missing"});
    expect_refused("addOrder", cases);
  }
}

TEST(CommandTable, refusesOrdersWithOtherArguments) {
  auto const with = [](std::string const& more) { return R"({"price":1,"amount":1)" + more + "}"; };
  expect_refused(
      "addOrder",
      {{with(""), "buy and sell are missing"},
       {with(R"(,"side":"both")"), "side must be buy or sell, not 'both'"},
       {with(R"(,"side":1)"), "side must be"},
       {with(R"(,"buy":"BTC")"), "sell is missing"},
       {with(R"(,"sell":"BTC")"), "buy is missing"},
       {with(R"(,"buy":"BTC","sell":"BTC")"), "buy and sell must be BTC and USD"},
       {with(R"(,"buy":"EUR","sell":"BTC")"), "buy must be BTC or USD, not 'EUR'"},
       {with(R"(,"buy":1,"sell":"BTC")"), "buy must be"},
       {with(R"(,"buy":"BTC","sell":"USD","side":"buy")"), "side cannot be given together"},
       {with(R"(,"side":"buy","timeInForce":"DAY")"), "timeInForce must be GTC, GTD, IOC or FOK, not 'DAY'"},
       {with(R"(,"side":"buy","timeInForce":7)"), "timeInForce must be"},
       {with(R"(,"side":"buy","life":"2 h")"), "life must be a time such as"},
       {with(R"(,"side":"buy","life":0)"), "life must be"},
       {with(R"(,"side":"buy","life":-1)"), "life must be"},
       {with(R"(,"side":"buy","life":604800001)"), "at most 7d"},
       {with(R"(,"side":"buy","life":1.5)"), "life must be"},
       {with(R"(,"side":"buy","life":true)"), "life must be"},
       {with(R"(,"side":"buy","life":"1h","timeInForce":"FOK")"), "life does not apply"},
       {with(R"(,"side":"buy","postOnly":true,"timeInForce":"IOC")"), "postOnly does not apply"},
       {with(R"(,"side":"buy","leastTake":"0.5","timeInForce":"IOC")"), "leastTake does not apply"},
       {with(R"(,"side":"buy","postOnly":1)"), "postOnly must be true or false, not 1"},
       {with(R"(,"side":"buy","postOnly":"yes")"), "postOnly must be"},
       {with(R"(,"side":"buy","leastTake":2)"), "leastTake must be at most the amount"},
       {with(R"(,"side":"buy","pric":2)"), "there is no argument 'pric' (known: side"}});
}

TEST(CommandTable, refusesIdsThatAreNotIds) {
  for (std::string const command : {"cancel", "matches", "explain", "acceptOrder", "reduce"}) {
    expect_refused(command, {{R"({})", "id is missing"},
                             {R"({"id":12345})", "id must be an id of 4 to 128 characters, not 12345"},
                             {R"({"id":"abc"})", "not 'abc'"},
                             {R"({"id":"abc def"})", "id must be"},
                             {R"({"id":"abc\ndef"})", "not 'abc?def'"},
                             {R"({"id":")" + std::string(129, 'a') + R"("})", "…"},
                             {R"({"id":null})", "id must be"},
                             {R"({"id":"3f2a","order":1})", "there is no argument 'order'"}});
  }
}

TEST(CommandTable, refusesOtherArgumentsOutOfRange) {
  expect_refused("acceptOrder", {{R"({"id":"3f2a","amount":0})", "amount must be greater than 0"},
                                 {R"({"id":"3f2a","price":"x"})", "price must be a number of USD"},
                                 {R"({"id":"3f2a","seq":-1})", "seq must be a whole number from 0"},
                                 {R"({"id":"3f2a","seq":1.5})", "seq must be"},
                                 {R"({"id":"3f2a","seq":9223372036854775808})", "seq must be"},
                                 {R"({"id":"3f2a","seq":"NaN"})", "seq must be"},
                                 {R"({"id":"3f2a","forOrder":""})", "forOrder must be an id"},
                                 {R"({"id":"3f2a","pay":0})", "pay must be true or false"},
                                 {R"({"id":"3f2a","orNext":[]})", "orNext must be true or false"}});
  expect_refused("reduce", {{R"({"id":"3f2a"})", "by is missing"},
                            {R"({"id":"3f2a","by":-1})", "by must be greater than 0"}});
  expect_refused("book", {{R"({"levels":0})", "levels must be a whole number from 1 to 1000, not 0"},
                          {R"({"levels":1001})", "levels must be"},
                          {R"({"levels":"1e2"})", "levels must be"},
                          {R"({"levels":""})", "levels must be"}});
  expect_refused("trades", {{R"({"count":0})", "count must be"}, {R"({"count":10001})", "count must be"}});
  expect_refused("orders", {{R"({"own":"maybe"})", "own must be true or false"}});
  expect_refused("pay", {{R"({})", "invoice is missing"},
                         {R"({"invoice":7})", "invoice must be"},
                         {R"({"invoice":")" + std::string(7100, 'a') + R"("})", "invoice must be"}});
  expect_refused("connect",
                 {{R"({})", "endpoint is missing"},
                  {R"({"endpoint":"127.0.0.1"})", "endpoint must be a host and a port, not '127.0.0.1'"},
                  {R"({"endpoint":"a:0"})", "endpoint must be"},
                  {R"({"endpoint":"a:70000"})", "endpoint must be"},
                  {R"({"endpoint":":1"})", "endpoint must be"},
                  {R"({"endpoint":")" + std::string(300, 'a') + R"(:1"})", "endpoint must be"},
                  {R"({"endpoint":["a:1"]})", "endpoint must be"}});
  expect_refused("help", {{R"({"command":"x"})", "command must be the name of a command, not 'x'"}});
  for (std::string const command : {"peers", "status", "watch", "stop"}) {
    expect_refused(command, {{R"({"all":true})", "there is no argument 'all' (known: none)"}});
  }
}

TEST(CommandTable, refusesLinesThatAreNotCommands) {
  EXPECT_EQ(refusal(parse_line("")), "no command was given");
  EXPECT_EQ(refusal(parse_line("  \t ")), "no command was given");
  EXPECT_EQ(refusal(parse_line("trade")), "there is no command 'trade'");
  EXPECT_EQ(refusal(parse_line("cancel '3f2a")), "a quote is not closed");
  EXPECT_EQ(refusal(parse_line("cancel 3f2a now")), "cancel: 'now' is one word too many");
  EXPECT_EQ(refusal(parse_line("cancel 3f2a id=3f2b")), "cancel: id is given twice");
  EXPECT_EQ(refusal(parse_line("book 1 2")), "book: '2' is one word too many");
  EXPECT_NE(refusal(parse_line("acceptOrder {\"id\": 3f2a91bc-1b2c}")).find("not JSON"), std::string::npos);
  EXPECT_NE(refusal(parse_line("acceptOrder '[1]'")).find("id must be"), std::string::npos);
  EXPECT_NE(refusal(parse_line("acceptOrder {} {}")).find("not JSON"), std::string::npos);
  EXPECT_NE(refusal(parse_line("acceptOrder " + std::string(100, '{'))).find("not JSON"), std::string::npos);
  EXPECT_EQ(refusal(parse_line("cancel " + std::string(kCommandSizeMax, 'a'))), "the line is too long");
  EXPECT_FALSE(read_words({}));
}

TEST(CommandTable, messagesQuoteNoControlCharacters) {
  auto const text = refusal(parse_line("\x1b[2J\xe2\x80\xae"));
  EXPECT_EQ(text, "there is no command '?[2J?'");
  auto const longer = refusal(parse_line(std::string(39, 'a') + "éé"));
  EXPECT_EQ(longer, "there is no command '" + std::string(39, 'a') + "…'") << "characters are not cut in two";
}

}  // namespace
}  // namespace grenache::exchange
