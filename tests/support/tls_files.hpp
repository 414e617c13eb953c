// Certificates for tests, made when they are needed.
#pragma once

#include <string>

namespace grenache::test {

/// PEM texts.
struct Identity {
  std::string certificate;
  std::string key;
};

/// A self-signed authority called `name`. Keys are of P-256: fast to make.
[[nodiscard]] Identity make_authority(std::string const& name);
/// A certificate for `name`, which is also its DNS name, signed by `authority`.
[[nodiscard]] Identity make_identity(std::string const& name, Identity const& authority);

}  // namespace grenache::test
