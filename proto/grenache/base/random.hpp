// Random numbers: unpredictable in production, reproducible in a simulation.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include <grenache/base/time.hpp>

namespace grenache {

/// A ChaCha20 key stream: unpredictable with a secret seed, reproducible with a known one.
///
/// Not thread-safe; give each owner its own. It is a UniformRandomBitGenerator, but the std distributions
/// differ between libraries: use below() and shuffle() where the result must be reproducible.
class Random {
 public:
  using Seed = std::array<std::uint8_t, 32>;
  using result_type = std::uint64_t;

  explicit Random(Seed const& seed);
  /// For tests and simulations: expands a small number to a seed.
  explicit Random(std::uint64_t seed);
  Random(Random&&) noexcept;
  Random& operator=(Random&&) noexcept;
  ~Random();

  /// Seeded by the operating system. Throws std::runtime_error when the system returns no entropy.
  [[nodiscard]] static Random from_system();

  static constexpr std::uint64_t min() { return 0; }
  static constexpr std::uint64_t max() { return ~std::uint64_t{0}; }
  std::uint64_t operator()();

  void fill(std::span<std::uint8_t> out);
  /// `size` random bytes.
  [[nodiscard]] std::string bytes(std::size_t size);
  /// Uniform in [0, bound); `bound` must not be 0.
  [[nodiscard]] std::uint64_t below(std::uint64_t bound);
  /// Uniform in [0, 1).
  [[nodiscard]] double unit();
  /// True with probability `numerator / denominator`.
  [[nodiscard]] bool chance(std::uint64_t numerator, std::uint64_t denominator) {
    return below(denominator) < numerator;
  }

  /// Uniform in [low, high]; for jittered delays.
  [[nodiscard]] Duration between(Duration low, Duration high);
  /// Returns a generator with a seed drawn from this one.
  [[nodiscard]] Random fork();

  /// Fisher-Yates; the same on every platform, unlike std::shuffle.
  template <class Range>
  void shuffle(Range& range) {
    using std::swap;
    for (std::size_t left = std::size(range); left > 1; --left) {
      swap(range[left - 1], range[static_cast<std::size_t>(below(left))]);
    }
  }

 private:
  void refill();

  struct Cipher;
  std::unique_ptr<Cipher> cipher_;
  std::array<std::uint8_t, 256> buffer_{};
  std::size_t used_ = buffer_.size();
};

/// A random UUID of version 4 (RFC 4122), 36 characters in lower case; the form of Grenache's request ids.
[[nodiscard]] std::string make_uuid(Random& random);

}  // namespace grenache
