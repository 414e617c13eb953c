// Tokens that get_peers hands out and announce_peer must bring back (BEP 5).
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include <grenache/base/crypto.hpp>
#include <grenache/base/endpoint.hpp>
#include <grenache/base/ids.hpp>
#include <grenache/base/random.hpp>
#include <grenache/base/time.hpp>
#include <grenache/dht/krpc.hpp>

namespace grenache::grape {

/// Makes and verifies tokens of 16 bytes, without remembering any.
///
/// A token is the SipHash, under a secret that changes, of the asker's address, port and node id and of the
/// key that it asked for. So it proves that its bearer received our reply, and serves for nothing else. (The
/// token of Grape binds the address alone: with one of them a host may store under every name.) Grape uses
/// one socket and one id for both steps, so it notices no difference.
///
/// A token is good for one to two periods.
class Tokens {
 public:
  struct Options {
    Duration period = std::chrono::minutes{5};  // as Grape; longer than any lookup
  };

  Tokens(Options options, Random& random);

  /// `id` is nothing for an asker that gave none.
  using Token = SipHash::Tag;
  [[nodiscard]] Token make(Endpoint const& asker, std::optional<NodeId> const& id,
                           std::string_view key) const;
  /// Takes the same time whatever the token. Of `key` ServiceKey::kSizeMax bytes count.
  [[nodiscard]] bool verify(std::string_view token, Endpoint const& bearer, std::optional<NodeId> const& id,
                            std::string_view key) const;

  /// Changes the secret when it is time.
  void expire(TimePoint now, Random& random);
  [[nodiscard]] TimePoint next_deadline() const { return rotate_at_; }

 private:
  /// What a token binds, one after the other.
  class Message {
   public:
    Message(Endpoint const& asker, std::optional<NodeId> const& id, std::string_view key);
    [[nodiscard]] std::string_view view() const { return {bytes_.data(), size_}; }

   private:
    void append(std::string_view part);

    std::array<char, 64 + dht::ServiceKey::kSizeMax> bytes_;
    std::size_t size_ = 0;
  };
  static SipHash make_secret(Random& random);

  Options options_;
  SipHash current_;
  SipHash previous_;
  TimePoint rotate_at_ = TimePoint::min();  // the first expire() sets it
};

}  // namespace grenache::grape
