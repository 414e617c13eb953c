#include "grenache/net/tls.hpp"

#include <algorithm>
#include <list>
#include <map>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/error.hpp>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <grenache/base/check.hpp>
#include <grenache/net/address.hpp>
#include <grenache/net/steady_clock.hpp>
#include <grenache/net/tls_tickets.hpp>

namespace grenache::net {

namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;

std::string_view describe(TlsErrc code) {
  switch (code) {
    case TlsErrc::bad_certificate:
      return "the TLS certificate is not PEM, or does not match the key";
    case TlsErrc::bad_key:
      return "the TLS key is not PEM, or is encrypted";
    case TlsErrc::bad_ca:
      return "the TLS authorities are not PEM";
    case TlsErrc::nothing_to_verify_by:
      return "TLS verification needs an authority or a fingerprint";
    case TlsErrc::no_certificate:
      return "a TLS server needs a certificate and a key";
    case TlsErrc::unusable_name:
      return "the name that the TLS certificate must match is not a host name";
  }
  return "unknown TLS error";
}

namespace {

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
  void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
};
using Bio = std::unique_ptr<BIO, Free>;
using Certificate = std::unique_ptr<X509, Free>;
using Session = std::unique_ptr<SSL_SESSION, Free>;

using Names = std::unique_ptr<GENERAL_NAMES, Free>;

constexpr unsigned char kSessionContext[] = "grenache";
constexpr Duration kTicketKeyRotation = std::chrono::hours{2};  // OpenSSL's lifetime of a session
constexpr std::size_t kNamesShown = 4;  // of a refused certificate, which may list thousands
constexpr std::size_t kNameShownMax = 64;

class CertificateCategory final : public boost::system::error_category {
 public:
  char const* name() const noexcept override { return "grenache.tls.certificate"; }
  std::string message(int value) const override {
    return std::string{"certificate refused: "} + X509_verify_cert_error_string(value);
  }
};

Sha256 fingerprint_of(X509* certificate) {
  Sha256 out;
  unsigned size = 0;
  GRN_CHECK(X509_digest(certificate, EVP_sha256(), out.array().data(), &size) == 1);
  return out;
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  long const size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(std::max(size, 0L))};
}

std::string subject_of(X509* certificate) {
  Bio const bio{BIO_new(BIO_s_mem())};
  X509_NAME_print_ex(bio.get(), X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
  return text_of(bio.get());
}

std::string pem_of(X509* certificate) {
  Bio const bio{BIO_new(BIO_s_mem())};
  PEM_write_bio_X509(bio.get(), certificate);
  return text_of(bio.get());
}

/// Shortens a text that may come from a peer, and replaces its control characters.
std::string shown(std::string_view text) {
  std::string out{text.substr(0, kNameShownMax)};
  std::ranges::replace_if(
      out, [](unsigned char c) { return c < ' ' || c == 0x7f; }, '?');
  return out;
}

std::string address_text(ASN1_OCTET_STRING const* address) {
  unsigned char const* const bytes = ASN1_STRING_get0_data(address);
  auto const size = static_cast<std::size_t>(ASN1_STRING_length(address));
  IpAddress::V4 v4;
  IpAddress::V6 v6;
  if (size == v4.size()) {
    std::copy_n(bytes, size, v4.begin());
    return IpAddress{v4}.to_string();
  }
  if (size != v6.size()) return "?";
  std::copy_n(bytes, size, v6.begin());
  return IpAddress{v6}.to_string();
}

/// Returns the first names of the subjectAltName: "server.test, 127.0.0.1".
std::string names_of(X509* certificate) {
  Names const names{
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr))};
  std::string out;
  int const count = names ? sk_GENERAL_NAME_num(names.get()) : 0;
  for (int i = 0; i < count; ++i) {
    if (i == static_cast<int>(kNamesShown)) return out + ", …";
    GENERAL_NAME const* const name = sk_GENERAL_NAME_value(names.get(), i);
    std::string text;
    if (name->type == GEN_DNS) {
      auto const* const data = reinterpret_cast<char const*>(ASN1_STRING_get0_data(name->d.dNSName));
      text = shown({data, static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName))});
    } else if (name->type == GEN_IPADD) {
      text = address_text(name->d.iPAddress);
    } else {
      continue;
    }
    out += (out.empty() ? "" : ", ") + text;
  }
  return out;
}

