#include "grenache/json/grape_items.hpp"

#include <grenache/base/hex.hpp>
#include <grenache/json/bencode_json.hpp>

namespace grenache::json {
namespace {

/// Reads the JSON of a Node.js Buffer: `{"type":"Buffer","data":[1,2]}`.
std::optional<std::string> read_buffer(Value const& value) {
  Value const* const data = value.find("data");
  auto const* const items = data ? data->as_array() : nullptr;
  if (!items) return std::nullopt;
  std::string out;
  out.reserve(items->size());
  for (Value const& item : *items) {
    auto const byte = item.as_int();
    if (!byte || *byte < 0 || *byte > 255) return std::nullopt;
    out += static_cast<char>(*byte);
  }
  return out;
}

std::optional<std::string> read_bytes(Value const* value) {
  if (!value) return std::nullopt;
  if (auto const* text = value->as_string()) return from_hex(*text);
  return read_buffer(*value);
}

std::optional<std::string> read_salt(Value const* value) {
  if (!value || value->is_null()) return std::string{};
  if (auto const* text = value->as_string()) return *text;
  return read_buffer(*value);
}

GrapeErrc put_errc(Error const& error) {
  if (error == dht::ItemErrc::bad_signature) return GrapeErrc::put_signature;
  if (error == dht::ItemErrc::value_too_big) return GrapeErrc::put_value_size;
  if (error == dht::ItemErrc::salt_too_big) return GrapeErrc::put_salt;
  if (error == dht::ItemErrc::bad_sequence) return GrapeErrc::put_seq;
  return GrapeErrc::put_value;
}

/// Reads the owner of a mutable item from `data`, without verifying the signature.
Result<dht::ItemOwner> read_owner(Value const& data) {
  dht::ItemOwner owner;
  auto const key = Ed25519PublicKey::from_bytes(read_bytes(data.find("k")).value_or(""));
  if (!key) return GrapeErrc::put_key;
  if (!data.find("sig")) return GrapeErrc::put_signature_missing;
  auto const signature = Ed25519Signature::from_bytes(read_bytes(data.find("sig")).value_or(""));
  auto salt = read_salt(data.find("salt"));
  if (!salt || salt->size() > dht::Item::kSaltSizeMax) return GrapeErrc::put_salt;
  if (!data.find("seq")) return GrapeErrc::put_seq_missing;
  auto const seq = data.find_int("seq");
  if (!seq) return GrapeErrc::put_seq;
  if (!signature) return GrapeErrc::put_signature;
  return dht::ItemOwner{*key, *signature, std::move(*salt), *seq};
}

/// Returns the bencoding of the value in an answer.
std::optional<std::string> read_value(Value const& reply) {
  if (std::string const* exact = reply.find_string("bencoded")) return from_hex(*exact);
  Value const* const v = reply.find("v");
  return v ? to_bencode(*v) : std::nullopt;
}

/// Reads the item of an answer. `salt` is that of the request, as nodes need not repeat it.
Result<dht::Item> read_item(Value const& reply, std::string const& salt) {
  auto const value = read_value(reply);
  if (!value) return dht::ItemErrc::bad_value;
  if (!reply.find("k")) return dht::Item::immutable(*value);
  auto const key = Ed25519PublicKey::from_bytes(read_bytes(reply.find("k")).value_or(""));
  auto const signature = Ed25519Signature::from_bytes(read_bytes(reply.find("sig")).value_or(""));
  auto const seq = reply.find_int("seq");
  if (!key || !signature || !seq) return dht::ItemErrc::incomplete;
  return dht::Item::mutable_of({*key, *signature, salt, *seq}, *value);
}

}  // namespace

Result<GrapePut> parse_put_data(Value const& data) {
  Value const* const v = data.as_string() ? &data : data.find("v");
  if (!v || v->is_null()) return GrapeErrc::put_value_missing;
  if (v->as_string() && v->as_string()->size() >= kItemStringSizeMax) return GrapeErrc::put_value_size;
  bool const is_mutable = data.find("k") && !data.find("k")->is_null();
  std::optional<std::int64_t> cas;
  if (is_mutable && data.find("cas")) {
    cas = data.find_int("cas");
    if (!cas) return GrapeErrc::put_cas;
  }
  auto const value = to_bencode(*v);
  if (!is_mutable) {
    if (!value) return GrapeErrc::put_value;
    auto item = dht::Item::immutable(*value);
    if (!item) return put_errc(item.error());
    return GrapePut{std::move(*item), std::nullopt};
  }
  auto owner = read_owner(data);
  if (!owner) return owner.error();
  if (!value) return GrapeErrc::put_value;
  auto item = dht::Item::mutable_of(std::move(*owner), *value);
  if (!item) return put_errc(item.error());
  return GrapePut{std::move(*item), cas};
}

Result<GrapeGet> parse_get_data(Value const& data) {
  Value const* const hash = data.as_string() ? &data : data.find("hash");
  if (!hash || (!hash->as_string() && !read_buffer(*hash))) return GrapeErrc::generic;
  auto const target = NodeId::from_bytes(read_bytes(hash).value_or(""));
  auto salt = read_salt(data.find("salt"));
  if (!target || !salt) return GrapeErrc::hash_format;
  return GrapeGet{*target, std::move(*salt)};
}

std::string put_answer(NodeId const& target) { return '"' + target.hex() + '"'; }

std::string get_answer(dht::Item const& item, NodeId const& from, std::string_view token) {
  Value const v = from_bencode(item.value()).value_or(Value{});
  auto out = Value::object({{"id", from.hex()}});
  out.set("token", token.empty() ? Value{} : Value{to_hex(token)});
  out.set("v", v);
  if (auto const& owner = item.owner()) {
    out.set("sig", owner->signature.hex());
    out.set("k", owner->key.hex());
    if (!owner->salt.empty()) out.set("salt", Value{owner->salt});
    out.set("seq", owner->seq);
  }
  if (to_bencode(v) != item.value()) out.set("bencoded", to_hex(item.value()));
  return to_text(out);
}

std::string put_request(std::string_view rid, dht::Item const& item, std::optional<std::int64_t> cas) {
  auto data = Value::object({{"v", from_bencode(item.value()).value_or(Value{})}});
  if (auto const& owner = item.owner()) {
    data.set("k", owner->key.hex());
    data.set("sig", owner->signature.hex());
    data.set("seq", owner->seq);
    if (!owner->salt.empty()) data.set("salt", Value{owner->salt});
    if (cas) data.set("cas", *cas);
  }
  return to_text(Value::object({{"rid", rid}, {"data", data}}));
}

GrapeReply<NodeId> parse_put_reply(std::string_view body) {
  auto const reply = parse(body);
  auto const target = reply && reply->as_string() ? NodeId::from_hex(*reply->as_string()) : std::nullopt;
  if (!target) return {std::nullopt, grape_error_text(body)};
  return {*target, {}};
}

std::string get_request(std::string_view rid, GrapeGet const& get) {
  Value data = get.target.hex();
  if (!get.salt.empty()) data = Value::object({{"hash", get.target.hex()}, {"salt", get.salt}});
  return to_text(Value::object({{"rid", rid}, {"data", data}}));
}

GrapeReply<GrapeFound> parse_get_reply(std::string_view body, GrapeGet const& asked) {
  if (body.empty()) return {std::nullopt, std::string{kNotFound}};
  auto const reply = parse(body);
  if (!reply || !reply->as_object() || reply->find("error")) return {std::nullopt, grape_error_text(body)};
  auto item = read_item(*reply, asked.salt);
  if (!item) return {std::nullopt, "the grape's answer does not verify: " + item.error().message()};
  if (item->target() != asked.target) return {std::nullopt, "the grape answered with another item"};
  std::string const* const id = reply->find_string("id");
  std::string const* const token = reply->find_string("token");
  return {GrapeFound{std::move(*item), id ? *id : "", token ? *token : ""}, {}};
}

}  // namespace grenache::json
