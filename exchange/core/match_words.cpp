#include "exchange/core/match_words.hpp"

namespace grenache::exchange {

namespace {

std::string hidden_words(Book const& book, OrderRecord const& order, WallTime now) {
  auto const count = book.hidden_match_count(order, now);
  if (count == 0) return {};
  if (count == 1) return " An order that it would match is hidden, since its maker is silent.";
  return " " + std::to_string(count) +
         " orders that it would match are hidden, since their makers are silent.";
}

std::string no_match_words(Book const& book, OrderRecord const& order, WallTime now) {
  bool const buys = order.side == Side::buy;
  auto const best = book.levels(opposite(order.side), 1, now);
  if (best.empty()) return std::string{"It matches nothing: nobody "} + (buys ? "sells." : "buys.");
  auto const price = best.front().price;
  bool const crosses = buys ? order.price >= price : order.price <= price;
  if (!crosses) {
    return std::string{"It matches nothing: the best price to "} + (buys ? "buy" : "sell") + " is " +
           price.to_text() + " USD, " + (buys ? "above its " : "below its ") + order.price.to_text() +
           " USD.";
  }
  return order.is_signed()
             ? "It matches nothing: the orders at its price are of the same maker, or unsigned "
               "ones of another amount."
             : "It matches nothing: an unsigned order trades as a whole, and none has its amount.";
}

}  // namespace

std::string match_words(Book const& book, OrderRecord const& order, bool is_own, WallTime now) {
  auto const matches = book.matches(order, now);
  if (!matches.empty()) {
    auto const& best = matches.front();
    auto const advice = is_own ? " Orders do not trade by themselves: take one with acceptOrder." : "";
    return "It matches " + std::to_string(matches.size()) +
           (matches.size() == 1 ? " order: " : " orders; the best is ") + best.order.id + " at " +
           best.order.price.to_text() + " USD, " + best.amount.to_text() + " BTC of it." + advice;
  }
  return no_match_words(book, order, now) + hidden_words(book, order, now);
}

}  // namespace grenache::exchange
