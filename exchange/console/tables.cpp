#include "exchange/console/tables.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <optional>
#include <utility>
#include <variant>

#include "exchange/console/credit_tables.hpp"
#include "exchange/console/text_table.hpp"
#include <grenache/json/json.hpp>
#include <grenache/log/printable.hpp>

namespace grenache::exchange {
namespace {

constexpr std::size_t kIdWidth = 8;
constexpr std::size_t kIdWidthMax = 36;     // a UUID
constexpr std::size_t kEndpointWidth = 40;  // of an endpoint within a sentence
constexpr std::size_t kPhraseWidth = 200;   // of a received sentence
constexpr std::int64_t kYear10000Ms = 253'402'300'800'000;

/// A received sentence.
std::string phrase(std::string_view text) { return cut_to_width(printable(text), kPhraseWidth); }
std::string short_id(std::string_view id, std::size_t size = kIdWidth) {
  return printable(id.substr(0, size));
}

/// Shortens ids so that those of one answer stay distinct.
class ShortIds {
 public:
  explicit ShortIds(std::vector<std::string_view> ids) : ids_{std::move(ids)} {
    std::ranges::sort(ids_);
    ids_.erase(std::unique(ids_.begin(), ids_.end()), ids_.end());
  }

  [[nodiscard]] std::string operator()(std::string_view id) const {
    auto const found = std::ranges::lower_bound(ids_, id);
    std::size_t size = kIdWidth;
    if (found != ids_.end() && found != ids_.begin())
      size = std::max(size, common(id, *std::prev(found)) + 1);
    if (found != ids_.end() && found + 1 != ids_.end()) size = std::max(size, common(id, *(found + 1)) + 1);
    return cut_to_width(short_id(id, size), kIdWidthMax);
  }

 private:
  static std::size_t common(std::string_view a, std::string_view b) {
    return static_cast<std::size_t>(std::ranges::mismatch(a, b).in1 - a.begin());
  }

  std::vector<std::string_view> ids_;
};

std::string maker_text(OrderRecord const& order, bool is_own) {
  if (is_own) return "ours";
  return order.maker ? short_id(order.maker->hex()) : "unsigned";
}

Cell side_cell(Side side) { return {std::string{to_text(side)}, side == Side::buy ? Tone::good : Tone::bad}; }

/// "sell 1 BTC at 50000 USD"
std::string terms_text(Side side, Satoshi amount, PriceCents price) {
  return std::string{to_text(side)} + " " + amount.to_text() + " BTC at " + price.to_text() + " USD";
}

/// Names with their values below each other.
class Facts {
 public:
  explicit Facts(TextStyle const& style) : style_{style} {}

  void add(std::string_view name, std::string const& value) {
    std::string head{name};
    head.resize(kNameWidth, ' ');
    auto const width = style_.width - kNameWidth;
    auto const lines = wrapped(value, width, 0);
    std::string indented;
    for (char const c : lines) {
      indented += c;
      if (c == '\n') indented += std::string(kNameWidth, ' ');
    }
    out_ += toned(head, Tone::faint, style_.colour) + indented + "\n";
  }
  [[nodiscard]] std::string text() const { return out_; }

 private:
  static constexpr std::size_t kNameWidth = 14;

