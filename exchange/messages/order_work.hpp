// Proof of work for orders.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "exchange/messages/order_record.hpp"

namespace grenache::exchange {

inline constexpr int kWorkBitsMax = 40;                                // about a day of one core
inline constexpr std::int64_t kWorkMax = (std::int64_t{1} << 48) - 1;  // of the ids that find_work() tries

/// SHA-256 of "grenache/exchange/work/1:" and the bencoded dictionary of the members that never change, but
/// for the id: amount, created, maker, minimum, price, side, as in order_digest().
///
/// The work is in the id: nothing is added to the record, all versions have the same work, and nobody can use
/// another one's.
[[nodiscard]] Sha256 work_challenge(OrderRecord const& order);
/// SHA-256 of challenge and id. The more zero bits it begins with, the more work was done, or luck was had.
[[nodiscard]] Sha256 work_hash(Sha256 const& challenge, std::string_view id);
/// The leading zero bits of a work_hash(), at most kWorkBitsMax.
[[nodiscard]] int work_bits(Sha256 const& hash);

/// The work of an order. The least value is the most work.
struct Work {
  int bits = 0;            // 0 of unsigned orders
  std::uint64_t rest = 0;  // the beginning of the work_hash(); the highest number of unsigned orders
};
/// The bits pay for a life of kOrderLifeMax: each doubling of the time from `created` to `expires` beyond
/// that costs one.
[[nodiscard]] Work work_of(OrderRecord const& order);

/// Looks for an id with `bits` among the `count` ids that are `uuid` with numbers from `first` on as last 12
/// digits, up to kWorkMax. About 2 million a second.
[[nodiscard]] std::optional<std::string> find_work(Sha256 const& challenge, std::string uuid, int bits,
                                                   std::int64_t first, std::int64_t count);

}  // namespace grenache::exchange
