#include "exchange/messages/order_work.hpp"

#include <algorithm>
#include <bit>
#include <string>

#include <grenache/base/check.hpp>
#include <grenache/dht/bencode_writer.hpp>

namespace grenache::exchange {
namespace {

constexpr std::string_view kWorkDomain = "grenache/exchange/work/1:";
constexpr std::size_t kNonceBytes = 8;

void write_nonce(std::string& text, std::int64_t work) {
  auto rest = static_cast<std::uint64_t>(work);
  for (std::size_t i = 0; i < kNonceBytes; ++i, rest >>= 8) {
    text[text.size() - 1 - i] = static_cast<char>(rest & 0xff);
  }
}

int leading_zeros(Sha256 const& hash) {
  int out = 0;
  for (auto const c : hash.view()) {
    auto const byte = static_cast<unsigned char>(c);
    out += std::countl_zero(byte);
    if (byte != 0) break;
  }
  return std::min(out, kWorkBitsMax);
}

std::string with_nonce(Sha256 const& challenge) {
  return std::string{challenge.view()} + std::string(kNonceBytes, '\0');
}

}  // namespace

Sha256 work_challenge(OrderRecord const& order) {
  GRN_CHECK(order.maker);
  dht::BencodeWriter out{std::string{kWorkDomain}};
  out.begin_dict();
  out.integer("amount", order.amount.units());
  out.integer("created", to_unix_ms(order.created));
  out.string("id", order.id);
  out.string("maker", order.maker->view());
  if (order.least_take.units() != 0) out.integer("minimum", order.least_take.units());
  out.integer("price", order.price.units());
  out.string("side", to_text(order.side));
  out.end();
  return sha256(out.view());
}

int work_bits(Sha256 const& challenge, std::int64_t work) {
  auto text = with_nonce(challenge);
  write_nonce(text, work);
  return leading_zeros(sha256(text));
}

int work_bits(OrderRecord const& order) {
  if (!order.maker || order.work == 0) return 0;
  auto const life = order.expires - order.created;
  auto const lives = static_cast<std::uint64_t>(
      std::max<std::int64_t>(0, (life.count() - 1) / std::chrono::milliseconds{kOrderLifeMax}.count()));
  return std::max(0, work_bits(work_challenge(order), order.work) - static_cast<int>(std::bit_width(lives)));
}

std::optional<std::int64_t> find_work(Sha256 const& challenge, int bits, std::int64_t first,
                                      std::int64_t count) {
  auto text = with_nonce(challenge);
  for (auto work = first; work < first + count && work <= kWorkMax; ++work) {
    write_nonce(text, work);
    if (leading_zeros(sha256(text)) >= bits) return work;
  }
  return std::nullopt;
}

}  // namespace grenache::exchange