  TextStyle const& style_;
  std::string out_;
};

std::string line_of(std::string const& text, TextStyle const& style) {
  return wrapped(text, style.width, 2) + "\n";
}

// Orders

std::string order_facts(result::OrderView const& view, TextStyle const& style) {
  auto const& order = view.order;
  Facts facts{style};
  facts.add("order", printable(order.id));
  facts.add("terms", terms_text(order.side, order.amount, order.price));
  if (order.remaining != order.amount) facts.add("remaining", order.remaining.to_text() + " BTC");
  if (view.reserved.units() > 0) facts.add("reserved", view.reserved.to_text() + " BTC");
  if (order.least_take.units() > 0) facts.add("least take", order.least_take.to_text() + " BTC");
  if (!view.group.empty()) facts.add("oco", printable(view.group) + ": one cancels the other");
  if (!view.peg.empty()) facts.add("peg", printable(view.peg));
  facts.add("status", std::string{to_text(order.status)});
  facts.add("ends", time_text(order.expires) + " UTC, in " + time_left_text(style.now, order.expires));
  return facts.text();
}

std::string hidden_text(std::size_t count) {
  if (count == 0) return {};
  bool const is_one = count == 1;
  return std::to_string(count) + (is_one ? " order is" : " orders are") + " hidden: nothing was heard of " +
         (is_one ? "its maker" : "their makers") + " for 15 minutes.\n";
}

std::string order_table(result::OrderList const& list, TextStyle const& style) {
  if (list.orders.empty()) return "No orders.\n" + hidden_text(list.hidden_count);
  std::vector<std::string_view> ids;
  bool has_matched = false;
  bool has_reserved = false;
  bool has_group = false;
  bool has_peg = false;
  for (auto const& view : list.orders) {
    ids.push_back(view.order.id);
    has_matched |= view.matched.units() > 0;
    has_reserved |= view.reserved.units() > 0;
    has_group |= !view.group.empty();
    has_peg |= !view.peg.empty();
  }
  ShortIds const ids_of{std::move(ids)};
  std::vector<Column> columns{
      {"id"}, {"side"}, {"BTC", Align::point, has_matched ? 5 : 0}, {"USD", Align::point}};
  if (has_matched) columns.push_back({"matched", Align::point});
  if (has_reserved) columns.push_back({"reserved", Align::point, 3});
  if (has_group) columns.push_back({"oco", Align::left, 6});
  if (has_peg) columns.push_back({"peg", Align::left, 7});
  columns.push_back({"status", Align::left, 2});
  columns.push_back({"ends in", Align::right, 4});
  columns.push_back({"maker", Align::left, 1});
  TextTable table{std::move(columns)};
  for (auto const& view : list.orders) {
    auto const& order = view.order;
    std::vector<Cell> row{ids_of(order.id), side_cell(order.side), order.remaining.to_text(),
                          order.price.to_text()};
    if (has_matched) row.emplace_back(view.matched.to_text());
    if (has_reserved) row.emplace_back(view.reserved.to_text());
    if (has_group) row.emplace_back(printable(view.group));
    if (has_peg) row.emplace_back(printable(view.peg));
    row.emplace_back(std::string{to_text(order.status)});
    row.emplace_back(time_left_text(style.now, order.expires));
    row.emplace_back(maker_text(order, view.is_own), view.is_own ? Tone::bold : Tone::plain);
    table.add(std::move(row));
  }
  auto out = table.text(style.width, style.colour);
  if (list.left_out > 0) out += std::to_string(list.left_out) + " more are not shown.\n";
  return out + hidden_text(list.hidden_count);
}

/// Asks above bids, the best prices in the middle; `total` sums up from there.
std::string ladder_table(result::Ladder const& ladder, TextStyle const& style) {
  if (ladder.asks.empty() && ladder.bids.empty())
    return "The book is empty.\n" + hidden_text(ladder.hidden_count);
  TextTable table{{{"side"},
                   {"USD", Align::point},
                   {"BTC", Align::point},
                   {"total", Align::point, 1},
                   {"orders", Align::right, 2}}};
  auto const rows = [](std::vector<result::Level> const& levels, Side side) {
    std::vector<std::vector<Cell>> out;
    Satoshi total;
    for (auto const& level : levels) {
      auto const sum = std::min(total.units(), Satoshi::kMax) + std::min(level.amount.units(), Satoshi::kMax);
      total = Satoshi{sum};
      out.push_back({side_cell(side), level.price.to_text(), level.amount.to_text(), total.to_text(),
                     std::to_string(level.order_count)});
    }
    return out;
  };
  auto asks = rows(ladder.asks, Side::sell);
  std::ranges::reverse(asks);
  for (auto& row : asks) table.add(std::move(row));
  if (!ladder.asks.empty() && !ladder.bids.empty()) {
    auto const spread = ladder.asks.front().price - ladder.bids.front().price;
    table.add_line("----  spread " + spread.to_text());
  }
  for (auto& row : rows(ladder.bids, Side::buy)) table.add(std::move(row));
  return table.text(style.width, style.colour) + hidden_text(ladder.hidden_count);
}

// Takes and trades

std::string state_text(result::PurchaseView const& view, TextStyle const& style) {
  switch (view.state) {
    case result::PurchaseState::asking:
      return "asking the maker for an invoice";
    case result::PurchaseState::invoiced:
      if (!view.maker) {
        return "invoiced, ends in " + time_left_text(style.now, view.invoice_expires) +
               "; a peer of the original program does not confirm a payment";
      }
      return "invoiced; pay within " + time_left_text(style.now, view.invoice_expires) + ": pay " +
             short_id(view.take_id);
    case result::PurchaseState::paying:
      return "paying";
    case result::PurchaseState::settled:
      return "settled";
    case result::PurchaseState::failed:
      return "failed";
  }
  return "";
}

std::string purchase_facts(result::PurchaseView const& view, TextStyle const& style) {
  Facts facts{style};
  facts.add("take", printable(view.take_id));
  facts.add("order", printable(view.order_id));
  if (view.maker) facts.add("maker", view.maker->hex());
  facts.add("terms", terms_text(view.side, view.amount, view.price) + ", " +
                         notional(view.amount, view.price).cents.to_text() + " USD in all");
  facts.add("state", state_text(view, style));
  if (!view.preimage.empty()) facts.add("preimage", printable(view.preimage));
  auto out = facts.text();
  if (!view.invoice.empty() && view.state == result::PurchaseState::invoiced)
    out += printable(view.invoice) + "\n";
  return out;
}

std::string paid_text(result::PurchaseState state) {
  if (state == result::PurchaseState::settled) return "settled";
  if (state == result::PurchaseState::failed) return "not confirmed by the maker until the end";
  return "paid; the maker has not confirmed it yet";
}

std::string execution_text(result::Execution const& execution, TextStyle const& style) {
  bool const buys = execution.side == Side::buy;
  UsdCents cents;
  Satoshi unconfirmed;
  for (auto const& take : execution.takes) {
    bool const is_settled = take.state == result::PurchaseState::settled;
    if (is_settled) cents = cents + notional(take.amount, take.price).cents;
    if (!is_settled) unconfirmed = unconfirmed + take.amount;
  }
  std::string out = std::string{buys ? "bought " : "sold "} + execution.filled.to_text() + " of " +
                    execution.wanted.to_text() + " BTC for " + cents.to_text() + " USD, at " +
                    execution.limit.to_text() + " or better";
  if (unconfirmed.units() > 0) out += "; " + unconfirmed.to_text() + " BTC are paid and not confirmed yet";
  bool const has_rest = execution.filled + unconfirmed < execution.wanted;
  out += has_rest ? "; the rest was cancelled\n" : "\n";
  TextTable table{{{"take"}, {"BTC", Align::point}, {"USD", Align::point}, {"state", Align::left, 0, true}}};
  for (auto const& take : execution.takes) {
    table.add({short_id(take.take_id), take.amount.to_text(), take.price.to_text(), paid_text(take.state)});
  }
  return out + table.text(style.width, style.colour);
}

bool is_long_id(std::string_view text) {
  auto const is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return is_uuid(text) || (text.size() >= 64 && std::ranges::all_of(text, is_hex));
}

bool is_decimal(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789.-") == std::string_view::npos;
}

/// A number of milliseconds after 2001, which are times in the rows of the journal.
std::optional<std::string> as_time(json::Value const& value) {
  auto const number = value.as_int();
  if (!number || *number < 1'000'000'000'000) return std::nullopt;
  return time_text(from_unix_ms(*number));
}

/// The members of a trade, the most important ones first.
constexpr std::array<std::string_view, 9> kTradeMembers{"at",   "side",        "amount", "price", "usd",
                                                        "role", "counterpart", "order",  "take"};

/// The table of rows that are JSON objects: a column for each member with a plain value, first those of a
/// trade, then others in the order in which they appear. Columns that do not fit are left out, the last ones
/// first.
class RowTable {
 public:
  void add(json::Value const& row) {
    auto const* const members = row.as_object();
    if (!members) return;
    auto& cells = rows_.emplace_back();
    for (auto const& [name, value] : *members) {
      if (value.as_object() || value.as_array() || value.as_bool()) continue;
      if (std::ranges::find(names_, name) == names_.end()) names_.push_back(name);
      cells[name] = cell_of(value);
    }
    auto const* const due = row.find("usdIsDue");
    if (due && due->as_bool() && *due->as_bool()) {
      if (std::ranges::find(names_, "due") == names_.end()) names_.emplace_back("due");
      cells["due"] = "yes";
    }
  }

