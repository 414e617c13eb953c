#include "exchange/messages/nostr_event.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace grenache::exchange {
namespace {

// An event has depth 3.
constexpr json::ParseLimits kEventLimits{.depth_max = 6, .value_count_max = 20'000};
constexpr std::int64_t kCreatedAtMax = 8'640'000'000'000;  // the end of JavaScript's Date

json::Value tags_json(std::vector<NostrEvent::Tag> const& tags) {
  json::Value::Array out;
  for (auto const& tag : tags) {
    json::Value::Array items;
    for (auto const& item : tag) items.emplace_back(item);
    out.emplace_back(std::move(items));
  }
  return out;
}

/// Hex digits in lower case, as NIP-01 demands: the id depends on the case.
template <class Bytes>
std::optional<Bytes> find_lower_hex(json::Value const& value, std::string_view name) {
  auto const* const text = value.find_string(name);
  auto const bytes = text ? Bytes::from_hex(*text) : std::nullopt;
  if (!bytes || bytes->hex() != *text) return std::nullopt;
  return bytes;
}

std::optional<std::int64_t> find_number(json::Value const& value, std::string_view name, std::int64_t max) {
  auto const number = value.find_int(name);
  if (!number || *number < 0 || *number > max) return std::nullopt;
  return number;
}

std::optional<NostrEvent::Tag> parse_tag(json::Value const& value) {
  auto const* const items = value.as_array();
  if (!items || items->empty() || items->size() > kNostrTagItemsMax) return std::nullopt;
  NostrEvent::Tag out;
  for (auto const& item : *items) {
    auto const* const text = item.as_string();
    if (!text) return std::nullopt;
    out.push_back(*text);
  }
  return out;
}

std::optional<std::vector<NostrEvent::Tag>> parse_tags(json::Value const* value) {
  auto const* const tags = value ? value->as_array() : nullptr;
  if (!tags || tags->size() > kNostrTagsMax) return std::nullopt;
  std::vector<NostrEvent::Tag> out;
  for (auto const& each : *tags) {
    auto tag = parse_tag(each);
    if (!tag) return std::nullopt;
    out.push_back(*std::move(tag));
  }
  return out;
}

}  // namespace

std::string_view describe(NostrErrc code) {
  switch (code) {
    case NostrErrc::not_json:
      return "not JSON";
    case NostrErrc::not_an_event:
      return "not a Nostr event, or a too large one";
    case NostrErrc::bad_id:
      return "the id is not that of the event";
    case NostrErrc::bad_signature:
      return "the signature is not that of the author";
  }
  return "unknown error";
}

NostrEvent::Tag const* NostrEvent::find(std::string_view name) const {
  auto const found = std::ranges::find_if(
      tags, [&](Tag const& tag) { return tag.size() > 1 && std::string_view{tag.front()} == name; });
  return found == tags.end() ? nullptr : &*found;
}

std::string nostr_text(NostrEvent const& event) {
  return json::to_text(json::Value::array(
      {0, event.author.hex(), event.created_at, event.kind, tags_json(event.tags), event.content}));
}

void sign_nostr_event(NostrEvent& event, SecretKey const& author) {
  event.author = x_only(author.public_key());
  event.id = sha256(nostr_text(event));
  event.signature = sign_schnorr(author, event.id);
}

json::Value to_json(NostrEvent const& event) {
  return json::Value::object({{"id", event.id.hex()},
                              {"pubkey", event.author.hex()},
                              {"created_at", event.created_at},
                              {"kind", event.kind},
                              {"tags", tags_json(event.tags)},
                              {"content", event.content},
                              {"sig", event.signature.hex()}});
}

Result<NostrEvent> parse_nostr_event(json::Value const& value) {
  auto const id = find_lower_hex<Sha256>(value, "id");
  auto const author = find_lower_hex<XOnlyKey>(value, "pubkey");
  auto const created_at = find_number(value, "created_at", kCreatedAtMax);
  auto const kind = find_number(value, "kind", kNostrKindMax);
  auto tags = parse_tags(value.find("tags"));
  auto const* const content = value.find_string("content");
  auto const signature = find_lower_hex<SchnorrSignature>(value, "sig");
  if (!id || !author || !created_at || !kind || !tags || !content || !signature) {
    return NostrErrc::not_an_event;
  }
  NostrEvent out{*id, *author, *created_at, *kind, *std::move(tags), *content, *signature};
  auto const text = nostr_text(out);
  if (text.size() > kNostrEventSizeMax) return NostrErrc::not_an_event;
  if (sha256(text) != out.id) return NostrErrc::bad_id;
  if (!verify_schnorr(out.author, out.id, out.signature)) return NostrErrc::bad_signature;
  return out;
}

Result<NostrEvent> parse_nostr_line(std::string_view text) {
  if (text.size() > kNostrEventSizeMax) return NostrErrc::not_an_event;
  auto const value = json::parse(text, kEventLimits);
  if (!value) return NostrErrc::not_json;
  auto const* const message = value->as_array();
  if (!message) return parse_nostr_event(*value);
  if (message->size() < 2 || message->front() != json::Value{"EVENT"}) return NostrErrc::not_an_event;
  return parse_nostr_event(message->back());
}

}  // namespace grenache::exchange
