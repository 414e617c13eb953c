#include "exchange/messages/heartbeat.hpp"

#include <algorithm>

#include "exchange/messages/fields.hpp"
#include <grenache/base/base64.hpp>
#include <grenache/dht/bencode_writer.hpp>

namespace grenache::exchange {

using namespace fields;

namespace {

constexpr std::string_view kHeartbeatDomain = "grenache/exchange/heartbeat/1:";

}  // namespace

Sha256 heartbeat_digest(PeerId const& maker, WallTime at) {
  dht::BencodeWriter out{std::string{kHeartbeatDomain}};
  out.begin_dict();
  out.integer("at", to_unix_ms(at));
  out.string("maker", maker.view());
  out.end();
  return sha256(out.view());
}

Heartbeat sign_heartbeat(SecretKey const& key, WallTime at) {
  auto const maker = key.public_key();
  return {maker, at, key.sign(heartbeat_digest(maker, at))};
}

bool is_genuine(Heartbeat const& heartbeat) {
  return verify(heartbeat.maker, heartbeat_digest(heartbeat.maker, heartbeat.at), heartbeat.signature);
}

Value heartbeats_to_json(std::span<Heartbeat const> heartbeats) {
  Value::Array out;
  for (auto const& [maker, at, signature] : heartbeats) {
    out.push_back(
        Value::object({{"maker", maker.hex()}, {"at", to_unix_ms(at)}, {"signature", signature.hex()}}));
  }
  return out;
}

std::vector<Heartbeat> parse_heartbeats(Value const& items) {
  std::vector<Heartbeat> out;
  auto const* const array = items.as_array();
  if (!array) return out;
  for (auto const& item : std::span{*array}.first(std::min(array->size(), kHeartbeatsMax))) {
    auto const maker = find_hex<PeerId>(item, "maker");
    auto const at = find_time(item, "at");
    auto const signature = find_hex<Signature>(item, "signature");
    if (maker && at && signature) out.push_back({*maker, *at, *signature});
  }
  return out;
}

std::string makers_to_text(std::span<PeerId const> makers) {
  std::string bytes;
  for (auto const& maker : makers) bytes += maker.view();
  return to_base64(bytes);
}

std::vector<PeerId> parse_makers(std::string_view text) {
  std::vector<PeerId> out;
  auto const bytes = from_base64(text);
  if (!bytes || bytes->size() % PeerId::kSize != 0) return out;
  auto const count = std::min(bytes->size() / PeerId::kSize, kHeartbeatsMax);
  for (std::size_t i = 0; i < count; ++i) {
    out.push_back(*PeerId::from_bytes(std::string_view{*bytes}.substr(i * PeerId::kSize, PeerId::kSize)));
  }
  return out;
}

}  // namespace grenache::exchange