std::string expiry_of(X509* certificate) {
  Bio const bio{BIO_new(BIO_s_mem())};
  ASN1_TIME_print(bio.get(), X509_get0_notAfter(certificate));
  return text_of(bio.get());
}

std::string issuer_of(X509* certificate) {
  Bio const bio{BIO_new(BIO_s_mem())};
  X509_NAME_print_ex(bio.get(), X509_get_issuer_name(certificate), 0, XN_FLAG_RFC2253);
  return shown(text_of(bio.get()));
}

bool has_expired(X509* certificate) { return X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0; }

/// Returns the host of "host:port", or a text of another form, which no certificate matches.
std::string host_of(std::string const& destination) {
  auto const parts = HostPort::parse(destination);
  std::string const host = parts ? parts->host : destination;
  return host.substr(0, host.find('%'));  // the zone of a link-local address is local to this host
}

std::string refuse_password(std::size_t, ssl::context_base::password_purpose) { return {}; }

int context_slot() {
  static int const slot = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return slot;
}

// The ex_data of a connection with its destination, the key of its session. The connection owns the string.
void free_destination(void*, void* data, CRYPTO_EX_DATA*, int, long, void*) {
  delete static_cast<std::string*>(data);
}
int destination_slot() {
  static int const slot = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, &free_destination);
  return slot;
}

}  // namespace

struct TlsContext::Impl {
  explicit Impl(bool is_server)
      : server{is_server}, native{is_server ? ssl::context::tls_server : ssl::context::tls_client} {}

  Result<void> load(TlsOptions const& options);
  void configure(TlsOptions const& options);
  void keep(std::string const& destination, Session session);
  bool trusts(X509_STORE_CTX* store) const;

  static int verify(int preverified, X509_STORE_CTX* store);
  static int new_session(SSL* connection, SSL_SESSION* session);
  static int ticket_key(SSL* connection, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                        EVP_MAC_CTX* mac, int seal);
  static SSL_TICKET_RETURN opened_ticket(SSL* connection, SSL_SESSION* session, unsigned char const*,
                                         std::size_t, SSL_TICKET_STATUS status, void*);
  [[nodiscard]] std::string expected_identity(std::string const& destination) const;
  void record_refusal(SSL* connection, X509_STORE_CTX* store);
  [[nodiscard]] bool require_name(SSL* connection, std::string const& destination) const;
  static Impl* of(SSL* connection) {
    return static_cast<Impl*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(connection), context_slot()));
  }

  bool server;
  ssl::context native;
  PeerCheck check = PeerCheck::required;
  bool has_ca = false;
  std::vector<Sha256> pins;
  bool verify_address = true;
  std::string host_name;
  TicketKeys tickets{kTicketKeyRotation};       // a server's
  std::map<std::string, std::string> refusals;  // of a client, by destination: the identity wanted and found
  // A client's last session with each destination, most recently used first.
  std::list<std::pair<std::string, Session>> sessions;
  std::map<std::string, decltype(sessions)::iterator, std::less<>> session_of;
};

