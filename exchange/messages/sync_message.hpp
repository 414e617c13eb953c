// Messages with which peers make their books equal: what a book holds, what is new, and records on request.
// Only peers of ours have them; the original is read with GetOrderbookMessage.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "exchange/messages/message_header.hpp"
#include "exchange/messages/order_message.hpp"

namespace grenache::exchange {

/// Where an order stands among all others: a number below 2^48, the first 6 bytes of the SHA-256 of
/// "grenache/exchange/position/1:", its maker and its id. It is the same for all its versions. Two orders may
/// share one.
using OrderPosition = std::uint64_t;
/// 48 bits of a hash.
using ShortTag = std::uint64_t;
inline constexpr std::size_t kPositionDigits = 12;  // in hex
inline constexpr std::size_t kPositionBits = 4 * kPositionDigits;
/// SHA-256 of maker and id; begins with the OrderPosition.
[[nodiscard]] Sha256 position_hash(std::string_view id, PeerId const& maker);
[[nodiscard]] OrderPosition position_of(std::string_view id, PeerId const& maker);

/// Names a version of an order: `version` is the beginning of its order_digest. A maker may give two of its
/// own versions one name, and nobody else's.
struct VersionId {
  OrderPosition position = 0;
  ShortTag version = 0;
  friend auto operator<=>(VersionId const&, VersionId const&) = default;
};
[[nodiscard]] VersionId version_of(OrderRecord const& order);

inline constexpr std::size_t kPrefixesMax = 256;    // in a ReconcileMessage
inline constexpr std::size_t kChildrenMax = 4'096;  // in an answer to it
inline constexpr std::size_t kEntriesMax = 64;      // of a node in an answer
inline constexpr std::size_t kInventoryIdsMax = 1'000;
inline constexpr std::size_t kInventoryOrdersMax = 100;
inline constexpr std::size_t kRecordsMax = 200;  // in a GetRecordsMessage

/// Asks what the receiver's set of signed orders has under prefixes of OrderPosition.
///
/// Without `length` it asks about the whole set, and `fingerprint` is the sender's. Fingerprints and tags in
/// the answer are made with `salt`, which the sender draws anew for each reconciliation.
struct ReconcileMessage {
  static constexpr std::string_view kType = "ReconcileMessage";
  MessageHeader header;
  std::string endpoint;  // host:port of the sender, a hint; empty if it names none
  std::uint64_t salt = 0;
  std::size_t length = 0;               // hex digits of each prefix; at most kPositionDigits
  std::vector<OrderPosition> prefixes;  // the digits after `length` are 0; ascending, at most kPrefixesMax
  std::size_t expand = 1;               // 1 or 2: digits by which the children in the answer are longer
  std::optional<ShortTag> fingerprint;  // only of the whole set
};
[[nodiscard]] json::Value to_json(ReconcileMessage const& message);

/// A version in the answer to a ReconcileMessage.
struct ReconcileEntry {
  OrderPosition position = 0;
  std::uint16_t rank = 0;  // guess which of two versions is newer; see version_rank()
  ShortTag tag = 0;        // of the order_digest and the salt
  friend bool operator==(ReconcileEntry const&, ReconcileEntry const&) = default;
};
/// What is under one prefix: nothing new, the versions, or the fingerprints of the prefixes that are longer.
struct ReconcileNode {
  enum class Kind : std::uint8_t { equal, entries, children };
  Kind kind = Kind::equal;
  std::vector<ReconcileEntry> entries;  // by position, at most kEntriesMax
  std::vector<ShortTag> children;       // 16 or 256; 0: nothing is there
  friend bool operator==(ReconcileNode const&, ReconcileNode const&) = default;
};
[[nodiscard]] json::Value reconcile_answer_to_json(std::span<ReconcileNode const> nodes, std::size_t length);
/// One node for each prefix of `asked`. Errors: bad_answer.
[[nodiscard]] Result<std::vector<ReconcileNode>> parse_reconcile_answer(json::Value const& body,
                                                                        ReconcileMessage const& asked);

/// Orders versions of one order as their makers mean it: a closed one after an open one, then by seq. Only a
/// guess, of 16 bits.
[[nodiscard]] std::uint16_t version_rank(OrderRecord const& order);
/// True when `a` is the rank of a newer version than `b`.
[[nodiscard]] bool is_newer_rank(std::uint16_t a, std::uint16_t b);

/// Tells of versions that the sender has: some by name, some as a whole.
struct InventoryMessage {
  static constexpr std::string_view kType = "InventoryMessage";
  MessageHeader header;
  std::string endpoint;  // host:port of the sender, where records may be asked for; empty if it names none
  std::vector<VersionId> ids;       // at most kInventoryIdsMax
  std::vector<OrderRecord> orders;  // at most kInventoryOrdersMax; malformed ones are left out when parsed
  std::size_t dropped = 0;          // of the orders
};
[[nodiscard]] json::Value to_json(InventoryMessage const& message);

/// The answer to an InventoryMessage.
struct InventoryAnswer {
  std::vector<bool> unknown;  // for each id: the receiver did not have it, and nobody else has offered it
  std::size_t refused = 0;    // orders that the receiver does not keep
};
[[nodiscard]] json::Value to_json(InventoryAnswer const& answer);
/// Errors: bad_answer, also if there are not `id_count` bits.
[[nodiscard]] Result<InventoryAnswer> parse_inventory_answer(json::Value const& body, std::size_t id_count);

/// Asks for the newest versions that the receiver has at some positions.
struct GetRecordsMessage {
  static constexpr std::string_view kType = "GetRecordsMessage";
  MessageHeader header;
  std::vector<OrderPosition> positions;  // 1 to kRecordsMax
};
[[nodiscard]] json::Value to_json(GetRecordsMessage const& message);

/// The answer to a GetRecordsMessage.
struct RecordsAnswer {
  OrderList list;
  std::size_t left = 0;  // the last positions asked for, at which nothing was looked up: ask again
};
[[nodiscard]] json::Value records_answer_to_json(std::vector<json::Value> orders, std::size_t left);
/// Errors: bad_answer, also if nothing was looked up.
[[nodiscard]] Result<RecordsAnswer> parse_records_answer(json::Value const& body, std::size_t asked_count);

}  // namespace grenache::exchange
