// Creates certificates for tests.
#pragma once

#include <string>

namespace grenache::test {

/// PEM texts.
struct Identity {
  std::string certificate;
  std::string key;
};

/// Creates a self-signed authority with a P-256 key, which is fast to generate.
[[nodiscard]] Identity make_authority(std::string const& name);
/// Options of a certificate.
struct IdentityOptions {
  std::string names;          // subjectAltName; empty: "DNS:name,IP:127.0.0.1,IP:::1"
  bool is_authority = false;  // may sign other certificates
  bool has_expired = false;   // expired an hour ago
  long valid_s = 24L * 3600;  // seconds from now
};
/// Creates a certificate for `name`, signed by `authority`.
[[nodiscard]] Identity make_identity(std::string const& name, Identity const& authority,
                                     IdentityOptions const& options = {});

}  // namespace grenache::test
