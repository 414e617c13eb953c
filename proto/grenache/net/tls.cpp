#include "grenache/net/tls.hpp"

#include <algorithm>
#include <list>
#include <map>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ssl/context.hpp>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <grenache/base/check.hpp>

namespace grenache::net {

namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;

std::string_view describe(TlsErrc code) {
  switch (code) {
    case TlsErrc::bad_certificate:
      return "the TLS certificate is not PEM, or does not fit the key";
    case TlsErrc::bad_key:
      return "the TLS key is not PEM, or is encrypted";
    case TlsErrc::bad_ca:
      return "the TLS authorities are not PEM";
    case TlsErrc::nothing_to_verify_by:
      return "TLS verification needs an authority or a fingerprint";
    case TlsErrc::no_certificate:
      return "a TLS server needs a certificate and a key";
  }
  return "unknown TLS error";
}

namespace {

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
};
using Bio = std::unique_ptr<BIO, Free>;
using Certificate = std::unique_ptr<X509, Free>;
using Session = std::unique_ptr<SSL_SESSION, Free>;

constexpr unsigned char kSessionContext[] = "grenache";

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

std::string refuse_password(std::size_t, ssl::context_base::password_purpose) { return {}; }

int context_slot() {
  static int const slot = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return slot;
}

// Which TlsContext::Impl::Sessions entry a connection belongs to: its destination, owned by the connection.
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
  void demand(TlsOptions const& options);
  void keep(std::string const& destination, Session session);
  bool trusts(X509_STORE_CTX* store) const;

  static int verify(int preverified, X509_STORE_CTX* store);
  static int new_session(SSL* connection, SSL_SESSION* session);
  static Impl* of(SSL* connection) {
    return static_cast<Impl*>(SSL_CTX_get_ex_data(SSL_get_SSL_CTX(connection), context_slot()));
  }

  bool server;
  ssl::context native;
  PeerCheck check = PeerCheck::required;
  bool has_ca = false;
  std::vector<Sha256> pins;
  std::string host_name;
  // A client's last session with each destination; the one used last is first.
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
  return {};
}

void TlsContext::Impl::demand(TlsOptions const& options) {
  check = options.peer_check;
  pins = options.fingerprints;
  host_name = options.host_name;
  SSL_CTX* const context = native.native_handle();
  GRN_CHECK(SSL_CTX_set_ex_data(context, context_slot(), this) == 1);
  bool const can_tell = has_ca || !pins.empty();
  int mode = SSL_VERIFY_NONE;
  if (!server || can_tell || check == PeerCheck::requested) mode = SSL_VERIFY_PEER;
  if (server && can_tell && check == PeerCheck::required) mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  SSL_CTX_set_verify(context, mode, &Impl::verify);
  if (server) {
    // Tickets carry the certificate that the client has shown; the server keeps nothing.
    SSL_CTX_set_session_id_context(context, kSessionContext, sizeof kSessionContext - 1);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  } else {
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, &Impl::new_session);
  }
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
}

/// The certificate that the other side itself has shown is pinned.
bool TlsContext::Impl::trusts(X509_STORE_CTX* store) const {
  X509* const leaf = X509_STORE_CTX_get0_cert(store);
  return leaf != nullptr && std::ranges::find(pins, fingerprint_of(leaf)) != pins.end();
}

int TlsContext::Impl::verify(int preverified, X509_STORE_CTX* store) {
  auto* const connection =
      static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  Impl const* const self = of(connection);
  if (self == nullptr) return 0;
  if (self->check == PeerCheck::requested) return 1;  // the outcome is kept: SSL_get_verify_result()
  if (self->trusts(store)) {
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
  }
  // A pin is a demand: a good signature is not enough beside it.
  if (!self->pins.empty() && X509_STORE_CTX_get_error_depth(store) == 0) {
    if (preverified == 1) X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
    return 0;
  }
  return preverified;
}

int TlsContext::Impl::new_session(SSL* connection, SSL_SESSION* session) {
  Impl* const self = of(connection);
  auto const* const destination =
      static_cast<std::string const*>(SSL_get_ex_data(connection, destination_slot()));
  if (self == nullptr || destination == nullptr) return 0;
  self->keep(*destination, Session{session});
  return 1;  // the reference is ours now
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
  bool const can_tell = !options.ca.empty() || !options.fingerprints.empty();
  if (!server && !can_tell && options.peer_check == PeerCheck::required) return TlsErrc::nothing_to_verify_by;
  auto impl = std::make_unique<Impl>(server);
  if (auto const loaded = impl->load(options); !loaded) {
    ERR_clear_error();
    return loaded.error();
  }
  impl->demand(options);
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

void TlsContext::prepare(SSL* connection, std::string const& destination) {
  if (impl_->server) return;
  auto name = std::make_unique<std::string>(destination);
  if (SSL_set_ex_data(connection, destination_slot(), name.get()) == 1) (void)name.release();
  if (!impl_->host_name.empty()) {
    SSL_ctrl(connection, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, impl_->host_name.data());
    SSL_set1_host(connection, impl_->host_name.c_str());
  }
  auto const known = impl_->session_of.find(destination);
  if (known == impl_->session_of.end()) return;
  SSL_set_session(connection, known->second->second.get());
  // A session of TLS 1.3 is to be used once; the server sends a new one.
  impl_->sessions.erase(known->second);
  impl_->session_of.erase(known);
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
