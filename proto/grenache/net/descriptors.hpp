// How many descriptors (sockets, files) this process may have.
#pragma once

#include <cstddef>

namespace grenache::net {

/// Raises the soft limit, which is often 1024, towards 8192, as far as the hard limit allows: room for the
/// connections that servers may have by default. For main(), before it serves.
void raise_descriptor_limit();

/// How many connections a server of this process may hold at most: a quarter of the soft limit, from 16 to
/// 128, stays for listening, for connections of our own and for files. At least 1.
[[nodiscard]] std::size_t connection_count_allowed();

/// The same for a given soft limit.
[[nodiscard]] std::size_t connection_count_allowed(std::size_t descriptor_count_max);

}  // namespace grenache::net
