#include "exchange/identity.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <grenache/base/hex.hpp>

namespace grenache::exchange {
namespace {

using Path = std::filesystem::path;
using KeyResult = boost::system::result<SecretKey, std::string>;

std::string why(std::string const& what, Path const& path) {
  return what + " " + path.string() + ": " + std::strerror(errno);
}

bool write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    auto const written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

KeyResult load(Path const& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return why("cannot read", path);
  if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return "others may read " + path.string() + ": change that with chmod 600";
  }
  std::ifstream in{path};
  std::string text;
  if (!std::getline(in, text)) return why("cannot read", path);
  auto const bytes = from_hex(text);
  auto key = bytes ? SecretKey::from_bytes(*bytes) : std::nullopt;
  if (!key) return path.string() + " holds no key";
  return *std::move(key);
}

// Writes the whole file under another name first: nobody ever sees half a key, and link() fails when another
// process was faster.
std::string make(Path const& path, Random& random) {
  auto draft = path;
  draft += "." + to_hex(random.bytes(8));
  int const file = ::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
  if (file < 0) return why("cannot write", draft);
  auto const text = to_hex(SecretKey::generate(random).view()) + "\n";
  bool const is_written = write_all(file, text) && ::fsync(file) == 0;
  std::string failure = is_written ? std::string{} : why("cannot write", draft);
  ::close(file);
  if (is_written && ::link(draft.c_str(), path.c_str()) != 0 && errno != EEXIST) {
    failure = why("cannot write", path);
  }
  ::unlink(draft.c_str());
  return failure;
}

}  // namespace

KeyResult load_or_make_identity(Path const& folder, Random& random) {
  if (::mkdir(folder.c_str(), S_IRWXU) != 0 && errno != EEXIST) return why("cannot make", folder);
  auto const path = folder / "identity";
  if (::access(path.c_str(), F_OK) != 0) {
    if (auto failure = make(path, random); !failure.empty()) return failure;
  }
  return load(path);
}

}  // namespace grenache::exchange
