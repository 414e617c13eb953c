// The state file of a grape: its id, known nodes, and its users' items and services.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "grape/core/node.hpp"
#include <grenache/base/result.hpp>
#include <grenache/base/time.hpp>
#include <grenache/file/private_file.hpp>

namespace grenache::grape {

/// Encodes a line with the SHA-1 of the rest, and a bencoded dictionary: `grape-state 1 <hex>
/// d…e`. `now` is wall-clock time, because the steady clock does not survive a reboot.
[[nodiscard]] std::string encode_state(Snapshot const& snapshot, WallTime now);
/// Returns nothing unless every byte is as encode_state() wrote it. Verifies items again. Subtracts the time
/// since the save from the remaining lifetimes of services; if the clock was set back, nothing is subtracted.
[[nodiscard]] std::optional<Snapshot> decode_state(std::string_view bytes, WallTime now);

/// A state folder, locked by one running grape.
class StateFolder {
 public:
  /// Maximum size of the state file; 1000 items of 1.4 kB and 5000 services with names of 1 kB fit.
  static constexpr std::size_t kSizeMax = 16 * 1024 * 1024;

  /// Creates the folder (0700) if it does not exist, and locks it. Fails with system errors, and with
  /// resource_unavailable_try_again when another grape uses it.
  [[nodiscard]] static Result<StateFolder> open(std::filesystem::path const& folder);

  struct Loaded {
    std::optional<Snapshot> snapshot;
    std::string warning;  // set when the file exists but cannot be used
  };
  [[nodiscard]] Loaded load(WallTime now) const;
  [[nodiscard]] std::filesystem::path const& file() const { return file_; }

 private:
  StateFolder(std::filesystem::path file, FileLock lock) : file_{std::move(file)}, lock_{std::move(lock)} {}

  std::filesystem::path file_;
  FileLock lock_;
};

}  // namespace grenache::grape
