// Loads and creates the key file of a peer.
#pragma once

#include <filesystem>
#include <string>

#include <boost/system/result.hpp>

#include <grenache/base/crypto.hpp>
#include <grenache/base/random.hpp>

namespace grenache::exchange {

/// Loads the secret key from `folder`/identity, 64 hex digits and a newline. Creates the folder (mode 0700)
/// and the file (0600) if they do not exist; if several processes do so at once, one succeeds and all load
/// its key. Refuses a file that others may read. The error is a message for the operator.
[[nodiscard]] boost::system::result<SecretKey, std::string> load_or_make_identity(
    std::filesystem::path const& folder, Random& random);

}  // namespace grenache::exchange
