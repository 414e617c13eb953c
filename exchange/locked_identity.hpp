// A key file that is protected by a password.
#pragma once

#include <filesystem>
#include <string_view>

#include <grenache/base/crypto.hpp>
#include <grenache/base/random.hpp>
#include <grenache/base/result.hpp>

namespace grenache::exchange {

enum class LockedIdentityErrc {
  empty_password = 1,
  wrong_password,  // or somebody has changed the file and its checksum
  damaged,         // not a key file, or its checksum is wrong
  unsupported,     // of another version, or with parameters that would need too much time or memory
  not_locked,      // the file of load_or_make_identity()
  not_private,     // others may read or write it, or this user may not
};
[[nodiscard]] std::string_view describe(LockedIdentityErrc code);
constexpr char const* category_name(LockedIdentityErrc) { return "grenache.locked_identity"; }
inline Error make_error_code(LockedIdentityErrc code) { return make_enum_error(code); }

/// Loads the secret key from the file `path`; creates it with a new key if it does not exist, and never
/// changes one that does. If several processes create it at once, one succeeds and the others load its key.
/// The folder must exist. Takes about 0.1 s and 32 MiB of memory. Errors: LockedIdentityErrc, or of the
/// system.
///
/// The file has mode 0600, one line of at most 1 KiB: JSON text with the members version (1), kdf ("scrypt"),
/// n, r, p (32768, 8, 1: RFC 7914), salt, cipher ("aes-256-gcm"), nonce, ciphertext, checksum; bytes in hex.
/// scrypt of the password is the key of AES-256-GCM, which encrypts the secret key and authenticates all
/// members before it, written as JSON. The ciphertext ends with the tag of 16 bytes. The checksum is SHA-256
/// of the JSON text without it, so that a damaged file is told from a wrong password. Files with n up to 2^18
/// and p up to 4 are loaded.
[[nodiscard]] Result<SecretKey> load_or_create_locked_identity(std::filesystem::path const& path,
                                                               std::string_view password, Random& random);

}  // namespace grenache::exchange

GRN_ERROR_CODE_ENUM(grenache::exchange::LockedIdentityErrc);
