// Watches everything that Traders send, and what they have traded, for broken promises.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "exchange/core/trade/invoice.hpp"
#include "exchange/messages/message.hpp"
#include "tests/support/trader_network.hpp"

namespace grenache::exchange::test {

/// Collects what leaves the peers of a network, and notes broken promises in `problems`.
class TradeWatch {
 public:
  explicit TradeWatch(TraderNetwork& network) : network_{network} {
    network.on_sent = [this](auto const& from, json::Value const& sent) { on_sent(from, sent); };
    network.on_durable = [this](auto const& node, Batch const& batch) { on_durable(node, batch); };
  }

  /// An order was placed.
  void add_order(std::string const& id, Satoshi amount) { amounts_.insert_or_assign(id, amount); }
  /// A peer that is no node of the network: what it says of its trades is not known.
  void add_stranger(PeerId const& id) { strangers_.insert(id.hex()); }
  /// A store has lost data: an order of its maker may then count a fill twice, which sells less of it.
  void add_loss(PeerId const& maker) { losses_.insert(maker); }

  /// What must hold at every moment.
  void check() {
    for (auto const& what : std::exchange(network_.wrong_dumps, {})) fail("not restored alike: " + what);
    for (auto const& row : std::exchange(network_.lost_rows, {})) {
      fail("a row cannot be restored: " + row.kind + " " + row.body);
    }
    for (auto const& at : std::exchange(network_.busy, {})) fail(at + ": something is due for ever");
    if (network_.stray_reply_count != 0) fail("a request was answered twice");
    for (auto const& [id, table] : network_.stores) table.check();
  }

  /// What must hold once all peers are up, reach each other, and have nothing under way.
  void check_quiet() {
    check();
    read_trades();
    for (auto const& [take, bought] : bought_) {
      auto const sold = sold_.find(take);
      if (strangers_.contains(bought.maker)) continue;
      if (sold == sold_.end()) {
        fail("bought but not sold: take " + take);
      } else if (sold->second != bought) {
        fail("bought and sold differ: take " + take);
      }
    }
    for (auto const& [take, sold] : sold_) {
      if (!bought_.contains(take) && !strangers_.contains(sold.taker)) {
        fail("sold but not bought: take " + take);
      }
    }
    check_sums();
    check_orders();
    check_books();
    for (auto const& node : network_.nodes) {
      if (!node->requests.empty()) fail(node->at + ": a request was not answered");
      for (auto const& maker : network_.nodes) {
        if (node->trader->equivocations().find(maker->id)) fail(node->at + " has convicted an honest maker");
      }
    }
  }

  [[nodiscard]] std::size_t trade_count() const { return bought_.size(); }
  /// Pegged orders that were filled in part, when all was quiet.
  [[nodiscard]] std::size_t filled_peg_count() const { return filled_peg_count_; }
  /// Groups of which an order was filled.
  [[nodiscard]] std::size_t filled_group_count() const { return filled_groups_.size(); }
  /// Of an order, as its maker.
  [[nodiscard]] std::size_t sale_count(std::string_view order) const {
    return static_cast<std::size_t>(
        std::ranges::count_if(sold_, [&](auto const& each) { return each.second.order == order; }));
  }

  std::vector<std::string> problems;

 private:
  struct Trade {
    std::string order;
    std::string maker;
    std::string taker;
    Satoshi amount;
    UsdCents cents;
    bool maker_sells = false;
    friend bool operator==(Trade const&, Trade const&) = default;
  };
  struct Promised {
    std::string order;
    std::string take;
    Satoshi amount;
    friend bool operator==(Promised const&, Promised const&) = default;
  };

  void fail(std::string text) { problems.push_back(std::move(text)); }

  // What is on the disk

  void on_durable(TraderNetwork::Node const& node, Batch const& batch) {
    auto const is_of_order = [](RowChange const& change) { return change.kind == OwnOrders::kRowKind; };
    if (std::ranges::none_of(batch.changes, is_of_order)) return;
    check_groups(node);
    check_pegs(node);
  }

  static Satoshi amount_of(json::Value const& body, std::string_view name) {
    return *Satoshi::from_json(*body.find(name));
  }

