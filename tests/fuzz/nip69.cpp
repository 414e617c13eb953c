// Reads arbitrary texts as Nostr events, and arbitrary tags of a signed event as orders: an event is read
// back as it was written, and what is read keeps its bounds.
#include "exchange/messages/nip69.hpp"

#include <string>

#include "exchange/messages/order_message.hpp"
#include "tests/fuzz/input.hpp"
#include <grenache/base/check.hpp>

namespace grenache::exchange {
namespace {

constexpr std::string_view kNames[] = {
    "d",       "k",     "f",          "s",          "amt", "fa", "pm",
    "premium", "layer", "expires_at", "expiration", "y",   "z",  "grenache-order"};

SecretKey const& key() {
  static SecretKey const secret = *SecretKey::from_bytes(std::string(31, '\0') + '\x07');
  return secret;
}

OrderRecord const& sample() {
  static OrderRecord const order = [] {
    OrderRecord out;
    out.id = "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed";
    out.seq = 3;
    out.price = PriceCents{6'000'050};
    out.amount = Satoshi{kSatoshiPerBtc};
    out.remaining = Satoshi{40'000'000};
    out.created = from_unix_ms(1'700'000'000'000);
    out.expires = out.created + std::chrono::hours{1};
    out.endpoint = "127.0.0.1:1337";
    out.exchange_id = 1337;
    sign_order(out, key());
    return out;
  }();
  return order;
}

void check_order(NostrEvent const& event) {
  auto const order = read_nip69(event);
  if (!order) {
    GRN_CHECK(!order.error().message().empty());
    return;
  }
  GRN_CHECK(order->event == event.id && order->author == event.author);
  GRN_CHECK(!order->id.empty() && order->id.size() <= kOrderIdSizeMax);
  GRN_CHECK(order->currency.size() == 3);
  GRN_CHECK(!order->amount || (order->amount->units() > 0 && order->amount->units() <= Satoshi::kMax));
  GRN_CHECK(!order->fiat_min.empty() && !order->fiat_max.empty());
  if (!order->record) return;
  GRN_CHECK(verify_order(*order->record));
  GRN_CHECK(order->side == order->record->side && order->currency == "USD");
  GRN_CHECK(order->id.starts_with(order->record->id));
}

void check_text(std::string_view text) {
  auto const event = parse_nostr_line(text);
  if (!event) return;
  GRN_CHECK(event->tags.size() <= kNostrTagsMax);
  GRN_CHECK(parse_nostr_event(to_json(*event)).value() == *event);
  check_order(*event);
}

/// Our event, with tags replaced, added or removed.
NostrEvent changed(fuzz::Input& input) {
  auto event = to_nip69(sample(), key(), from_unix_ms(1'700'000'001'000));
  while (!input.empty()) {
    auto const choice = input.below(3);
    auto const name = std::string{kNames[input.below(std::size(kNames))]};
    if (choice == 0) std::erase_if(event.tags, [&](auto const& tag) { return tag.front() == name; });
    if (choice == 1) event.tags.insert(event.tags.begin(), {name, std::string{input.short_text()}});
    if (choice == 2) {
      auto tag = event.tags.begin();
      while (tag != event.tags.end() && tag->front() != name) ++tag;
      if (tag != event.tags.end()) tag->emplace_back(input.short_text());
    }
  }
  sign_nostr_event(event, key());
  return event;
}

}  // namespace
}  // namespace grenache::exchange

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using namespace grenache::exchange;
  grenache::fuzz::Input input{data, size};
  if (input.flag()) {
    check_order(changed(input));
  } else {
    check_text(input.rest());
  }
  return 0;
}
