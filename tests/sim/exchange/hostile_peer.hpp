// A peer that lies, forges, replays and garbles.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "exchange/core/network/reconciliation.hpp"
#include "exchange/core/trade/invoice.hpp"
#include "tests/support/trade_world.hpp"

namespace grenache::exchange::test {

/// Answers at an endpoint of a TradeWorld and sends requests, most of them such as no honest peer sends:
/// garbled messages, messages of others again, records of others with changed members, orders in others'
/// names, versions of its own orders that contradict each other, takes that it does or does not pay. It hears
/// everything that the others send.
class HostilePeer {
 public:
  HostilePeer(TradeWorld& world, std::string host, std::uint64_t key, Random random);
  HostilePeer(HostilePeer const&) = delete;
  HostilePeer& operator=(HostilePeer const&) = delete;

  [[nodiscard]] PeerId const& id() const { return id_; }
  [[nodiscard]] std::string const& endpoint() const { return at_; }
  [[nodiscard]] std::size_t sent_count() const { return sent_count_; }

  /// Remembers what a peer has sent, of late.
  void hear(json::Value const& sent);
  /// Sends one request to a peer.
  void act(TraderNetwork::Node& node);

 private:
  [[nodiscard]] WallTime wall() const { return world_.network.now.wall; }
  [[nodiscard]] bool chance(std::uint64_t part) { return random_.chance(1, part); }
  void send(
      TraderNetwork::Node& node, json::Value payload,
      std::function<void(CallAnswer)> done = [](auto const&) {});
  void send_body(
      TraderNetwork::Node& node, json::Value body, std::function<void(CallAnswer)> done = [](auto const&) {});
  [[nodiscard]] std::string any_heard(std::string_view type = {});
  [[nodiscard]] std::string garbled(std::string text);
  [[nodiscard]] std::string any_endpoint();
  [[nodiscard]] OrderRecord own_order();
  [[nodiscard]] OrderRecord contradicting();
  /// A record of another maker with a changed member, or one in its name.
  [[nodiscard]] OrderRecord forged();
  void tell(TraderNetwork::Node& node, OrderRecord const& order);
  void take(TraderNetwork::Node& node);

  [[nodiscard]] CallAnswer answer(json::Value const& payload);
  [[nodiscard]] CallAnswer lie();
  [[nodiscard]] CallAnswer reply(PingPongMessage const& message);
  [[nodiscard]] CallAnswer reply(GetPeersMessage const& message);
  [[nodiscard]] CallAnswer reply(ReconcileMessage const& message);
  [[nodiscard]] CallAnswer reply(InventoryMessage const& message);
  [[nodiscard]] CallAnswer reply(GetRecordsMessage const& message);
  [[nodiscard]] CallAnswer reply(ExecuteOrderMessage const& message);
  [[nodiscard]] CallAnswer reply(PayMessage const& message);
  template <class Other>
  [[nodiscard]] CallAnswer reply(Other const&) {
    return {"ok", {}};
  }

  TradeWorld& world_;
  Random random_;
  SecretKey key_;
  PeerId id_;
  std::string at_;
  std::vector<IpAddress> addresses_;  // from which it calls
  std::deque<std::string> heard_;
  std::vector<OrderRecord> orders_;            // the first version of each
  std::vector<OrderRecord> versions_;          // all of them
  OrderIndex index_;                           // what it says that it has
  std::map<std::string, InvoiceTerms> sales_;  // by take
  std::size_t sent_count_ = 0;
};

}  // namespace grenache::exchange::test
