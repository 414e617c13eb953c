// Internals shared by the messages of the ledger: readers of members, and the digest of JSON.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "exchange/messages/fields.hpp"
#include <grenache/base/check.hpp>
#include <grenache/base/crypto.hpp>
#include <grenache/json/bencode_json.hpp>

namespace grenache::exchange::fields {

/// Each returns false, and leaves `out` as it is, if the member is missing, malformed or out of range.
template <class Bytes>
[[nodiscard]] bool read_hex(Value const& body, std::string_view name, Bytes& out) {
  auto const found = find_hex<Bytes>(body, name);
  if (found) out = *found;
  return found.has_value();
}
[[nodiscard]] inline bool read_int(Value const& body, std::string_view name, std::int64_t min,
                                   std::int64_t max, std::int64_t& out) {
  auto const found = body.find_int(name);
  if (!found || *found < min || *found > max) return false;
  out = *found;
  return true;
}
[[nodiscard]] inline bool read_time(Value const& body, std::string_view name, WallTime& out) {
  auto const found = find_time(body, name);
  if (found) out = *found;
  return found.has_value();
}
template <class Money>
[[nodiscard]] bool read_money(Value const& body, std::string_view name, Money& out) {
  auto const found = find_money<Money>(body, name);
  if (found) out = *found;
  return found.has_value();
}
/// host:port, or empty.
[[nodiscard]] inline bool read_endpoint(Value const& body, std::string& out) {
  auto const* const found = body.find_string("endpoint");
  if (!found || (!found->empty() && !is_endpoint(*found))) return false;
  out = *found;
  return true;
}

/// SHA-256 of `domain` and the bencoding of `value`, which has no null, boolean or fraction.
[[nodiscard]] inline Sha256 ledger_digest(std::string_view domain, Value const& value) {
  auto const bencoded = json::to_bencode(value);
  GRN_CHECK(bencoded);
  return sha256(std::string{domain} += *bencoded);
}

}  // namespace grenache::exchange::fields
