#include "exchange/control/command_table.hpp"

#include <algorithm>
#include <iterator>
#include <limits>
#include <optional>
#include <utility>

#include "exchange/control/command_entry.hpp"
#include "exchange/messages/message_header.hpp"
#include <grenache/base/endpoint.hpp>
#include <grenache/log/printable.hpp>

namespace grenache::exchange {
namespace {

using namespace std::string_view_literals;
using Words = std::span<std::string const>;

constexpr std::int64_t kLevelCountMax = 1'000;
constexpr std::int64_t kTradeCountMax = 10'000;
constexpr std::size_t kPegTextMax = kIndexNameSizeMax + "+1000.00%"sv.size();
/// Of the arguments of a command: {"a": 1} is two values deep.
constexpr json::ParseLimits kArgumentLimits{.depth_max = 8, .value_count_max = 1'000};

// Arguments

Side read_side(ArgumentReader& reader) {
  if (!reader.has("buy") && !reader.has("sell")) {
    auto const side = reader.find_upper_case("side");
    if (side == "SELL") return Side::sell;
    if (side.empty()) reader.fail("buy and sell are missing");
    if (side != "BUY") reader.fail("side", "buy or sell");
    return Side::buy;
  }
  if (reader.has("side")) reader.fail("side cannot be given together with buy and sell");
  auto const buy = reader.find_upper_case("buy");
  auto const sell = reader.find_upper_case("sell");
  for (std::string_view const name : {"buy", "sell"}) {
    if (!reader.has(name)) reader.fail(std::string{name} + " is missing");
  }
  if (buy != "BTC" && buy != "USD") reader.fail("buy", "BTC or USD");
  if (sell != "BTC" && sell != "USD") reader.fail("sell", "BTC or USD");
  if (buy == sell) reader.fail("buy and sell must be BTC and USD, in either order");
  return buy == "BTC" ? Side::buy : Side::sell;
}

TimeInForce read_time_in_force(ArgumentReader& reader) {
  if (!reader.has("timeInForce")) {
    return reader.has("life") ? TimeInForce::good_till_date : TimeInForce::good_till_cancelled;
  }
  auto const read = parse_time_in_force(reader.find_upper_case("timeInForce"));
  if (!read) reader.fail("timeInForce", "GTC, GTD, IOC or FOK");
  return read.value_or(TimeInForce::good_till_cancelled);
}

std::optional<Peg> read_peg(ArgumentReader& reader) {
  if (!reader.has("peg")) {
    if (reader.has("minPrice")) reader.fail("minPrice is for pegged orders");
    if (reader.has("maxPrice")) reader.fail("maxPrice is for pegged orders");
    return std::nullopt;
  }
  if (reader.has("price")) reader.fail("price cannot be given together with peg");
  auto out = parse_peg(reader.text("peg", "an index with a premium", 3, kPegTextMax));
  if (!out) reader.fail("peg", "an index with a premium of at most two decimals, such as index+1.5%");
  if (!out) return Peg{};
  out->price_min = reader.find_price("minPrice");
  out->price_max = reader.find_price("maxPrice");
  if (out->price_min && out->price_max && *out->price_min > *out->price_max) {
    reader.fail("minPrice", "at most maxPrice");
  }
  return out;
}

ParsedCommand read_add_order(ArgumentReader& reader) {
  command::AddOrder out;
  out.side = read_side(reader);
  out.peg = read_peg(reader);
  if (!out.peg) out.price = reader.price("price");
  out.amount = reader.amount("amount");
  out.time_in_force = read_time_in_force(reader);
  out.life = reader.find_duration("life", kOrderLifeMax);
  out.post_only = reader.flag("postOnly");
  out.least_take = reader.find_amount("leastTake").value_or(Satoshi{});
  if (out.least_take > out.amount) reader.fail("leastTake", "at most the amount");
  if (reader.has("oco")) out.group = reader.text("oco", "a name", 1, kGroupNameSizeMax);
  if (is_immediate(out.time_in_force)) {
    std::string const suffix = " does not apply to IOC and FOK orders, which are not published";
    if (out.life) reader.fail("life" + suffix);
    if (out.post_only) reader.fail("postOnly" + suffix);
    if (out.least_take.units() > 0) reader.fail("leastTake" + suffix);
    if (!out.group.empty()) reader.fail("oco" + suffix);
    if (out.peg) reader.fail("peg" + suffix);
  }
  if (out.peg && out.post_only) reader.fail("postOnly does not apply to pegged orders");
  if (out.peg && !out.group.empty()) reader.fail("oco does not apply to pegged orders");
  return out;
}

ParsedCommand read_accept_order(ArgumentReader& reader) {
  command::AcceptOrder out;
  out.id = reader.id("id");
  out.amount = reader.find_amount("amount");
  out.price = reader.find_price("price");
  out.seq = reader.find_integer("seq", 0, std::numeric_limits<std::int64_t>::max());
  if (reader.has("forOrder")) out.for_order = reader.id("forOrder");
  out.pay = reader.flag("pay");
  out.or_next = reader.flag("orNext");
  return out;
}

ParsedCommand read_connect(ArgumentReader& reader) {
  auto endpoint = reader.text("endpoint", "a host and a port", 1, kEndpointSizeMax);
  if (!endpoint.empty() && !HostPort::parse(endpoint)) reader.fail("endpoint", "a host and a port");
  return command::Connect{std::move(endpoint)};
}

ParsedCommand read_help(ArgumentReader& reader) {
  if (!reader.has("command")) return HelpCommand{};
  auto const name = reader.text("command", "the name of a command", 1, kOrderIdSizeMax);
  auto const* const found = find_command(name);
  if (!found) reader.fail("command", "the name of a command");
  return HelpCommand{found ? std::string{found->name} : ""};
}

ParsedCommand read_reduce(ArgumentReader& reader) {
  command::ReduceOrder out;
  out.id = reader.id("id");
  out.by = reader.amount("by");
  return out;
}

ParsedCommand read_book(ArgumentReader& reader) {
  command::ShowBook out;
  if (auto const count = reader.find_integer("levels", 1, kLevelCountMax)) {
    out.level_count_max = static_cast<std::size_t>(*count);
  }
  return out;
}

ParsedCommand read_trades(ArgumentReader& reader) {
  command::ListTrades out;
  if (auto const count = reader.find_integer("count", 1, kTradeCountMax)) {
    out.count_max = static_cast<std::size_t>(*count);
  }
  return out;
}

ParsedCommand read_export(ArgumentReader& reader) { return command::ExportOrders{reader.flag("all")}; }
ParsedCommand read_import(ArgumentReader& reader) { return command::ImportOrders{reader.path("file")}; }
ParsedCommand read_orders(ArgumentReader& reader) { return command::ListOrders{reader.flag("own")}; }
ParsedCommand read_matches(ArgumentReader& reader) { return command::ListMatches{reader.id("id")}; }
ParsedCommand read_cancel(ArgumentReader& reader) { return command::CancelOrder{reader.id("id")}; }
ParsedCommand read_explain(ArgumentReader& reader) { return command::Explain{reader.id("id")}; }

// The table

std::vector<Entry> order_entries() {
  return {
      {{"addOrder", "add", "JSON", "Publish an order: buy or sell an amount of BTC at a price in USD",
        R"(addOrder '{"buy":"BTC","sell":"USD","price":50000,"amount":1}')"},
       {{"side", Use::by_name},
        {"buy", Use::by_name},
        {"sell", Use::by_name},
        {"price", Use::by_name},
        {"amount", Use::by_name},
        {"timeInForce", Use::by_name},
        {"life", Use::by_name},
        {"postOnly", Use::flag},
        {"leastTake", Use::by_name},
        {"oco", Use::by_name},
        {"peg", Use::by_name},
        {"minPrice", Use::by_name},
        {"maxPrice", Use::by_name}},
       read_add_order},
      {{"sell", "buy",
        "AMOUNT at PRICE|INDEX+PERCENT% [for TIME] [post-only] [min AMOUNT] [oco NAME] [from PRICE] "
        "[to PRICE] | IOC | FOK",
        "Publish an order, or trade at once, in words", "sell 1 BTC at 50000 for 2h"},
       {},
       nullptr},
      {{"orders", "", "[own]", "List the orders, or our own alone", "orders"},
       {{"own", Use::flag}},
       read_orders},
      {{"book", "", "[LEVELS]", "Show the best prices with their amounts", "book 5"},
       {{"levels"}},
       read_book},
      {{"matches", "", "ID", "List the orders that match an order, the best first", "matches 3f2a91bc"},
       {{"id"}},
       read_matches},
      {{"acceptOrder", "accept", "ID [AMOUNT] [price=USD] [seq=N] [forOrder=ID] [pay] [orNext]",
        "Take an order or a part of it: reserves it and gets an invoice", "acceptOrder 3f2a91bc 0.5"},
       {{"id"},
        {"amount"},
        {"price", Use::by_name},
        {"seq", Use::by_name},
        {"forOrder", Use::by_name},
        {"pay", Use::flag},
        {"orNext", Use::flag}},
       read_accept_order},
      {{"cancel", "", "ID", "Close one of our orders", "cancel 3f2a91bc"}, {{"id"}}, read_cancel},
      {{"reduce", "", "ID AMOUNT", "Withdraw a part of one of our orders", "reduce 3f2a91bc 0.25"},
       {{"id"}, {"by"}},
       read_reduce},
      {{"trades", "", "[COUNT]", "List the finished trades, the newest first", "trades 20"},
       {{"count"}},
       read_trades},
      {{"exportOrders", "export", "[all]", "Print our orders, or all, as NIP-69 events of Nostr, one a line",
        "exportOrders all"},
       {{"all", Use::flag}},
       read_export},
      {{"importOrders", "import", "FILE", "Read NIP-69 events; orders of this program enter the book",
        "importOrders events.jsonl"},
       {{"file"}},
       read_import},
      {{"connect", "", "HOST:PORT", "Connect to a peer without the DHT", "connect 127.0.0.1:3002"},
       {{"endpoint"}},
       read_connect},
      {{"peers", "", "", "List the peers", "peers"},
       {},
       [](ArgumentReader&) -> ParsedCommand { return command::ListPeers{}; }},
      {{"status", "", "", "Show our identity, address and counts", "status"},
       {},
       [](ArgumentReader&) -> ParsedCommand { return command::ShowStatus{}; }},
      {{"explain", "", "ID", "Say what became of an order or a take", "explain 3f2a91bc"},
       {{"id"}},
       read_explain},
      {{"watch", "", "", "Report what happens, until interrupted", "watch"},
       {},
       [](ArgumentReader&) -> ParsedCommand { return WatchCommand{}; }},
      {{"stop", "", "", "End the peer", "stop"},
       {},
       [](ArgumentReader&) -> ParsedCommand { return StopCommand{}; }},
      {{"help", "?", "[COMMAND]", "List the commands, or explain one", "help addOrder"},
       {{"command"}},
       read_help},
  };
}

std::vector<Entry> const& entries() {
  static std::vector<Entry> const table = [] {
    auto out = order_entries();
    auto const last = std::ranges::find(out, "connect", [](Entry const& entry) { return entry.info.name; });
    auto added = credit_entries();
    out.insert(last, std::make_move_iterator(added.begin()), std::make_move_iterator(added.end()));
    return out;
  }();
  return table;
}

Entry const* find_entry(std::string_view name) {
  auto const wanted = to_lower(name);
  auto const found = std::ranges::find_if(entries(), [&](Entry const& entry) {
    return to_lower(entry.info.name) == wanted || (!entry.info.alias.empty() && entry.info.alias == wanted);
  });
  return found == entries().end() ? nullptr : &*found;
}

result::Failure invalid(std::string text) {
  return {result::FailureCode::invalid, std::move(text), "'help' lists the commands."};
}

result::Failure unknown_command(std::string const& name) {
  return invalid(name.empty() ? "no command was given" : "there is no command " + shown(name));
}

// Words

OrFailure<json::Value::Object> read_json(Entry const& entry, std::string_view text) {
  auto parsed = json::parse(text, kArgumentLimits);
  if (!parsed)
    return usage_failure(entry.info, "the arguments are not JSON; text, such as an id, needs double quotes");
  auto* const object = parsed->as_object();
  if (!object) return usage_failure(entry.info, "the arguments are not a JSON object");
  return std::move(*object);
}

std::optional<Argument> find_argument(Entry const& entry, std::string_view name) {
  auto const found = std::ranges::find(entry.arguments, name, &Argument::name);
  return found == entry.arguments.end() ? std::nullopt : std::optional{*found};
}

/// NAME=VALUE, if the command has such an argument.
std::optional<json::Value::Member> read_named(Entry const& entry, std::string const& word) {
  auto const equals = word.find('=');
  if (equals == std::string::npos || !find_argument(entry, word.substr(0, equals))) return std::nullopt;
  return json::Value::Member{word.substr(0, equals), word.substr(equals + 1)};
}

/// "dry-run" becomes "dryRun".
std::string camel_case(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    bool const is_joint = text[i] == '-' && i + 1 < text.size();
    out += is_joint ? to_upper(text.substr(++i, 1)) : std::string{text[i]};
  }
  return out;
}

OrFailure<json::Value::Object> read_values(Entry const& entry, Words words) {
  json::Value::Object out;
  auto next = entry.arguments.begin();
  for (std::size_t i = 0; i < words.size(); ++i) {
    auto const& word = words[i];
    auto member = read_named(entry, word);
    bool const is_flag = word.starts_with("--");
    auto const name = is_flag ? camel_case(word.substr(2)) : word;
    auto const argument = find_argument(entry, name);
    if (argument && argument->use == Use::flag) member = {std::string{argument->name}, true};
    // --max-fee USD
    bool const has_value = is_flag && i + 1 < words.size();
    if (argument && argument->use == Use::by_name && has_value) {
      member = {std::string{argument->name}, words[++i]};
    }
    if (!member) {
      next =
          std::find_if(next, entry.arguments.end(), [](auto const& a) { return a.use == Use::by_position; });
      if (next == entry.arguments.end())
        return usage_failure(entry.info, shown(word) + " is one word too many");
      member = {std::string{next++->name}, word};
    }
    if (std::ranges::find(out, member->first, &json::Value::Member::first) != out.end()) {
      return usage_failure(entry.info, member->first + " is given twice");
    }
    out.push_back(std::move(*member));
  }
  return out;
}

/// Reads `sell 1 BTC at 50000 for 2h post-only min 0.1 oco NAME FOK` into the arguments of addOrder.
class PlainOrder {
 public:
  PlainOrder(CommandInfo const& command, Words words) : command_{command}, rest_{words} {}

