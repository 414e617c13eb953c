#include "exchange/locked_identity.hpp"

#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <string>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <grenache/base/check.hpp>
#include <grenache/file/private_file.hpp>
#include <grenache/json/json.hpp>

namespace grenache::exchange {
namespace {

namespace errc = boost::system::errc;

constexpr std::size_t kLockedFileSizeMax = 1024;
constexpr std::int64_t kVersion = 1;
constexpr std::string_view kKdf = "scrypt";
constexpr std::string_view kCipher = "aes-256-gcm";
constexpr std::int64_t kCostMin = 1 << 15;
constexpr std::int64_t kCostMax = 1 << 18;
constexpr std::int64_t kBlockSize = 8;
constexpr std::int64_t kParallelMax = 4;
/// scrypt needs 128 * n * r bytes, and a little more.
constexpr std::uint64_t kScryptMemoryMax = 128 * std::uint64_t{kCostMax} * kBlockSize + (1 << 20);
constexpr std::size_t kTagSize = 16;

/// 32 secret bytes that are wiped by the destructor.
struct SecretBytes {
  SecretBytes() = default;
  SecretBytes(SecretBytes const&) = delete;
  SecretBytes& operator=(SecretBytes const&) = delete;
  ~SecretBytes() { OPENSSL_cleanse(bytes.data(), bytes.size()); }
  [[nodiscard]] std::string_view view() const {
    return {reinterpret_cast<char const*>(bytes.data()), bytes.size()};
  }
  std::array<std::uint8_t, SecretKey::kSize> bytes{};
};

/// The content of the file.
struct LockedKey {
  std::int64_t n = kCostMin;
  std::int64_t r = kBlockSize;
  std::int64_t p = 1;
  FixedBytes<struct SaltTag, 16> salt;
  FixedBytes<struct NonceTag, 12> nonce;
  FixedBytes<struct LockedKeyTag, SecretKey::kSize + kTagSize> ciphertext;

  [[nodiscard]] bool is_affordable() const {
    return n >= kCostMin && n <= kCostMax && std::has_single_bit(static_cast<std::uint64_t>(n)) &&
           r == kBlockSize && p >= 1 && p <= kParallelMax;
  }
};

/// The members that the tag authenticates.
json::Value header_of(LockedKey const& key) {
  return json::Value::object({{"version", kVersion},
                              {"kdf", kKdf},
                              {"n", key.n},
                              {"r", key.r},
                              {"p", key.p},
                              {"salt", key.salt.hex()},
                              {"cipher", kCipher},
                              {"nonce", key.nonce.hex()}});
}

std::string file_text(LockedKey const& key) {
  auto out = header_of(key);
  out.set("ciphertext", key.ciphertext.hex());
  out.set("checksum", sha256(json::to_text(out)).hex());
  return json::to_text(out) + "\n";
}

template <class Bytes>
bool read_hex(json::Value const& body, std::string_view name, Bytes& out) {
  auto const* const text = body.find_string(name);
  auto const bytes = text ? Bytes::from_hex(*text) : std::nullopt;
  if (bytes) out = *bytes;
  return bytes.has_value();
}

Result<LockedKey> parse_locked_key(std::string_view text) {
  if (auto const bytes = from_hex(text.substr(0, text.find('\n')));
      bytes && bytes->size() == SecretKey::kSize) {
    return LockedIdentityErrc::not_locked;
  }
  auto const body = json::parse(text);
  auto const version = body ? body->find_int("version") : std::nullopt;
  if (!version) return LockedIdentityErrc::damaged;
  if (*version != kVersion) return LockedIdentityErrc::unsupported;
  auto const n = body->find_int("n");
  auto const r = body->find_int("r");
  auto const p = body->find_int("p");
  if (!n || !r || !p) return LockedIdentityErrc::damaged;
  LockedKey out{*n, *r, *p, {}, {}, {}};
  bool const is_complete = read_hex(*body, "salt", out.salt) && read_hex(*body, "nonce", out.nonce) &&
                           read_hex(*body, "ciphertext", out.ciphertext);
  if (!is_complete || file_text(out) != text) return LockedIdentityErrc::damaged;
  if (!out.is_affordable()) return LockedIdentityErrc::unsupported;
  return out;
}

/// False if there is not enough memory.
bool derive(LockedKey const& key, std::string_view password, SecretBytes& out) {
  std::unique_ptr<EVP_KDF, decltype(&EVP_KDF_free)> const scrypt{EVP_KDF_fetch(nullptr, "SCRYPT", nullptr),
                                                                 &EVP_KDF_free};
  GRN_CHECK(scrypt != nullptr);
  std::unique_ptr<EVP_KDF_CTX, decltype(&EVP_KDF_CTX_free)> const context{EVP_KDF_CTX_new(scrypt.get()),
                                                                          &EVP_KDF_CTX_free};
  if (!context) return false;
  auto n = static_cast<std::uint64_t>(key.n);
  auto r = static_cast<std::uint32_t>(key.r);
  auto p = static_cast<std::uint32_t>(key.p);
  auto memory_max = kScryptMemoryMax;
  auto const octets = [](char const* name, std::string_view bytes) {
    return OSSL_PARAM_construct_octet_string(name, const_cast<char*>(bytes.data()), bytes.size());
  };
  std::array const parameters{octets(OSSL_KDF_PARAM_PASSWORD, password),
                              octets(OSSL_KDF_PARAM_SALT, key.salt.view()),
                              OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
                              OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &r),
                              OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &p),
                              OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &memory_max),
                              OSSL_PARAM_construct_end()};
  return EVP_KDF_derive(context.get(), out.bytes.data(), out.bytes.size(), parameters.data()) == 1;
}

