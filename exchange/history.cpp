#include "exchange/history.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <memory>
#include <utility>

#include "exchange/core/credit/credit.hpp"
#include "exchange/messages/order_record.hpp"
#include <grenache/base/time.hpp>
#include <grenache/json/json.hpp>

namespace grenache::exchange {
namespace {

constexpr std::size_t kRowCountMax = 1'000;
constexpr std::size_t kPageSize = 1'000;
constexpr std::size_t kListedMax = 10'000;
constexpr std::size_t kUuidSize = 36;

std::string text(json::Value const& body, std::string_view name) {
  auto const* const found = body.find_string(name);
  return found ? *found : std::string{};
}

/// ISO 8601 in UTC, to the second.
std::string time_text(json::Value const& body, std::string_view name) {
  auto const ms = body.find_int(name);
  if (!ms) return "an unknown time";
  std::time_t const seconds = *ms / 1000;
  std::tm parts{};
  if (!gmtime_r(&seconds, &parts)) return "an unknown time";
  std::array<char, 32> out{};
  std::strftime(out.data(), out.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return out.data();
}

std::string order_words(json::Value const& body) {
  auto const* const order = body.find("order");
  if (!order) return {};
  bool const buys = text(*order, "buy") == "BTC";
  std::string out = "Own order " + text(*order, "id") + " " + (buys ? "buys " : "sells ") +
                    text(*order, "amount") + " BTC at " + text(*order, "price") + " USD. It is " +
                    text(*order, "status") + ", " + text(*order, "remaining") + " BTC of it is left";
  if (text(body, "filled") != "0") out += ", " + text(body, "filled") + " BTC was traded";
  if (text(body, "reduced") != "0") out += ", " + text(body, "reduced") + " BTC was withdrawn";
  out += ". It expires at " + time_text(*order, "expires") + ".";
  if (auto const group = text(body, "group"); !group.empty()) {
    out += " Of the orders of its group '" + group + "' only one is sold.";
  }
  if (auto const peg = text(body, "peg"); !peg.empty())
    out += " It was published by pegged order " + peg + ".";
  return out;
}

std::string peg_words(Row const& row, json::Value const& body) {
  bool const buys = text(body, "side") == to_text(Side::buy);
  auto const bound = [&](std::string_view name, std::string const& word) {
    return text(body, name).empty() ? std::string{} : word + text(body, name);
  };
  auto out = "Pegged order " + row.key + (buys ? " buys " : " sells ") + text(body, "amount") + " BTC at " +
             text(body, "peg") + bound("minPrice", " from ") + bound("maxPrice", " to ") + ".";
  if (auto const order = text(body, "order"); !order.empty()) out += " Its newest order is " + order + ".";
  if (body.find("ends")) out += " It ends at " + time_text(body, "ends") + ".";
  return out;
}

std::string sale_words(json::Value const& body) {
  auto const state = text(body, "state");
  std::string out = "Taker " + text(body, "taker").substr(0, 16) + " reserved " + text(body, "amount") +
                    " BTC at " + time_text(body, "reservedAt");
  if (state == "invoiced") return out + ". The invoice is not paid yet.";
  if (state == "paying") return out + " and pays; the reservation store has not settled it yet.";
  if (state == "settled") return out + " and paid.";
  return out + ". The invoice expired unpaid, and the amount is free again.";
}

std::string purchase_words(json::Value const& body) {
  auto const state = text(body, "state");
  auto const* const order = body.find("order");
  bool const is_unsigned = order && !order->find("maker");
  auto const price = is_unsigned ? kOriginalPrice.to_text() : order ? text(*order, "price") : std::string{};
  auto const what = text(body, "amount") + " BTC" +
                    (order ? " of order " + text(*order, "id") + " at " + price + " USD" : "");
  std::string const prefix = "Take " + text(body, "take") + " of " + what;
  if (state == "asking") return prefix + " waits for the invoice of the maker.";
  if (state == "invoiced" && is_unsigned) {
    return prefix + " has an invoice of a peer of the original program until " +
           time_text(body, "invoiceExpires") + ".";
  }
  if (state == "invoiced") {
    return prefix + " waits for its payment until " + time_text(body, "invoiceExpires") + ".";
  }
  if (state == "paying") return prefix + " was paid; the maker has not given the preimage yet.";
  if (state == "settled") return prefix + " is settled.";
  return prefix + " failed: " + text(body, "failure") + ".";
}

std::string refusal_words(json::Value const& body) {
  std::string const amount = text(body, "amount") == "0" ? "an amount" : text(body, "amount") + " BTC";
  return "A take of " + amount + " in the name of " + text(body, "taker").substr(0, 16) + " was refused at " +
         time_text(body, "at") + ": " + text(body, "reason") + ".";
}

std::string trade_words(json::Value const& body) {
  auto const* const due = body.find("usdIsDue");
  bool const is_due = due && due->as_bool() && *due->as_bool();
  return "Traded at " + time_text(body, "at") + ": " + (text(body, "side") == "buy" ? "bought " : "sold ") +
         text(body, "amount") + " BTC at " + text(body, "price") + " USD for " + text(body, "usd") +
         " USD as " + text(body, "role") + "." + (is_due ? " The USD are due." : "");
}

std::string equivocation_words(json::Value const& body) {
  auto const terms = [&body](char const* name) -> std::string {
    auto const* const order = body.find(name);
    if (!order) return {};
    return std::string{text(*order, "buy") == "BTC" ? "buys " : "sells "} + text(*order, "amount") +
           " BTC at " + text(*order, "price") + " USD since " + time_text(*order, "created");
  };
  auto const* const order = body.find("order");
  if (!order) return {};
  return "Maker " + text(*order, "maker").substr(0, 16) + " has signed contradictory terms of order " +
         text(*order, "id") + ": one version " + terms("order") + ", another " + terms("second") +
         ". Its orders are hidden.";
}

bool is_about(Row const& row, std::string const& id) {
  if (row.key.starts_with(id)) return true;
  auto const body = json::parse(row.body);
  if (!body) return false;
  auto const* const order = body->find("order");
  auto const order_id = order && order->as_object() ? text(*order, "id") : text(*body, "order");
  return order_id.starts_with(id) || text(*body, "take").starts_with(id) ||
         (!text(*body, "forOrder").empty() && text(*body, "forOrder").starts_with(id));
}

/// The kinds that are searched, in the order in which they are told.
constexpr std::array kKinds{"peg", "order", "sale", "refusal", "purchase", "taken", "trade", "equivocation"};

struct Search {
  std::string id;
  std::string match;
  HistoryDone done;
  result::History found;
  std::size_t found_count = 0;  // of this kind
};

void end_search(Search& search) {
  auto& words = search.found.words;
  if (!search.match.empty()) words.push_back(std::move(search.match));
  if (words.empty()) words.push_back("The journal knows nothing of '" + search.id + "'.");
  search.done(std::move(search.found));
}

void search(Journal& journal, std::shared_ptr<Search> state, std::size_t kind, std::string after) {
  if (kind == kKinds.size()) return end_search(*state);
  RowQuery query;
  query.kind = kKinds[kind];
  query.after = std::move(after);
  query.count_max = kPageSize;
  query.newest_first = query.kind == "trade";
  journal.read(std::move(query), [&journal, state, kind](std::vector<Row> const& rows) {
    for (auto const& row : rows) {
      if (state->found_count >= kRowCountMax || !is_about(row, state->id)) continue;
      ++state->found_count;
      state->found.rows.push_back(row.body);
      state->found.words.push_back(words_of(row));
    }
    bool const is_last = rows.size() < kPageSize || state->found_count >= kRowCountMax;
    if (is_last) state->found_count = 0;
    search(journal, state, is_last ? kind + 1 : kind, is_last ? std::string{} : rows.back().key);
  });
}

void list_newest(Journal& journal, char const* kind, std::size_t count_max, HistoryDone done) {
  RowQuery query;
  query.kind = kind;
  query.count_max = std::min(count_max, kListedMax);
  query.newest_first = true;
  journal.read(std::move(query), [done = std::move(done)](std::vector<Row> const& rows) {
    result::History out;
    for (auto const& row : rows) out.rows.push_back(row.body);
    done(std::move(out));
  });
}

struct PaymentSearch {
  std::string id;
  std::function<void(PaymentRows)> done;
  PaymentRows found;
};

void read_version(Journal& journal, std::shared_ptr<PaymentSearch> search) {
  auto const body =
      search->found.payment ? json::parse(search->found.payment->body) : Result<json::Value>{json::Value{}};
  auto const key = body ? text(*body, "version") : std::string{};
  if (key.empty()) return search->done(std::move(search->found));
  RowQuery query;
  query.kind = Credit::kVersionKind;
  query.after = key;  // all keys have one size, so this is the next one
  --query.after.back();
  query.count_max = 1;
  journal.read(std::move(query), [search, key](std::vector<Row> const& rows) {
    if (!rows.empty() && rows.front().key == key) search->found.version = rows.front();
    search->done(std::move(search->found));
  });
}

void search_payments(Journal& journal, std::shared_ptr<PaymentSearch> search, std::string before) {
  RowQuery query;
  query.kind = Credit::kPaymentKind;
  query.after = std::move(before);
  query.count_max = kPageSize;
  query.newest_first = true;
  journal.read(std::move(query), [&journal, search](std::vector<Row> const& rows) {
    for (auto const& row : rows) {
      // The key ends with the id.
      auto const id_at = row.key.size() - std::min(kUuidSize, row.key.size());
      if (!std::string_view{row.key}.substr(id_at).starts_with(search->id)) continue;
      if (search->found.payment && search->id.size() == kUuidSize) {
        // The peer has paid us under the id of a payment of ours, or the other way round.
        if (row.key.find("-o-") != std::string::npos) search->found.payment = row;
        continue;
      }
      search->found.is_ambiguous = search->found.payment.has_value();
      search->found.payment = row;
      if (search->found.is_ambiguous) return search->done(std::move(search->found));
    }
    if (rows.size() < kPageSize) return read_version(journal, search);
    search_payments(journal, search, rows.back().key);
  });
}

}  // namespace

std::string words_of(Row const& row) {
  auto const body = json::parse(row.body);
  if (!body) return {};
  if (row.kind == "peg") return peg_words(row, *body);
  if (row.kind == "order") return order_words(*body);
  if (row.kind == "sale") return sale_words(*body);
  if (row.kind == "refusal") return refusal_words(*body);
  if (row.kind == "purchase" || row.kind == "taken") return purchase_words(*body);
  if (row.kind == "trade") return trade_words(*body);
  if (row.kind == "equivocation") return equivocation_words(*body);
  return {};
}

void list_trades(Journal& journal, command::ListTrades const& wanted, HistoryDone done) {
  list_newest(journal, "trade", wanted.count_max, std::move(done));
}

void list_payments(Journal& journal, command::ListPayments const& wanted, HistoryDone done) {
  list_newest(journal, Credit::kPaymentKind, wanted.count_max, std::move(done));
}

void find_payment(Journal& journal, std::string const& id, std::function<void(PaymentRows)> done) {
  auto search = std::make_shared<PaymentSearch>(PaymentSearch{id, std::move(done), {}});
  search_payments(journal, std::move(search), {});
}

void explain(Journal& journal, command::Explain const& wanted, std::string match, HistoryDone done) {
  search(journal, std::make_shared<Search>(Search{wanted.id, std::move(match), std::move(done), {}}), 0, {});
}

}  // namespace grenache::exchange
