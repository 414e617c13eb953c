#include "grenache/base/crypto.hpp"

#include <algorithm>
#include <memory>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <secp256k1.h>
#include <secp256k1_recovery.h>

#include "grenache/base/secp256k1_context.hpp"
#include <grenache/base/check.hpp>

namespace grenache {

secp256k1_context const* shared_secp256k1_context() {
  static secp256k1_context const* const shared = [] {
    // NOLINTNEXTLINE(misc-redundant-expression): both flags may have the same bits
    auto* made = secp256k1_context_create(SECP256K1_CONTEXT_SIGN | SECP256K1_CONTEXT_VERIFY);
    GRN_CHECK(made != nullptr);
    Random random = Random::from_system();
    std::array<std::uint8_t, 32> blinding;
    random.fill(blinding);
    GRN_CHECK(secp256k1_context_randomize(made, blinding.data()) == 1);
    OPENSSL_cleanse(blinding.data(), blinding.size());
    return made;
  }();
  return shared;
}

namespace {

secp256k1_context const* context() { return shared_secp256k1_context(); }

template <class Digest>
Digest digest(EVP_MD const* algorithm, std::string_view bytes) {
  Digest out;
  unsigned size = 0;
  GRN_CHECK(algorithm != nullptr);
  GRN_CHECK(EVP_Digest(bytes.data(), bytes.size(), out.array().data(), &size, algorithm, nullptr) == 1);
  GRN_CHECK(size == Digest::kSize);
  return out;
}

PeerId serialize(secp256k1_pubkey const& key) {
  PeerId id;
  std::size_t size = PeerId::kSize;
  secp256k1_ec_pubkey_serialize(context(), id.array().data(), &size, &key, SECP256K1_EC_COMPRESSED);
  GRN_CHECK(size == PeerId::kSize);
  return id;
}

bool verify_parsed(PeerId const& signer, Sha256 const& digest, secp256k1_ecdsa_signature const& signature) {
  secp256k1_pubkey key;
  if (secp256k1_ec_pubkey_parse(context(), &key, signer.array().data(), PeerId::kSize) != 1) return false;
  return secp256k1_ecdsa_verify(context(), &signature, digest.array().data(), &key) == 1;
}

}  // namespace

// Fetched once: EVP_sha1() and EVP_sha256() look up the algorithm under a lock in every use.
Sha1 sha1(std::string_view bytes) {
  static EVP_MD const* const algorithm = EVP_MD_fetch(nullptr, "SHA1", nullptr);
  return digest<Sha1>(algorithm, bytes);
}
Sha256 sha256(std::string_view bytes) {
  static EVP_MD const* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return digest<Sha256>(algorithm, bytes);
}

Sha256 hmac_sha256(std::string_view key, std::string_view message) {
  Sha256 out;
  std::size_t size = 0;
  auto const* const bytes = reinterpret_cast<unsigned char const*>(message.data());
  GRN_CHECK(EVP_Q_mac(nullptr, "HMAC", nullptr, "SHA256", nullptr, key.data(), key.size(), bytes,
                      message.size(), out.array().data(), Sha256::kSize, &size) != nullptr);
  GRN_CHECK(size == Sha256::kSize);
  return out;
}

void SipHash::Free::operator()(evp_mac_ctx_st* context) const { EVP_MAC_CTX_free(context); }

SipHash::SipHash(Key const& key) {
  static EVP_MAC* const algorithm = EVP_MAC_fetch(nullptr, "SIPHASH", nullptr);
  context_.reset(EVP_MAC_CTX_new(algorithm));
  GRN_CHECK(context_ != nullptr);
  GRN_CHECK(EVP_MAC_init(context_.get(), key.data(), key.size(), nullptr) == 1);
}

SipHash::Tag SipHash::operator()(std::string_view message) const {
  Tag tag;
  std::size_t size = 0;
  auto const* const bytes = reinterpret_cast<unsigned char const*>(message.data());
  GRN_CHECK(EVP_MAC_init(context_.get(), nullptr, 0, nullptr) == 1);  // restarts with the same key
  GRN_CHECK(EVP_MAC_update(context_.get(), bytes, message.size()) == 1);
  GRN_CHECK(EVP_MAC_final(context_.get(), tag.array().data(), &size, Tag::kSize) == 1);
  GRN_CHECK(size == Tag::kSize);
  return tag;
}

bool equal_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

SecretKey SecretKey::generate(Random& random) {
  SecretKey key;
  do {
    random.fill(key.bytes_);
  } while (secp256k1_ec_seckey_verify(context(), key.bytes_.data()) != 1);
  return key;
}

std::optional<SecretKey> SecretKey::from_bytes(std::string_view bytes) {
  if (bytes.size() != kSize) return std::nullopt;
  SecretKey key;
  std::copy(bytes.begin(), bytes.end(), reinterpret_cast<char*>(key.bytes_.data()));
  if (secp256k1_ec_seckey_verify(context(), key.bytes_.data()) != 1) return std::nullopt;
  return key;
}

SecretKey::~SecretKey() { OPENSSL_cleanse(bytes_.data(), bytes_.size()); }

PeerId SecretKey::public_key() const {
  secp256k1_pubkey key;
  GRN_CHECK(secp256k1_ec_pubkey_create(context(), &key, bytes_.data()) == 1);
  return serialize(key);
}

RecoverableSignature SecretKey::sign_recoverable(Sha256 const& digest) const {
  secp256k1_ecdsa_recoverable_signature raw;
  GRN_CHECK(secp256k1_ecdsa_sign_recoverable(context(), &raw, digest.array().data(), bytes_.data(), nullptr,
                                             nullptr) == 1);
  RecoverableSignature out;
  int id = 0;
  secp256k1_ecdsa_recoverable_signature_serialize_compact(context(), out.signature.array().data(), &id, &raw);
  out.recovery_id = static_cast<std::uint8_t>(id);
  return out;
}

Signature SecretKey::sign(Sha256 const& digest) const { return sign_recoverable(digest).signature; }

bool verify(PeerId const& signer, Sha256 const& digest, Signature const& signature) {
  secp256k1_ecdsa_signature parsed;
  if (secp256k1_ecdsa_signature_parse_compact(context(), &parsed, signature.array().data()) != 1)
    return false;
  return verify_parsed(signer, digest, parsed);  // libsecp256k1 accepts only low S
}

bool verify_any_s(PeerId const& signer, Sha256 const& digest, Signature const& signature) {
  secp256k1_ecdsa_signature parsed;
  if (secp256k1_ecdsa_signature_parse_compact(context(), &parsed, signature.array().data()) != 1)
    return false;
  secp256k1_ecdsa_signature_normalize(context(), &parsed, &parsed);
  return verify_parsed(signer, digest, parsed);
}

std::optional<PeerId> recover(Sha256 const& digest, RecoverableSignature const& signature) {
  if (signature.recovery_id > 3) return std::nullopt;
  secp256k1_ecdsa_recoverable_signature parsed;
  if (secp256k1_ecdsa_recoverable_signature_parse_compact(
          context(), &parsed, signature.signature.array().data(), signature.recovery_id) != 1) {
    return std::nullopt;
  }
  secp256k1_pubkey key;
  if (secp256k1_ecdsa_recover(context(), &key, &parsed, digest.array().data()) != 1) return std::nullopt;
  return serialize(key);
}

namespace {

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using OpensslKey = std::unique_ptr<EVP_PKEY, FreeKey>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, FreeContext>;

OpensslKey private_key(std::array<std::uint8_t, Ed25519SecretKey::kSize> const& seed) {
  OpensslKey key{EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.data(), seed.size())};
  GRN_CHECK(key != nullptr);
  return key;
}

unsigned char const* bytes_of(std::string_view text) {
  return reinterpret_cast<unsigned char const*>(text.data());
}

}  // namespace

