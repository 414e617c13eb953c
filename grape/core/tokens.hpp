// Write tokens: get_peers returns them and announce_peer must present them (BEP 5).
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

/// Makes and verifies tokens of 16 bytes; stateless except for the secrets.
///
/// A token is the SipHash, under a rotating secret, of the querier's address, port and node id and of the key
/// it queried. So it proves that the bearer received our reply, and is valid for that key only. (Grape's
/// token covers only the address: with one token a host can store under every name.) Grape uses one socket
/// and one id for both queries, so it works with these tokens.
///
/// A token is valid for one to two periods.
class Tokens {
 public:
  struct Options {
    Duration period = std::chrono::minutes{5};  // as in Grape; longer than any lookup
  };

  Tokens(Options options, Random& random);

  /// `id` is nothing for a querier that sent none.
  using Token = SipHash::Tag;
  [[nodiscard]] Token make(Endpoint const& asker, std::optional<NodeId> const& id,
                           std::string_view key) const;
  /// Compares in constant time. Only the first ServiceKey::kSizeMax bytes of `key` are used.
  [[nodiscard]] bool verify(std::string_view token, Endpoint const& bearer, std::optional<NodeId> const& id,
                            std::string_view key) const;

  /// Rotates the secret when a period has passed.
  void expire(TimePoint now, Random& random);
  [[nodiscard]] TimePoint next_deadline() const { return rotate_at_; }

 private:
  /// The hashed fields of a token, concatenated.
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
