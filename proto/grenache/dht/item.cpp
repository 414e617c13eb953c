#include "grenache/dht/item.hpp"

#include <grenache/dht/bencode.hpp>
#include <grenache/dht/bencode_writer.hpp>

namespace grenache::dht {

std::string_view describe(ItemErrc code) {
  switch (code) {
    case ItemErrc::bad_value:
      return "the value is not bencoded, or not canonically";
    case ItemErrc::value_too_big:
      return "the value is too big";
    case ItemErrc::salt_too_big:
      return "the salt is longer than 64 bytes";
    case ItemErrc::bad_sequence:
      return "the sequence number is negative";
    case ItemErrc::incomplete:
      return "key, signature and sequence number must be given together";
    case ItemErrc::bad_signature:
      return "the signature is invalid";
  }
  return "unknown item error";
}

namespace {

NodeId node_id(Sha1 const& hash) { return NodeId{hash.array()}; }

Result<void> verify_value(std::string_view v) {
  // The longest string, with its length prefix.
  if (v.size() > Item::kStringSizeMax + 5) return ItemErrc::value_too_big;
  BencodeDocument document;
  if (!document.decode(v) || !document.is_canonical()) return ItemErrc::bad_value;
  auto const text = document.root().as_string();
  if (text ? text->size() > Item::kStringSizeMax : v.size() > Item::kEncodedSizeMax) {
    return ItemErrc::value_too_big;
  }
  return {};
}

}  // namespace

NodeId item_target(std::string_view v) { return node_id(sha1(v)); }

NodeId item_target(Ed25519PublicKey const& key, std::string_view salt) {
  std::string bytes{key.view()};
  bytes += salt;
  return node_id(sha1(bytes));
}

std::string item_signature_input(std::string_view salt, std::int64_t seq, std::string_view v) {
  BencodeWriter writer;
  if (!salt.empty()) writer.string("salt", salt);
  writer.integer("seq", seq);
  writer.string("v");
  writer.raw(v);
  return writer.take();
}

Result<Item> Item::immutable(std::string_view v) {
  if (auto const valid = verify_value(v); !valid) return valid.error();
  return Item{item_target(v), v, std::nullopt};
}

Result<Item> Item::mutable_of(ItemOwner owner, std::string_view v) {
  if (auto const valid = verify_value(v); !valid) return valid.error();
  if (owner.salt.size() > kSaltSizeMax) return ItemErrc::salt_too_big;
  if (owner.seq < 0) return ItemErrc::bad_sequence;
  if (!verify(owner.key, item_signature_input(owner.salt, owner.seq, v), owner.signature)) {
    return ItemErrc::bad_signature;
  }
  NodeId const target = item_target(owner.key, owner.salt);
  return Item{target, v, std::move(owner)};
}

Result<Item> Item::sign(Ed25519SecretKey const& key, std::string_view salt, std::int64_t seq,
                        std::string_view v) {
  ItemOwner owner{key.public_key(), key.sign(item_signature_input(salt, seq, v)), std::string{salt}, seq};
  return mutable_of(std::move(owner), v);
}

}  // namespace grenache::dht
