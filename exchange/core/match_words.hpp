// Says in words what an order matches, and why not.
#pragma once

#include <string>

#include "exchange/core/book.hpp"

namespace grenache::exchange {

/// One sentence about an order of the book: its best match, or why it has none. Linear in the number of
/// orders on the other side at most.
[[nodiscard]] std::string match_words(Book const& book, OrderRecord const& order, WallTime now);

}  // namespace grenache::exchange
