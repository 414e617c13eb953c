#include "exchange/core/book.hpp"

#include <algorithm>
#include <limits>
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
    case BookErrc::busy:
      return "too many orders are being verified; try again";
    case BookErrc::maker_convicted:
      return "the maker has signed contradictory terms of an order";
  }
  return "unknown error";
}

Result<void> Book::check_room(OrderRecord const& order) const {
  // Refuse rather than evict, since eviction would let a flood of new orders evict live ones.
  auto const found = counts_.find(order.maker);
  auto const of_maker = found == counts_.end() ? OfMaker{} : found->second;
  // A closed version is always accepted, so each open order keeps a place among the closed ones.
  if (orders_.size() >= options_.closed_count_max) return BookErrc::book_full;
  if (of_maker.open + of_maker.closed >= options_.maker_closed_count_max) return BookErrc::maker_full;
  if (order.status != OrderStatus::open) return {};
  auto const count_max = order.maker ? options_.maker_order_count_max : options_.unsigned_count_max;
  if (open_count_ >= options_.order_count_max) return BookErrc::book_full;
  if (of_maker.open >= count_max) return BookErrc::maker_full;
  return {};
}

Book::OfMaker& Book::of_maker(std::optional<PeerId> const& maker) {
  auto const [entry, is_new] = counts_.try_emplace(maker);
  if (is_new) {
    if (free_makers_.empty()) {
      free_makers_.push_back(static_cast<MatchingEngine::Maker>(makers_.size()));
      makers_.emplace_back();
    }
    entry->second.number = free_makers_.back();
    free_makers_.pop_back();
    makers_[entry->second.number] = &entry->first;
  }
  return entry->second;
}

void Book::count(OrderRecord const& order, int change) {
  auto& counts = of_maker(order.maker);
  bool const is_open = order.status == OrderStatus::open;
  (is_open ? counts.open : counts.closed) += static_cast<std::size_t>(change);
  if (is_open) open_count_ += static_cast<std::size_t>(change);
  if (counts.open + counts.closed > 0) return;
  free_makers_.push_back(counts.number);
  counts_.erase(order.maker);
}

/// Adds an open order to the engine.
void Book::rank(Entry& entry) {
  auto const& order = entry.order;
  if (order.status != OrderStatus::open) return;
  entry.handle = engine_.add({.side = order.side,
                              .price = order.price.units(),
                              .created = to_unix_ms(order.created),
                              .id = id_key(order.id),
                              .maker = of_maker(order.maker).number,
                              .amount = order.remaining.units(),
                              .expires = to_unix_ms(order.expires)});
  if (entry.handle >= by_handle_.size()) by_handle_.resize(entry.handle + std::size_t{1});
  by_handle_[entry.handle] = &order;
}

void Book::unrank(Entry& entry) {
  if (entry.handle != MatchingEngine::kNone) engine_.remove(entry.handle);
  entry.handle = MatchingEngine::kNone;
}

/// Changes the order in the engine to a version with the same rank and no greater amount; false if it is not
/// one.
bool Book::rerank(Entry& entry, OrderRecord const& version) {
  auto const& order = entry.order;
  bool const keeps_rank = entry.handle != MatchingEngine::kNone && version.status == OrderStatus::open &&
                          version.side == order.side && version.price == order.price &&
                          version.created == order.created && version.remaining <= order.remaining;
  if (!keeps_rank) return false;
  engine_.reduce(entry.handle, version.remaining.units());
  engine_.set_expires(entry.handle, to_unix_ms(version.expires));
  return true;
}