Result<void> TlsContext::Impl::load(TlsOptions const& options) {
  Error error;
  native.set_options(ssl::context::default_workarounds | ssl::context::no_sslv2 | ssl::context::no_sslv3 |
                         ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1 | ssl::context::no_compression,
                     error);
  if (!options.certificate.empty()) {
    native.use_certificate_chain(asio::buffer(options.certificate), error);
    if (error) return TlsErrc::bad_certificate;
    native.set_password_callback(&refuse_password, error);
    native.use_private_key(asio::buffer(options.key), ssl::context::pem, error);
    bool const misfit =
        ERR_GET_REASON(static_cast<unsigned long>(error.value())) == X509_R_KEY_VALUES_MISMATCH;
    if (error) return misfit ? TlsErrc::bad_certificate : TlsErrc::bad_key;
  }
  if (!options.ca.empty()) {
    native.add_certificate_authority(asio::buffer(options.ca), error);
    if (error) return TlsErrc::bad_ca;
    has_ca = true;
  }
  if (options.system_ca) {
    native.set_default_verify_paths(error);
    if (error) return TlsErrc::bad_ca;
    has_ca = true;
  }
  return {};
}

void TlsContext::Impl::configure(TlsOptions const& options) {
  check = options.peer_check;
  pins = options.fingerprints;
  host_name = options.host_name;
  verify_address = options.verify_address;
  SSL_CTX* const context = native.native_handle();
  GRN_CHECK(SSL_CTX_set_ex_data(context, context_slot(), this) == 1);
  bool const can_verify = has_ca || !pins.empty();
  int mode = SSL_VERIFY_NONE;
  if (!server || can_verify || check == PeerCheck::requested) mode = SSL_VERIFY_PEER;
  if (server && can_verify && check == PeerCheck::required) mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  SSL_CTX_set_verify(context, mode, &Impl::verify);
  // Trust every given authority, including an intermediate one without its root.
  GRN_CHECK(X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN) == 1);
  if (server) {
    // Tickets contain the client's certificate, so the server stores no sessions.
    SSL_CTX_set_session_id_context(context, kSessionContext, sizeof kSessionContext - 1);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context, &Impl::ticket_key);
    GRN_CHECK(SSL_CTX_set_session_ticket_cb(context, nullptr, &Impl::opened_ticket, nullptr) == 1);
  } else {
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, &Impl::new_session);
  }
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
}

/// Returns whether the peer's own certificate is pinned.
bool TlsContext::Impl::trusts(X509_STORE_CTX* store) const {
  X509* const leaf = X509_STORE_CTX_get0_cert(store);
  return leaf != nullptr && std::ranges::find(pins, fingerprint_of(leaf)) != pins.end();
}

int TlsContext::Impl::verify(int preverified, X509_STORE_CTX* store) {
  auto* const connection =
      static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  Impl* const self = of(connection);
  if (self == nullptr) return 0;
  if (self->check == PeerCheck::requested) return 1;  // the outcome is kept: SSL_get_verify_result()
  if (self->trusts(store)) {
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
  }
  // If there are pins, the certificate must be one of them; a valid signature is not enough.
  if (!self->pins.empty() && X509_STORE_CTX_get_error_depth(store) == 0) {
    if (preverified == 1) X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
    preverified = 0;
  }
  if (preverified == 0) self->record_refusal(connection, store);
  return preverified;
}

/// Returns the identity that the certificate must have, for messages.
std::string TlsContext::Impl::expected_identity(std::string const& destination) const {
  if (!pins.empty()) return "a pinned certificate";
  if (!host_name.empty()) return host_name;
  return verify_address ? host_of(destination) : "a known authority";
}

void TlsContext::Impl::record_refusal(SSL* connection, X509_STORE_CTX* store) {
  auto const* const destination =
      static_cast<std::string const*>(SSL_get_ex_data(connection, destination_slot()));
  X509* const leaf = X509_STORE_CTX_get0_cert(store);
  if (server || destination == nullptr || leaf == nullptr) return;
  std::string text = "wanted " + expected_identity(*destination) + ", found " + shown(subject_of(leaf));
  if (auto const names = names_of(leaf); !names.empty()) text += " for " + names;
  text += " by " + issuer_of(leaf) + " until " + expiry_of(leaf);
  if (refusals.size() >= kRefusalCountMax) refusals.clear();
  refusals[*destination] = std::move(text);
}