  OrFailure<json::Value::Object> read() {
    if (rest_.size() < 4) return usage_failure(command_, "an amount, 'at' and a price are needed");
    add("side", to_lower(next()));
    add("amount", next());
    skip("BTC");
    if (!skip("at") && !skip("@")) return usage_failure(command_, "'at' and a price must follow the amount");
    if (rest_.empty()) return usage_failure(command_, "the price is missing");
    auto const price = next();
    add(price.ends_with('%') ? "peg" : "price", price);
    skip("USD");
    while (!rest_.empty()) {
      if (auto failure = read_option()) return std::move(*failure);
    }
    return std::move(out_);
  }

 private:
  std::optional<result::Failure> read_option() {
    auto const word = next();
    auto const lower = to_lower(word);
    static constexpr std::pair<std::string_view, std::string_view> kValues[]{
        {"for", "life"}, {"min", "leastTake"}, {"oco", "oco"}, {"from", "minPrice"}, {"to", "maxPrice"}};
    auto const* const found =
        std::ranges::find(kValues, std::string_view{lower}, [](auto const& each) { return each.first; });
    if (found != std::end(kValues)) {
      if (rest_.empty()) return usage_failure(command_, "a value must follow " + shown(word));
      bool const is_new = add(found->second, next());
      if (lower == "min") skip("BTC");
      if (lower == "from" || lower == "to") skip("USD");
      return twice_unless(is_new, word);
    }
    if (lower == "post-only") return twice_unless(add("postOnly", true), word);
    if (parse_time_in_force(to_upper(word))) return twice_unless(add("timeInForce", to_upper(word)), word);
    return usage_failure(command_, shown(word) + " is not understood");
  }

