// Who a TLS connection is made with, and what is demanded of the other side.
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
  bad_certificate = 1,   // the own certificate chain is no PEM, or does not fit the key
  bad_key,               // the own private key is no PEM, or is encrypted
  bad_ca,                // the authorities are no PEM
  nothing_to_verify_by,  // a client without authorities and pins, although verification is on
  no_certificate,        // a server needs a certificate and a key
  unusable_name,         // the name that was to be demanded of a certificate is none
};
[[nodiscard]] std::string_view describe(TlsErrc code);
constexpr char const* category_name(TlsErrc) { return "grenache.tls"; }
inline Error make_error_code(TlsErrc code) { return make_enum_error(code); }

/// What is demanded of the other side's certificate.
enum class PeerCheck : std::uint8_t {
  /// It must be there and good: one of `fingerprints` or, when there are none, signed by an authority in
  /// `ca`. A server without either demands nothing: it has no way to tell.
  required,
  /// It is asked for and shown to whoever handles the request, good or not, there or not (Node:
  /// `rejectUnauthorized: false`).
  requested,
};

/// All texts are PEM. TLS 1.2 is the oldest version that is spoken.
struct TlsOptions {
  std::string certificate;  // of this side, with what leads from it to an authority
  std::string key;          // of this side, not encrypted
  std::string ca;           // the authorities that are trusted
  bool system_ca = false;   // those of the system are trusted too
  PeerCheck peer_check = PeerCheck::required;
  /// The only certificates that are taken (SHA-256 of their DER form), whoever signed them, however old they
  /// are and whatever their names: the way to pin a peer that is found by its address.
  std::vector<Sha256> fingerprints;
  /// A client's: the certificate must be made for the address that was dialled. For an IP address that is one
  /// of its subjectAltName's addresses, as Node.js demands; for a host name see RFC 6125. Otherwise anybody
  /// who has a certificate of the same authority could stand in for any service. Without effect when
  /// `fingerprints` or `host_name` say who is meant.
  bool verify_address = true;
  /// A client's: the name (or IP address) that the certificate must be made for, whatever was dialled.
  std::string host_name;
};

/// The error of a handshake in which this side refused the certificate of the other: its value is one of
/// OpenSSL's X509_V_ERR_*, its message says the reason ("certificate refused: certificate has expired").
[[nodiscard]] boost::system::error_category const& certificate_category();

/// The other side's certificate.
struct PeerCertificate {
  std::string subject;  // "CN=client1,O=Acme" (RFC 2253)
  std::string pem;
  Sha256 fingerprint;     // SHA-256 of the DER form
  bool verified = false;  // as `required` would demand it
};

/// The key material of one side and, on a client, the sessions to resume. Shared by all connections; lives as
/// long as the last of them. One thread makes connections with a client's context; a server's may be used by
/// many.
class TlsContext {
 public:
  static constexpr std::size_t kSessionCountMax = 1000;  // destinations whose last session a client keeps
  static constexpr std::size_t kRefusalCountMax = 100;   // destinations whose last refusal it remembers

  /// Errors: TlsErrc.
  [[nodiscard]] static Result<std::shared_ptr<TlsContext>> make_server(TlsOptions const& options);
  [[nodiscard]] static Result<std::shared_ptr<TlsContext>> make_client(TlsOptions const& options);
  ~TlsContext();
  TlsContext(TlsContext const&) = delete;
  TlsContext& operator=(TlsContext const&) = delete;

  [[nodiscard]] bool is_server() const;
  [[nodiscard]] boost::asio::ssl::context& native();

  /// A client's: why `error` has ended a connection to `to`. When the certificate was refused the text also
  /// says who was wanted and who was found, else it is the error's message.
  [[nodiscard]] std::string explain(Error const& error, HostPort const& to) const;

  /// For Stream: readies a connection to `destination` ("host:port"; empty on a server). A session that was
  /// kept for it is resumed, if the server agrees. A connection for which it fails must not be used.
  [[nodiscard]] Error prepare(ssl_st* connection, std::string const& destination);
  /// For Stream: what `error` of a handshake means. Our refusal of a certificate becomes
  /// certificate_category().
  [[nodiscard]] static Error handshake_error(ssl_st* connection, Error const& error);
  /// For Stream: the certificate of the other side after the handshake; nothing when it showed none.
  [[nodiscard]] std::optional<PeerCertificate> peer_certificate(ssl_st* connection) const;

 private:
  struct Impl;
  explicit TlsContext(std::unique_ptr<Impl> impl);
  [[nodiscard]] static Result<std::shared_ptr<TlsContext>> make(TlsOptions const& options, bool server);
  std::unique_ptr<Impl> impl_;
};

}  // namespace grenache::net

GRN_ERROR_CODE_ENUM(grenache::net::TlsErrc);