Result<Added> Book::check_new(OrderRecord const& order, WallTime now) const {
  if (!order.is_signed() && !options_.accept_unsigned) return BookErrc::unsigned_refused;
  if (order.expires <= now) return BookErrc::expired;
  if (order.created > now + options_.clock_skew_max) return BookErrc::from_the_future;
  if (order.expires > now + kOrderLifeMax + options_.clock_skew_max) return BookErrc::lives_too_long;

  auto const found = orders_.find(key_of(order));
  if (found != orders_.end()) {
    auto const& known = found->second.order;
    return order == known || !is_newer(order, known) ? Added::nothing : Added::version;
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
  count(order, 1);  // before the old version is not counted any more, so that the maker keeps its number
  auto const [found, is_new] = orders_.try_emplace(key_of(order));
  auto& entry = found->second;
  bool const is_ranked = !is_new && rerank(entry, order);
  if (!is_ranked) unrank(entry);
  if (!is_new) {
    count(entry.order, -1);
    expiries_.erase(entry.expiry);
  }
  entry.expiry = expiries_.emplace(order.expires, &found->first);
  entry.order = std::move(order);
  if (!is_ranked) rank(entry);
  return is_new ? Added::order : Added::version;
}

void Book::expire(WallTime now) {
  if (now < next_expiry()) return;
  ++version_;
  while (!expiries_.empty() && expiries_.begin()->first <= now) {
    remove(orders_.find(*expiries_.begin()->second));
  }
}

void Book::remove(std::map<OrderKey, Entry>::iterator entry) {
  unrank(entry->second);
  count(entry->second.order, -1);
  expiries_.erase(entry->second.expiry);
  orders_.erase(entry);
}

std::vector<OrderKey> Book::remove_of(PeerId const& maker) {
  std::vector<OrderKey> out;
  if (!counts_.contains(maker)) return out;
  for (auto const& [key, entry] : orders_) {
    if (key.maker == maker) out.push_back(key);
  }
  ++version_;
  for (auto const& key : out) remove(orders_.find(key));
  return out;
}

OrderRecord const* Book::find(OrderKey const& key) const {
  auto const found = orders_.find(key);
  return found == orders_.end() ? nullptr : &found->second.order;
}

OrderRecord const* Book::find(std::string_view id, PeerId const& preferred) const {
  if (auto const* const own = find(OrderKey{std::string{id}, preferred})) return own;
  auto const first = orders_.lower_bound(OrderKey{std::string{id}, std::nullopt});
  return first != orders_.end() && first->first.id == id ? &first->second.order : nullptr;
}

std::vector<Match> Book::matches(OrderRecord const& order, WallTime now) const {
  std::vector<Match> out;
  engine_.for_each(opposite(order.side), [&](auto handle) {
    auto const& other = at(handle);
    if (out.size() >= options_.match_count_max || !prices_cross(order, other)) return false;
    if (may_trade(order, other, now)) out.push_back({other, std::min(order.remaining, other.remaining)});
    return true;
  });
  return out;
}

std::vector<Match> Book::signed_matches(OrderRecord const& order, Satoshi least, std::size_t count_max,
                                        WallTime now) const {
  std::vector<Match> out;
  engine_.for_each(opposite(order.side), [&](auto handle) {
    auto const& other = at(handle);
    if (out.size() >= count_max || !prices_cross(order, other)) return false;
    auto const amount = std::min(order.remaining, other.remaining);
    bool const is_wanted = other.is_signed() && amount >= least && may_trade(order, other, now);
    if (is_wanted) out.push_back({other, amount});
    return true;
  });
  return out;
}

OrderRecord const* Book::first_match(OrderRecord const& order, std::size_t count_max,
                                     std::function<bool(OrderRecord const&)> const& condition,
                                     WallTime now) const {
  OrderRecord const* out = nullptr;
  std::size_t count = 0;
  engine_.for_each(opposite(order.side), [&](auto handle) {
    auto const& other = at(handle);
    if (++count > count_max || !prices_cross(order, other)) return false;
    if (other.is_signed() && may_trade(order, other, now) && condition(other)) out = &other;
    return out == nullptr;
  });
  return out;
}

std::vector<OrderRecord> Book::live(WallTime now) const {
  std::vector<OrderRecord> out;
  for (auto const& [key, entry] : orders_) {
    if (entry.order.is_live(now)) out.push_back(entry.order);
  }
  return out;
}

std::optional<OrderKey> Book::visit(OrderKey const& first, std::size_t count_max,
                                    std::function<void(OrderRecord const&)> const& body) const {
  auto it = orders_.lower_bound(first);
  for (std::size_t i = 0; i < count_max && it != orders_.end(); ++i, ++it) body(it->second.order);
  return it == orders_.end() ? std::nullopt : std::optional{it->first};
}

std::vector<OrderRecord const*> Book::with_prefix(std::string_view prefix, std::size_t count_max) const {
  std::vector<OrderRecord const*> out;
  for (auto it = orders_.lower_bound(OrderKey{std::string{prefix}, std::nullopt});
       it != orders_.end() && it->first.id.starts_with(prefix) && out.size() < count_max; ++it) {
    out.push_back(&it->second.order);
  }
  return out;
}

std::vector<Book::Level> Book::levels(Side side, std::size_t count_max, WallTime now) const {
  std::vector<Level> out;
  if (now < next_expiry()) {
    for (auto const& level : engine_.depth(side, count_max)) {
      out.push_back({PriceCents{level.price}, Satoshi{level.amount}, level.order_count});
    }
    return out;
  }
  constexpr auto kAmountMax = std::numeric_limits<std::int64_t>::max();
  engine_.for_each(side, [&](auto handle) {
    auto const& order = at(handle);
    if (!order.is_live(now)) return true;
    if (out.empty() || out.back().price != order.price) {
      if (out.size() >= count_max) return false;
      out.push_back({order.price, {}, 0});
    }
    auto& level = out.back();
    bool const is_over = level.amount > Satoshi{kAmountMax} - order.remaining;
    level.amount = is_over ? Satoshi{kAmountMax} : level.amount + order.remaining;
    ++level.order_count;
    return true;
  });
  return out;
}

void Book::check() const {
  GRN_CHECK(has_own_ ||
            (open_count_ <= options_.order_count_max && orders_.size() <= options_.closed_count_max));
  engine_.check();
  std::size_t open = 0;
  std::map<std::optional<PeerId>, OfMaker> counts;
  for (auto const& [key, entry] : orders_) {
    auto const& order = entry.order;
    GRN_CHECK(key == key_of(order));
    GRN_CHECK(entry.expiry->first == order.expires && entry.expiry->second == &key);
    auto& of_maker = counts[order.maker];
    ++(order.status == OrderStatus::open ? of_maker.open : of_maker.closed);
    GRN_CHECK((order.status == OrderStatus::open) == (entry.handle != MatchingEngine::kNone));
    if (order.status != OrderStatus::open) continue;
    ++open;
    GRN_CHECK(&at(entry.handle) == &order);
    GRN_CHECK((engine_.order(entry.handle) == MatchingEngine::Order{.side = order.side,
                                                                    .price = order.price.units(),
                                                                    .created = to_unix_ms(order.created),
                                                                    .id = id_key(order.id),
                                                                    .maker = counts_.at(order.maker).number,
                                                                    .amount = order.remaining.units(),
                                                                    .expires = to_unix_ms(order.expires)}));
  }
  GRN_CHECK(open == open_count_ && open == engine_.size() && expiries_.size() == orders_.size());
  GRN_CHECK(counts.size() == counts_.size() && makers_.size() == counts_.size() + free_makers_.size());
  for (auto const& [maker, of_maker] : counts) {
    auto const& counted = counts_.at(maker);
    GRN_CHECK(counted.open == of_maker.open && counted.closed == of_maker.closed);
    GRN_CHECK(*makers_[counted.number] == maker);
    if (has_own_) continue;
    GRN_CHECK(of_maker.open <= (maker ? options_.maker_order_count_max : options_.unsigned_count_max));
    GRN_CHECK(of_maker.open + of_maker.closed <= options_.maker_closed_count_max);
  }
}

}  // namespace grenache::exchange
