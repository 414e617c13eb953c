// Parses and writes the bodies of a grape's /put and /get (BEP 44), for servers and clients.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <grenache/base/ids.hpp>
#include <grenache/base/result.hpp>
#include <grenache/dht/item.hpp>
#include <grenache/json/grape_api.hpp>
#include <grenache/json/json.hpp>

namespace grenache::json {

/// A string value is shorter than this, in bytes. (Node.js counts UTF-16 units.)
constexpr std::size_t kItemStringSizeMax = 1000;

struct GrapePut {
  dht::Item item;  // valid: within the limits, with a verified signature if mutable
  std::optional<std::int64_t> cas;
};

struct GrapeGet {
  NodeId target;
  std::string salt;  // for a mutable item
};

/// An item in a grape's answer.
struct GrapeFound {
  dht::Item item;
  std::string id;     // hex: the node that returned it
  std::string token;  // hex; empty when the grape stores it itself
};

// -- the grape's side

/// Parses `{v, k?, sig?, seq?, salt?, cas?}`, mutable with `k`; or a bare string, which is `v`. `k` and `sig`
/// are hex digits or the JSON of a Node.js Buffer; the salt is a string or such a buffer. Checks are in the
/// order of Node.js.
[[nodiscard]] Result<GrapePut> parse_put_data(Value const& data);

/// Parses 40 hex digits, or `{hash, salt?}`; `generic` for data of any other type, as Node.js answers.
[[nodiscard]] Result<GrapeGet> parse_get_data(Value const& data);

/// The target of the item as a JSON string of 40 hex digits.
[[nodiscard]] std::string put_answer(NodeId const& target);

/// `{"id","token","v"}` and for a mutable item "sig", "k", "salt" (if there is one) and "seq". `token` is
/// raw; null in the answer when it is empty. If JSON cannot represent the value exactly, "bencoded" holds its
/// bencoding in hex digits (an extension).
[[nodiscard]] std::string get_answer(dht::Item const& item, NodeId const& from, std::string_view token);

// -- the asking side

[[nodiscard]] std::string put_request(std::string_view rid, dht::Item const& item,
                                      std::optional<std::int64_t> cas);
/// Returns the target of the stored item.
[[nodiscard]] GrapeReply<NodeId> parse_put_reply(std::string_view body);

[[nodiscard]] std::string get_request(std::string_view rid, GrapeGet const& get);
/// Returns the item after verifying that its target is the requested one and that its signature is valid. The
/// error is kNotFound when there is no such item.
[[nodiscard]] GrapeReply<GrapeFound> parse_get_reply(std::string_view body, GrapeGet const& asked);
inline constexpr std::string_view kNotFound = "not found";

}  // namespace grenache::json
