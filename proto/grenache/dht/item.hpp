// Items of BEP 44: values that anybody may keep and nobody can forge.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <grenache/base/crypto.hpp>
#include <grenache/base/ids.hpp>
#include <grenache/base/result.hpp>

namespace grenache::dht {

enum class ItemErrc {
  bad_value = 1,  // not one bencoded value, or keys of a dictionary out of order
  value_too_big,  // Item::kStringSizeMax, Item::kEncodedSizeMax
  salt_too_big,   // Item::kSaltSizeMax
  bad_sequence,   // negative
  incomplete,     // key, signature and sequence number come together or not at all
  bad_signature,
};
[[nodiscard]] std::string_view describe(ItemErrc code);
constexpr char const* category_name(ItemErrc) { return "grenache.item"; }
inline Error make_error_code(ItemErrc code) { return make_enum_error(code); }

/// What makes an item mutable: who may change it, and which change this is.
struct ItemOwner {
  Ed25519PublicKey key;
  Ed25519Signature signature;
  std::string salt;  // one key may own many items
  std::int64_t seq = 0;
};

/// A value with its place in the DHT. There are only valid ones: well-formed, within the limits, and with a
/// signature that holds.
///
/// The limits differ a little from BEP 44 (1000 bytes, bencoded), as Node counts the bytes of a string
/// without its length in front, and its users put strings of 999: those are 1003 bytes bencoded. Nodes of
/// other makes refuse the few strings of 997 to 1000 bytes.
class Item {
 public:
  static constexpr std::size_t kStringSizeMax = 1000;   // the content of a string
  static constexpr std::size_t kEncodedSizeMax = 1000;  // any other value, bencoded
  static constexpr std::size_t kSaltSizeMax = 64;

  /// The item whose place is the SHA-1 of `v`, which is bencoded.
  [[nodiscard]] static Result<Item> immutable(std::string_view v);
  /// The item whose place is the SHA-1 of key and salt. The signature is verified last.
  [[nodiscard]] static Result<Item> mutable_of(ItemOwner owner, std::string_view v);
  /// The same, signed here.
  [[nodiscard]] static Result<Item> sign(Ed25519SecretKey const& key, std::string_view salt, std::int64_t seq,
                                         std::string_view v);

  [[nodiscard]] NodeId const& target() const { return target_; }
  /// Bencoded.
  [[nodiscard]] std::string const& value() const { return value_; }
  [[nodiscard]] std::optional<ItemOwner> const& owner() const { return owner_; }
  [[nodiscard]] bool is_mutable() const { return owner_.has_value(); }
  /// 0 for an immutable item.
  [[nodiscard]] std::int64_t seq() const { return owner_ ? owner_->seq : 0; }

 private:
  Item(NodeId const& target, std::string_view value, std::optional<ItemOwner> owner)
      : target_{target}, value_{value}, owner_{std::move(owner)} {}

  NodeId target_;
  std::string value_;
  std::optional<ItemOwner> owner_;
};

/// Where an immutable value (bencoded) lies.
[[nodiscard]] NodeId item_target(std::string_view v);
/// Where the item of `key` and `salt` lies.
[[nodiscard]] NodeId item_target(Ed25519PublicKey const& key, std::string_view salt);
/// The bytes that the owner of an item signs: `4:salt…3:seqi…e1:v…`, without the salt when it is empty.
[[nodiscard]] std::string item_signature_input(std::string_view salt, std::int64_t seq, std::string_view v);

}  // namespace grenache::dht

GRN_ERROR_CODE_ENUM(grenache::dht::ItemErrc);
