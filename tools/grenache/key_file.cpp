#include "tools/grenache/key_file.hpp"

#include <cstdlib>
#include <string_view>

#include <grenache/base/hex.hpp>
#include <grenache/file/private_file.hpp>

namespace grenache::client {
namespace {

namespace errc = boost::system::errc;

constexpr std::size_t kFileSizeMax = 1024;

Failure why(std::string_view what, std::filesystem::path const& path, std::string const& reason) {
  return {std::string{what} + " " + path.string() + ": " + reason};
}

}  // namespace

std::filesystem::path default_key_path() {
  char const* const config = std::getenv("XDG_CONFIG_HOME");
  if (config != nullptr && *config != '\0') return std::filesystem::path{config} / "grenache" / "key";
  char const* const home = std::getenv("HOME");
  if (home != nullptr && *home != '\0') return std::filesystem::path{home} / ".config" / "grenache" / "key";
  return {};
}

Outcome<Ed25519SecretKey> make_key(std::filesystem::path const& path, bool replace, Random& random) {
  std::error_code folder_error;
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), folder_error);
  if (folder_error) return why("cannot create", path.parent_path(), folder_error.message());
  Ed25519SecretKey const key = Ed25519SecretKey::generate(random);
  std::string const text = to_hex(key.view()) + '\n';
  auto const written = replace ? replace_private_file(path, text) : create_private_file(path, text);
  if (written) return key;
  if (written.error() == errc::file_exists) {
    return Failure{path.string() +
                   " exists already; --force replaces it, after which its items cannot be changed any more"};
  }
  return why("cannot write", path, written.error().message());
}

Outcome<Ed25519SecretKey> load_key(std::filesystem::path const& path) {
  auto const text = read_private_file(path, kFileSizeMax);
  if (!text) {
    if (text.error() == errc::no_such_file_or_directory) {
      return Failure{"there is no key in " + path.string() + ": create one with `grenache keygen`"};
    }
    if (text.error() == errc::permission_denied) {
      return Failure{"cannot read " + path.string() +
                     ", or others can read it (chmod 600 allows its owner only)"};
    }
    return why("cannot read", path, text.error().message());
  }
  std::string_view line{*text};
  if (line.ends_with('\n')) line.remove_suffix(1);
  auto const bytes = from_hex(line);
  auto key = bytes ? Ed25519SecretKey::from_bytes(*bytes) : std::nullopt;
  if (!key) return Failure{path.string() + " does not contain a key of 64 hex digits"};
  return *key;
}

}  // namespace grenache::client
