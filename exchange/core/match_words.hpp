// Says in words what an order matches, and why not.
#pragma once

#include <string>

#include "exchange/core/book.hpp"

namespace grenache::exchange {

/// The best match of a live order, or why it has none. Linear in the number of orders on the other side at
/// most.
[[nodiscard]] std::string match_words(Book const& book, OrderRecord const& order, bool is_own, WallTime now);

}  // namespace grenache::exchange
