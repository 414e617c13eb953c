#include "grape/core/tokens.hpp"

namespace grenache::grape {

Tokens::Tokens(Options options, Random& random)
    : options_{options}, current_{make_secret(random)}, previous_{make_secret(random)} {}

Tokens::Secret Tokens::make_secret(Random& random) {
  std::array<std::uint8_t, 64> key{};
  random.fill(std::span{key}.first(32));
  Secret secret;
  for (std::size_t i = 0; i < key.size(); ++i) {
    secret.inner[i] = static_cast<char>(key[i] ^ 0x36);
    secret.outer[i] = static_cast<char>(key[i] ^ 0x5c);
  }
  return secret;
}

Sha1 Tokens::hmac(Secret const& secret, Endpoint const& asker, std::optional<NodeId> const& id,
                  std::string_view key) {
  std::string message{secret.inner.data(), secret.inner.size()};
  message.reserve(message.size() + 40 + key.size());
  message += asker.address.is_v6() ? '6' : '4';
  message += asker.address.view();
  message += static_cast<char>(asker.port >> 8);
  message += static_cast<char>(asker.port & 0xff);
  message += id.value_or(NodeId{}).view();
  message += key;
  Sha1 const inner = sha1(message);
  message.assign(secret.outer.data(), secret.outer.size());
  message += inner.view();
  return sha1(message);
}

Sha1 Tokens::make(Endpoint const& asker, std::optional<NodeId> const& id, std::string_view key) const {
  return hmac(current_, asker, id, key);
}

bool Tokens::verify(std::string_view token, Endpoint const& bearer, std::optional<NodeId> const& id,
                    std::string_view key) const {
  bool const is_current = equal_constant_time(token, hmac(current_, bearer, id, key).view());
  bool const is_previous = equal_constant_time(token, hmac(previous_, bearer, id, key).view());
  return is_current || is_previous;
}

void Tokens::expire(TimePoint now, Random& random) {
  if (now < rotate_at_) return;
  bool const first = rotate_at_ == TimePoint::min();
  // After a long sleep both secrets are old.
  bool const overslept = !first && now - rotate_at_ >= options_.period;
  rotate_at_ = now + options_.period;
  if (first) return;
  previous_ = overslept ? make_secret(random) : current_;
  current_ = make_secret(random);
}

}  // namespace grenache::grape
