#include "grenache/file/private_file.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace grenache {
namespace {

namespace errc = boost::system::errc;

constexpr mode_t kOwnerOnly = S_IRUSR | S_IWUSR;

Error last_error() { return {errno, boost::system::system_category()}; }

FileDescriptor open_file(std::filesystem::path const& path, int flags) {
  for (;;) {
    int const number = ::open(path.c_str(), flags | O_CLOEXEC, kOwnerOnly);
    if (number >= 0 || errno != EINTR) return FileDescriptor{number};
  }
}

bool write_all(FileDescriptor const& file, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t const written = ::write(file.number(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

/// Writes and syncs the temporary file `path`, and closes it; removes it on failure.
Result<void> write_draft(FileDescriptor file, std::filesystem::path const& path, std::string_view bytes) {
  if (!file.is_open()) return last_error();
  // An existing file may have another mode.
  bool const is_written = ::fchmod(file.number(), kOwnerOnly) == 0 && write_all(file, bytes) &&
                          ::fsync(file.number()) == 0 && file.close();
  if (is_written) return {};
  Error const error = last_error();
  ::unlink(path.c_str());
  return error;
}

/// Creates a temporary file beside `path`, under a name that no other writer has; sets `draft` to it.
FileDescriptor open_own_draft(std::filesystem::path const& path, std::string& draft) {
  draft = path.string() + ".XXXXXX";
  return FileDescriptor{::mkostemp(draft.data(), O_CLOEXEC)};
}

/// Gives the file `draft` the name `path`, unless there is one already.
Result<void> rename_to_new(std::filesystem::path const& draft, std::filesystem::path const& path) {
  if (::renameat2(AT_FDCWD, draft.c_str(), AT_FDCWD, path.c_str(), RENAME_NOREPLACE) == 0) return {};
  if (errno != EINVAL && errno != ENOSYS) return last_error();
  // A file system without this flag.
  if (::link(draft.c_str(), path.c_str()) != 0) return last_error();
  ::unlink(draft.c_str());
  return {};
}

/// Syncs a rename to the disk. Errors are ignored, since not every file system supports it.
void sync_folder(std::filesystem::path const& path) {
  auto folder = path.parent_path();
  if (folder.empty()) folder = ".";
  FileDescriptor const file = open_file(folder, O_RDONLY | O_DIRECTORY);
  if (file.is_open()) ::fsync(file.number());
}

/// Gives the file `draft` the name `path`, in place of a file that has it; removes the draft on failure.
Result<void> rename_over(std::filesystem::path const& draft, std::filesystem::path const& path) {
  if (::rename(draft.c_str(), path.c_str()) != 0) {
    Error const error = last_error();
    ::unlink(draft.c_str());
    return error;
  }
  sync_folder(path);
  return {};
}

}  // namespace

Result<void> replace_private_file(std::filesystem::path const& path, std::string_view bytes) {
  std::string draft;
  FileDescriptor file = open_own_draft(path, draft);
  if (auto const written = write_draft(std::move(file), draft, bytes); !written) return written.error();
  return rename_over(draft, path);
}

Result<void> save_private_file(std::filesystem::path const& path, std::string_view bytes) {
  std::string const draft = path.string() + ".new";
  FileDescriptor file = open_file(draft, O_WRONLY | O_CREAT | O_NOFOLLOW | O_TRUNC);
  if (auto const written = write_draft(std::move(file), draft, bytes); !written) return written.error();
  return rename_over(draft, path);
}

Result<void> create_private_file(std::filesystem::path const& path, std::string_view bytes) {
  if (::access(path.c_str(), F_OK) == 0) return errc::make_error_code(errc::file_exists);
  std::string draft;
  FileDescriptor file = open_own_draft(path, draft);
  if (auto const written = write_draft(std::move(file), draft, bytes); !written) return written.error();
  auto const made = rename_to_new(draft, path);
  if (!made) ::unlink(draft.c_str());
  if (made) sync_folder(path);
  return made;
}

Result<std::string> read_private_file(std::filesystem::path const& path, std::size_t size_max) {
  FileDescriptor const file = open_file(path, O_RDONLY);
  if (!file.is_open()) return last_error();
  struct stat status {};
  if (::fstat(file.number(), &status) != 0) return last_error();
  if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) return errc::make_error_code(errc::permission_denied);
  std::string out;
  std::array<char, 65536> part;
  for (;;) {
    ssize_t const got = ::read(file.number(), part.data(), part.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return last_error();
    if (got == 0) return out;
    out.append(part.data(), static_cast<std::size_t>(got));
    if (out.size() > size_max) return errc::make_error_code(errc::file_too_large);
  }
}

Result<FileLock> FileLock::take(std::filesystem::path const& path) {
  FileDescriptor file = open_file(path, O_RDWR | O_CREAT | O_NOFOLLOW);
  if (!file.is_open() || ::flock(file.number(), LOCK_EX | LOCK_NB) != 0) return last_error();
  return FileLock{std::move(file)};
}

}  // namespace grenache
