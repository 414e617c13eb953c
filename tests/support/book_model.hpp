// A naive model of the order book, to compare the book with.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "exchange/core/book.hpp"
#include "exchange/messages/order_work.hpp"

namespace grenache::exchange {

/// The counterparts of `order` among `others`, best first, at most `count_max`: what Book::matches() returns
/// for a book with these orders.
inline std::vector<OrderRecord> naive_matches(OrderRecord const& order, std::vector<OrderRecord> others,
                                              std::size_t count_max, WallTime now) {
  if (!order.is_live(now)) return {};
  std::erase_if(others, [&](auto const& other) {
    auto const& bid = order.side == Side::buy ? order : other;
    auto const& ask = order.side == Side::buy ? other : order;
    if (!other.is_live(now) || other.side == order.side || bid.price < ask.price) return true;
    if (order.maker && other.maker) return order.maker == other.maker;
    return order.remaining != other.remaining;
  });
  auto const sign = order.side == Side::buy ? 1 : -1;
  std::ranges::sort(others, {}, [&](auto const& other) {
    return std::tuple{sign * other.price.units(), other.created, other.id, other.maker};
  });
  if (others.size() > count_max) others.resize(count_max);
  return others;
}

/// A map of the newest version of every order, scanned for every query.
class BookModel {
 public:
  explicit BookModel(Book::Options options) : options_{options} {}

  /// As Book::add(); `is_genuine` replaces the check of the signature.
  Result<Added> add(OrderRecord const& order, bool is_genuine, WallTime now) {
    if (order.expires <= now) return BookErrc::expired;
    if (order.created > now + options_.clock_skew_max) return BookErrc::from_the_future;
    if (order.expires > now + kOrderLifeMax + options_.clock_skew_max) return BookErrc::lives_too_long;
    auto const known = orders_.find(key_of(order));
    if (known != orders_.end()) {
      if (!is_newer(order, known->second)) return Added::nothing;
    } else {
      for (bool const only_open : {true, false}) {
        if (only_open && order.status != OrderStatus::open) continue;
        auto all = orders_;
        all.emplace(key_of(order), order);
        auto const gone = least(all, only_open, order.maker);
        // A new unsigned order replaces no other one.
        bool const is_replacing = gone && !order.maker && !gone->maker;
        if (!gone || (*gone != key_of(order) && !is_replacing)) continue;
        bool const is_maker_full = count(all, only_open, &order.maker) > maker_max(only_open, order.maker);
        return is_maker_full ? BookErrc::maker_full : BookErrc::book_full;
      }
    }
    if (!is_genuine) return BookErrc::bad_signature;
    bool const is_new = orders_.insert_or_assign(key_of(order), order).second;
    if (!is_new) return Added::version;
    for (bool const only_open : {true, false}) {
      while (auto const gone = least(orders_, only_open, order.maker)) orders_.erase(*gone);
    }
    return Added::order;
  }

  void expire(WallTime now) {
    std::erase_if(orders_, [&](auto const& entry) { return entry.second.expires <= now; });
  }

  [[nodiscard]] std::vector<OrderRecord> live(WallTime now) const {
    std::vector<OrderRecord> out;
    for (auto const& [key, order] : orders_) {
      if (order.is_live(now)) out.push_back(order);
    }
    return out;
  }

  [[nodiscard]] std::vector<OrderRecord> matches(OrderRecord const& order, WallTime now) const {
    return naive_matches(order, live(now), options_.match_count_max, now);
  }

  [[nodiscard]] std::size_t size() const { return orders_.size(); }

  /// True when `book` answers every query like the model; matches() is queried for `probe`.
  [[nodiscard]] bool agrees_with(Book const& book, OrderRecord const& probe, WallTime now) const {
    std::vector<OrderRecord> found;
    for (auto const& match : book.matches(probe, now)) {
      if (match.amount != std::min(probe.remaining, match.order.remaining)) return false;
      found.push_back(match.order);
    }
    return book.size() == size() && book.live(now) == live(now) && found == matches(probe, now);
  }

 private:
  using Orders = std::map<OrderKey, OrderRecord>;

  static std::size_t count(Orders const& orders, bool only_open, std::optional<PeerId> const* maker) {
    return static_cast<std::size_t>(std::ranges::count_if(orders, [&](auto const& entry) {
      bool const is_counted = !only_open || entry.second.status == OrderStatus::open;
      return is_counted && (!maker || entry.first.maker == *maker);
    }));
  }
  [[nodiscard]] std::size_t maker_max(bool only_open, std::optional<PeerId> const& maker) const {
    if (!only_open) return options_.maker_closed_count_max;
    return maker ? options_.maker_order_count_max : options_.unsigned_count_max;
  }
  /// The orders of a maker, those that stay longest first.
  static std::vector<OrderRecord> row_of(Orders const& orders, bool only_open,
                                         std::optional<PeerId> const& maker) {
    std::vector<OrderRecord> out;
    for (auto const& [key, order] : orders) {
      bool const is_counted = !only_open || order.status == OrderStatus::open;
      if (is_counted && key.maker == maker) out.push_back(order);
    }
    std::ranges::sort(out, {}, [](auto const& order) {
      return std::tuple{-work_of(order).bits, order.created, order.id};
    });
    return out;
  }
  /// The order that has to go when one of `added` has come; nothing if there is room.
  [[nodiscard]] std::optional<OrderKey> least(Orders const& orders, bool only_open,
                                              std::optional<PeerId> const& added) const {
    auto const row = row_of(orders, only_open, added);
    if (row.size() > maker_max(only_open, added)) return key_of(row.back());
    auto const count_max = only_open ? options_.order_count_max : options_.closed_count_max;
    if (count(orders, only_open, nullptr) <= count_max) return std::nullopt;
    std::optional<OrderRecord> out;
    std::size_t out_size = 0;
    for (auto const& [key, order] : orders) {
      auto const others = row_of(orders, only_open, key.maker);
      if (others.empty() || key_of(others.back()) != key) continue;
      auto const weight = [](OrderRecord const& last, std::size_t size) {
        return static_cast<long double>(std::uint64_t{1} << work_of(last).bits) /
               static_cast<long double>(size);
      };
      auto const rest = [](OrderRecord const& last) {
        return std::tuple{work_of(last).rest, last.id, last.maker};
      };
      bool const is_less =
          !out || weight(order, others.size()) < weight(*out, out_size) ||
          (weight(order, others.size()) == weight(*out, out_size) && rest(order) > rest(*out));
      if (!is_less) continue;
      out = order;
      out_size = others.size();
    }
    return key_of(*out);
  }
  static bool is_newer(OrderRecord const& order, OrderRecord const& known) {
    if (!order.maker) return false;
    bool const is_open = order.status == OrderStatus::open;
    bool const was_open = known.status == OrderStatus::open;
    if (is_open != was_open) return was_open;
    if (order.side != known.side) return order.side > known.side;
    if (order.price != known.price) return order.price > known.price;
    if (order.amount != known.amount) return order.amount > known.amount;
    if (order.created != known.created) return order.created > known.created;
    if (order.least_take != known.least_take) return order.least_take > known.least_take;
    if (order.seq != known.seq) return order.seq > known.seq;
    return order_digest(order) > order_digest(known);
  }

  Book::Options options_;
  Orders orders_;
};

}  // namespace grenache::exchange
