// Events of Nostr (NIP-01, github.com/nostr-protocol/nips/blob/master/01.md): signed notes of which each has
// a kind, tags and a content.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <grenache/base/crypto.hpp>
#include <grenache/base/result.hpp>
#include <grenache/base/schnorr.hpp>
#include <grenache/json/json.hpp>

namespace grenache::exchange {

/// Limits of an event that is read. NIP-01 has none; relays limit messages to 64 KiB or 128 KiB.
inline constexpr std::size_t kNostrEventSizeMax = 64 * 1024;
inline constexpr std::size_t kNostrTagsMax = 256;
inline constexpr std::size_t kNostrTagItemsMax = 256;
inline constexpr std::int64_t kNostrKindMax = 65'535;

struct NostrEvent {
  /// A name, then values.
  using Tag = std::vector<std::string>;

  Sha256 id;  // of nostr_text()
  XOnlyKey author;
  std::int64_t created_at = 0;  // seconds since 1970
  std::int64_t kind = 0;
  std::vector<Tag> tags;
  std::string content;
  SchnorrSignature signature;  // of the author over `id`

  /// The first tag of that name; nullptr if there is none. It has at least one value.
  [[nodiscard]] Tag const* find(std::string_view name) const;

  friend bool operator==(NostrEvent const&, NostrEvent const&) = default;
};

enum class NostrErrc {
  not_json = 1,
  not_an_event,   // a member is missing or of a wrong type, or a limit is exceeded
  bad_id,         // not that of its text
  bad_signature,  // not of the author
};
[[nodiscard]] std::string_view describe(NostrErrc code);
constexpr char const* category_name(NostrErrc) { return "grenache.nostr"; }
inline Error make_error_code(NostrErrc code) { return make_enum_error(code); }

/// The text whose SHA-256 is the id: the JSON array [0,author,created_at,kind,tags,content] without spaces.
/// Control characters that NIP-01 does not name are escaped as JSON.stringify does, like in nostr-tools.
[[nodiscard]] std::string nostr_text(NostrEvent const& event);
/// Sets author, id and signature. The same event always gets the same signature.
void sign_nostr_event(NostrEvent& event, SecretKey const& author);

/// The event as relays and clients send it: an object of id, pubkey, created_at, kind, tags, content, sig.
[[nodiscard]] json::Value to_json(NostrEvent const& event);
/// Parses an event, checks all limits, its id and its signature (about 50 us).
[[nodiscard]] Result<NostrEvent> parse_nostr_event(json::Value const& value);
/// The same for a text, which may also be the message of a relay with an event: ["EVENT",SUBSCRIPTION,{…}].
[[nodiscard]] Result<NostrEvent> parse_nostr_line(std::string_view text);

}  // namespace grenache::exchange

GRN_ERROR_CODE_ENUM(grenache::exchange::NostrErrc);
