// What a grape remembers over restarts: its id, the nodes it knows, its users' items and services.
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

/// A line with the SHA-1 of the rest, and a bencoded dictionary: `grape-state 1 <hex>\n d…e`. `now` is civil
/// time, as no other goes on while the machine is down.
[[nodiscard]] std::string encode_state(Snapshot const& snapshot, WallTime now);
/// Nothing unless every byte is as encode_state() wrote it. Items are verified again. What is left of the
/// lives of services is less by the time since; a clock that was set back takes nothing from it.
[[nodiscard]] std::optional<Snapshot> decode_state(std::string_view bytes, WallTime now);

/// A folder that belongs to one running grape.
class StateFolder {
 public:
  /// Of a state file: 1000 items of 1.4 kB and 5000 services with names of 1 kB fit.
  static constexpr std::size_t kSizeMax = 16 * 1024 * 1024;

  /// Makes the folder (0700) if it is not there, and locks it. Fails with the system's reason, and with
  /// resource_unavailable_try_again when another grape uses it.
  [[nodiscard]] static Result<StateFolder> open(std::filesystem::path const& folder);

  struct Loaded {
    std::optional<Snapshot> snapshot;
    std::string warning;  // when there is a file that cannot be used; nobody needs it then
  };
  [[nodiscard]] Loaded load(WallTime now) const;
  [[nodiscard]] std::filesystem::path const& file() const { return file_; }

 private:
  StateFolder(std::filesystem::path file, FileLock lock) : file_{std::move(file)}, lock_{std::move(lock)} {}

  std::filesystem::path file_;
  FileLock lock_;
};

}  // namespace grenache::grape
