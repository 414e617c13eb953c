// A Sync alone: its tests answer its calls.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "exchange/core/network/sync.hpp"
#include "exchange/messages/message.hpp"
#include "tests/support/sample_orders.hpp"

namespace grenache::exchange::test {

class SyncFixture : public testing::Test {
 protected:
  static constexpr std::uint64_t kSelf = 1;  // the keys of makers are samples::secret(number)
  static constexpr std::uint64_t kMaker = 9;
  static constexpr Position kNotDurable = 7;

  /// A call of Sync that has no answer yet.
  template <class Message>
  struct Sent {
    CallId call = 0;
    Position after = 0;
    Message message;
    PayloadForm form{};
  };

  explicit SyncFixture(Sync::Options options = {}) : sync_{options, self_, book_} { book_.exempt(self_.id); }

  template <class Body>
  void in_turn(Body body) {
    Turn turn{now_, random_, calls_};
    body(turn);
    TurnPositions positions{kNotDurable, 0, false};
    std::move(turn).close(positions, outputs_);
  }
  void meet(std::string const& endpoint, bool is_original = false) {
    in_turn([&](Turn& turn) { sync_.met(endpoint, is_original, turn); });
  }
  void lose(std::string const& endpoint) {
    in_turn([&](Turn& turn) { sync_.lost(endpoint, turn); });
  }
  void forget(std::string const& endpoint) {
    in_turn([&](Turn& turn) { sync_.forget(endpoint, turn); });
  }
  void wait(Duration time) {
    now_.steady = later_by(now_.steady, time);
    now_.wall += std::chrono::duration_cast<std::chrono::milliseconds>(time);
    in_turn([&](Turn& turn) { sync_.expire(turn); });
  }
  /// The time until Sync wants to be called again.
  [[nodiscard]] Duration next() const { return sync_.next_expiry() - now_.steady; }

  static OrderRecord order(std::uint64_t number, std::uint64_t maker = kMaker) {
    return samples::signed_by(maker, samples::draft(number, Side::sell));
  }
  static OrderRecord next_version(OrderRecord order, std::uint64_t maker = kMaker) {
    ++order.seq;
    order.expires += std::chrono::minutes{1};
    return samples::signed_by(maker, order);
  }
  /// Another one has brought an order.
  OrderRecord spread(OrderRecord const& order, std::string const& from = {}) {
    EXPECT_TRUE(book_.add_verified(order, now_.wall));
    in_turn([&](Turn& turn) { sync_.spread(order, false, from, turn); });
    return order;
  }
  OrderRecord publish(OrderRecord const& order) {
    book_.put_own(order);
    in_turn([&](Turn& turn) { sync_.spread(order, true, {}, turn); });
    return order;
  }
  OrderRecord publish(std::uint64_t number) { return publish(order(number, kSelf)); }
  /// The book has an order that nobody is told.
  OrderRecord keep(OrderRecord const& order) {
    EXPECT_TRUE(book_.add_verified(order, now_.wall));
    sync_.add(order);
    return order;
  }
  std::vector<bool> tell(std::string const& from, std::vector<VersionId> const& ids) {
    std::vector<bool> out;
    in_turn([&](Turn& turn) { out = sync_.on_inventory(from, ids, turn); });
    return out;
  }

  /// Removes the calls with a message of this type, in order; an empty `to` stands for all endpoints.
  template <class Message>
  std::vector<Sent<Message>> sent(std::string const& to = {}) {
    std::vector<Sent<Message>> out;
    std::deque<Output> others;
    for (auto& each : std::exchange(outputs_, {})) {
      auto* const call = std::get_if<output::Call>(&each);
      auto payload = call ? read_payload(call->payload) : Result<Payload>{MessageErrc::not_json};
      auto request = payload ? parse_request(payload->body) : Result<Request>{MessageErrc::not_json};
      auto* const message = request ? std::get_if<Message>(&*request) : nullptr;
      if (message && (to.empty() || to == call->endpoint)) {
        out.push_back({call->call, call->after, std::move(*message), payload->form});
      } else {
        others.push_back(std::move(each));
      }
    }
    outputs_ = std::move(others);
    return out;
  }
  /// The only one of them.
  template <class Message>
  Sent<Message> one(std::string const& to) {
    auto all = sent<Message>(to);
    EXPECT_EQ(all.size(), 1u) << Message::kType << " to " << to;
    return all.empty() ? Sent<Message>{} : std::move(all.front());
  }
  template <class Wanted>
  std::vector<Wanted> outputs() {
    std::vector<Wanted> out;
    std::erase_if(outputs_, [&](Output& each) {
      auto* const wanted = std::get_if<Wanted>(&each);
      if (wanted) out.push_back(std::move(*wanted));
      return wanted != nullptr;
    });
    return out;
  }