enum class Direction : int { decrypt = 0, encrypt = 1 };

/// AES-256-GCM of the 32 bytes at `in`; reads or writes `tag`. False if the tag is wrong.
bool run_cipher(Direction direction, SecretBytes const& key, LockedKey const& file, std::uint8_t const* in,
                std::uint8_t* out, std::uint8_t* tag) {
  std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> const context{EVP_CIPHER_CTX_new(),
                                                                                &EVP_CIPHER_CTX_free};
  auto* const cipher = context.get();
  auto const header = json::to_text(header_of(file));
  auto const* const header_bytes = reinterpret_cast<std::uint8_t const*>(header.data());
  int size = 0;
  GRN_CHECK(cipher != nullptr);
  GRN_CHECK(EVP_CipherInit_ex2(cipher, EVP_aes_256_gcm(), key.bytes.data(), file.nonce.array().data(),
                               static_cast<int>(direction), nullptr) == 1);
  GRN_CHECK(EVP_CipherUpdate(cipher, nullptr, &size, header_bytes, static_cast<int>(header.size())) == 1);
  GRN_CHECK(EVP_CipherUpdate(cipher, out, &size, in, static_cast<int>(SecretKey::kSize)) == 1);
  if (direction == Direction::decrypt) {
    GRN_CHECK(EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, kTagSize, tag) == 1);
    return EVP_CipherFinal_ex(cipher, out + size, &size) == 1;
  }
  GRN_CHECK(EVP_CipherFinal_ex(cipher, out + size, &size) == 1);
  GRN_CHECK(EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, kTagSize, tag) == 1);
  return true;
}

Result<LockedKey> lock(SecretKey const& secret, std::string_view password, Random& random) {
  LockedKey out;
  out.salt = decltype(out.salt)::random(random);
  out.nonce = decltype(out.nonce)::random(random);
  SecretBytes key;
  if (!derive(out, password, key)) return errc::make_error_code(errc::not_enough_memory);
  auto* const ciphertext = out.ciphertext.array().data();
  run_cipher(Direction::encrypt, key, out, reinterpret_cast<std::uint8_t const*>(secret.view().data()),
             ciphertext, ciphertext + SecretKey::kSize);
  return out;
}

Result<SecretKey> unlock(LockedKey file, std::string_view password) {
  SecretBytes key;
  if (!derive(file, password, key)) return errc::make_error_code(errc::not_enough_memory);
  SecretBytes bytes;
  auto* const ciphertext = file.ciphertext.array().data();
  bool const is_right = run_cipher(Direction::decrypt, key, file, ciphertext, bytes.bytes.data(),
                                   ciphertext + SecretKey::kSize);
  if (!is_right) return LockedIdentityErrc::wrong_password;
  auto secret = SecretKey::from_bytes(bytes.view());
  if (!secret) return LockedIdentityErrc::damaged;
  return *std::move(secret);
}

Result<SecretKey> load_locked(std::filesystem::path const& path, std::string_view password) {
  auto const text = read_private_file(path, kLockedFileSizeMax);
  if (!text && text.error() == errc::permission_denied) return LockedIdentityErrc::not_private;
  if (!text && text.error() == errc::file_too_large) return LockedIdentityErrc::damaged;
  if (!text) return text.error();
  auto const file = parse_locked_key(*text);
  if (!file) return file.error();
  return unlock(*file, password);
}

}  // namespace

std::string_view describe(LockedIdentityErrc code) {
  switch (code) {
    case LockedIdentityErrc::empty_password:
      return "the password is empty";
    case LockedIdentityErrc::wrong_password:
      return "the password is wrong";
    case LockedIdentityErrc::damaged:
      return "the key file is damaged";
    case LockedIdentityErrc::unsupported:
      return "the key file is of a version or has parameters that this program does not support";
    case LockedIdentityErrc::not_locked:
      return "the key file has no password";
    case LockedIdentityErrc::not_private:
      return "the key file cannot be read, or others can: only its owner may (chmod 600)";
  }
  return "unknown error";
}

Result<SecretKey> load_or_create_locked_identity(std::filesystem::path const& path, std::string_view password,
                                                 Random& random) {
  if (password.empty()) return LockedIdentityErrc::empty_password;
  std::error_code failure;
  if (std::filesystem::exists(path, failure)) return load_locked(path, password);
  auto const secret = SecretKey::generate(random);
  auto const file = lock(secret, password, random);
  if (!file) return file.error();
  auto const made = create_private_file(path, file_text(*file));
  if (!made && made.error() != errc::file_exists) return made.error();
  return load_locked(path, password);
}

}  // namespace grenache::exchange
