#include "grape/core/tokens.hpp"

#include <algorithm>

namespace grenache::grape {

Tokens::Tokens(Options options, Random& random)
    : options_{options}, current_{make_secret(random)}, previous_{make_secret(random)} {}

SipHash Tokens::make_secret(Random& random) {
  SipHash::Key key;
  random.fill(key);
  return SipHash{key};
}

Tokens::Message::Message(Endpoint const& asker, std::optional<NodeId> const& id, std::string_view key) {
  append(asker.address.is_v6() ? "6" : "4");
  append(asker.address.view());
  std::array<char, 2> const port{static_cast<char>(asker.port >> 8), static_cast<char>(asker.port & 0xff)};
  append({port.data(), port.size()});
  append(id.value_or(NodeId{}).view());
  append(key);
}

void Tokens::Message::append(std::string_view part) {
  part = part.substr(0, bytes_.size() - size_);
  std::ranges::copy(part, bytes_.begin() + static_cast<std::ptrdiff_t>(size_));
  size_ += part.size();
}

Tokens::Token Tokens::make(Endpoint const& asker, std::optional<NodeId> const& id,
                           std::string_view key) const {
  return current_(Message{asker, id, key}.view());
}

bool Tokens::verify(std::string_view token, Endpoint const& bearer, std::optional<NodeId> const& id,
                    std::string_view key) const {
  Message const message{bearer, id, key};
  bool const is_current = equal_constant_time(token, current_(message.view()).view());
  bool const is_previous = equal_constant_time(token, previous_(message.view()).view());
  return is_current || is_previous;
}

void Tokens::expire(TimePoint now, Random& random) {
  if (now < rotate_at_) return;
  bool const first = rotate_at_ == TimePoint::min();
  // After more than a period of suspension both secrets are outdated.
  bool const overslept = !first && now - rotate_at_ >= options_.period;
  rotate_at_ = now + options_.period;
  if (first) return;
  previous_ = overslept ? make_secret(random) : std::move(current_);
  current_ = make_secret(random);
}

}  // namespace grenache::grape
