// Trading peers whose credit lines make a network, and what became of the payments that went over others.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/trader_network.hpp"

namespace grenache::exchange::test {

/// The rows of payments over others and of counted payments that the peers have saved, the last of each key.
class TransitWorld {
 public:
  using Node = TraderNetwork::Node;

  TransitWorld() {
    network.on_durable = [this](Node const& node, Batch const& batch) {
      for (auto const& change : batch.changes) note(node, change);
    };
  }

  Node& add(std::uint64_t key, Trader::Options const& options = {}) {
    return network.add("P" + std::to_string(key), key, options);
  }
  static std::string name(Node const& node) { return node.options.name; }
  static UsdCents cents(std::int64_t number) { return UsdCents{number}; }

  template <class T>
  T get(Node& node, TraderCommand const& command) {
    auto result = network.execute(node, command);
    auto* const value = std::get_if<T>(&result);
    auto const* const failure = std::get_if<result::Failure>(&result);
    EXPECT_TRUE(value) << (failure ? failure->text : "another answer");
    return value ? std::move(*value) : T{};
  }
  /// Opens a line on which each may owe the other `limit`.
  void open(Node& one, Node& other, std::int64_t limit) {
    (void)get<result::CreditLineView>(one,
                                      command::ProposeCredit{other.id.hex(), cents(limit), cents(limit)});
    (void)get<result::CreditLineView>(other, command::AnswerProposal{one.id.hex(), true});
  }
  void forward(Node& node, Node const& to, std::int64_t fee = 0, std::int64_t ppm = 0) {
    (void)get<result::CreditLineView>(node, command::ForwardCredit{to.id.hex(), true, cents(fee), ppm});
  }
  void allow_netting(Node& one, Node& other) {
    (void)get<result::CreditLineView>(one, command::AllowNetting{other.id.hex(), true});
    (void)get<result::CreditLineView>(other, command::AllowNetting{one.id.hex(), true});
  }
  static command::PayCredit payment(Node const& to, std::int64_t amount, std::optional<UsdCents> fee = {}) {
    return {to.id.hex(), cents(amount), false, fee};
  }

  static std::int64_t balance(Node const& node, Node const& other) {
    auto const* const line = node.trader->credit().lines().find(other.id);
    return line ? line->view().balance : 0;
  }
  /// What a peer is owed by all others.
  static std::int64_t position(Node const& node) {
    std::int64_t out = 0;
    for (auto const& [peer, entry] : node.trader->credit().lines().all()) out += entry.line.view().balance;
    return out;
  }
  Node& node_of(PeerId const& id) {
    for (auto& node : network.nodes) {
      if (node->id == id) return *node;
    }
    return *network.nodes.front();
  }
  void expect_within_limits() {
    for (auto const& node : network.nodes) {
      if (!node->trader) continue;
      for (auto const& [peer, entry] : node->trader->credit().lines().all()) {
        EXPECT_TRUE(entry.line.is_within_limits() && entry.line.check()) << node->at;
      }
    }
  }
  /// Nothing is held or pending, except at `liars`, and both sides of each line say the same.
  void expect_settled(std::set<std::string> const& liars = {}) {
    std::int64_t sum = 0;
    for (auto const& node : network.nodes) {
      bool const is_liar = liars.contains(node->id.hex());
      for (auto const& [peer, entry] : node->trader->credit().lines().all()) {
        auto const view = entry.line.view();
        EXPECT_EQ(view.balance, -balance(node_of(peer), *node)) << name(*node);
        if (is_liar) continue;
        EXPECT_EQ(view.held.units() + view.held_by_them.units() + view.pending.units(), 0) << name(*node);
      }
      for (auto const& [key, transit] : node->trader->credit().transits().all()) {
        EXPECT_TRUE(transit.state != TransitState::pending && transit.is_paid &&
                    (is_liar || transit.is_received))
            << name(*node) << ' ' << key;
      }
      sum += position(*node);
    }
    EXPECT_EQ(sum, 0);
  }

