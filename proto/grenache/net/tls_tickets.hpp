// The rotating keys of a TLS server's session tickets.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string_view>

#include <grenache/base/time.hpp>

namespace grenache::net {

/// A client resumes a session with a ticket; an attacker with the ticket key can decrypt recorded TLS 1.2
/// sessions (RFC 5077, 5.5). So a key encrypts tickets for `rotation` and decrypts them for as long again. It
/// is erased by the first call after that, or by the destructor: while no client connects, it stays in
/// memory. The caller erases the copies that current() and find() return, and passes the time. Thread-safe.
class TicketKeys {
 public:
  struct Key {
    std::array<unsigned char, 16> name;
    std::array<unsigned char, 32> cipher;  // AES-256-CBC
    std::array<unsigned char, 32> mac;     // HMAC-SHA-256
  };
  struct Found {
    Key key;
    bool is_current = true;  // if false, the client should get a new ticket
  };

  explicit TicketKeys(Duration rotation) : rotation_{rotation} {}
  ~TicketKeys();
  TicketKeys(TicketKeys const&) = delete;
  TicketKeys& operator=(TicketKeys const&) = delete;

  /// The key for new tickets. Nothing when the system returns no randomness.
  [[nodiscard]] std::optional<Key> current(TimePoint now);
  /// The key of a received ticket; nothing when it is unknown or too old.
  [[nodiscard]] std::optional<Found> find(std::string_view name, TimePoint now);

 private:
  struct Aged {
    Key key{};
    TimePoint made{};
  };

  void expire(TimePoint now);

  Duration const rotation_;
  std::mutex mutex_;
  std::optional<Aged> current_;
  std::optional<Aged> previous_;
};

}  // namespace grenache::net
