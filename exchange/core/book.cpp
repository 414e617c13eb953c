#include "exchange/core/book.hpp"

#include <algorithm>
#include <limits>
#include <set>
#include <tuple>
#include <utility>

#include "exchange/messages/order_work.hpp"
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
    case BookErrc::too_small:
      return "orders of so small an amount are not accepted here";
    case BookErrc::maker_convicted:
      return "the maker has signed contradictory terms of an order";
  }
  return "unknown error";
}

Result<void> Book::check_room(OrderRecord const& order) const {
  if (order.maker && open_.is_exempt(order.maker)) return {};
  bool const is_open = order.status == OrderStatus::open;
  if (is_open && order.amount < options_.amount_min) return BookErrc::too_small;
  auto const key = key_of(order);
  Quota::Place const place{work_of(order), order.created, &key};
  for (auto const* const quota : {&open_, &cheap_, &all_}) {
    if (quota == &open_ && !is_open) continue;
    if (quota == &cheap_ && !is_cheap(order, place.work.bits)) continue;
    auto const verdict = quota->judge(place);
    if (verdict == Quota::Verdict::maker_full) return BookErrc::maker_full;
    if (verdict == Quota::Verdict::full) return BookErrc::book_full;
  }
  return {};
}

MatchingEngine::Maker Book::number_of(std::optional<PeerId> const& maker) {
  auto const [entry, is_new] = numbers_.try_emplace(maker);
  if (is_new) {
    if (free_makers_.empty()) {
      free_makers_.push_back(static_cast<MatchingEngine::Maker>(makers_.size()));
      makers_.emplace_back();
    }
    entry->second = free_makers_.back();
    free_makers_.pop_back();
    makers_[entry->second] = &entry->first;
  }
  return entry->second;
}

void Book::count(OrderKey const& key, Entry const& entry) {
  Quota::Place const place{entry.work, entry.order.created, &key};
  all_.add(place);
  if (entry.is_cheap) cheap_.add(place);
  if (entry.order.status == OrderStatus::open) open_.add(place);
}

void Book::uncount(OrderKey const& key, Entry const& entry) {
  Quota::Place const place{entry.work, entry.order.created, &key};
  all_.remove(place);
  if (entry.is_cheap) cheap_.remove(place);
  if (entry.order.status == OrderStatus::open) open_.remove(place);
}

bool Book::is_cheap(OrderRecord const& order, int bits) const {
  return order.maker && bits < options_.work_bits_wanted && !is_known_(*order.maker);
}

bool Book::is_cheap(OrderKey const& key) const {
  auto const found = orders_.find(key);
  return found != orders_.end() && found->second.is_cheap;
}

std::vector<OrderRecord> Book::welcome(PeerId const& maker) {
  std::vector<OrderRecord> out;
  while (auto const* const row = cheap_.row_of(maker)) {
    auto const place = *row->begin();
    auto& entry = orders_.at(*place.key);
    cheap_.remove(place);
    entry.is_cheap = false;
    out.push_back(entry.order);
  }
  return out;
}

/// Removes what exceeds the limits after an order of `added`.
void Book::evict(std::optional<PeerId> const& added) {
  for (auto* const quota : {&open_, &cheap_, &all_}) {
    while (auto const* const key = quota->excess(added)) {
      evicted_.push_back(*key);
      remove(orders_.find(*key));
    }
  }
}