  [[nodiscard]] std::string text(TextStyle const& style) const {
    if (rows_.empty()) return "";
    auto names = names_;
    std::ranges::stable_sort(names, {}, rank_of);
    std::vector<Column> columns;
    columns.reserve(names.size());
    for (auto const& name : names) {
      columns.push_back({printable(name), align_of(name), static_cast<int>(columns.size())});
    }
    TextTable table{std::move(columns)};
    for (auto const& row : rows_) {
      std::vector<Cell> cells;
      for (auto const& name : names) {
        auto const found = row.find(name);
        cells.emplace_back(found == row.end() ? "" : found->second);
      }
      table.add(std::move(cells));
    }
    return table.text(style.width, style.colour);
  }

 private:
  static std::ptrdiff_t rank_of(std::string const& name) {
    return std::ranges::find(kTradeMembers, name) - kTradeMembers.begin();
  }
  static std::string cell_of(json::Value const& value) {
    if (value.is_null()) return "";
    if (auto time = as_time(value)) return *time;
    auto const* const text = value.as_string();
    if (!text) return json::to_text(value);
    return is_long_id(*text) ? short_id(*text) : cut_to_width(printable(*text), kEndpointWidth);
  }
  [[nodiscard]] Align align_of(std::string const& name) const {
    bool const is_number = std::ranges::all_of(rows_, [&](auto const& row) {
      auto const found = row.find(name);
      return found == row.end() || found->second.empty() || is_decimal(found->second);
    });
    return is_number ? Align::point : Align::left;
  }

