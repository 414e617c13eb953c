// The commands of a person.
#include <algorithm>
#include <iterator>
#include <utility>
#include <variant>

#include "exchange/core/match_words.hpp"
#include "exchange/core/trader.hpp"
#include "exchange/messages/order_work.hpp"

namespace grenache::exchange {
namespace {

using result::Failure;
using result::FailureCode;

constexpr std::size_t kSameIdMax = 64;  // orders that are looked at for one id
/// An order that is executed at once leaves out orders of less than this part of its amount, which would cost
/// a take each.
constexpr std::int64_t kDustPart = 1'000;
constexpr std::size_t kImmediateMatchMax = 1'000;

std::optional<Failure> check_guards(command::AcceptOrder const& wanted, OrderRecord const& order,
                                    WallTime now) {
  auto const refused = [](std::string text) { return Failure{FailureCode::refused, std::move(text), {}}; };
  if (order.status != OrderStatus::open) {
    return refused("the order is " + std::string{to_text(order.status)});
  }
  if (order.expires <= now) return refused("the order has expired");
  if (wanted.price && *wanted.price != order.price) {
    return refused("the order's price is " + order.price.to_text() + " USD");
  }
  if (wanted.seq && *wanted.seq != order.seq) {
    return refused("the order has changed: its version is " + std::to_string(order.seq));
  }
  if (!wanted.amount) return std::nullopt;
  if (!order.is_signed() && *wanted.amount != order.remaining) {
    return refused("an order of the original program is taken as a whole: " + order.remaining.to_text() +
                   " BTC");
  }
  if (wanted.amount->units() <= 0 || *wanted.amount > order.remaining) {
    return refused("only " + order.remaining.to_text() + " BTC of the order remain");
  }
  if (*wanted.amount < order.least_take && *wanted.amount < order.remaining) {
    return refused("at least " + order.least_take.to_text() + " BTC of the order must be taken at once");
  }
  return std::nullopt;
}

std::vector<result::Level> levels_of(Book const& book, Side side, std::size_t count_max, WallTime now) {
  std::vector<result::Level> out;
  for (auto const& level : book.levels(side, count_max, now)) {
    out.push_back({level.price, level.amount, level.order_count});
  }
  return out;
}

}  // namespace

/// The only order whose id begins with `id`, which may be followed by "@" and the beginning of the maker's
/// key. A signed order comes before unsigned ones, so that nobody can hide it by a copy of its id.
std::variant<OrderRecord const*, Failure> Trader::find_order(std::string const& id) const {
  auto const at = std::min(id.find('@'), id.size());
  auto const prefix = id.substr(0, at);
  auto const maker = at < id.size() ? id.substr(at + 1) : std::string{};
  if (prefix.size() < kIdPrefixSizeMin || id.size() > kOrderIdSizeMax) {
    return Failure{FailureCode::invalid, "an order is given by its id, or at least its first four characters",
                   "see: orders"};
  }
  auto found = book_.with_prefix(prefix, kSameIdMax);
  std::erase_if(found, [&](OrderRecord const* order) {
    return !maker.empty() && !(order->maker && order->maker->hex().starts_with(maker));
  });
  bool const has_signed = std::ranges::any_of(found, &OrderRecord::is_signed);
  if (has_signed) std::erase_if(found, [](OrderRecord const* order) { return !order->is_signed(); });
  if (found.empty()) return Failure{FailureCode::not_found, "there is no order '" + id + "'", "see: orders"};
  if (found.size() == 1) return found[0];
  bool const has_same_id = found[0]->id == found[1]->id;
  return Failure{FailureCode::ambiguous, "several orders begin with '" + id + "'",
                 has_same_id ? "add @ and the first characters of the maker's key" : "give more of the id"};
}

/// The same among the orders of this peer.
std::variant<OrderRecord const*, Failure> Trader::find_own_order(std::string const& id) const {
  OrderRecord const* found = nullptr;
  auto const& orders = own_orders_.all();
  for (auto it = orders.lower_bound(id); it != orders.end() && it->first.starts_with(id); ++it) {
    if (found) {
      return Failure{FailureCode::ambiguous, "several orders begin with '" + id + "'", "give more of the id"};
    }
    found = &it->second.record;
  }
  if (found && id.size() >= kIdPrefixSizeMin) return found;
  return Failure{FailureCode::not_found, "this is not an order of this peer", "see: orders"};
}

bool Trader::has_orders(Side side, WallTime now) const {
  return std::ranges::any_of(own_orders_.all(), [&](auto const& each) {
    return each.second.record.side == side && each.second.record.is_live(now);
  });
}

bool Trader::needs_unshared_store(WallTime now) const {
  auto const is_grouped = [&](auto const& each) {
    return !each.second.group.empty() && each.second.record.is_live(now);
  };
  return !pegged_orders_.all().empty() || std::ranges::any_of(own_orders_.all(), is_grouped);
}

PeggedOrder const* Trader::find_pegged(std::string const& id) const {
  auto const order = find_own_order(id);
  if (auto const* const record = std::get_if<OrderRecord const*>(&order)) {
    return pegged_orders_.find(own_orders_.find((*record)->id)->peg);
  }
  if (std::get<Failure>(order).code == FailureCode::ambiguous) return nullptr;
  auto const& pegs = pegged_orders_.all();
  auto const first = pegs.lower_bound(id);
  if (id.size() < kIdPrefixSizeMin || first == pegs.end() || !first->first.starts_with(id)) return nullptr;
  auto const next = std::next(first);
  return next == pegs.end() || !next->first.starts_with(id) ? &first->second : nullptr;
}

bool Trader::is_replaced(OwnOrder const& order) const {
  return !order.peg.empty() && order.record.status != OrderStatus::open && order.totals.filled.units() == 0 &&
         sales_.reserved(order.record.id).units() == 0;
}

std::string Trader::describe_match(std::string const& id, Now now) const {
  auto const found = find_order(id);
  auto const* const order = std::get_if<OrderRecord const*>(&found);
  if (!order || !(*order)->is_live(now.wall)) return {};
  if (book_.is_hidden(**order)) {
    return "Order " + (*order)->id + " is hidden: nothing was heard of its maker for 15 minutes.";
  }
  return "Order " + (*order)->id + " is in the book. " +
         match_words(book_, **order, (*order)->maker == self_.id, now.wall);
}

result::OrderView Trader::view(OrderRecord const& order) const {
  auto const* const own = order.maker == self_.id ? own_orders_.find(order.id) : nullptr;
  bool const is_own = order.maker == self_.id;
  auto const* const peg = own ? pegged_orders_.find(own->peg) : nullptr;
  return {order,
          is_own,
          is_own ? sales_.reserved(order.id) : Satoshi{},
          {},
          own ? own->group : "",
          peg ? describe(peg->peg) : ""};
}

/// Its open order, or what stands for it while it is paused.
result::OrderView Trader::view(PeggedOrder const& peg) const {
  auto const* const last = own_orders_.find(peg.order);
  if (last && last->record.status == OrderStatus::open) return view(last->record);
  OrderRecord record;
  if (last) record = last->record;
  record.id = peg.id;
  record.maker = self_.id;
  record.side = peg.side;
  record.amount = peg.amount;
  record.remaining = pegged_orders_.unsold(peg);
  record.status = OrderStatus::cancelled;
  return {record, true, {},
          {},     {},   describe(peg.peg) + (peg.is_working ? ", waits for its proof of work" : ", paused")};
}

void Trader::run(CommandId id, command::AddOrder const& wanted, Turn& turn) {
  if (auto failure = check_terms(wanted)) return turn.answer(id, *std::move(failure));
  if ((!wanted.group.empty() || wanted.peg) && options_.is_store_shared) {
    return turn.answer(id, Failure{FailureCode::refused,
                                   "one-cancels-other groups and pegged orders need reservations in this "
                                   "process: other processes that share its Redis do not know them",
                                   "run the peer without --redis"});
  }
  bool const is_work_full = options_.work_bits > 0 && !is_immediate(wanted.time_in_force) &&
                            works_.size() >= options_.work_count_max;
  if (is_work_full) {
    return turn.answer(
        id, Failure{FailureCode::unavailable, "too many orders wait for their proof of work", "try again"});
  }
  if (wanted.peg) return add_pegged(id, wanted, turn);
  OrderRecord probe;
  probe.maker = self_.id;
  probe.side = wanted.side;
  probe.price = wanted.price;
  probe.amount = probe.remaining = wanted.amount;
  probe.expires = turn.now.wall + std::chrono::hours{1};
  if (is_immediate(wanted.time_in_force)) {
    auto const least = Satoshi{wanted.amount.units() / kDustPart};
    auto matches = book_.signed_matches(probe, least, kImmediateMatchMax, turn.now.wall);
    return run_steps(immediate_orders_.start(id, wanted, std::move(matches), turn), turn);
  }
  if (wanted.post_only && !book_.matches(probe, turn.now.wall).empty()) {
    return turn.answer(id, Failure{FailureCode::refused,
                                   "the order would match one of the book, and is post-only", "see: book"});
  }
  if (options_.work_bits > 0) {
    auto prepared = own_orders_.prepare(wanted, turn);
    if (auto* const failure = std::get_if<Failure>(&prepared)) return turn.answer(id, std::move(*failure));
    return begin_work(id, std::move(std::get<OwnOrder>(prepared)), turn);
  }
  auto placed = own_orders_.add(wanted, turn);
  if (auto* const failure = std::get_if<Failure>(&placed)) return turn.answer(id, std::move(*failure));
  auto const& order = std::get<OrderRecord>(placed);
  changed(order, {}, turn);
  turn.answer(id, result::Placed{view(order)});
}

void Trader::add_pegged(CommandId id, command::AddOrder const& wanted, Turn& turn) {
  auto placed = pegged_orders_.add(wanted, turn);
  if (auto* const failure = std::get_if<Failure>(&placed)) return turn.answer(id, std::move(*failure));
  if (auto* const order = std::get_if<OwnOrder>(&placed)) return begin_work(id, std::move(*order), turn);
  auto const& record = std::get<OrderRecord>(placed);
  changed(record, {}, turn);
  turn.answer(id, result::Placed{view(record)});
}

void Trader::begin_work(CommandId id, OwnOrder order, Turn& turn) {
  turn.work(++last_work_, order.record, options_.work_bits);
  works_.emplace(last_work_, PendingWork{id, std::move(order)});
}

void Trader::on_worked(std::uint64_t work, std::optional<std::string> found, Turn& turn) {
  auto entry = works_.extract(work);
  if (entry.empty()) return;
  auto& [command, order] = entry.mapped();
  if (!order.peg.empty()) {
    if (found) order.record.id = *found;
    return on_peg_worked(std::move(entry.mapped()), found.has_value(), turn);
  }
  if (!found) {
    return turn.answer(command, Failure{FailureCode::unavailable, "no proof of work was found in time",
                                        "start with a smaller --pow"});
  }
  order.record.id = *std::move(found);
  // Much may have changed meanwhile.
  auto probe = order.record;
  probe.remaining = probe.amount;
  if (order.post_only && !book_.matches(probe, turn.now.wall).empty()) {
    return turn.answer(
        command, Failure{FailureCode::refused, "the order would match one of the book, and is post-only",
                         "see: book"});
  }
  auto const published = own_orders_.publish(std::move(order), turn);
  if (auto const* const failure = std::get_if<Failure>(&published)) return turn.answer(command, *failure);
  auto const& record = std::get<OrderRecord>(published);
  changed(record, {}, turn);
  turn.answer(command, result::Placed{view(record)});
}

void Trader::on_peg_worked(PendingWork pending, bool is_found, Turn& turn) {
  auto const [command, peg] = std::pair{pending.command, pending.order.peg};
  std::variant<OrderRecord, Failure> placed =
      Failure{FailureCode::unavailable, "no proof of work was found in time", "start with a smaller --pow"};
  if (is_found) {
    placed = pegged_orders_.publish_worked(std::move(pending.order), claims(), turn);
  } else {
    pegged_orders_.work_failed(peg);
    if (command == 0)
      turn.log(event::Warning{"a pegged order is not published: " + std::get<Failure>(placed).text});
  }
  if (auto const* const record = std::get_if<OrderRecord>(&placed)) {
    changed(*record, {}, turn);
    if (command != 0) turn.answer(command, result::Placed{view(*record)});
  } else if (command != 0) {
    (void)pegged_orders_.cancel(peg, turn);
    turn.answer(command, std::get<Failure>(placed));
  }
  look_at_pegs(turn);
}

void Trader::run(CommandId id, command::ReduceOrder const& wanted, Turn& turn) {
  if (find_pegged(wanted.id)) {
    return turn.answer(
        id, Failure{FailureCode::refused, "a pegged order is not reduced", "cancel it and publish another"});
  }
  auto const found = find_own_order(wanted.id);
  if (auto const* const failure = std::get_if<Failure>(&found)) return turn.answer(id, *failure);
  auto const failure =
      own_orders_.update(id, std::get<OrderRecord const*>(found)->id, wanted.by, false, turn);
  if (failure) turn.answer(id, *failure);
}

void Trader::run(CommandId id, command::CancelOrder const& wanted, Turn& turn) {
  if (auto const* const peg = find_pegged(wanted.id)) {
    auto shown = view(*peg);
    if (auto const closed = pegged_orders_.cancel(std::string{peg->id}, turn)) {
      changed(*closed, {}, turn);
      shown = view(*closed);
    }
    return turn.answer(id, result::Placed{std::move(shown)});
  }
  auto const found = find_own_order(wanted.id);
  if (auto const* const failure = std::get_if<Failure>(&found)) return turn.answer(id, *failure);
  auto const failure = own_orders_.update(id, std::get<OrderRecord const*>(found)->id, {}, true, turn);
  if (failure) turn.answer(id, *failure);
}

void Trader::run(CommandId id, command::ListOrders const& wanted, Turn& turn) {
  expire_orders(turn.now.wall);
  result::OrderList out;
  auto const add = [&](auto const& order) {
    if (out.orders.size() < options_.listed_count_max) {
      out.orders.push_back(this->view(order));
    } else {
      ++out.left_out;
    }
  };
  if (wanted.own_only) {
    for (auto const& [order_id, order] : own_orders_.all()) {
      if (!is_replaced(order)) add(order.record);
    }
    for (auto const& [peg_id, peg] : pegged_orders_.all()) {
      if (!pegged_orders_.is_open(peg)) add(peg);
    }
  } else {
    book_.for_each_live(turn.now.wall, add);
    out.hidden_count = book_.hidden_count();
  }
  turn.answer(id, std::move(out));
}

void Trader::run(CommandId id, command::ShowBook const& wanted, Turn& turn) {
  expire_orders(turn.now.wall);
  auto const count_max = std::min(wanted.level_count_max, options_.listed_count_max);
  turn.answer(id,
              result::Ladder{levels_of(book_, Side::buy, count_max, turn.now.wall),
                             levels_of(book_, Side::sell, count_max, turn.now.wall), book_.hidden_count()});
}

void Trader::run(CommandId id, command::ListMatches const& wanted, Turn& turn) {
  auto const found = find_order(wanted.id);
  if (auto const* const failure = std::get_if<Failure>(&found)) return turn.answer(id, *failure);
  result::OrderList out;
  for (auto const& match : book_.matches(*std::get<OrderRecord const*>(found), turn.now.wall)) {
    auto& entry = out.orders.emplace_back(view(match.order));
    entry.matched = match.amount;
  }
  turn.answer(id, std::move(out));
}

void Trader::run(CommandId id, command::AcceptOrder const& wanted, Turn& turn) {
  auto const found = find_order(wanted.id);
  if (auto const* const failure = std::get_if<Failure>(&found)) return turn.answer(id, *failure);
  auto const& order = *std::get<OrderRecord const*>(found);
  if (order.maker == self_.id) {
    return turn.answer(id,
                       Failure{FailureCode::refused, "this order is your own", "see: matches " + wanted.id});
  }
  if (auto const failure = check_guards(wanted, order, turn.now.wall)) return turn.answer(id, *failure);
  auto full = wanted;
  if (!wanted.for_order.empty()) {
    auto const own = find_own_order(wanted.for_order);
    if (auto const* const failure = std::get_if<Failure>(&own)) return turn.answer(id, *failure);
    auto const& record = *std::get<OrderRecord const*>(own);
    if (!may_trade(record, order, turn.now.wall)) {
      return turn.answer(id, Failure{FailureCode::refused, "the two orders do not match",
                                     "see: matches " + wanted.for_order});
    }
    full.for_order = record.id;
    full.amount = wanted.amount.value_or(std::min(record.remaining, order.remaining));
  }
  std::vector<OrderRecord> others;
  if (wanted.or_next) {
    // What an order with these terms would match, beside `order`.
    auto probe = order;
    probe.maker = self_.id;
    probe.side = opposite(order.side);
    for (auto& match : book_.matches(probe, turn.now.wall)) {
      bool const is_other = key_of(match.order) != key_of(order) && match.order.is_signed();
      if (is_other && others.size() < options_.next_order_count_max) others.push_back(std::move(match.order));
    }
  }
  purchases_.start(id, full, order, std::move(others), turn);
}

void Trader::run(CommandId id, command::Pay const& wanted, Turn& turn) { purchases_.pay(id, wanted, turn); }

void Trader::run(CommandId id, command::Connect const& wanted, Turn& turn) {
  peers_.connect(id, wanted.endpoint, turn);
}

void Trader::run(CommandId id, command::ListPeers const&, Turn& turn) {
  result::PeerList out;
  for (auto const& [endpoint, contact] : peers_.all()) {
    if (contact.is_self) continue;
    out.peers.push_back({endpoint, contact.name, contact.peer, contact.is_proven,
                         std::string{to_text(contact.source)}, contact.is_met && sync_.is_read(endpoint),
                         contact.peer && equivocations_.find(*contact.peer), contact.trouble});
  }
  turn.answer(id, std::move(out));
}

void Trader::run(CommandId id, command::ShowStatus const&, Turn& turn) {
  expire_orders(turn.now.wall);
  result::StatusView out;
  out.id = self_.id;
  out.name = self_.name;
  out.endpoint = self_.endpoint;
  out.peer_count = peers_.met().size();
  out.order_count = book_.open_count();
  out.hidden_count = book_.hidden_count();
  out.own_order_count = static_cast<std::size_t>(std::ranges::count_if(
      own_orders_.all(), [&](auto const& each) { return each.second.record.is_live(turn.now.wall); }));
  out.sale_count = sales_.open_count();
  out.purchase_count = purchases_.count();
  for (auto const& [name, count] : options_.reference_prices.publisher_counts) {
    auto const price = reference_prices_.find(name, turn.now.wall);
    out.indexes.push_back({name, price.price, price.fresh_count, price.needed_count});
  }
  turn.answer(id, std::move(out));
}

}  // namespace grenache::exchange
