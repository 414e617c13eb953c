#include "exchange/identity.hpp"

#include <cerrno>

#include <sys/stat.h>

#include <grenache/base/hex.hpp>
#include <grenache/file/private_file.hpp>

namespace grenache::exchange {
namespace {

namespace errc = boost::system::errc;
using Path = std::filesystem::path;
using KeyResult = boost::system::result<SecretKey, std::string>;

constexpr std::size_t kFileBytesMax = 4096;

std::string why(std::string const& what, Path const& path, Error const& error) {
  return what + " " + path.string() + ": " + error.message();
}

KeyResult load(Path const& path) {
  auto const text = read_private_file(path, kFileBytesMax);
  if (!text && text.error() == errc::permission_denied) {
    return "cannot read " + path.string() + ", or others can: only its owner may (chmod 600)";
  }
  if (!text) return why("cannot read", path, text.error());
  auto const bytes = from_hex(std::string_view{*text}.substr(0, text->find('\n')));
  auto key = bytes ? SecretKey::from_bytes(*bytes) : std::nullopt;
  if (!key) return path.string() + " holds no key";
  return *std::move(key);
}

}  // namespace

KeyResult load_or_make_identity(Path const& folder, Random& random) {
  if (::mkdir(folder.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
    return why("cannot make", folder, {errno, boost::system::system_category()});
  }
  auto const path = folder / "identity";
  auto const made = create_private_file(path, to_hex(SecretKey::generate(random).view()) + "\n");
  if (!made && made.error() != errc::file_exists) return why("cannot write", path, made.error());
  return load(path);
}

}  // namespace grenache::exchange
