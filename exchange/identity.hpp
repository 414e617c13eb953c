// The key of a peer on disk.
#pragma once

#include <filesystem>
#include <string>

#include <boost/system/result.hpp>

#include <grenache/base/crypto.hpp>
#include <grenache/base/random.hpp>

namespace grenache::exchange {

/// The secret key in `folder`/identity, 64 hex digits and a newline. Makes the folder (mode 0700) and the
/// file (0600) when they do not exist; of several processes that do so at once one wins, and all get its key.
/// A file that others may read is refused. The error is a sentence for an operator.
[[nodiscard]] boost::system::result<SecretKey, std::string> load_or_make_identity(
    std::filesystem::path const& folder, Random& random);

}  // namespace grenache::exchange