  /// What all orders of a pegged order have sold, offer and have reserved is at most its amount, and one of
  /// them is open at most: after each transaction.
  void check_pegs(TraderNetwork::Node const& node) {
    struct Sum {
      Satoshi amount;
      Satoshi used;
      int open_count = 0;
    };
    std::map<std::string, Sum> sums;
    for (auto const& row : node.rows.read({.kind = PeggedOrders::kRowKind, .count_max = 1'000})) {
      auto const body = *json::parse(row.body);
      sums[row.key] = {amount_of(body, "amount"), amount_of(body, "soldBefore"), 0};
      peg_amounts_.insert_or_assign(row.key, amount_of(body, "amount"));
    }
    if (sums.empty()) return;
    struct Closed {
      std::string peg;
      Satoshi left;     // no more than this is granted
      Satoshi claimed;  // by takers and own takes
    };
    std::map<std::string, Closed> closed;  // by order
    for (auto const& row : node.rows.read({.kind = OwnOrders::kRowKind, .count_max = 100'000})) {
      if (row.body.find("\"peg\"") == std::string::npos) continue;
      auto const body = *json::parse(row.body);
      auto const peg = *body.find_string("peg");
      peg_of_.insert_or_assign(row.key, peg);
      auto& sum = sums[peg];
      sum.used = sum.used + amount_of(body, "filled");
      auto const& order = *body.find("order");
      if (*order.find_string("status") == "OPEN") {
        ++sum.open_count;
        sum.used = sum.used + amount_of(order, "remaining");
      } else {
        closed.emplace(row.key, Closed{peg, amount_of(order, "remaining"), {}});
      }
    }
    auto const add_claim = [&](json::Value const& body, std::string_view name) {
      auto const found = closed.find(*body.find_string(name));
      if (found == closed.end()) return;
      found->second.claimed = found->second.claimed + amount_of(body, "amount");
    };
    for (auto const& row : node.rows.read({.kind = Sales::kRowKind, .count_max = 100'000})) {
      auto const body = *json::parse(row.body);
      auto const state = *body.find_string("state");
      if (state == "invoiced" || state == "paying") add_claim(body, "order");
    }
    for (auto const& row : node.rows.read({.kind = Purchases::kRowKind, .count_max = 100'000})) {
      add_claim(*json::parse(row.body), "forOrder");
    }
    for (auto const& [id, order] : closed) {
      auto& sum = sums[order.peg];
      sum.used = sum.used + std::min(order.claimed, order.left);
    }
    for (auto const& [id, sum] : sums) {
      if (sum.amount.units() == 0) continue;  // it has ended
      if (sum.used > sum.amount && !losses_.contains(node.id)) {
        fail(node.at + ": pegged order " + id + " of " + sum.amount.to_text() + " promises " +
             sum.used.to_text());
      }
      if (sum.open_count > 1) fail(node.at + ": pegged order " + id + " has two open orders");
    }
  }

  /// Of the orders of a group one is filled at most, and then no other is open: after each transaction.
  void check_groups(TraderNetwork::Node const& node) {
    struct Group {
      int filled_count = 0;
      int open_count = 0;  // of orders that are not filled
    };
    std::map<std::string, Group> groups;
    for (auto const& row : node.rows.read({.kind = OwnOrders::kRowKind, .count_max = 100'000})) {
      if (row.body.find("\"group\"") == std::string::npos) continue;
      auto const body = *json::parse(row.body);
      auto& group = groups[*body.find_string("group")];
      if (*body.find_string("filled") != "0") {
        ++group.filled_count;
      } else if (*body.find("order")->find_string("status") == "OPEN") {
        ++group.open_count;
      }
    }
    for (auto const& [name, group] : groups) {
      if (group.filled_count > 1) fail(node.at + ": two orders of group " + name + " were filled");
      if (group.filled_count == 1 && group.open_count > 0) {
        fail(node.at + ": an order of group " + name + " is open beside a filled one");
      }
      if (group.filled_count == 1) filled_groups_.insert(node.at + name);
    }
  }

  // What peers send

  void on_sent(TraderNetwork::Node const& from, json::Value const& sent) {
    auto const* const text = sent.as_string();
    if (text && text->find("rder") == std::string::npos && text->find("Paid") == std::string::npos) return;
    // Books are sent often, and seldom change.
    if (text && !seen_.insert(std::hash<std::string>{}(*text)).second) return;
    auto const payload = read_payload(sent);
    if (!payload) return;
    auto const& body = payload->body;
    if (body.as_array()) {
      auto const list = parse_orders(body, 10'000);
      if (!list) return;
      for (auto const& order : list->orders) on_order(order);
      return;
    }
    auto const* const type = body.find_string("type");
    if (!type) return;
    if (*type == ExecuteOrderResponse::kType) on_invoice(from, *parse_execute_response(body));
    if (*type == PaidMessage::kType) on_preimage(*parse_paid(body));
    if (*type == "RecordsAnswer") {
      auto const list = parse_orders(*body.find("orders"), kRecordsMax);
      if (list) std::ranges::for_each(list->orders, [this](auto const& order) { on_order(order); });
    }
    if (*type != AddOrderMessage::kType && *type != InventoryMessage::kType) return;
    auto const request = parse_request(body);
    if (!request) return;
    if (auto const* const add = std::get_if<AddOrderMessage>(&*request)) on_order(add->order);
    if (auto const* const told = std::get_if<InventoryMessage>(&*request)) {
      for (auto const& order : told->orders) on_order(order);
    }
  }

  // Each process signs each seq of an order once.
  void on_order(OrderRecord const& order) {
    if (!order.maker || strangers_.contains(order.maker->hex())) return;
    auto const digest = order_digest(order);
    auto const known = versions_.try_emplace({order.endpoint, order.id, order.seq}, digest).first;
    if (known->second != digest) {
      fail(order.endpoint + " has signed two versions " + std::to_string(order.seq) + " of order " +
           order.id);
    }
  }

  // A payment hash belongs to one take and amount.
  void on_invoice(TraderNetwork::Node const& from, ExecuteOrderResponse const& response) {
    auto const invoice = bolt11::decode(response.lightning_invoice);
    if (!invoice || !response.amount) return fail(from.at + " has sent an invoice that cannot be read");
    Promised const promised{response.order_id, response.take_id, *response.amount};
    auto const known = promises_.try_emplace(invoice->payment_hash, promised).first;
    if (known->second != promised) fail("two takes have one payment hash: " + promised.take);
  }

  // A preimage belongs to one take, and a take has one preimage.
  void on_preimage(PaidMessage const& paid) {
    auto const hash = sha256(paid.preimage.view());
    auto const promised = promises_.find(hash);
    if (promised == promises_.end()) return fail("a preimage without an invoice: take " + paid.take_id);
    if (promised->second.take != paid.take_id) fail("a preimage for two takes: " + paid.take_id);
    auto const known = preimages_.try_emplace(paid.take_id, hash).first;
    if (known->second != hash) fail("two payments of one take: " + paid.take_id);
  }

  // What they have traded

  void read_trades() {
    bought_.clear();
    sold_.clear();
    for (auto const& node : network_.nodes) {
      std::set<std::string> takes;
      for (auto const& row : node->rows.read({.kind = "trade", .count_max = 100'000})) {
        auto const body = *json::parse(row.body);
        auto const take = *body.find_string("take");
        bool const as_maker = *body.find_string("role") == "maker";
        auto const& other = *body.find_string("counterpart");
        bool const sells = *body.find_string("side") == "sell";
        Trade const trade{*body.find_string("order"),
                          as_maker ? node->id.hex() : other,
                          as_maker ? other : node->id.hex(),
                          *Satoshi::from_json(*body.find("amount")),
                          *UsdCents::from_json(*body.find("usd")),
                          as_maker == sells};
        if (!takes.insert(take).second) fail(node->at + " has traded take " + take + " twice");
        // Of the processes of one maker, each that was asked for the preimage has the trade.
        auto& side = as_maker ? sold_ : bought_;
        auto const known = side.try_emplace(take, trade).first;
        if (known->second != trade) fail("a take was settled with two amounts: " + take);
      }
    }
  }

  /// What one peer gets another one gives.
  void check_sums() {
    std::int64_t satoshi = 0;
    std::int64_t cents = 0;
    auto const add = [&](Trade const& trade, bool as_maker) {
      if (strangers_.contains(as_maker ? trade.taker : trade.maker)) return;
      auto const sign = as_maker == trade.maker_sells ? -1 : 1;
      satoshi += sign * trade.amount.units();
      cents -= sign * trade.cents.units();
    };
    for (auto const& [take, trade] : sold_) add(trade, true);
    for (auto const& [take, trade] : bought_) add(trade, false);
    if (satoshi != 0 || cents != 0) {
      fail("all trades sum to " + std::to_string(satoshi) + " sat and " + std::to_string(cents) + " cents");
    }
  }

  /// The amounts of own orders for which others' orders were taken.
  [[nodiscard]] std::map<std::string, Satoshi> used_by_takes() const {
    std::map<std::string, Satoshi> out;
    for (auto const& node : network_.nodes) {
      for (auto const& row : node->rows.read({.kind = Purchases::kEndedRowKind, .count_max = 100'000})) {
        auto const body = *json::parse(row.body);
        if (*body.find_string("state") != "settled") continue;
        auto& used = out[*body.find_string("forOrder")];
        used = used + *Satoshi::from_json(*body.find("amount"));
      }
    }
    return out;
  }

  void check_orders() {
    auto used = used_by_takes();
    for (auto const& [take, trade] : sold_) used[trade.order] = used[trade.order] + trade.amount;
    std::map<std::string, Satoshi> used_by_peg;
    for (auto const& [order, peg] : peg_of_) used_by_peg[peg] = used_by_peg[peg] + used[order];
    for (auto const& [peg, amount] : peg_amounts_) {
      if (used_by_peg[peg] > amount) {
        fail("pegged order " + peg + " of " + amount.to_text() + " was filled with " +
             used_by_peg[peg].to_text());
      }
      if (used_by_peg[peg].units() > 0) ++filled_peg_count_;
    }
    for (auto const& [id, amount] : amounts_) {
      if (used[id] > amount)
        fail("order " + id + " of " + amount.to_text() + " was filled with " + used[id].to_text());
      std::optional<Satoshi> filled;
      bool has_loss = false;
      for (auto const& node : network_.nodes) {
        auto const* const order = node->trader->own_orders().find(id);
        if (!order) continue;
        filled = std::max(filled.value_or(Satoshi{}), order->totals.filled);
        has_loss = has_loss || losses_.contains(node->id);
      }
      used_.insert_or_assign(id, used[id]);
      if (!filled) continue;
      if (*filled < used[id]) fail("order " + id + " counts less than was filled");
      if (*filled > used[id] && !has_loss) fail("order " + id + " counts more than was filled");
    }
  }

  // All replicas have the same versions, but perhaps of strangers, and none offers more than is left.
  void check_books() {
    std::map<OrderKey, OrderRecord> first;
    for (auto const& node : network_.nodes) {
      for (auto const& order : network_.orders_of(*node)) {
        if (order.maker && strangers_.contains(order.maker->hex())) continue;
        auto const known = first.try_emplace(key_of(order), order).first;
        if (known->second != order) fail(node->at + " has another version of order " + order.id);
        auto const amount = amounts_.find(order.id);
        if (amount == amounts_.end() || order.status != OrderStatus::open) continue;
        if (order.remaining > amount->second - used_[order.id])
          fail(node->at + " offers too much of order " + order.id);
      }
    }
  }

  TraderNetwork& network_;
  std::set<std::size_t> seen_;              // hashes of what was sent
  std::map<std::string, Satoshi> amounts_;  // by order
  std::map<std::string, Satoshi> used_;     // by order, when all was quiet
  std::set<PeerId> losses_;
  std::set<std::string> filled_groups_;  // endpoint and name
  std::set<std::string> strangers_;      // their ids in hex
  std::map<std::string, Satoshi> peg_amounts_;
  std::map<std::string, std::string> peg_of_;  // pegged order by order
  std::size_t filled_peg_count_ = 0;
  std::map<std::tuple<std::string, std::string, std::int64_t>, Sha256> versions_;  // endpoint, order, seq
  std::map<Sha256, Promised> promises_;                                            // by payment hash
  std::map<std::string, Sha256> preimages_;                                        // payment hash by take
  std::map<std::string, Trade> sold_;                                              // by take
  std::map<std::string, Trade> bought_;
};

}  // namespace grenache::exchange::test
