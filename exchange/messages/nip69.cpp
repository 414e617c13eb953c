#include "exchange/messages/nip69.hpp"

#include <algorithm>
#include <limits>
#include <utility>
#include <variant>

#include "exchange/messages/message.hpp"
#include <grenache/base/check.hpp>

namespace grenache::exchange {
namespace {

constexpr std::int64_t kMsPerSecond = 1'000;
constexpr std::int64_t kSecondsMax = 8'640'000'000'000;  // the end of JavaScript's Date
constexpr int kFiatDigits = 8;                           // decimals that are read
constexpr std::size_t kPremiumSizeMax = 32;

using Tag = NostrEvent::Tag;

Nip69Status nip69_status(OrderStatus status) {
  switch (status) {
    case OrderStatus::open:
      return Nip69Status::pending;
    case OrderStatus::filled:
      return Nip69Status::success;
    case OrderStatus::cancelled:
      return Nip69Status::canceled;
    case OrderStatus::expired:
      break;
  }
  return Nip69Status::expired;
}

/// The tags of a signed order, in the order of the NIP's example.
std::vector<Tag> nip69_tags(OrderRecord const& order, XOnlyKey const& author) {
  bool const is_own = x_only(*order.maker) == author;
  auto const amount = order.status == OrderStatus::open ? order.remaining : order.amount;
  auto const ms = to_unix_ms(order.expires);
  return {{"d", is_own ? order.id : order.id + "@" + order.maker->hex()},
          {"k", std::string{to_text(order.side)}},
          {"f", "USD"},
          {"s", std::string{to_text(nip69_status(order.status))}},
          {"amt", std::to_string(amount.units())},
          {"fa", notional(amount, order.price).cents.to_text()},
          {"pm", "credit"},
          {"premium", "0"},
          {"network", "regtest"},  // of the invoices
          {"layer", "lightning"},
          {"expires_at", std::to_string(ms / kMsPerSecond)},
          {"expiration", std::to_string((ms + kMsPerSecond - 1) / kMsPerSecond)},
          {"y", std::string{kNip69Platform}},
          {"z", "order"},
          {std::string{kNip69RecordTag}, json::to_text(to_json(order))}};
}

std::string value_of(NostrEvent const& event, std::string_view name) {
  auto const* const tag = event.find(name);
  return tag ? tag->at(1) : std::string{};
}

std::optional<Nip69Status> parse_nip69_status(std::string_view text) {
  using enum Nip69Status;
  for (auto const each : {pending, canceled, in_progress, success, expired}) {
    if (text == to_text(each)) return each;
  }
  return std::nullopt;
}

bool is_currency(std::string_view text) {
  return text.size() == 3 && std::ranges::all_of(text, [](char c) { return c >= 'A' && c <= 'Z'; });
}

Result<void> read_amounts(NostrEvent const& event, Nip69Order& out) {
  auto const satoshi = parse_decimal(value_of(event, "amt"), 0, Satoshi::kMax);
  if (!satoshi) return Nip69Errc::bad_amount;
  if (*satoshi > 0) out.amount = Satoshi{*satoshi};
  auto const* const fiat = event.find("fa");
  if (!fiat || fiat->size() > 3) return Nip69Errc::bad_fiat;
  auto const min = parse_decimal(fiat->at(1), kFiatDigits, std::numeric_limits<std::int64_t>::max());
  auto const max = parse_decimal(fiat->back(), kFiatDigits, std::numeric_limits<std::int64_t>::max());
  if (!min || !max || *min > *max) return Nip69Errc::bad_fiat;
  out.fiat_min = decimal_text(*min, kFiatDigits);
  out.fiat_max = decimal_text(*max, kFiatDigits);
  return {};
}

/// A decimal with an optional sign.
bool is_premium(std::string_view text) {
  if (text.size() > kPremiumSizeMax) return false;
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  return text.empty() || parse_decimal(text, kFiatDigits, std::numeric_limits<std::int64_t>::max());
}

Result<void> read_details(NostrEvent const& event, Nip69Order& out) {
  out.premium = value_of(event, "premium");
  if (!is_premium(out.premium)) return Nip69Errc::bad_premium;
  out.network = value_of(event, "network");
  out.layer = value_of(event, "layer");
  out.platform = value_of(event, "y");
  if (auto const* const methods = event.find("pm")) {
    out.payment_methods.assign(methods->begin() + 1, methods->end());
  }
  auto const* end = event.find("expires_at");
  if (!end) end = event.find("expiration");
  if (!end) return {};
  auto const seconds = parse_decimal(end->at(1), 0, kSecondsMax);
  if (!seconds) return Nip69Errc::bad_time;
  out.expires = *seconds;
  return {};
}

Result<OrderRecord> read_record(NostrEvent const& event, std::string const& text) {
  auto const body = json::parse(text, {.depth_max = 4, .value_count_max = 100});
  auto request = body ? parse_request(*body) : Result<Request>{MessageErrc::not_json};
  auto* const message = request ? std::get_if<AddOrderMessage>(&*request) : nullptr;
  if (!message || !verify_order(message->order)) return Nip69Errc::bad_record;
  for (auto const& expected : nip69_tags(message->order, event.author)) {
    if (expected.front() == kNip69RecordTag) continue;
    auto const* const found = event.find(expected.front());
    if (!found || *found != expected) return Nip69Errc::contradiction;
  }
  return std::move(message->order);
}

}  // namespace

std::string_view to_text(Nip69Status status) {
  switch (status) {
    case Nip69Status::pending:
      return "pending";
    case Nip69Status::canceled:
      return "canceled";
    case Nip69Status::in_progress:
      return "in-progress";
    case Nip69Status::success:
      return "success";
    case Nip69Status::expired:
      return "expired";
  }
  return "";
}

std::string_view describe(Nip69Errc code) {
  switch (code) {
    case Nip69Errc::other_kind:
      return "not an event of an order (kind 38383)";
    case Nip69Errc::bad_order_id:
      return "the id of the order is missing or too long (tag d)";
    case Nip69Errc::bad_side:
      return "neither buy nor sell (tag k)";
    case Nip69Errc::bad_currency:
      return "the currency is not three capital letters (tag f)";
    case Nip69Errc::bad_status:
      return "the status is missing or unknown (tag s)";
    case Nip69Errc::bad_amount:
      return "the amount is not a number of satoshi (tag amt)";
    case Nip69Errc::bad_fiat:
      return "the fiat amount is not one decimal, or two that rise (tag fa)";
    case Nip69Errc::bad_premium:
      return "the premium is not a decimal (tag premium)";
    case Nip69Errc::bad_time:
      return "the end is not a time (tag expires_at or expiration)";
    case Nip69Errc::bad_record:
      return "the record is malformed, or not signed by its maker (tag grenache-order)";
    case Nip69Errc::contradiction:
      return "the tags say something else than the record (tag grenache-order)";
  }
  return "unknown error";
}

NostrEvent to_nip69(OrderRecord const& order, SecretKey const& author, WallTime now) {
  GRN_CHECK(order.is_signed());
  NostrEvent out;
  out.created_at = std::max<std::int64_t>(to_unix_ms(now) / kMsPerSecond, 0);
  out.kind = kNip69Kind;
  out.tags = nip69_tags(order, x_only(author.public_key()));
  sign_nostr_event(out, author);
  return out;
}

Result<Nip69Order> read_nip69(NostrEvent const& event) {
  auto const* const document = event.find("z");
  if (event.kind != kNip69Kind || (document && document->at(1) != "order")) return Nip69Errc::other_kind;
  Nip69Order out;
  out.event = event.id;
  out.author = event.author;
  out.created_at = event.created_at;
  out.id = value_of(event, "d");
  if (out.id.empty() || out.id.size() > kOrderIdSizeMax) return Nip69Errc::bad_order_id;
  auto const side = value_of(event, "k");
  if (side != "buy" && side != "sell") return Nip69Errc::bad_side;
  out.side = side == "buy" ? Side::buy : Side::sell;
  out.currency = value_of(event, "f");
  if (!is_currency(out.currency)) return Nip69Errc::bad_currency;
  auto const status = parse_nip69_status(value_of(event, "s"));
  if (!status) return Nip69Errc::bad_status;
  out.status = *status;
  if (auto const read = read_amounts(event, out); !read) return read.error();
  if (auto const read = read_details(event, out); !read) return read.error();
  if (auto const* const record = event.find(kNip69RecordTag)) {
    auto order = read_record(event, record->at(1));
    if (!order) return order.error();
    out.record = *std::move(order);
  }
  return out;
}

Result<Nip69Order> parse_nip69(std::string_view text) {
  auto const event = parse_nostr_line(text);
  if (!event) return event.error();
  return read_nip69(*event);
}

}  // namespace grenache::exchange
