#include "exchange/core/book.hpp"

#include <algorithm>
#include <utility>

#include <grenache/base/check.hpp>

namespace grenache::exchange {
namespace {

// Two versions with one seq come only from a faulty maker; the higher digest wins so that all replicas keep
// the same one.
bool is_newer(OrderRecord const& order, OrderRecord const& known) {
  if (order.seq != known.seq) return order.seq > known.seq;
  return order.is_signed() && order_digest(order) > order_digest(known);
}

}  // namespace

std::string_view describe(BookErrc code) {
  switch (code) {
    case BookErrc::bad_signature:
      return "the maker did not sign this order";
    case BookErrc::unsigned_refused:
      return "orders without a signature are not accepted here";
    case BookErrc::expired:
      return "the order has expired";
    case BookErrc::from_the_future:
      return "the order was created in the future";
    case BookErrc::book_full:
      return "the order book is full";
    case BookErrc::maker_full:
      return "the maker has too many orders";
  }
  return "unknown error";
}

Result<void> Book::check_room(OrderRecord const& order) const {
  // Refuse rather than evict, since eviction would let a flood of new orders evict live ones.
  if (orders_.size() >= options_.order_count_max) return BookErrc::book_full;
  auto const found = counts_.find(order.maker);
  auto const count = found == counts_.end() ? 0 : found->second;
  auto const count_max = order.maker ? options_.maker_order_count_max : options_.unsigned_count_max;
  if (count >= count_max) return BookErrc::maker_full;
  return {};
}

Result<Added> Book::add(OrderRecord order, WallTime now) {
  if (!order.is_signed() && !options_.accept_unsigned) return BookErrc::unsigned_refused;
  if (order.expires <= now) return BookErrc::expired;
  if (order.created > now + options_.clock_skew_max) return BookErrc::from_the_future;

  auto const key = key_of(order);
  auto found = orders_.find(key);
  if (found != orders_.end()) {
    if (!is_newer(order, found->second)) return Added::nothing;
  } else if (auto const room = check_room(order); !room) {
    return room.error();
  }
  if (order.is_signed() && !verify_order(order)) return BookErrc::bad_signature;

  auto const added = found == orders_.end() ? Added::order : Added::version;
  if (added == Added::version) {
    side(found->second.side).erase(rank_of(found->second));
    found->second = std::move(order);
  } else {
    ++counts_[order.maker];
    found = orders_.emplace(key, std::move(order)).first;
  }
  auto const& stored = found->second;
  if (stored.status == OrderStatus::open) side(stored.side).emplace(rank_of(stored), &stored);
  next_expiry_ = std::min(next_expiry_, stored.expires);
  return added;
}

void Book::expire(WallTime now) {
  if (now < next_expiry_) return;
  next_expiry_ = WallTime::max();
  for (auto it = orders_.begin(); it != orders_.end();) {
    auto const& order = it->second;
    if (order.expires > now) {
      next_expiry_ = std::min(next_expiry_, order.expires);
      ++it;
      continue;
    }
    side(order.side).erase(rank_of(order));
    auto const count = counts_.find(order.maker);
    if (--count->second == 0) counts_.erase(count);
    it = orders_.erase(it);
  }
}

OrderRecord const* Book::find(OrderKey const& key) const {
  auto const found = orders_.find(key);
  return found == orders_.end() ? nullptr : &found->second;
}

OrderRecord const* Book::find(std::string_view id, PeerId const& preferred) const {
  if (auto const* const own = find(OrderKey{std::string{id}, preferred})) return own;
  auto const first = orders_.lower_bound(OrderKey{std::string{id}, std::nullopt});
  return first != orders_.end() && first->first.id == id ? &first->second : nullptr;
}

std::vector<Match> Book::matches(OrderRecord const& order, WallTime now) const {
  std::vector<Match> out;
  for (auto const& [rank, other] : side(opposite(order.side))) {
    if (out.size() >= options_.match_count_max || !prices_cross(order, *other)) break;
    if (!may_trade(order, *other, now)) continue;
    out.push_back({*other, std::min(order.remaining, other->remaining)});
  }
  return out;
}

std::vector<OrderRecord> Book::live(WallTime now) const {
  std::vector<OrderRecord> out;
  for (auto const& [key, order] : orders_) {
    if (order.is_live(now)) out.push_back(order);
  }
  return out;
}

void Book::check() const {
  GRN_CHECK(orders_.size() <= options_.order_count_max);
  std::size_t open = 0;
  std::map<std::optional<PeerId>, std::size_t> counts;
  for (auto const& [key, order] : orders_) {
    GRN_CHECK(key == key_of(order));
    GRN_CHECK(next_expiry_ <= order.expires);
    ++counts[order.maker];
    if (order.status != OrderStatus::open) continue;
    ++open;
    auto const queued = side(order.side).find(rank_of(order));
    GRN_CHECK(queued != side(order.side).end() && queued->second == &order);
  }
  GRN_CHECK(open == bids_.size() + asks_.size());
  GRN_CHECK(counts == counts_);
  for (auto const& [maker, count] : counts) {
    GRN_CHECK(count <= (maker ? options_.maker_order_count_max : options_.unsigned_count_max));
  }
}

}  // namespace grenache::exchange
