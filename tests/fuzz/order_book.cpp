// The order book beside a plain map that is searched from end to end: both say the same after every step.
#include <algorithm>
#include <map>
#include <tuple>
#include <vector>

#include "exchange/core/book.hpp"
#include "tests/fuzz/orders.hpp"
#include <grenache/base/check.hpp>

namespace grenache::exchange {
namespace {

constexpr std::size_t kStepCountMax = 32;  // each costs a signature and its verification

Book::Options options() {
  Book::Options out;
  out.order_count_max = 7;
  out.maker_order_count_max = 3;
  out.unsigned_count_max = 2;
  out.match_count_max = 3;
  return out;
}

class Model {
 public:
  Result<Added> add(OrderRecord const& order, bool is_genuine, WallTime now) {
    if (order.expires <= now) return BookErrc::expired;
    if (order.created > now + options().clock_skew_max) return BookErrc::from_the_future;
    auto const known = orders_.find(key_of(order));
    if (known != orders_.end()) {
      if (!is_newer(order, known->second)) return Added::nothing;
    } else if (orders_.size() == options().order_count_max) {
      return BookErrc::book_full;
    } else {
      auto const count_max = order.maker ? options().maker_order_count_max : options().unsigned_count_max;
      auto const count =
          std::ranges::count_if(orders_, [&](auto const& entry) { return entry.first.maker == order.maker; });
      if (static_cast<std::size_t>(count) == count_max) return BookErrc::maker_full;
    }
    if (!is_genuine) return BookErrc::bad_signature;
    bool const is_new = orders_.insert_or_assign(key_of(order), order).second;
    return is_new ? Added::order : Added::version;
  }

  void expire(WallTime now) {
    std::erase_if(orders_, [&](auto const& entry) { return entry.second.expires <= now; });
  }

  std::vector<OrderRecord> live(WallTime now) const {
    std::vector<OrderRecord> out;
    for (auto const& [key, order] : orders_) {
      if (order.status == OrderStatus::open && order.expires > now) out.push_back(order);
    }
    return out;
  }

  std::vector<OrderRecord> matches(OrderRecord const& order, WallTime now) const {
    if (order.status != OrderStatus::open || order.expires <= now) return {};
    auto out = live(now);
    std::erase_if(out, [&](auto const& other) {
      auto const& bid = order.side == Side::buy ? order : other;
      auto const& ask = order.side == Side::buy ? other : order;
      if (other.side == order.side || bid.price < ask.price) return true;
      if (order.maker && other.maker) return order.maker == other.maker;
      return order.remaining != other.remaining;
    });
    auto const sign = order.side == Side::buy ? 1 : -1;
    std::ranges::sort(out, {}, [&](auto const& other) {
      return std::tuple{sign * other.price.units(), other.created, other.id, other.maker};
    });
    if (out.size() > options().match_count_max) out.resize(options().match_count_max);
    return out;
  }

  std::size_t size() const { return orders_.size(); }

 private:
  static bool is_newer(OrderRecord const& order, OrderRecord const& known) {
    if (order.seq != known.seq) return order.seq > known.seq;
    return order.maker && order_digest(order) > order_digest(known);
  }

  std::map<OrderKey, OrderRecord> orders_;
};

void compare(Book const& book, Model const& model, OrderRecord const& probe, WallTime now) {
  book.check();
  GRN_CHECK(book.size() == model.size());
  GRN_CHECK(book.live(now) == model.live(now));
  std::vector<OrderRecord> found;
  for (auto const& match : book.matches(probe, now)) {
    GRN_CHECK(match.amount == std::min(probe.remaining, match.order.remaining));
    found.push_back(match.order);
  }
  GRN_CHECK(found == model.matches(probe, now));
}

void run(fuzz::Input input) {
  Book book{options()};
  Model model;
  auto now = fuzzing::kStart;
  for (std::size_t i = 0; i < kStepCountMax && !input.empty(); ++i) {
    auto const step = input.byte();
    if (step % 8 == 0) {
      now += std::chrono::minutes{step / 8};
      book.expire(now), model.expire(now);
    }
    auto order = fuzzing::draft(input, now);
    auto const maker = step / 8 % (fuzzing::kPeerCount + 1);
    bool is_genuine = true;
    if (maker == fuzzing::kPeerCount) {
      order = fuzzing::as_original(order);
    } else {
      sign_order(order, fuzzing::key_of_peer(maker));
      if (step % 8 == 1) order.signature.array()[9] ^= 1;
      is_genuine = step % 8 != 1;
    }
    auto const added = book.add(order, now);
    auto const expected = model.add(order, is_genuine, now);
    GRN_CHECK(added.has_value() == expected.has_value());
    GRN_CHECK(added ? *added == *expected : added.error() == expected.error());
    compare(book, model, order, now);
  }
}

}  // namespace
}  // namespace grenache::exchange

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  grenache::exchange::run(grenache::fuzz::Input{data, size});
  return 0;
}
