// The key with which a user signs mutable items.
#pragma once

#include <filesystem>
#include <string>

#include <boost/system/result.hpp>

#include <grenache/base/crypto.hpp>
#include <grenache/base/random.hpp>

namespace grenache::client {

/// A message for the user.
struct Failure {
  std::string reason;
};
template <class T>
using Outcome = boost::system::result<T, Failure>;

/// `$XDG_CONFIG_HOME/grenache/key`, or `~/.config/grenache/key`; empty when neither variable is set.
[[nodiscard]] std::filesystem::path default_key_path();

/// Writes a new key, 64 hex digits of an Ed25519 seed, into a file that only its owner can read; creates its
/// folder. Fails if the file exists, unless `replace` is set: items signed with a replaced key cannot be
/// changed any more.
[[nodiscard]] Outcome<Ed25519SecretKey> make_key(std::filesystem::path const& path, bool replace,
                                                 Random& random);
[[nodiscard]] Outcome<Ed25519SecretKey> load_key(std::filesystem::path const& path);

}  // namespace grenache::client
