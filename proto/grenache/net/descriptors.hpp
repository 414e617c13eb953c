// The limit of file descriptors (sockets, files) of this process.
#pragma once

#include <cstddef>

namespace grenache::net {

/// Raises the soft limit, often 1024, to 8192 or the hard limit: room for the default connection count of
/// servers. Call it at the start of main().
void raise_descriptor_limit();

/// Returns the maximum number of connections of a server in this process. A quarter of the soft limit, from
/// 16 to 128, is reserved for listeners, outgoing connections and files. At least 1.
[[nodiscard]] std::size_t connection_count_allowed();

/// The same for a given soft limit.
[[nodiscard]] std::size_t connection_count_allowed(std::size_t descriptor_count_max);

}  // namespace grenache::net
