// What strangers can make the peers of a network send each other.
#include <gtest/gtest.h>

#include "tests/support/trader_network.hpp"

namespace grenache::exchange {
namespace {

using namespace std::chrono_literals;
using namespace samples;
using test::TraderNetwork;

constexpr double kVersionsMax = 100;

class RelayFloodTest : public testing::Test {
 protected:
  RelayFloodTest() {
    Trader::Options options;
    options.sync.maker_rates.versions_max = kVersionsMax;
    for (std::uint64_t key = 1; key <= 8; ++key) network_.add("peer", key, options);
    network_.look_up();
    network_.live(2s);
    network_.on_sent = [this](auto const&, json::Value const& sent) {
      auto const payload = read_payload(sent);
      if (!payload) return;
      auto const request = parse_request(payload->body);
      auto const* const inventory = request ? std::get_if<InventoryMessage>(&*request) : nullptr;
      if (inventory) id_count_ += inventory->ids.size() + inventory->orders.size();
    };
  }
  std::vector<OrderRecord const*> versions_of(OrderKey const& key) const {
    std::vector<OrderRecord const*> out;
    for (auto const& node : network_.nodes) out.push_back(node->trader->book().find(key));
    return out;
  }

  TraderNetwork network_;
  std::size_t id_count_ = 0;
};

// seq++ on one order costs its maker a signature for each version. Each version costs the peers to which he
// sends it a verification, within the allowance of his address; the network passes on 20 of them a second.
TEST_F(RelayFloodTest, aMakerThatSignsVersionsWithoutEndIsToldOfAtABoundedRate) {
  constexpr std::uint64_t kOrderCount = 20;
  constexpr int kSeconds = 10;
  std::vector<OrderRecord> versions;
  for (std::uint64_t i = 1; i <= kOrderCount; ++i) versions.push_back(draft(i, Side::sell));
  for (int i = 0; i < kSeconds * 25; ++i) {
    for (auto& version : versions) {
      ++version.seq;
      network_.ask(*network_.nodes[0], exchange::to_json(signed_by(9, version)));
    }
    network_.live(40ms);
  }
  auto const allowed = kVersionsMax + kSeconds * MakerRates::Options{}.versions_per_second;
  // Each peer passes an id on to two others, and seldom to more.
  EXPECT_LE(id_count_, 3 * network_.nodes.size() * static_cast<std::size_t>(allowed));
  EXPECT_LE(network_.nodes[0]->trader->sync().load().delayed_count, kOrderCount);
  network_.live(3min);
  for (auto const& version : versions) {
    for (auto const* const order : versions_of(key_of(signed_by(9, version)))) {
      ASSERT_TRUE(order);
      EXPECT_EQ(order->seq, version.seq) << "the newest is in all books";
    }
  }
}

TEST_F(RelayFloodTest, anHonestMakerIsNotDelayedByOneThatFloods) {
  auto version = draft(1, Side::sell);
  for (int i = 0; i < 200; ++i) {
    ++version.seq;
    network_.ask(*network_.nodes[0], exchange::to_json(signed_by(9, version)));
  }
  EXPECT_EQ(network_.nodes[0]->trader->sync().load().delayed_count, 1u);
  auto const order = signed_by(10, draft(2, Side::buy));
  network_.ask(*network_.nodes[0], exchange::to_json(order));
  network_.live(1s);
  for (auto const* const found : versions_of(key_of(order))) EXPECT_TRUE(found);
}

}  // namespace
}  // namespace grenache::exchange
