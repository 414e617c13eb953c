// A maker's word that it is there.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "exchange/messages/message_header.hpp"
#include <grenache/base/crypto.hpp>
#include <grenache/base/ids.hpp>

namespace grenache::exchange {

/// At most so many heartbeats are asked for, and sent, in one message.
inline constexpr std::size_t kHeartbeatsMax = 64;

/// Anybody may pass it on, since the maker has signed it.
struct Heartbeat {
  PeerId maker;
  WallTime at;          // when it was signed, by the clock of the maker
  Signature signature;  // over heartbeat_digest()

  friend bool operator==(Heartbeat const&, Heartbeat const&) = default;
};

/// SHA-256 of "grenache/exchange/heartbeat/1:" and the bencoded dictionary of at (Unix time in ms) and maker
/// (raw bytes).
[[nodiscard]] Sha256 heartbeat_digest(PeerId const& maker, WallTime at);
[[nodiscard]] Heartbeat sign_heartbeat(SecretKey const& key, WallTime at);
[[nodiscard]] bool is_genuine(Heartbeat const& heartbeat);

/// An array of objects with maker and signature in hex, and at.
[[nodiscard]] json::Value heartbeats_to_json(std::span<Heartbeat const> heartbeats);
/// Of the first kHeartbeatsMax items those that are well-formed; their signatures are not verified.
[[nodiscard]] std::vector<Heartbeat> parse_heartbeats(json::Value const& items);

/// Keys of makers one after the other, in base64.
[[nodiscard]] std::string makers_to_text(std::span<PeerId const> makers);
/// The first kHeartbeatsMax keys; none if the text is malformed.
[[nodiscard]] std::vector<PeerId> parse_makers(std::string_view text);

}  // namespace grenache::exchange