/// Sends the server's name in the handshake (SNI) and requires the certificate to match it. Returns false if
/// OpenSSL rejects the name.
bool TlsContext::Impl::require_name(SSL* connection, std::string const& destination) const {
  std::string const host = host_name.empty() ? host_of(destination) : host_name;
  bool const is_address = IpAddress::parse(host).has_value();
  if (!is_address) {  // RFC 6066, 3: no addresses here
    std::string name = host;
    long const set =
        SSL_ctrl(connection, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data());
    if (set != 1) return false;
  }
  bool const is_required = !host_name.empty() || (verify_address && pins.empty());
  if (!is_required) return true;
  X509_VERIFY_PARAM* const param = SSL_get0_param(connection);
  if (is_address) return X509_VERIFY_PARAM_set1_ip_asc(param, host.c_str()) == 1;
  return SSL_set1_host(connection, host.c_str()) == 1;
}

int TlsContext::Impl::ticket_key(SSL* connection, unsigned char* name, unsigned char* iv,
                                 EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, int seal) {
  constexpr std::size_t kNameSize = sizeof(TicketKeys::Key::name);
  Impl* const self = of(connection);
  if (self == nullptr) return -1;
  bool is_current = true;
  std::optional<TicketKeys::Key> key;
  if (seal == 1) {
    key = self->tickets.current(steady_now());
    if (!key || RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1) return -1;
    std::ranges::copy(key->name, name);
  } else {
    auto const found = self->tickets.find({reinterpret_cast<char const*>(name), kNameSize}, steady_now());
    if (!found) return 0;
    key = found->key;
    is_current = found->is_current;
  }
  char digest[] = "SHA256";
  OSSL_PARAM const params[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac.data(), key->mac.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
  bool const good =
      EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key->cipher.data(), iv, seal) == 1 &&
      EVP_MAC_CTX_set_params(mac, params) == 1;
  if (!good) return -1;
  return is_current ? 1 : 2;
}

/// Does not resume a session after the client's certificate has expired: a full handshake verifies the client
/// again.
SSL_TICKET_RETURN TlsContext::Impl::opened_ticket(SSL* connection, SSL_SESSION* session, unsigned char const*,
                                                  std::size_t, SSL_TICKET_STATUS status, void*) {
  bool const is_open = status == SSL_TICKET_SUCCESS || status == SSL_TICKET_SUCCESS_RENEW;
  if (!is_open) return SSL_TICKET_RETURN_IGNORE_RENEW;
  Impl const* const self = of(connection);
  X509* const certificate = SSL_SESSION_get0_peer(session);
  bool const is_pinned = self != nullptr && !self->pins.empty();  // accepted even when expired
  if (certificate != nullptr && !is_pinned && has_expired(certificate)) return SSL_TICKET_RETURN_IGNORE_RENEW;
  // A ticket of TLS 1.3 should be used only once.
  bool const renews = status == SSL_TICKET_SUCCESS_RENEW || SSL_version(connection) >= TLS1_3_VERSION;
  return renews ? SSL_TICKET_RETURN_USE_RENEW : SSL_TICKET_RETURN_USE;
}

int TlsContext::Impl::new_session(SSL* connection, SSL_SESSION* session) {
  Impl* const self = of(connection);
  auto const* const destination =
      static_cast<std::string const*>(SSL_get_ex_data(connection, destination_slot()));
  if (self == nullptr || destination == nullptr) return 0;
  self->keep(*destination, Session{session});
  return 1;  // we own the reference now
}

void TlsContext::Impl::keep(std::string const& destination, Session session) {
  if (auto const known = session_of.find(destination); known != session_of.end()) {
    known->second->second = std::move(session);
    sessions.splice(sessions.begin(), sessions, known->second);
    return;
  }
  if (sessions.size() >= kSessionCountMax) {
    session_of.erase(sessions.back().first);
    sessions.pop_back();
  }
  sessions.emplace_front(destination, std::move(session));
  session_of[destination] = sessions.begin();
}

