#include "grenache/file/private_file.hpp"

#include <array>
#include <cerrno>
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

/// A file descriptor that closes itself.
class File {
 public:
  File(std::filesystem::path const& path, int flags) {
    do {
      descriptor_ = ::open(path.c_str(), flags | O_CLOEXEC, kOwnerOnly);
    } while (descriptor_ < 0 && errno == EINTR);
  }
  ~File() { close(); }
  File(File const&) = delete;
  File& operator=(File const&) = delete;

  [[nodiscard]] bool is_open() const { return descriptor_ >= 0; }
  [[nodiscard]] int get() const { return descriptor_; }
  [[nodiscard]] int release() { return std::exchange(descriptor_, -1); }
  bool close() { return descriptor_ < 0 || ::close(std::exchange(descriptor_, -1)) == 0; }

  bool write(std::string_view bytes) {
    while (!bytes.empty()) {
      ssize_t const written = ::write(descriptor_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
  }

 private:
  int descriptor_ = -1;
};

Result<void> write_file(std::filesystem::path const& path, int flags, std::string_view bytes) {
  File file{path, O_WRONLY | O_CREAT | O_NOFOLLOW | flags};
  if (!file.is_open()) return last_error();
  // An older file may have had another mode.
  if (::fchmod(file.get(), kOwnerOnly) != 0 || !file.write(bytes) || ::fsync(file.get()) != 0 ||
      !file.close()) {
    Error const error = last_error();
    ::unlink(path.c_str());
    return error;
  }
  return {};
}

/// Brings a change of names to the disk. Not every file system can; the file itself is there in any case.
void sync_folder(std::filesystem::path const& path) {
  auto folder = path.parent_path();
  if (folder.empty()) folder = ".";
  File file{folder, O_RDONLY | O_DIRECTORY};
  if (file.is_open()) ::fsync(file.get());
}

}  // namespace

Result<void> replace_private_file(std::filesystem::path const& path, std::string_view bytes) {
  auto draft = path;
  draft += ".new";
  if (auto const written = write_file(draft, O_TRUNC, bytes); !written) return written.error();
  if (::rename(draft.c_str(), path.c_str()) != 0) {
    Error const error = last_error();
    ::unlink(draft.c_str());
    return error;
  }
  sync_folder(path);
  return {};
}

Result<void> create_private_file(std::filesystem::path const& path, std::string_view bytes) {
  if (auto const written = write_file(path, O_EXCL, bytes); !written) return written.error();
  sync_folder(path);
  return {};
}

Result<std::string> read_private_file(std::filesystem::path const& path, std::size_t size_max) {
  File file{path, O_RDONLY};
  if (!file.is_open()) return last_error();
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return last_error();
  if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) return errc::make_error_code(errc::permission_denied);
  std::string out;
  std::array<char, 65536> part;
  for (;;) {
    ssize_t const got = ::read(file.get(), part.data(), part.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return last_error();
    if (got == 0) return out;
    out.append(part.data(), static_cast<std::size_t>(got));
    if (out.size() > size_max) return errc::make_error_code(errc::file_too_large);
  }
}

Result<FileLock> FileLock::take(std::filesystem::path const& path) {
  File file{path, O_RDWR | O_CREAT | O_NOFOLLOW};
  if (!file.is_open() || ::flock(file.get(), LOCK_EX | LOCK_NB) != 0) return last_error();
  return FileLock{file.release()};
}

FileLock::FileLock(FileLock&& other) noexcept : file_{std::exchange(other.file_, -1)} {}
FileLock& FileLock::operator=(FileLock&& other) noexcept {
  std::swap(file_, other.file_);
  return *this;
}
FileLock::~FileLock() {
  if (file_ >= 0) ::close(file_);
}

}  // namespace grenache