/// Adds an open order to the engine, unless it is hidden.
void Book::rank(Entry& entry) {
  auto const& order = entry.order;
  if (order.status != OrderStatus::open || is_hidden(order)) return;
  entry.handle = engine_.add({.side = order.side,
                              .price = order.price.units(),
                              .created = to_unix_ms(order.created),
                              .id = id_key(order.id),
                              .maker = number_of(order.maker),
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

void Book::exempt(PeerId const& maker) {
  open_.exempt(maker);
  all_.exempt(maker);
  cheap_.exempt(maker);
}

void Book::put_own(OrderRecord order) {
  exempt(*order.maker);
  store(std::move(order));
}

Added Book::store(OrderRecord order) {
  ++version_;
  auto const maker = order.maker;
  auto const [found, is_new] = orders_.try_emplace(key_of(order));
  auto& entry = found->second;
  bool const is_ranked = !is_new && rerank(entry, order);
  if (!is_ranked) unrank(entry);
  if (!is_new) {
    uncount(found->first, entry);
    expiries_.erase(entry.expiry);
  }
  entry.expiry = expiries_.emplace(order.expires, &found->first);
  entry.order = std::move(order);
  entry.work = work_of(entry.order);
  // An order that was known stays what it was.
  if (is_new) entry.is_cheap = is_cheap(entry.order, entry.work.bits);
  count(found->first, entry);
  if (!is_ranked) rank(entry);
  if (is_new) evict(maker);
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
  auto const maker = entry->first.maker;
  unrank(entry->second);
  uncount(entry->first, entry->second);
  expiries_.erase(entry->second.expiry);
  orders_.erase(entry);
  if (all_.count_of(maker) > 0) return;
  auto const number = numbers_.find(maker);
  if (number == numbers_.end()) return;  // none of its orders was ever ranked
  free_makers_.push_back(number->second);
  numbers_.erase(number);
}

bool Book::is_hidden(OrderRecord const& order) const { return order.maker && hidden_.contains(*order.maker); }

void Book::hide(PeerId const& maker, bool is_hidden) {
  bool const has_changed = is_hidden ? hidden_.insert(maker).second : hidden_.erase(maker) > 0;
  auto const* const row = open_.row_of(maker);
  if (!has_changed || !row) return;
  ++version_;
  for (auto const& place : *row) {
    auto& entry = orders_.at(*place.key);
    if (is_hidden) {
      unrank(entry);
    } else {
      rank(entry);
    }
  }
}

std::vector<OrderKey> Book::remove_of(PeerId const& maker) {
  std::vector<OrderKey> out;
  if (auto const* const row = all_.row_of(maker)) {
    for (auto const& place : *row) out.push_back(*place.key);
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

std::size_t Book::hidden_match_count(OrderRecord const& order, WallTime now) const {
  std::size_t count = 0;
  for (auto const& maker : hidden_) {
    auto const* const row = open_.row_of(maker);
    if (!row) continue;
    for (auto const& place : *row) {
      if (may_trade(order, *find(*place.key), now)) ++count;
    }
  }
  return count;
}

std::vector<OrderRecord> Book::live(WallTime now) const {
  std::vector<OrderRecord> out;
  for_each_live(now, [&](OrderRecord const& order) { out.push_back(order); });
  return out;
}

void Book::for_each_live(WallTime now, std::function<void(OrderRecord const&)> const& body) const {
  for (auto const& [key, entry] : orders_) {
    if (entry.order.is_live(now) && !is_hidden(entry.order)) body(entry.order);
  }
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
  engine_.check();
  open_.check(), cheap_.check(), all_.check();
  std::size_t open = 0;
  std::size_t ranked = 0;
  std::set<std::optional<PeerId>> makers;
  for (auto const& [key, entry] : orders_) {
    auto const& order = entry.order;
    GRN_CHECK(key == key_of(order) && entry.work.bits == work_of(order).bits);
    GRN_CHECK(entry.expiry->first == order.expires && entry.expiry->second == &key);
    Quota::Place const place{entry.work, order.created, &key};
    GRN_CHECK(all_.row_of(order.maker)->contains(place));
    makers.insert(order.maker);
    auto const* const cheap = cheap_.row_of(order.maker);
    GRN_CHECK((cheap && cheap->contains(place)) == entry.is_cheap);
    bool const is_ranked = order.status == OrderStatus::open && !is_hidden(order);
    GRN_CHECK(is_ranked == (entry.handle != MatchingEngine::kNone));
    if (order.status != OrderStatus::open) continue;
    GRN_CHECK(open_.row_of(order.maker)->contains(place));
    ++open;
    if (!is_ranked) continue;
    ++ranked;
    GRN_CHECK(&at(entry.handle) == &order);
    GRN_CHECK((engine_.order(entry.handle) == MatchingEngine::Order{.side = order.side,
                                                                    .price = order.price.units(),
                                                                    .created = to_unix_ms(order.created),
                                                                    .id = id_key(order.id),
                                                                    .maker = numbers_.at(order.maker),
                                                                    .amount = order.remaining.units(),
                                                                    .expires = to_unix_ms(order.expires)}));
  }
  GRN_CHECK(open == open_.size() && ranked == engine_.size() && expiries_.size() == orders_.size());
  GRN_CHECK(all_.size() == orders_.size() && makers_.size() == numbers_.size() + free_makers_.size());
  for (auto const& [maker, number] : numbers_) {
    GRN_CHECK(makers.contains(maker) && *makers_[number] == maker);
  }
}

}  // namespace grenache::exchange