  std::vector<std::string> names_;
  std::vector<std::map<std::string, std::string>> rows_;
};

std::string history_text(result::History const& history, TextStyle const& style) {
  std::string out;
  for (auto const& word : history.words) out += line_of(printable(word), style);
  if (!out.empty()) return out;
  RowTable table;
  for (auto const& row : history.rows) {
    auto const parsed = json::parse(row);
    if (parsed && parsed->as_object()) {
      table.add(*parsed);
    } else {
      out += line_of(printable(row), style);
    }
  }
  if (history.rows.empty()) return "Nothing is recorded.\n";
  return table.text(style) + out;
}

// Peers

std::string peer_table(result::PeerList const& list, TextStyle const& style) {
  if (list.peers.empty()) return "No peers.\n";
  TextTable table{{{"endpoint", Align::left, 0, true},
                   {"peer", Align::left, 2},
                   {"known by", Align::left, 3},
                   {"book", Align::left, 1},
                   {"name", Align::left, 4, true}}};
  std::string troubles;
  for (auto const& peer : list.peers) {
    auto const book = peer.trouble.empty() ? (peer.is_synced ? "read" : "not read") : "away";
    Cell const state{book, peer.trouble.empty() ? Tone::plain : Tone::bad};
    auto const claim = peer.peer ? short_id(peer.peer->hex()) + (peer.is_proven ? "" : "?") : "original";
    table.add({printable(peer.endpoint), claim, printable(peer.source), state, printable(peer.name)});
    auto const endpoint = cut_to_width(printable(peer.endpoint), kEndpointWidth);
    if (!peer.trouble.empty()) troubles += line_of(endpoint + ": " + phrase(peer.trouble), style);
    if (!peer.is_convicted) continue;
    troubles +=
        line_of(endpoint + ": has signed contradictory terms of an order; its orders are hidden", style);
  }
  return table.text(style.width, style.colour) + troubles;
}

std::string status_facts(result::StatusView const& view, TextStyle const& style) {
  Facts facts{style};
  facts.add("peer", view.id.hex());
  if (!view.name.empty()) facts.add("name", printable(view.name));
  facts.add("address", printable(view.endpoint));
  facts.add("peers", std::to_string(view.peer_count));
  facts.add("orders",
            std::to_string(view.order_count) + ", " + std::to_string(view.own_order_count) + " ours" +
                (view.hidden_count > 0 ? ", " + std::to_string(view.hidden_count) + " hidden" : ""));
  facts.add("invoices", std::to_string(view.sale_count) + " unpaid");
  facts.add("takes", std::to_string(view.purchase_count) + " under way");
  for (auto const& index : view.indexes) {
    auto const state = index.price ? index.price->to_text() + " USD" : "no price";
    facts.add("index", printable(index.name) + ": " + state + ", " + std::to_string(index.fresh_count) +
                           " fresh of " + std::to_string(index.needed_count) + " needed");
  }
  facts.add("data folder", view.data_dir.empty() ? "none: nothing is kept" : printable(view.data_dir));
  facts.add("grape", printable(view.grape));
  facts.add("reservations", printable(view.reservations));
  return facts.text();
}

// Events of Nostr

/// One event a line, for other programs.
std::string event_lines(result::Exported const& exported) {
  std::string out;
  for (auto const& event : exported.events) out += json::to_text(to_json(event)) + "\n";
  return out;
}

/// "50 to 150.5 EUR, +2 %": the amount or the range, and the premium.
std::string fiat_text(Nip69Order const& order) {
  auto out = order.fiat_max + " " + order.currency;
  if (order.fiat_min != order.fiat_max) out = order.fiat_min + " to " + out;
  if (order.premium.empty() || order.premium == "0") return out;
  bool const has_sign = order.premium.starts_with('-') || order.premium.starts_with('+');
  return out + (has_sign ? ", " : ", +") + order.premium + " %";
}

std::string imported_table(result::Imported const& imported, TextStyle const& style) {
  if (imported.orders.empty()) return "No events.\n";
  TextTable table{{{"outcome"},
                   {"id"},
                   {"side"},
                   {"BTC", Align::point},
                   {"for", Align::left, 1, true},
                   {"status", Align::left, 2},
                   {"platform", Align::left, 3, true}}};
  bool has_rows = false;
  std::string refusals;
  for (auto const& each : imported.orders) {
    if (each.order) {
      auto const& order = *each.order;
      has_rows = true;
      table.add({std::string{to_text(each.outcome)}, short_id(order.id), side_cell(order.side),
                 order.amount ? order.amount->to_text() : std::string{}, fiat_text(order),
                 std::string{to_text(order.status)}, phrase(order.platform)});
    }
    if (each.reason.empty()) continue;
    refusals += line_of("line " + std::to_string(each.line) + ": refused: " + printable(each.reason), style);
  }
  if (imported.left_out > 0) refusals += std::to_string(imported.left_out) + " more were not read.\n";
  return (has_rows ? table.text(style.width, style.colour) : std::string{}) + refusals;
}

struct ResultTable {
  TextStyle const& style;

