// Files with mode 0600, written atomically. All errors are system errors.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include <grenache/base/result.hpp>
#include <grenache/file/file_descriptor.hpp>

namespace grenache {

/// Creates or replaces `path` (mode 0600) atomically: even after a crash it holds the old bytes or the new
/// ones. Writes a temporary file beside it, syncs it to the disk, and renames it. Writers at the same time do
/// not mix; the last one wins. A crash may leave the temporary file behind.
[[nodiscard]] Result<void> replace_private_file(std::filesystem::path const& path, std::string_view bytes);

/// The same for a file that is saved again and again by one writer at a time. The temporary file is always
/// `path`.new, so crashes leave at most one behind.
[[nodiscard]] Result<void> save_private_file(std::filesystem::path const& path, std::string_view bytes);

/// Creates `path` (mode 0600) atomically; fails with file_exists when it exists. The bytes are written under
/// another name first, so no reader sees a part. If several processes do so at once, one succeeds.
[[nodiscard]] Result<void> create_private_file(std::filesystem::path const& path, std::string_view bytes);

/// Reads a file; fails with file_too_large above `size_max` bytes, and with permission_denied when group or
/// others may read or write it.
[[nodiscard]] Result<std::string> read_private_file(std::filesystem::path const& path, std::size_t size_max);

/// An exclusive lock on a file, which is created if needed. Released by the destructor.
class FileLock {
 public:
  /// Fails with resource_unavailable_try_again when another process holds it.
  [[nodiscard]] static Result<FileLock> take(std::filesystem::path const& path);

 private:
  explicit FileLock(FileDescriptor file) : file_{std::move(file)} {}
  FileDescriptor file_;
};

}  // namespace grenache
