// Hashes and signatures. OpenSSL for SHA, Ed25519 and comparison, libsecp256k1 for ECDSA over secp256k1.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <grenache/base/ids.hpp>
#include <grenache/base/random.hpp>

struct evp_mac_ctx_st;  // OpenSSL's EVP_MAC_CTX

namespace grenache {

using Sha1 = FixedBytes<struct Sha1Tag, 20>;
using Sha256 = FixedBytes<struct Sha256Tag, 32>;

[[nodiscard]] Sha1 sha1(std::string_view bytes);
[[nodiscard]] Sha256 sha256(std::string_view bytes);
/// HMAC-SHA256 (RFC 2104).
[[nodiscard]] Sha256 hmac_sha256(std::string_view key, std::string_view message);

/// SipHash-2-4 with a secret key of 128 bits: a MAC for short messages, ten times as fast as an HMAC. Not
/// thread-safe.
class SipHash {
 public:
  using Key = std::array<std::uint8_t, 16>;
  using Tag = FixedBytes<struct SipHashTag, 16>;

  explicit SipHash(Key const& key);
  [[nodiscard]] Tag operator()(std::string_view message) const;

 private:
  struct Free {
    void operator()(evp_mac_ctx_st* context) const;
  };
  std::unique_ptr<evp_mac_ctx_st, Free> context_;
};

/// Compares in a time that depends only on the lengths.
[[nodiscard]] bool equal_constant_time(std::string_view a, std::string_view b);

/// An ECDSA signature over secp256k1: R || S, low S.
using Signature = FixedBytes<struct SignatureTag, 64>;

/// A signature from which the signer's key can be computed (BOLT 11).
struct RecoverableSignature {
  Signature signature;
  std::uint8_t recovery_id = 0;  // 0 to 3
};

/// A secp256k1 private key. The destructor wipes it from memory.
class SecretKey {
 public:
  static constexpr std::size_t kSize = 32;

  [[nodiscard]] static SecretKey generate(Random& random);
  /// Returns nothing unless `bytes` is 32 bytes long and a number from 1 to the group order minus 1.
  [[nodiscard]] static std::optional<SecretKey> from_bytes(std::string_view bytes);

  SecretKey(SecretKey const&) = default;
  SecretKey& operator=(SecretKey const&) = default;
  ~SecretKey();

  [[nodiscard]] std::string_view view() const {
    return {reinterpret_cast<char const*>(bytes_.data()), bytes_.size()};
  }
  /// The compressed public key.
  [[nodiscard]] PeerId public_key() const;
  /// Deterministic (RFC 6979), low S.
  [[nodiscard]] Signature sign(Sha256 const& digest) const;
  [[nodiscard]] RecoverableSignature sign_recoverable(Sha256 const& digest) const;

 private:
  SecretKey() = default;
  std::array<std::uint8_t, kSize> bytes_{};
};

/// True when `signer` signed `digest`. Rejects a high S, which would be a second valid signature of the same
/// digest.
[[nodiscard]] bool verify(PeerId const& signer, Sha256 const& digest, Signature const& signature);

/// True when `signer` signed `digest`, with a low or a high S (BOLT 11 readers accept both without an `n`
/// field).
[[nodiscard]] bool verify_any_s(PeerId const& signer, Sha256 const& digest, Signature const& signature);

/// Returns the public key that made the signature; nothing when there is none.
[[nodiscard]] std::optional<PeerId> recover(Sha256 const& digest, RecoverableSignature const& signature);

using Ed25519PublicKey = FixedBytes<struct Ed25519PublicKeyTag, 32>;
using Ed25519Signature = FixedBytes<struct Ed25519SignatureTag, 64>;

/// An Ed25519 private key: the seed of RFC 8032. The destructor wipes it from memory.
class Ed25519SecretKey {
 public:
  static constexpr std::size_t kSize = 32;

  [[nodiscard]] static Ed25519SecretKey generate(Random& random);
  /// Nothing unless `seed` is 32 bytes long.
  [[nodiscard]] static std::optional<Ed25519SecretKey> from_bytes(std::string_view seed);

  Ed25519SecretKey(Ed25519SecretKey const&) = default;
  Ed25519SecretKey& operator=(Ed25519SecretKey const&) = default;
  ~Ed25519SecretKey();

  [[nodiscard]] std::string_view view() const {
    return {reinterpret_cast<char const*>(seed_.data()), seed_.size()};
  }
  [[nodiscard]] Ed25519PublicKey public_key() const;
  [[nodiscard]] Ed25519Signature sign(std::string_view message) const;

 private:
  Ed25519SecretKey() = default;
  std::array<std::uint8_t, kSize> seed_{};
};

/// True when `signer` signed `message`. Costs about as much as hashing 100 kB.
[[nodiscard]] bool verify(Ed25519PublicKey const& signer, std::string_view message,
                          Ed25519Signature const& signature);

}  // namespace grenache
