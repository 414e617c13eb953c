// The bodies of a grape's /put and /get (BEP 44), for the grape and for those who ask it.
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

/// A value is shorter than this, in bytes when it is a string. Node counts UTF-16 units.
constexpr std::size_t kItemStringSizeMax = 1000;

struct GrapePut {
  dht::Item item;  // valid: within the limits, and the signature of a mutable one holds
  std::optional<std::int64_t> cas;
};

struct GrapeGet {
  NodeId target;
  std::string salt;  // of a mutable item
};

/// An item as a grape answers it.
struct GrapeFound {
  dht::Item item;
  std::string id;     // hex: the node that it comes from
  std::string token;  // hex; empty when the grape had it itself
};

// -- the grape's side

/// `{v, k?, sig?, seq?, salt?, cas?}`, mutable with `k`; or a bare string, which is `v`. `k` and `sig` are
/// hex digits or what JSON makes of a Node Buffer; the salt is text or such a buffer. Checks go in Node's
/// order.
[[nodiscard]] Result<GrapePut> parse_put_data(Value const& data);

/// 40 hex digits, or `{hash, salt?}`; `generic` for data of any other type, as Node answers.
[[nodiscard]] Result<GrapeGet> parse_get_data(Value const& data);

/// The place of the item as a JSON string of 40 hex digits.
[[nodiscard]] std::string put_answer(NodeId const& target);

/// `{"id","token","v"}` and for a mutable item "sig", "k", "salt" (if there is one) and "seq". `token` is
/// raw; null in the answer when it is empty. A value that JSON cannot carry exactly has "bencoded" beside
/// "v": the hex digits of its bencoding (Node does not tell).
[[nodiscard]] std::string get_answer(dht::Item const& item, NodeId const& from, std::string_view token);

// -- the asking side

[[nodiscard]] std::string put_request(std::string_view rid, dht::Item const& item,
                                      std::optional<std::int64_t> cas);
/// The place where the item lies now.
[[nodiscard]] GrapeReply<NodeId> parse_put_reply(std::string_view body);

[[nodiscard]] std::string get_request(std::string_view rid, GrapeGet const& get);
/// What the grape answered, verified: its place is the one asked for, and a signature holds. The error is
/// kNotFound when there is no such item.
[[nodiscard]] GrapeReply<GrapeFound> parse_get_reply(std::string_view body, GrapeGet const& asked);
inline constexpr std::string_view kNotFound = "not found";

}  // namespace grenache::json