Ed25519SecretKey Ed25519SecretKey::generate(Random& random) {
  Ed25519SecretKey key;
  random.fill(key.seed_);
  return key;
}

std::optional<Ed25519SecretKey> Ed25519SecretKey::from_bytes(std::string_view seed) {
  if (seed.size() != kSize) return std::nullopt;
  Ed25519SecretKey key;
  std::copy(seed.begin(), seed.end(), reinterpret_cast<char*>(key.seed_.data()));
  return key;
}

Ed25519SecretKey::~Ed25519SecretKey() { OPENSSL_cleanse(seed_.data(), seed_.size()); }

Ed25519PublicKey Ed25519SecretKey::public_key() const {
  Ed25519PublicKey out;
  std::size_t size = Ed25519PublicKey::kSize;
  GRN_CHECK(EVP_PKEY_get_raw_public_key(private_key(seed_).get(), out.array().data(), &size) == 1);
  GRN_CHECK(size == Ed25519PublicKey::kSize);
  return out;
}

Ed25519Signature Ed25519SecretKey::sign(std::string_view message) const {
  OpensslKey const key = private_key(seed_);
  DigestContext const signing{EVP_MD_CTX_new()};
  Ed25519Signature out;
  std::size_t size = Ed25519Signature::kSize;
  GRN_CHECK(signing != nullptr);
  GRN_CHECK(EVP_DigestSignInit(signing.get(), nullptr, nullptr, nullptr, key.get()) == 1);
  GRN_CHECK(EVP_DigestSign(signing.get(), out.array().data(), &size, bytes_of(message), message.size()) == 1);
  GRN_CHECK(size == Ed25519Signature::kSize);
  return out;
}

bool verify(Ed25519PublicKey const& signer, std::string_view message, Ed25519Signature const& signature) {
  OpensslKey const key{
      EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, signer.array().data(), Ed25519PublicKey::kSize)};
  DigestContext const verifying{EVP_MD_CTX_new()};
  if (key == nullptr || verifying == nullptr) return false;
  if (EVP_DigestVerifyInit(verifying.get(), nullptr, nullptr, nullptr, key.get()) != 1) return false;
  return EVP_DigestVerify(verifying.get(), signature.array().data(), Ed25519Signature::kSize,
                          bytes_of(message), message.size()) == 1;
}

}  // namespace grenache
