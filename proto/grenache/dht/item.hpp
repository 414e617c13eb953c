// BEP 44 items: immutable values under their hash, and mutable values signed by their owner.
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
  bad_value = 1,  // not one bencoded value, or dictionary keys out of order
  value_too_big,  // Item::kStringSizeMax, Item::kEncodedSizeMax
  salt_too_big,   // Item::kSaltSizeMax
  bad_sequence,   // negative
  incomplete,     // some, but not all, of key, signature and sequence number are present
  bad_signature,
};
[[nodiscard]] std::string_view describe(ItemErrc code);
constexpr char const* category_name(ItemErrc) { return "grenache.item"; }
inline Error make_error_code(ItemErrc code) { return make_enum_error(code); }

/// The owner's key, signature and sequence number of a mutable item.
struct ItemOwner {
  Ed25519PublicKey key;
  Ed25519Signature signature;
  std::string salt;  // distinguishes items of one key
  std::int64_t seq = 0;
};

/// A value with its target in the DHT. An object is always valid: well-formed, within the limits, and with a
/// verified signature.
///
/// The limits differ from BEP 44 (1000 bytes, bencoded): Node.js' Grape counts a string without its length
/// prefix, and its users put strings of 999 bytes, which are 1003 bytes bencoded. Other implementations
/// refuse strings of 997 to 1000 bytes.
class Item {
 public:
  static constexpr std::size_t kStringSizeMax = 1000;   // content of a string
  static constexpr std::size_t kEncodedSizeMax = 1000;  // any other value, bencoded
  static constexpr std::size_t kSaltSizeMax = 64;

  /// Creates the item whose target is the SHA-1 of `v`, which is bencoded.
  [[nodiscard]] static Result<Item> immutable(std::string_view v);
  /// Creates the item whose target is the SHA-1 of key and salt. Verifies the signature last.
  [[nodiscard]] static Result<Item> mutable_of(ItemOwner owner, std::string_view v);
  /// Creates a mutable item and signs it with `key`.
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

/// The target of an immutable value (bencoded).
[[nodiscard]] NodeId item_target(std::string_view v);
/// The target of the item of `key` and `salt`.
[[nodiscard]] NodeId item_target(Ed25519PublicKey const& key, std::string_view salt);
/// The bytes that the owner of an item signs: `4:salt…3:seqi…e1:v…`, without the salt when it is empty.
[[nodiscard]] std::string item_signature_input(std::string_view salt, std::int64_t seq, std::string_view v);

}  // namespace grenache::dht

GRN_ERROR_CODE_ENUM(grenache::dht::ItemErrc);
