// TLS configuration: certificates, and verification of the peer.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <grenache/base/crypto.hpp>
#include <grenache/base/endpoint.hpp>
#include <grenache/base/result.hpp>

struct ssl_st;  // OpenSSL's SSL

namespace boost::asio::ssl {
class context;
}

namespace grenache::net {

enum class TlsErrc {
  bad_certificate = 1,   // our certificate chain is not PEM, or does not match the key
  bad_key,               // our private key is not PEM, or is encrypted
  bad_ca,                // the authorities are not PEM
  nothing_to_verify_by,  // verification is on, but the client has neither authorities nor fingerprints
  no_certificate,        // a server needs a certificate and a key
  unusable_name,         // the name to verify is not a valid host name
};
[[nodiscard]] std::string_view describe(TlsErrc code);
constexpr char const* category_name(TlsErrc) { return "grenache.tls"; }
inline Error make_error_code(TlsErrc code) { return make_enum_error(code); }

/// Verification of the peer's certificate.
enum class PeerCheck : std::uint8_t {
  /// It must be present and valid: one of `fingerprints` or, if there are none, signed by an authority in
  /// `ca`. A server with neither requests no certificate.
  required,
  /// It is requested, and passed to the handler of the request whether it is valid, invalid or missing
  /// (Node.js: `rejectUnauthorized: false`).
  requested,
};

/// All texts are PEM. The minimum version is TLS 1.2.
struct TlsOptions {
  std::string certificate;  // ours, with the intermediate certificates
  std::string key;          // ours, not encrypted
  std::string ca;           // trusted authorities
  bool system_ca = false;   // trust the system's authorities too
  PeerCheck peer_check = PeerCheck::required;
  /// Accept only these certificates (SHA-256 of the DER form), regardless of signature, validity period and
  /// names. Pins a peer that is found by its address.
  std::vector<Sha256> fingerprints;
  /// For clients: the certificate must be valid for the destination: an IP address must be in its
  /// subjectAltName, as in Node.js; for a host name see RFC 6125. Without this, every owner of a certificate
  /// of the same authority could impersonate any service. Ignored if `fingerprints` or `host_name` are set.
  bool verify_address = true;
  /// For clients: the name (or IP address) that the certificate must have, instead of the destination.
  std::string host_name;
};

/// Errors of a handshake in which we refused the peer's certificate: the value is one of OpenSSL's
/// X509_V_ERR_*, the message gives the reason ("certificate refused: certificate has expired").
[[nodiscard]] boost::system::error_category const& certificate_category();

/// The peer's certificate.
struct PeerCertificate {
  std::string subject;  // "CN=client1,O=Acme" (RFC 2253)
  std::string pem;
  Sha256 fingerprint;     // SHA-256 of the DER form
  bool verified = false;  // valid by the rules of `required`
};

/// The key material of one side and, for a client, its sessions. Shared by all connections, which keep it
/// alive. A client context is used by one thread; a server context may be used by several.
class TlsContext {
 public:
  /// Destinations of which a client keeps the last session.
  static constexpr std::size_t kSessionCountMax = 1000;
  static constexpr std::size_t kRefusalCountMax = 100;  // destinations of which it keeps the last refusal

  /// Errors: TlsErrc.
  [[nodiscard]] static Result<std::shared_ptr<TlsContext>> make_server(TlsOptions const& options);
  [[nodiscard]] static Result<std::shared_ptr<TlsContext>> make_client(TlsOptions const& options);
  ~TlsContext();
  TlsContext(TlsContext const&) = delete;
  TlsContext& operator=(TlsContext const&) = delete;

  [[nodiscard]] bool is_server() const;
  [[nodiscard]] boost::asio::ssl::context& native();

  /// For clients: explains the `error` of a connection to `to`. If the certificate was refused, the text
  /// includes the expected and the presented identity; otherwise it is the error's message.
  [[nodiscard]] std::string explain(Error const& error, HostPort const& to) const;

  /// For Stream: prepares a connection to `destination` ("host:port"; empty on a server). Resumes its session
  /// if the server agrees and its certificate has not expired. If it fails, the connection must not be used.
  [[nodiscard]] Error prepare(ssl_st* connection, std::string const& destination);
  /// For Stream: maps the `error` of a handshake; our refusal of a certificate becomes
  /// certificate_category().
  [[nodiscard]] static Error handshake_error(ssl_st* connection, Error const& error);
  /// For Stream: the peer's certificate after the handshake; nothing if it sent none.
  [[nodiscard]] std::optional<PeerCertificate> peer_certificate(ssl_st* connection) const;

 private:
  struct Impl;
  explicit TlsContext(std::unique_ptr<Impl> impl);
  [[nodiscard]] static Result<std::shared_ptr<TlsContext>> make(TlsOptions const& options, bool server);
  std::unique_ptr<Impl> impl_;
};

}  // namespace grenache::net

GRN_ERROR_CODE_ENUM(grenache::net::TlsErrc);
