// Simulated exchanges: peers trade while everything fails, then all must agree.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace grenache::exchange::test {

/// How long after everything works again all books are equal, but for orders that a peer refuses by its
/// clock, or has refused in the last minutes (kRefusedBefore). A lookup that finds a peer again, its ping
/// with the longest back-off (Peers::Options::retry_max), and a reconciliation
/// (Sync::Options::reread_interval), each a minute at most: Trader::Options has these values.
inline constexpr std::chrono::minutes kEqualWithin{3};
/// How long a peer remembers what it has refused.
inline constexpr std::chrono::minutes kRefusedBefore{10};
/// How far the clocks of peers are wrong at most.
inline constexpr std::chrono::minutes kSkewMax{10};

/// A world is drawn from its seed.
struct WorldOptions {
  std::uint64_t seed = 0;
  std::optional<std::size_t> peer_count{};  // of the beginning; none: drawn, 3 to 6 mostly, 50 at most
  bool with_events = false;                 // describes what happened in WorldReport::events
};

struct WorldReport {
  std::vector<std::string> problems;  // violated checks, in the order of time; empty on success
  std::vector<std::string> events;
  std::string plan;  // the kind of world
  std::size_t peer_count = 0;
  std::size_t order_count = 0;  // that were published
  std::size_t trade_count = 0;
  std::size_t hostile_count = 0;           // requests of a hostile peer
  std::chrono::seconds equal_after{};      // how long it took after everything worked again
  double messages_per_order = 0;           // and peer, for a new order when all was quiet
  std::optional<std::size_t> pair_trades;  // of two crossing orders of one moment
  std::uint64_t digest = 0;                // of everything that was sent
};

/// Runs a world. Checks, at the times in brackets:
///  (1) the books of all peers are equal [kEqualWithin after the last fault, and at the end];
///  (2) each peer lists the matches of an order as a naive model does [with (1)];
///  (3) nobody sells or buys more of an order than its amount, every settled take is one trade of its maker
///  and
///      one of its taker, makers count as filled what they have sold, all trades sum to zero [at the end];
///      and what TradeWatch checks at every moment;
///  (4) a new order costs at most three messages for each peer [after (1)];
///  (5) two crossing orders that peers which take by themselves place at one moment make one trade [at the
///  end].
[[nodiscard]] WorldReport run_world(WorldOptions const& options);

/// The problems of a world with the events before the first one, and how to run it again. Bounded.
[[nodiscard]] std::string describe_failure(WorldOptions const& options);

}  // namespace grenache::exchange::test
