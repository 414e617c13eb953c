// Files of NIP-69 events.
#pragma once

#include <string>

#include <boost/system/result.hpp>

#include "exchange/core/command.hpp"

namespace grenache::exchange {

/// A larger file is refused.
inline constexpr std::size_t kNip69FileSizeMax = 8 * 1024 * 1024;

/// Reads and verifies the events of a regular file, one a line; empty lines are skipped. Takes up to about
/// 100 us for each event, so it is no work for a thread that serves others.
[[nodiscard]] boost::system::result<command::AddImported, result::Failure> read_nip69_file(
    std::string const& path);

}  // namespace grenache::exchange
