// Orders as events that other peer-to-peer exchanges publish on Nostr: NIP-69 "Peer-to-peer Order events"
// (github.com/nostr-protocol/nips/blob/master/69.md), which Mostro, lnp2pBot, RoboSats and Peach implement.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "exchange/messages/money.hpp"
#include "exchange/messages/nostr_event.hpp"
#include "exchange/messages/order_record.hpp"

namespace grenache::exchange {

inline constexpr std::int64_t kNip69Kind = 38'383;
/// The value of the tag `y` in our events.
inline constexpr std::string_view kNip69Platform = "grenache";
/// The name of the tag with our signed record, as an AddOrderMessage in JSON. Others ignore it.
inline constexpr std::string_view kNip69RecordTag = "grenache-order";

enum class Nip69Status { pending, canceled, in_progress, success, expired };
/// "pending", "canceled", "in-progress", "success" or "expired".
[[nodiscard]] std::string_view to_text(Nip69Status status);

enum class Nip69Errc {
  other_kind = 1,  // not kind 38383, or its tag z is not "order"
  bad_order_id,    // tag d: 1 to kOrderIdSizeMax bytes
  bad_side,        // tag k
  bad_currency,    // tag f: three letters
  bad_status,      // tag s
  bad_amount,      // tag amt: whole satoshi
  bad_fiat,        // tag fa: one or two decimals, the smaller one first
  bad_premium,     // tag premium
  bad_time,        // tag expires_at or expiration
  bad_record,      // our record is malformed or unsigned
  contradiction,   // our record says something else than the other tags
};
[[nodiscard]] std::string_view describe(Nip69Errc code);
constexpr char const* category_name(Nip69Errc) { return "grenache.nip69"; }
inline Error make_error_code(Nip69Errc code) { return make_enum_error(code); }

/// An order as its event shows it.
struct Nip69Order {
  Sha256 event;  // its id
  XOnlyKey author;
  std::int64_t created_at = 0;  // seconds since 1970
  std::string id;
  Side side = Side::buy;
  std::string currency;  // ISO 4217, in upper case
  Nip69Status status = Nip69Status::pending;
  std::optional<Satoshi> amount;   // none: found from a market price when the order is taken
  std::string fiat_min, fiat_max;  // decimals of `currency`; equal unless a range is offered
  std::vector<std::string> payment_methods{};
  std::string premium;                   // per cent, a decimal; empty if missing
  std::string network, layer, platform;  // empty if missing
  std::optional<std::int64_t> expires;   // seconds since 1970: expires_at, or else expiration
  /// The order itself, if the event is one of this program. Its signature is valid.
  std::optional<OrderRecord> record{};

  friend bool operator==(Nip69Order const&, Nip69Order const&) = default;
};

/// The event of a signed order, of `author`: its maker, or somebody who passes it on. The tags round: `amt`
/// is what remains (of a closed order the initial amount), `fa` its value in whole cents, rounded down; what
/// takes are possible below that is not told. The record in kNip69RecordTag is exact. `d` is the id of the
/// order, followed by "@" and the maker's key if the author is not the maker, since another maker may use the
/// same id. Relays keep the event with the latest `now` of each `d` and author, to the second.
[[nodiscard]] NostrEvent to_nip69(OrderRecord const& order, SecretKey const& author, WallTime now);

/// Reads a valid event. Of a foreign program those tags are required that say what is offered: d, k, f, s,
/// amt, fa. Of ours the record must be signed by its maker and agree with the other tags.
[[nodiscard]] Result<Nip69Order> read_nip69(NostrEvent const& event);

/// The event in a line of a file; see parse_nostr_line(). About 50 us, and as many for a record.
[[nodiscard]] Result<Nip69Order> parse_nip69(std::string_view text);

}  // namespace grenache::exchange

GRN_ERROR_CODE_ENUM(grenache::exchange::Nip69Errc);