  struct Row {
    std::string id, state, payee, payer, next;
    std::int64_t amount = 0, deliver = 0, claimed = 0, passed = 0;
    bool is_netting = false;
  };
  /// Each payment has one outcome on all its hops, and each hop was counted accordingly. What `liars` answer
  /// to their payers may have been another outcome. Returns how many were committed and aborted.
  std::pair<int, int> expect_atomic(std::set<std::string> const& liars = {}) {
    int committed = 0;
    int aborted = 0;
    std::size_t hops = 0;
    std::map<std::string, int> paid;  // how often the payee has committed, by id
    for (auto const& [at, row] : rows) {
      auto const& [peer, key] = at;
      EXPECT_NE(row.state, "pending") << key;
      bool const is_committed = row.state == "committed";
      if (row.payer.empty()) (is_committed ? committed : aborted) += 1;
      if (!is_committed) continue;
      EXPECT_LE(row.claimed, row.amount) << key;
      if (!row.payer.empty()) {
        auto const* const before = find(row.payer, row.id, &Row::next, peer);
        if (!liars.contains(peer)) {
          EXPECT_TRUE(before && before->passed == row.claimed) << "its payer does not pay " << key;
        }
      }
      if (row.next.empty()) {
        EXPECT_EQ(peer, row.payee) << key;
        EXPECT_EQ(row.claimed, row.deliver) << "the payee gets what it asked for";
        EXPECT_EQ(++paid[row.id], 1) << key;
        continue;
      }
      ++hops;
      EXPECT_GE(row.claimed, row.passed) << "only the sender pays fees";
      EXPECT_TRUE(!row.is_netting || (row.claimed == row.passed && row.passed == row.deliver)) << key;
      auto const* const after = find(row.next, row.id, &Row::payer, peer);
      EXPECT_TRUE(after && (liars.contains(row.next) || after->claimed == row.passed)) << key;
      expect_counted(peer, row);
    }
    EXPECT_EQ(counted.size(), 2 * (hops + direct.size())) << "something else was counted";
    return {committed, aborted};
  }

  TraderNetwork network;
  std::map<std::pair<std::string, std::string>, Row> rows;              // by peer and key
  std::map<std::pair<std::string, std::string>, std::int64_t> counted;  // cents, by peer and entry
  std::set<std::string> direct;                                         // ids of other payments

 private:
  void note(Node const& node, RowChange const& change) {
    if (!change.body) return;
    auto const body = *json::parse(*change.body);
    auto const money = [&](char const* name) { return UsdCents::from_json(*body.find(name))->units(); };
    auto const text = [&](char const* name) { return *body.find_string(name); };
    if (change.kind == Transits::kRowKind) {
      Row row{text("id"),       text("state"),
              text("payee"),    text("payer"),
              text("next"),     money("amount"),
              money("deliver"), money("claimed"),
              money("passed"),  *body.find("isNetting")->as_bool()};
      auto& known = rows[{node.id.hex(), change.key}];
      EXPECT_TRUE(known.state.empty() || known.state == "pending" || known.state == row.state)
          << "a decision has changed";
      known = row;
    }
    if (change.kind == Credit::kPaymentKind) {
      auto const [entry, is_new] = counted.emplace(std::pair{node.id.hex(), text("id")}, money("amount"));
      EXPECT_TRUE(is_new) << "counted twice: " << text("id");
    }
  }
  /// The row at `peer` of the committed payment `id` whose `member` is `other`; null if there is none.
  [[nodiscard]] Row const* find(std::string const& peer, std::string const& id, std::string Row::*member,
                                std::string const& other) const {
    for (auto const& [at, row] : rows) {
      bool const is_it = at.first == peer && row.id == id && row.*member == other && row.state == "committed";
      if (is_it) return &row;
    }
    return nullptr;
  }
  void expect_counted(std::string const& payer, Row const& row) const {
    int found = 0;
    for (int hops = 0; hops <= kTransitHopsMax; ++hops) {
      auto const entry =
          uuid_of(transit_entry_hash(*PeerId::from_hex(payer), *PeerId::from_hex(row.next), row.id, hops));
      for (auto const& side : {payer, row.next}) {
        auto const each = counted.find({side, entry});
        if (each == counted.end()) continue;
        ++found;
        EXPECT_EQ(each->second, row.passed) << row.id;
      }
    }
    EXPECT_EQ(found, 2) << row.id;
  }
};

}  // namespace grenache::exchange::test
