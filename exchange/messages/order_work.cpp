#include "exchange/messages/order_work.hpp"

#include <algorithm>
#include <bit>
#include <limits>

#include <grenache/base/check.hpp>
#include <grenache/dht/bencode_writer.hpp>

namespace grenache::exchange {
namespace {

constexpr std::string_view kWorkDomain = "grenache/exchange/work/1:";
constexpr std::size_t kNumberDigits = 12;  // the last part of a UUID

void write_number(std::string& uuid, std::int64_t number) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (std::size_t i = 1; i <= kNumberDigits; ++i, number >>= 4) {
    uuid[uuid.size() - i] = kDigits[static_cast<std::size_t>(number & 0xf)];
  }
}

}  // namespace

Sha256 work_challenge(OrderRecord const& order) {
  GRN_CHECK(order.maker);
  dht::BencodeWriter out{std::string{kWorkDomain}};
  out.begin_dict();
  out.integer("amount", order.amount.units());
  out.integer("created", to_unix_ms(order.created));
  out.string("maker", order.maker->view());
  if (order.least_take.units() != 0) out.integer("minimum", order.least_take.units());
  out.integer("price", order.price.units());
  out.string("side", to_text(order.side));
  out.end();
  return sha256(out.view());
}

Sha256 work_hash(Sha256 const& challenge, std::string_view id) {
  std::string text{challenge.view()};
  text += id;
  return sha256(text);
}

int work_bits(Sha256 const& hash) {
  int out = 0;
  for (auto const c : hash.view()) {
    auto const byte = static_cast<unsigned char>(c);
    out += std::countl_zero(byte);
    if (byte != 0) break;
  }
  return std::min(out, kWorkBitsMax);
}

Work work_of(OrderRecord const& order) {
  if (!order.maker) return {0, std::numeric_limits<std::uint64_t>::max()};
  auto const hash = work_hash(work_challenge(order), order.id);
  auto const life = order.expires - order.created;
  auto const lives = static_cast<std::uint64_t>(
      std::max<std::int64_t>(0, (life.count() - 1) / std::chrono::milliseconds{kOrderLifeMax}.count()));
  Work out{std::max(0, work_bits(hash) - static_cast<int>(std::bit_width(lives))), 0};
  for (auto const c : hash.view().substr(0, sizeof out.rest)) {
    out.rest = out.rest << 8 | static_cast<unsigned char>(c);
  }
  return out;
}

std::optional<std::string> find_work(Sha256 const& challenge, std::string uuid, int bits, std::int64_t first,
                                     std::int64_t count) {
  GRN_CHECK(is_uuid(uuid));
  for (auto number = first; number < first + count && number <= kWorkMax; ++number) {
    write_number(uuid, number);
    if (work_bits(work_hash(challenge, uuid)) >= bits) return uuid;
  }
  return std::nullopt;
}

}  // namespace grenache::exchange
