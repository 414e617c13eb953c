#include "exchange/core/book.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

#include <grenache/base/check.hpp>

namespace grenache::exchange {
namespace {

// The order of versions does not depend on the order in which they came, so that all replicas keep the same
// one. Versions that differ in their terms, or have one seq, come only from a faulty maker.
bool is_newer(OrderRecord const& order, OrderRecord const& known) {
  if (!order.is_signed()) return false;
  auto const rank = [](OrderRecord const& version) {
    return std::tuple{version.status != OrderStatus::open,
                      version.side,
                      version.price,
                      version.amount,
                      version.created,
                      version.least_take,
                      version.seq};
  };
  auto const ours = rank(order);
  auto const theirs = rank(known);
  return ours != theirs ? ours > theirs : order_digest(order) > order_digest(known);
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
    case BookErrc::lives_too_long:
      return "the order expires too late";
    case BookErrc::book_full:
      return "the order book is full";
    case BookErrc::maker_full:
      return "the maker has too many orders";
  }
  return "unknown error";
}

Result<void> Book::check_room(OrderRecord const& order) const {
  // Refuse rather than evict, since eviction would let a flood of new orders evict live ones.
  auto const found = counts_.find(order.maker);
  auto const of_maker = found == counts_.end() ? Count{} : found->second;
  // A closed version is always accepted, so each open order keeps a place among the closed ones.
  if (total_.open + total_.closed >= options_.closed_count_max) return BookErrc::book_full;
  if (of_maker.open + of_maker.closed >= options_.maker_closed_count_max) return BookErrc::maker_full;
  if (order.status != OrderStatus::open) return {};
  auto const count_max = order.maker ? options_.maker_order_count_max : options_.unsigned_count_max;
  if (total_.open >= options_.order_count_max) return BookErrc::book_full;
  if (of_maker.open >= count_max) return BookErrc::maker_full;
  return {};
}

void Book::count(OrderRecord const& order, int change) {
  auto const add = [&](Count& counts) {
    auto& counter = order.status == OrderStatus::open ? counts.open : counts.closed;
    counter += static_cast<std::size_t>(change);
  };
  add(total_);
  auto const entry = counts_.try_emplace(order.maker).first;
  add(entry->second);
  if (entry->second == Count{}) counts_.erase(entry);
}

Result<Added> Book::check_new(OrderRecord const& order, WallTime now) const {
  if (!order.is_signed() && !options_.accept_unsigned) return BookErrc::unsigned_refused;
  if (order.expires <= now) return BookErrc::expired;
  if (order.created > now + options_.clock_skew_max) return BookErrc::from_the_future;
  if (order.expires > now + kOrderLifeMax + options_.clock_skew_max) return BookErrc::lives_too_long;

  auto const found = orders_.find(key_of(order));
  if (found != orders_.end()) {
    return order == found->second || !is_newer(order, found->second) ? Added::nothing : Added::version;
  }
  if (auto const room = check_room(order); !room) return room.error();
  return Added::order;
}

Result<Added> Book::add_verified(OrderRecord order, WallTime now) {
  auto const checked = check_new(order, now);
  if (!checked || *checked == Added::nothing) return checked;
  return store(std::move(order));
}

Result<Added> Book::add(OrderRecord order, WallTime now) {
  auto const checked = check_new(order, now);
  if (!checked || *checked == Added::nothing) return checked;
  if (order.is_signed() && !verify_order(order)) return BookErrc::bad_signature;
  return store(std::move(order));
}

void Book::put_own(OrderRecord order) {
  has_own_ = true;
  store(std::move(order));
}

Added Book::store(OrderRecord order) {
  ++version_;
  auto const key = key_of(order);
  auto found = orders_.find(key);
  auto const added = found == orders_.end() ? Added::order : Added::version;
  if (added == Added::version) {
    side(found->second.side).erase(rank_of(found->second));
    count(found->second, -1);
    found->second = std::move(order);
  } else {
    found = orders_.emplace(key, std::move(order)).first;
  }
  auto const& stored = found->second;
  count(stored, 1);
  if (stored.status == OrderStatus::open) side(stored.side).emplace(rank_of(stored), &stored);
  next_expiry_ = std::min(next_expiry_, stored.expires);
  return added;
}

void Book::expire(WallTime now) {
  if (now < next_expiry_) return;
  ++version_;
  next_expiry_ = WallTime::max();
  for (auto it = orders_.begin(); it != orders_.end();) {
    auto const& order = it->second;
    if (order.expires > now) {
      next_expiry_ = std::min(next_expiry_, order.expires);
      ++it;
      continue;
    }
    side(order.side).erase(rank_of(order));
    count(order, -1);
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

std::vector<Match> Book::signed_matches(OrderRecord const& order, Satoshi least, std::size_t count_max,
                                        WallTime now) const {
  std::vector<Match> out;
  for (auto const& [rank, other] : side(opposite(order.side))) {
    if (out.size() >= count_max || !prices_cross(order, *other)) break;
    auto const amount = std::min(order.remaining, other->remaining);
    if (other->is_signed() && amount >= least && may_trade(order, *other, now))
      out.push_back({*other, amount});
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

std::vector<OrderRecord> Book::live_and_closed(std::size_t count_max, std::string const& first,
                                               WallTime now) const {
  auto out = live(now);
  auto const size_max = out.size() + count_max;
  auto const middle = orders_.lower_bound(OrderKey{first, std::nullopt});
  auto const add = [&](auto begin, auto end) {
    for (auto it = begin; it != end && out.size() < size_max; ++it) {
      auto const& order = it->second;
      bool const is_closed = order.is_signed() && order.status != OrderStatus::open && order.expires > now;
      if (is_closed) out.push_back(order);
    }
  };
  add(middle, orders_.end());
  add(orders_.begin(), middle);
  return out;
}

std::vector<OrderRecord const*> Book::with_prefix(std::string_view prefix, std::size_t count_max) const {
  std::vector<OrderRecord const*> out;
  for (auto it = orders_.lower_bound(OrderKey{std::string{prefix}, std::nullopt});
       it != orders_.end() && it->first.id.starts_with(prefix) && out.size() < count_max; ++it) {
    out.push_back(&it->second);
  }
  return out;
}

std::vector<Book::Level> Book::levels(Side wanted, std::size_t count_max, WallTime now) const {
  std::vector<Level> out;
  for (auto const& [rank, order] : side(wanted)) {
    if (!order->is_live(now)) continue;
    if (out.empty() || out.back().price != order->price) {
      if (out.size() >= count_max) break;
      out.push_back({order->price, {}, 0});
    }
    out.back().amount = out.back().amount + order->remaining;
    ++out.back().order_count;
  }
  return out;
}

void Book::check() const {
  GRN_CHECK(has_own_ || (total_.open <= options_.order_count_max &&
                         total_.open + total_.closed <= options_.closed_count_max));
  std::size_t open = 0;
  std::map<std::optional<PeerId>, Count> counts;
  for (auto const& [key, order] : orders_) {
    GRN_CHECK(key == key_of(order));
    GRN_CHECK(next_expiry_ <= order.expires);
    auto& of_maker = counts[order.maker];
    ++(order.status == OrderStatus::open ? of_maker.open : of_maker.closed);
    if (order.status != OrderStatus::open) continue;
    ++open;
    auto const queued = side(order.side).find(rank_of(order));
    GRN_CHECK(queued != side(order.side).end() && queued->second == &order);
  }
  GRN_CHECK(open == bids_.size() + asks_.size());
  GRN_CHECK(counts == counts_);
  for (auto const& [maker, count] : has_own_ ? decltype(counts){} : counts) {
    GRN_CHECK(count.open <= (maker ? options_.maker_order_count_max : options_.unsigned_count_max));
    GRN_CHECK(count.open + count.closed <= options_.maker_closed_count_max);
  }
}

}  // namespace grenache::exchange
