#include "grenache/base/random.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <grenache/base/check.hpp>
#include <grenache/base/hex.hpp>

namespace grenache {

struct Random::Cipher {
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  Cipher() { GRN_CHECK(context != nullptr); }
  Cipher(Cipher const&) = delete;
  Cipher& operator=(Cipher const&) = delete;
  ~Cipher() { EVP_CIPHER_CTX_free(context); }
};

namespace {

Random::Seed spread(std::uint64_t seed) {
  Random::Seed bytes{};
  for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<std::uint8_t>(seed >> (8 * i));
  return bytes;
}

}  // namespace

Random::Random(Seed const& seed) : cipher_{std::make_unique<Cipher>()} {
  std::array<std::uint8_t, 16> const counter_and_nonce{};
  GRN_CHECK(EVP_EncryptInit_ex(cipher_->context, EVP_chacha20(), nullptr, seed.data(),
                               counter_and_nonce.data()) == 1);
}

Random::Random(std::uint64_t seed) : Random{spread(seed)} {}
Random::Random(Random&&) noexcept = default;
Random& Random::operator=(Random&&) noexcept = default;
Random::~Random() = default;

Random Random::from_system() {
  Seed seed;
  if (RAND_bytes(seed.data(), static_cast<int>(seed.size())) != 1) {
    throw std::runtime_error{"the system has no random bytes to give"};
  }
  return Random{seed};
}

void Random::refill() {
  static constexpr std::array<std::uint8_t, 256> kZeros{};
  int size = 0;
  GRN_CHECK(EVP_EncryptUpdate(cipher_->context, buffer_.data(), &size, kZeros.data(),
                              static_cast<int>(kZeros.size())) == 1);
  used_ = 0;
}

void Random::fill(std::span<std::uint8_t> out) {
  while (!out.empty()) {
    if (used_ == buffer_.size()) refill();
    std::size_t const size = std::min(out.size(), buffer_.size() - used_);
    std::memcpy(out.data(), buffer_.data() + used_, size);
    used_ += size;
    out = out.subspan(size);
  }
}

std::uint64_t Random::operator()() {
  std::array<std::uint8_t, 8> raw;
  fill(raw);
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < raw.size(); ++i) value |= std::uint64_t{raw[i]} << (8 * i);
  return value;
}

std::string Random::bytes(std::size_t size) {
  std::string out(size, '\0');
  fill({reinterpret_cast<std::uint8_t*>(out.data()), out.size()});
  return out;
}

std::uint64_t Random::below(std::uint64_t bound) {
  GRN_CHECK(bound > 0);
  // Reject the incomplete top of the range, so that every value is equally likely.
  std::uint64_t const limit = max() - max() % bound;
  for (;;) {
    std::uint64_t const value = (*this)();
    if (value < limit) return value % bound;
  }
}

double Random::unit() { return static_cast<double>((*this)() >> 11) * 0x1.0p-53; }

Duration Random::between(Duration low, Duration high) {
  return low +
         Duration{static_cast<std::int64_t>(below(static_cast<std::uint64_t>((high - low).count()) + 1))};
}

Random Random::fork() {
  Seed seed;
  fill(seed);
  return Random{seed};
}

std::string make_uuid(Random& random) {
  std::string bytes = random.bytes(16);
  bytes[6] = static_cast<char>((bytes[6] & 0x0f) | 0x40);  // version 4
  bytes[8] = static_cast<char>((bytes[8] & 0x3f) | 0x80);  // variant of RFC 4122
  std::string text = to_hex(bytes);
  for (std::size_t const at : {8u, 13u, 18u, 23u}) text.insert(at, 1, '-');
  return text;
}

}  // namespace grenache