Result<std::shared_ptr<TlsContext>> TlsContext::make(TlsOptions const& options, bool server) {
  if (server && (options.certificate.empty() || options.key.empty())) return TlsErrc::no_certificate;
  bool const can_verify = !options.ca.empty() || options.system_ca || !options.fingerprints.empty();
  if (!server && !can_verify && options.peer_check == PeerCheck::required)
    return TlsErrc::nothing_to_verify_by;
  auto impl = std::make_unique<Impl>(server);
  if (auto const loaded = impl->load(options); !loaded) {
    ERR_clear_error();
    return loaded.error();
  }
  impl->configure(options);
  return std::shared_ptr<TlsContext>{new TlsContext{std::move(impl)}};
}

Result<std::shared_ptr<TlsContext>> TlsContext::make_server(TlsOptions const& options) {
  return make(options, true);
}
Result<std::shared_ptr<TlsContext>> TlsContext::make_client(TlsOptions const& options) {
  return make(options, false);
}

TlsContext::TlsContext(std::unique_ptr<Impl> impl) : impl_{std::move(impl)} {}
TlsContext::~TlsContext() = default;

bool TlsContext::is_server() const { return impl_->server; }
ssl::context& TlsContext::native() { return impl_->native; }

boost::system::error_category const& certificate_category() {
  static CertificateCategory const category;
  return category;
}

std::string TlsContext::explain(Error const& error, HostPort const& to) const {
  std::string text = error.message();
  auto const known = impl_->refusals.find(host_text(to));
  bool const is_refusal = error.category() == certificate_category() && known != impl_->refusals.end();
  if (is_refusal) text += " (" + known->second + ")";
  return text;
}

Error TlsContext::handshake_error(SSL* connection, Error const& error) {
  bool const is_refusal =
      ERR_GET_LIB(static_cast<unsigned long>(error.value())) == ERR_LIB_SSL &&
      ERR_GET_REASON(static_cast<unsigned long>(error.value())) == SSL_R_CERTIFICATE_VERIFY_FAILED &&
      error.category() == asio::error::get_ssl_category();
  if (!is_refusal) return error;
  return Error{static_cast<int>(SSL_get_verify_result(connection)), certificate_category()};
}

Error TlsContext::prepare(SSL* connection, std::string const& destination) {
  if (impl_->server) return {};
  auto name = std::make_unique<std::string>(destination);
  if (SSL_set_ex_data(connection, destination_slot(), name.get()) == 1) (void)name.release();
  if (!impl_->require_name(connection, destination)) {
    ERR_clear_error();
    return TlsErrc::unusable_name;
  }
  auto const known = impl_->session_of.find(destination);
  if (known == impl_->session_of.end()) return {};
  // After the server's certificate has expired, a full handshake verifies the server again.
  X509* const certificate = SSL_SESSION_get0_peer(known->second->second.get());
  bool const may_resume = !impl_->pins.empty() || certificate == nullptr || !has_expired(certificate);
  if (may_resume) SSL_set_session(connection, known->second->second.get());
  // A session of TLS 1.3 should be used only once; the server sends a new one.
  impl_->sessions.erase(known->second);
  impl_->session_of.erase(known);
  return {};
}

std::optional<PeerCertificate> TlsContext::peer_certificate(SSL* connection) const {
  Certificate const certificate{SSL_get1_peer_certificate(connection)};
  if (!certificate) return std::nullopt;
  PeerCertificate out;
  out.subject = subject_of(certificate.get());
  out.pem = pem_of(certificate.get());
  out.fingerprint = fingerprint_of(certificate.get());
  bool const pinned = std::ranges::find(impl_->pins, out.fingerprint) != impl_->pins.end();
  bool const by_authority = impl_->has_ca && SSL_get_verify_result(connection) == X509_V_OK;
  out.verified = impl_->pins.empty() ? by_authority : pinned;
  return out;
}

}  // namespace grenache::net