  std::string operator()(result::Failure const& failure) const { return to_table(failure, style); }
  std::string operator()(result::Placed const& placed) const { return order_facts(placed.order, style); }
  std::string operator()(result::OrderList const& list) const { return order_table(list, style); }
  std::string operator()(result::Ladder const& ladder) const { return ladder_table(ladder, style); }
  std::string operator()(result::PurchaseView const& view) const { return purchase_facts(view, style); }
  std::string operator()(result::Execution const& execution) const {
    return execution_text(execution, style);
  }
  std::string operator()(result::History const& history) const { return history_text(history, style); }
  std::string operator()(result::Connected const& connected) const {
    auto const who =
        connected.peer ? "peer " + short_id(connected.peer->hex()) : "a peer of the original program";
    auto const name = connected.name.empty() ? "" : " (" + printable(connected.name) + ")";
    return line_of("Connected to " + who + name + " at " +
                       cut_to_width(printable(connected.endpoint), kEndpointWidth) + ".",
                   style);
  }
  std::string operator()(result::PeerList const& list) const { return peer_table(list, style); }
  std::string operator()(result::StatusView const& view) const { return status_facts(view, style); }
  std::string operator()(result::Exported const& exported) const { return event_lines(exported); }
  std::string operator()(result::Imported const& imported) const { return imported_table(imported, style); }
  template <class CreditResult>
  std::string operator()(CreditResult const& result) const {
    return credit_text(result, style);
  }
};

// Events

struct EventSentence {
  Sentence operator()(event::OrderChanged const& changed) const {
    auto const& order = changed.order;
    auto const whose = changed.is_own ? std::string{"our "} : std::string{};
    auto const head = whose + "order " + short_id(order.id) + ": ";
    auto const terms = terms_text(order.side, order.remaining, order.price);
    auto const is_open = order.status == OrderStatus::open;
    if (is_open) return {head + terms + (changed.is_new ? ", new" : ", that is what is left")};
    return {head + std::string{to_text(order.status)}, Tone::faint};
  }
  Sentence operator()(event::PeerMet const& met) const {
    auto const name = met.name.empty() ? "" : " (" + printable(met.name) + ")";
    auto const who = met.peer ? "peer " + short_id(met.peer->hex()) : "a peer of the original program";
    return {who + name + " answers at " + endpoint(met.endpoint), Tone::good};
  }
  Sentence operator()(event::PeerLost const& lost) const {
    return {"no peer at " + endpoint(lost.endpoint) + ": " + phrase(lost.reason), Tone::bad};
  }
  Sentence operator()(event::BookRead const& read) const {
    auto text = "read the book of " + endpoint(read.endpoint) + ": " + std::to_string(read.order_count) +
                " orders, " + std::to_string(read.new_count) + " new";
    if (read.dropped_count > 0) text += ", " + std::to_string(read.dropped_count) + " dropped";
    return {std::move(text), Tone::faint};
  }
  Sentence operator()(event::TakeAnswered const& answered) const {
    auto const text = "take of " + answered.amount.to_text() + " BTC of order " +
                      short_id(answered.order_id) + " by " + short_id(answered.taker);
    if (!answered.refusal) return {text + ": reserved, invoice sent", Tone::good};
    auto const& refusal = *answered.refusal;
    auto const reason = refusal.reason.empty() ? "" : ", " + phrase(refusal.reason);
    return {text + ": refused (" + std::string{to_text(refusal.code)} + reason + ")", Tone::bad};
  }
  Sentence operator()(event::SaleExpired const& expired) const {
    return {short_id(expired.taker) + " did not pay in time: " + expired.amount.to_text() + " BTC of order " +
            short_id(expired.order_id) + " are free again"};
  }
  Sentence operator()(event::PurchaseChanged const& changed) const {
    auto const& view = changed.purchase;
    auto text = "take " + short_id(view.take_id) + " of order " + short_id(view.order_id) + ": " +
                std::string{result::to_text(view.state)};
    if (!changed.text.empty()) text += ", " + phrase(changed.text);
    bool const is_failed = view.state == result::PurchaseState::failed;
    return {std::move(text), is_failed ? Tone::bad : Tone::plain};
  }
  Sentence operator()(event::TradeDone const& trade) const {
    auto const did = trade.side == Side::buy ? "bought " : "sold ";
    return {std::string{"trade: "} + did + trade.amount.to_text() + " BTC at " + trade.price.to_text() +
                " USD, " + trade.cents.to_text() + " USD in all, with " + short_id(trade.counterpart),
            Tone::good};
  }
  Sentence operator()(event::GrapeChanged const& changed) const {
    if (!changed.answers) return {phrase(changed.text), Tone::bad};
    return {phrase("grape " + changed.text), Tone::good};
  }
  Sentence operator()(event::Warning const& warning) const {
    return {"warning: " + phrase(warning.text), Tone::bad};
  }
  template <class CreditEvent>
  Sentence operator()(CreditEvent const& event) const {
    return credit_sentence(event);
  }

