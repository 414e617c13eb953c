// The keys that a TLS server seals its session tickets with.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string_view>

#include <grenache/base/time.hpp>

namespace grenache::net {

/// A ticket lets a client resume a session; whoever has its key can read recorded sessions of TLS 1.2 (RFC
/// 5077, 5.5). So a key seals tickets for `rotation` and opens them for as long again, after which it is
/// erased. Time is handed in. From any thread.
class TicketKeys {
 public:
  struct Key {
    std::array<unsigned char, 16> name;
    std::array<unsigned char, 32> cipher;  // AES-256-CBC
    std::array<unsigned char, 32> mac;     // HMAC-SHA-256
  };
  struct Found {
    Key key;
    bool is_current = true;  // otherwise the client should get a new ticket
  };

  explicit TicketKeys(Duration rotation) : rotation_{rotation} {}
  ~TicketKeys();
  TicketKeys(TicketKeys const&) = delete;
  TicketKeys& operator=(TicketKeys const&) = delete;

  /// To seal with. Nothing when the system has no randomness.
  [[nodiscard]] std::optional<Key> current(TimePoint now);
  /// To open a ticket with; nothing when the key is unknown or too old.
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
