#include "grenache/json/bencode_json.hpp"

#include <cstdint>
#include <map>

#include <grenache/dht/bencode.hpp>
#include <grenache/dht/bencode_writer.hpp>

namespace grenache::json {
namespace {

// Recursion is bounded: values come from parse() and bencoding from BencodeDocument, and both limit the
// depth.
bool write(dht::BencodeWriter& out, Value const& value) {
  if (auto const* text = value.as_string()) {
    out.string(*text);
  } else if (auto const* truth = value.as_bool()) {
    out.integer(*truth ? 1 : 0);
  } else if (value.is_number()) {
    auto const number = value.as_int();
    if (!number) return false;
    out.integer(*number);
  } else if (auto const* array = value.as_array()) {
    out.begin_list();
    for (Value const& item : *array) {
      if (!item.is_null() && !write(out, item)) return false;
    }
    out.end();
  } else if (auto const* object = value.as_object()) {
    std::map<std::string_view, Value const*> members;  // sorted; the last of equal keys
    for (auto const& [name, member] : *object) members[name] = &member;
    out.begin_dict();
    for (auto const& [name, member] : members) {
      if (member->is_null()) continue;
      out.string(name);
      if (!write(out, *member)) return false;
    }
    out.end();
  } else {
    return false;
  }
  return true;
}

/// Returns the length of the UTF-8 character at the start of `text`; 0 if it is invalid (RFC 3629).
std::size_t utf8_length(std::string_view text) {
  auto const byte = [&](std::size_t at) {
    return at < text.size() ? static_cast<unsigned char>(text[at]) : 0u;
  };
  auto const follows = [&](std::size_t at) { return (byte(at) & 0xc0u) == 0x80u; };
  unsigned const first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    bool const overlong = first == 0xe0 && byte(1) < 0xa0;
    bool const surrogate = first == 0xed && byte(1) > 0x9f;
    return follows(1) && follows(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    bool const overlong = first == 0xf0 && byte(1) < 0x90;
    bool const beyond = first == 0xf4 && byte(1) > 0x8f;
    return follows(1) && follows(2) && follows(3) && !overlong && !beyond ? 4 : 0;
  }
  return 0;
}

Value read(dht::BencodeValue const& value) {
  if (auto const number = value.as_integer()) return Value{*number};
  if (auto const text = value.as_string()) return Value{to_utf8(*text)};
  if (value.is(dht::BencodeType::list)) {
    Value::Array items;
    for (auto item = value.first(); item; item = item.next_in(value)) items.push_back(read(item));
    return Value{std::move(items)};
  }
  Value::Object members;
  for (auto key = value.first(); key;) {
    auto const member = key.next_in(value);
    members.emplace_back(to_utf8(key.as_string().value_or(std::string_view{})), read(member));
    key = member.next_in(value);
  }
  return Value{std::move(members)};
}

}  // namespace

std::string to_utf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    std::size_t const length = utf8_length(bytes);
    out += length > 0 ? bytes.substr(0, length) : std::string_view{"\xef\xbf\xbd"};
    bytes.remove_prefix(length > 0 ? length : 1);
  }
  return out;
}

std::optional<std::string> to_bencode(Value const& value) {
  dht::BencodeWriter out;
  if (!write(out, value)) return std::nullopt;
  return out.take();
}

std::optional<Value> from_bencode(std::string_view bencoded) {
  dht::BencodeDocument document;
  if (!document.decode(bencoded)) return std::nullopt;
  return read(document.root());
}

}  // namespace grenache::json
