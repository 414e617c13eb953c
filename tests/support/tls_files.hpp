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
/// What is special about a certificate.
struct IdentityOptions {
  std::string names;          // subjectAltName; empty: "DNS:name,IP:127.0.0.1,IP:::1"
  bool is_authority = false;  // may sign others
  bool has_expired = false;   // an hour ago
};
/// A certificate for `name`, signed by `authority`.
[[nodiscard]] Identity make_identity(std::string const& name, Identity const& authority,
                                     IdentityOptions const& options = {});

}  // namespace grenache::test
