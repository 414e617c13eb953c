#include "tests/support/tls_files.hpp"

#include <memory>
#include <stdexcept>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace grenache::test {
namespace {

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

void check(bool good) {
  if (!good) throw std::runtime_error{"OpenSSL failed"};
}

template <class Write>
std::string pem(Write write) {
  Owned<BIO> const bio{BIO_new(BIO_s_mem())};
  check(write(bio.get()) == 1);
  char* data = nullptr;
  auto const size = static_cast<std::size_t>(BIO_get_mem_data(bio.get(), &data));
  return {data, size};
}

void add_extension(X509* to, int kind, std::string const& value) {
  Owned<X509_EXTENSION> const extension{X509V3_EXT_nconf_nid(nullptr, nullptr, kind, value.c_str())};
  check(extension && X509_add_ext(to, extension.get(), -1) == 1);
}

Identity make(std::string const& name, Identity const* authority, IdentityOptions const& options) {
  static long serial = 1;
  Owned<EVP_PKEY> const key{EVP_EC_gen("P-256")};
  Owned<X509> const certificate{X509_new()};
  check(key && certificate);
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), serial++);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -2 * 3600);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), options.has_expired ? -3600 : options.valid_s);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* const subject = X509_get_subject_name(certificate.get());
  auto const* const text = reinterpret_cast<unsigned char const*>(name.c_str());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, text, -1, -1, 0);
  if (authority == nullptr) {
    X509_set_issuer_name(certificate.get(), subject);
    add_extension(certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
    check(X509_sign(certificate.get(), key.get(), EVP_sha256()) > 0);
  } else {
    Owned<BIO> const certificate_text{BIO_new_mem_buf(authority->certificate.data(), -1)};
    Owned<BIO> const key_text{BIO_new_mem_buf(authority->key.data(), -1)};
    Owned<X509> const issuer{PEM_read_bio_X509(certificate_text.get(), nullptr, nullptr, nullptr)};
    Owned<EVP_PKEY> const issuer_key{PEM_read_bio_PrivateKey(key_text.get(), nullptr, nullptr, nullptr)};
    check(issuer && issuer_key);
    X509_set_issuer_name(certificate.get(), X509_get_subject_name(issuer.get()));
    std::string const names = "DNS:" + name + ",IP:127.0.0.1,IP:::1";
    add_extension(certificate.get(), NID_subject_alt_name, options.names.empty() ? names : options.names);
    if (options.is_authority) add_extension(certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
    check(X509_sign(certificate.get(), issuer_key.get(), EVP_sha256()) > 0);
  }
  Identity out;
  out.certificate = pem([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate.get()); });
  out.key = pem([&](BIO* bio) {
    return PEM_write_bio_PrivateKey(bio, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
  return out;
}

}  // namespace

Identity make_authority(std::string const& name) { return make(name, nullptr, {}); }
Identity make_identity(std::string const& name, Identity const& authority, IdentityOptions const& options) {
  return make(name, &authority, options);
}

}  // namespace grenache::test