  Sync::Read answer(CallId call, CallAnswer answer) {
    Sync::Read out;
    auto const tag = calls_.remove(call);
    EXPECT_TRUE(tag && tag->part == Part::sync);
    if (tag) in_turn([&](Turn& turn) { out = sync_.on_answered(tag->key, std::move(answer), turn); });
    return out;
  }
  void fail(CallId call, std::string error = "nobody there") { answer(call, {{}, std::move(error)}); }
  void refuse(CallId call, RefusalCode code) { fail(call, to_error_text({code, "no", {}})); }
  void accept(CallId call) { answer(call, {json::Value{"ok"}, {}}); }
  void accept_ids(CallId call, std::vector<bool> unknown, std::size_t refused = 0) {
    InventoryAnswer out;
    out.unknown = std::move(unknown);
    out.refused = refused;
    answer(call, {to_json(out), {}});
  }
  /// Delivers records that were asked for, as the Trader does.
  void deliver(CallId call, std::vector<OrderRecord> const& orders, std::size_t left = 0,
               std::optional<BookErrc> refusal = {}) {
    std::vector<json::Value> list;
    for (auto const& order : orders) list.push_back(to_json(order));
    auto const read = answer(call, {records_answer_to_json(std::move(list), left), {}});
    if (read.endpoint.empty()) return;
    for (auto const& order : read.list.orders) {
      auto const added = refusal ? Result<Added>{*refusal} : book_.add_verified(order, now_.wall);
      in_turn([&](Turn& turn) {
        if (added && *added != Added::nothing) sync_.spread(order, false, read.endpoint, turn);
        sync_.record_offered(read.endpoint, order, added);
      });
    }
    in_turn([&](Turn& turn) { sync_.records_done(read, turn); });
  }

  /// Answers the questions of a session from a set, until there are no more.
  std::size_t reconcile_with(std::string const& endpoint, OrderIndex const& theirs) {
    std::size_t count = 0;
    for (auto asked = sent<ReconcileMessage>(endpoint); !asked.empty();
         asked = sent<ReconcileMessage>(endpoint)) {
      for (auto const& each : asked) {
        ++count;
        auto const nodes = reconcile(theirs, each.message);
        answer(each.call, {reconcile_answer_to_json(nodes, each.message.length), {}});
      }
    }
    return count;
  }
  std::size_t reconcile_with(std::string const& endpoint, std::vector<OrderRecord> const& theirs) {
    OrderIndex index;
    for (auto const& each : theirs) index.put(each);
    return reconcile_with(endpoint, index);
  }
  /// A peer that knows sync, and has what we have.
  void meet_equal(std::string const& endpoint) {
    meet(endpoint);
    (void)reconcile_with(endpoint, sync_.index());
  }
  /// All ids that peers are told within a second; each peer knew them.
  std::map<std::string, std::vector<VersionId>> told_ids(std::vector<std::string> const& endpoints) {
    std::map<std::string, std::vector<VersionId>> out;
    for (int i = 0; i < 34; ++i) {
      wait(std::chrono::milliseconds{30});
      for (auto const& endpoint : endpoints) {
        for (auto const& each : sent<InventoryMessage>(endpoint)) {
          auto const& ids = each.message.ids;
          out[endpoint].insert(out[endpoint].end(), ids.begin(), ids.end());
          accept_ids(each.call, std::vector<bool>(ids.size(), false));
        }
      }
    }
    return out;
  }

  Now now_{TimePoint{} + std::chrono::hours{100}, samples::kNow};
  Random random_{1};
  CallTable calls_;
  std::deque<Output> outputs_;
  Self self_{samples::secret(kSelf), samples::secret(kSelf).public_key(), "Alice", "this", "127.0.0.1:1", 1};
  Book book_{Book::Options{}};
  Sync sync_;
};

}  // namespace grenache::exchange::test
