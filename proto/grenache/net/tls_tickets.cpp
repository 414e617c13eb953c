#include "grenache/net/tls_tickets.hpp"

#include <algorithm>

#include <openssl/crypto.h>
#include <openssl/rand.h>

namespace grenache::net {

namespace {

template <std::size_t N>
bool fill(std::array<unsigned char, N>& bytes) {
  return RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) == 1;
}

bool is_named(TicketKeys::Key const& key, std::string_view name) {
  return std::ranges::equal(key.name, name,
                            [](unsigned char a, char b) { return a == static_cast<unsigned char>(b); });
}

}  // namespace

TicketKeys::~TicketKeys() {
  if (current_) OPENSSL_cleanse(&current_->key, sizeof current_->key);
  if (previous_) OPENSSL_cleanse(&previous_->key, sizeof previous_->key);
}

void TicketKeys::expire(TimePoint now) {
  if (previous_ && now - previous_->made >= 2 * rotation_) {
    OPENSSL_cleanse(&previous_->key, sizeof previous_->key);
    previous_.reset();
  }
  if (!current_ || now - current_->made < rotation_) return;
  previous_ = current_;
  OPENSSL_cleanse(&current_->key, sizeof current_->key);
  current_.reset();
  if (now - previous_->made >= 2 * rotation_) expire(now);
}

std::optional<TicketKeys::Key> TicketKeys::current(TimePoint now) {
  std::lock_guard const lock{mutex_};
  expire(now);
  if (current_) return current_->key;
  Aged fresh;
  fresh.made = now;
  if (!fill(fresh.key.name) || !fill(fresh.key.cipher) || !fill(fresh.key.mac)) return std::nullopt;
  current_ = fresh;
  return fresh.key;
}

std::optional<TicketKeys::Found> TicketKeys::find(std::string_view name, TimePoint now) {
  std::lock_guard const lock{mutex_};
  expire(now);
  if (current_ && is_named(current_->key, name)) return Found{current_->key, true};
  if (previous_ && is_named(previous_->key, name)) return Found{previous_->key, false};
  return std::nullopt;
}

}  // namespace grenache::net