  std::optional<result::Failure> twice_unless(bool is_new, std::string const& word) const {
    if (is_new) return std::nullopt;
    return usage_failure(command_, shown(word) + " says twice what can be said once");
  }

  std::string next() {
    auto word = rest_.front();
    rest_ = rest_.subspan(1);
    return word;
  }
  bool skip(std::string_view word) {
    bool const is_next = !rest_.empty() && to_upper(rest_.front()) == to_upper(word);
    if (is_next) rest_ = rest_.subspan(1);
    return is_next;
  }
  bool add(std::string_view name, json::Value value) {
    bool const is_new = std::ranges::find(out_, name, &json::Value::Member::first) == out_.end();
    out_.emplace_back(name, std::move(value));
    return is_new;
  }

  CommandInfo const& command_;
  Words rest_;
  json::Value::Object out_;
};

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

/// Splits at blanks that are not in quotes; nothing if a quote is not closed.
std::optional<std::vector<std::string>> split_words(std::string_view line) {
  std::vector<std::string> out;
  char quote = 0;
  bool in_word = false;
  for (char const c : line) {
    if (quote == 0 && is_blank(c)) {
      in_word = false;
      continue;
    }
    if (!in_word) out.emplace_back();
    in_word = true;
    if (c == quote) {
      quote = 0;
    } else if (quote == 0 && (c == '\'' || c == '"')) {
      quote = c;
    } else {
      out.back() += c;
    }
  }
  if (quote != 0) return std::nullopt;
  return out;
}

OrFailure<CommandRequest> made(Entry const& entry, OrFailure<json::Value::Object> arguments) {
  if (!arguments) return std::move(arguments).error();
  return CommandRequest{std::string{entry.info.name}, std::move(*arguments)};
}

}  // namespace

std::span<CommandInfo const> command_table() {
  static std::vector<CommandInfo> const table = [] {
    std::vector<CommandInfo> out;
    for (auto const& entry : entries()) out.push_back(entry.info);
    return out;
  }();
  return table;
}

CommandInfo const* find_command(std::string_view name) {
  auto const* const entry = find_entry(name);
  return entry ? &entry->info : nullptr;
}

bool takes_id(CommandInfo const& command) {
  auto const* const entry = find_entry(command.name);
  return entry && !entry->arguments.empty() &&
         (entry->arguments.front().name == "id" || entry->arguments.front().name == "invoice");
}

OrFailure<CommandRequest> read_words(Words words) {
  if (words.empty()) return unknown_command({});
  auto const* const entry = find_entry(words.front());
  if (!entry) return unknown_command(words.front());
  if (words.size() > 1 && words[1].starts_with('{')) {
    std::string text;
    for (auto const& word : words.subspan(1)) text += word + ' ';
    return made(*entry, read_json(*entry, text));
  }
  if (entry->read) return made(*entry, read_values(*entry, words.subspan(1)));
  if (entry->info.name == "send") return made(*find_entry("pay"), read_send(entry->info, words.subspan(1)));
  return made(*find_entry("addOrder"), PlainOrder{entry->info, words}.read());
}

OrFailure<CommandRequest> read_line(std::string_view line) {
  if (line.size() > kCommandSizeMax) return invalid("the line is too long");
  line = trimmed(line);
  auto const name_end = std::find_if(line.begin(), line.end(), is_blank);
  std::string_view const name{line.begin(), name_end};
  auto const rest = trimmed({name_end, line.end()});
  if (rest.starts_with('{')) {
    std::vector<std::string> const words{std::string{name}, std::string{rest}};
    return read_words(words);
  }
  auto const words = split_words(line);
  if (!words) return invalid("a quote is not closed");
  return read_words(*words);
}

OrFailure<CommandRequest> read_request(json::Value const& request) {
  auto const* const members = request.as_object();
  if (!members) return invalid("the request is not a JSON object");
  for (auto const& [name, value] : *members) {
    static constexpr std::string_view kNames[]{"command", "arguments", "id", "form", "colour", "width"};
    if (std::ranges::find(kNames, name) == std::end(kNames)) {
      return invalid("a request has no member " + shown(name));
    }
  }
  auto const* const name = request.find_string("command");
  if (!name) return invalid("the member 'command' is not a text");
  auto const* const entry = find_entry(*name);
  if (!entry) return unknown_command(*name);
  CommandRequest out{std::string{entry->info.name}, {}};
  if (auto const* const arguments = request.find("arguments")) {
    if (!arguments->as_object()) return usage_failure(entry->info, "the arguments are not a JSON object");
    out.arguments = *arguments->as_object();
  }
  return out;
}

OrFailure<ParsedCommand> parse(CommandRequest const& request) {
  auto const* const entry = find_entry(request.name);
  if (!entry) return unknown_command(request.name);
  if (!entry->read)
    return usage_failure(*find_command(entry->info.name == "send" ? "pay" : "addOrder"),
                         "'" + request.name + "' is for typed words");
  for (auto const& [name, value] : request.arguments) {
    if (find_argument(*entry, name)) continue;
    std::string known;
    for (auto const& argument : entry->arguments)
      known += (known.empty() ? "" : ", ") + std::string{argument.name};
    if (known.empty()) known = "none";
    return usage_failure(entry->info, "there is no argument " + shown(name) + " (known: " + known + ")");
  }
  ArgumentReader reader{entry->info, request.arguments};
  auto out = entry->read(reader);
  if (reader.failure()) return *reader.failure();
  return out;
}

json::Value to_json(CommandRequest const& request) {
  return json::Value::object({{"command", request.name}, {"arguments", request.arguments}});
}

}  // namespace grenache::exchange
