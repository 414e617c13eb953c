// Files that only their owner may read, written whole or not at all. Errors are the system's.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include <grenache/base/result.hpp>
#include <grenache/file/file_descriptor.hpp>

namespace grenache {

/// Makes or replaces `path` (mode 0600). Whatever happens, crash included, it holds the old bytes or the new
/// ones: they are written to `path`.new, brought to the disk, and renamed. One writer at a time.
[[nodiscard]] Result<void> replace_private_file(std::filesystem::path const& path, std::string_view bytes);

/// Makes `path` (mode 0600); fails with file_exists when there is one already. Nobody ever reads half of it:
/// the bytes are written under another name first. Of several processes that do so at once one succeeds.
[[nodiscard]] Result<void> create_private_file(std::filesystem::path const& path, std::string_view bytes);

/// All bytes of a file; fails with file_too_large beyond `size_max`, and with permission_denied when anybody
/// but the owner may read or write it.
[[nodiscard]] Result<std::string> read_private_file(std::filesystem::path const& path, std::size_t size_max);

/// A lock on a file, made if there is none, that one process at a time may hold. Gone with the object.
class FileLock {
 public:
  /// Fails with resource_unavailable_try_again when another process holds it.
  [[nodiscard]] static Result<FileLock> take(std::filesystem::path const& path);

 private:
  explicit FileLock(FileDescriptor file) : file_{std::move(file)} {}
  FileDescriptor file_;
};

}  // namespace grenache