 private:
  static std::string endpoint(std::string const& text) {
    return cut_to_width(printable(text), kEndpointWidth);
  }
};

}  // namespace

std::string time_text(WallTime time) {
  auto const ms = to_unix_ms(time);
  if (ms < 0 || ms >= kYear10000Ms) return "-";
  auto const day = std::chrono::floor<std::chrono::days>(time);
  std::chrono::year_month_day const date{day};
  std::chrono::hh_mm_ss const clock{std::chrono::floor<std::chrono::seconds>(time - day)};
  std::array<char, 64> out{};
  auto const size =
      std::snprintf(out.data(), out.size(), "%04d-%02u-%02u %02d:%02d:%02d", int{date.year()},
                    unsigned{date.month()}, unsigned{date.day()}, static_cast<int>(clock.hours().count()),
                    static_cast<int>(clock.minutes().count()), static_cast<int>(clock.seconds().count()));
  return {out.data(), static_cast<std::size_t>(size)};
}

std::string time_left_text(WallTime now, WallTime end) {
  if (end < now) return "over";
  auto const ms = static_cast<std::uint64_t>(to_unix_ms(end)) - static_cast<std::uint64_t>(to_unix_ms(now));
  std::uint64_t const seconds = ms / 1000;
  static constexpr std::array<std::pair<char, std::uint64_t>, 4> kUnits{
      {{'d', 86'400}, {'h', 3'600}, {'m', 60}, {'s', 1}}};
  if (seconds >= 1000 * kUnits[0].second) return "years";
  for (std::size_t i = 0; i + 1 < kUnits.size(); ++i) {
    auto const [unit, size] = kUnits[i];
    auto const [next_unit, next_size] = kUnits[i + 1];
    if (seconds < size) continue;
    return std::to_string(seconds / size) + unit + " " + std::to_string(seconds % size / next_size) +
           next_unit;
  }
  return std::to_string(seconds) + "s";
}

std::string to_table(CommandResult const& result, TextStyle const& style) {
  return std::visit(ResultTable{style}, result);
}

std::string to_table(Event const& event, TextStyle const& style) {
  auto const sentence = std::visit(EventSentence{}, event);
  auto const time = time_text(style.now);
  auto const clock = time.size() > 8 ? time.substr(time.size() - 8) : time;
  auto const text = wrapped(sentence.text, style.width - clock.size() - 1, 0);
  std::string out = toned(clock, Tone::faint, style.colour);
  std::string const indent(clock.size() + 1, ' ');
  std::string_view rest = text;
  for (bool is_first = true; !rest.empty(); is_first = false) {
    auto const line = rest.substr(0, rest.find('\n'));
    out += (is_first ? " " : "\n" + indent) + toned(line, sentence.tone, style.colour);
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
  }
  return out + "\n";
}

std::string to_table(result::Failure const& failure, TextStyle const& style) {
  auto out = toned(wrapped(printable(failure.text), style.width, 2), Tone::bad, style.colour) + "\n";
  if (!failure.hint.empty()) out += line_of(printable(failure.hint), style);
  return out;
}

}  // namespace grenache::exchange
