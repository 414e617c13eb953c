// TLS contexts for tests; their certificates are created once per process.
#pragma once

#include <memory>

#include "tests/support/tls_files.hpp"
#include <grenache/net/tls.hpp>

namespace grenache::test {

struct TlsIdentities {
  Identity authority = make_authority("authority");
  Identity server = make_identity("server.test", authority);
  Identity client = make_identity("client.test", authority);
  Identity foreign_authority = make_authority("foreign authority");
  Identity foreign = make_identity("client.test", foreign_authority);
};

inline TlsIdentities const& identities() {
  static TlsIdentities const all;
  return all;
}

/// Options with the certificate `own`, trusting `authority`.
inline net::TlsOptions tls_options(Identity const& own, Identity const& authority) {
  net::TlsOptions options;
  options.certificate = own.certificate;
  options.key = own.key;
  options.ca = authority.certificate;
  return options;
}

inline net::TlsOptions server_tls() { return tls_options(identities().server, identities().authority); }
inline net::TlsOptions client_tls() { return tls_options(identities().client, identities().authority); }

inline std::shared_ptr<net::TlsContext> make_server_tls() {
  return net::TlsContext::make_server(server_tls()).value();
}
inline std::shared_ptr<net::TlsContext> make_client_tls() {
  return net::TlsContext::make_client(client_tls()).value();
}

}  // namespace grenache::test
