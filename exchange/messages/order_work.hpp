// Proof of work for orders.
#pragma once

#include <cstdint>
#include <optional>

#include "exchange/messages/order_record.hpp"

namespace grenache::exchange {

inline constexpr int kWorkBitsMax = 40;                                // about a day of one core
inline constexpr std::int64_t kWorkMax = (std::int64_t{1} << 53) - 1;  // of OrderRecord::work; exact in JSON

/// What the work of an order is for: SHA-256 of "grenache/exchange/work/1:" and the bencoded dictionary of
/// the members that never change: amount, created, id, maker, minimum, price, side, as in order_digest(). So
/// a new version needs no new work, and nobody can use another one's.
[[nodiscard]] Sha256 work_challenge(OrderRecord const& order);
/// The leading zero bits of SHA-256 of the challenge and `work` (8 bytes, big endian), at most kWorkBitsMax.
[[nodiscard]] int work_bits(Sha256 const& challenge, std::int64_t work);
/// The bits of an order, 0 without work. They pay for a life of kOrderLifeMax: each doubling of the time from
/// `created` to `expires` beyond that costs a bit.
[[nodiscard]] int work_bits(OrderRecord const& order);
/// Looks for a work of `bits` among the `count` numbers from `first` on. About 5 million a second.
[[nodiscard]] std::optional<std::int64_t> find_work(Sha256 const& challenge, int bits, std::int64_t first,
                                                    std::int64_t count);

}  // namespace grenache::exchange
