#include "tests/sim/exchange/exchange_world.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <utility>

#include "tests/sim/exchange/grapes.hpp"
#include "tests/sim/exchange/hostile_peer.hpp"
#include "tests/support/book_model.hpp"
#include "tests/support/trade_world.hpp"

namespace grenache::exchange::test {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using Node = TraderNetwork::Node;

constexpr milliseconds kPollInterval = 10s;  // between lookups
constexpr int kPollsPerAnnouncement = 3;
constexpr std::size_t kPeersMax = 50;
constexpr std::int64_t kPrice = 6'000'000;
constexpr std::size_t kMeasuredOrders = 3;
constexpr std::int64_t kMeasuredPrice = 100 * kPrice;  // nobody takes them
constexpr char const* kMeasuredPriceText = "\"price\":\"6000000\"";
/// Before orders are counted: whoever was met has been read, and takes of the last faults have ended.
constexpr milliseconds kSettledAfter = 90s;
constexpr std::size_t kEventsMax = 50'000;
constexpr std::size_t kPrintedMax = 60;

std::string host_of(std::string const& endpoint) { return endpoint.substr(0, endpoint.rfind(':')); }

command::AddOrder order_of(Side side, std::int64_t price, std::int64_t satoshi) {
  command::AddOrder out;
  out.side = side;
  out.price = PriceCents{price};
  out.amount = Satoshi{satoshi};
  return out;
}

std::string to_text(command::AddOrder const& wanted) {
  return std::string{exchange::to_text(wanted.side)} + " " + std::to_string(wanted.amount.units()) + " at " +
         std::to_string(wanted.price.units());
}

/// The ids of orders and takes in a text.
std::vector<std::string> names_in(std::string const& text) {
  std::vector<std::string> out;
  std::istringstream words{text};
  for (std::string word; words >> word;) {
    while (!word.empty() && (word.back() == ',' || word.back() == ':')) word.pop_back();
    if (is_uuid(word)) out.push_back(word);
  }
  return out;
}

class World {
 public:
  explicit World(WorldOptions const& options)
      : options_{options}, trade_{options.seed}, network_{trade_.network}, random_{trade_.random} {
    draw_plan();
    network_.compares_dumps = random_.chance(1, 8);  // costs most of the time
    trade_.on_start = [](Node&) {};  // peers meet by lookups, and by what their journals remember
    trade_.endless_count = [this](Node const& node) { return takes_of_hostile(node); };
    network_.is_cut = [this](std::string const& from, std::string const& to) {
      return island(from) != island(to);
    };
    auto watch = std::move(network_.on_sent);
    network_.on_sent = [this, watch](Node const& from, json::Value const& sent) {
      watch(from, sent);
      on_sent(sent);
    };
    for (std::size_t i = 0; i < start_count_; ++i) join();
    if (has_hostile_) {
      grapes_->add();
      hostile_host_ = host_count_++;
      hostile_ =
          std::make_unique<HostilePeer>(trade_, Grapes::address_of(hostile_host_), 666, random_.fork());
    }
    next_poll_ = network_.now.steady;
  }

  WorldReport run() {
    live(5s);
    for (int round = 0; round < round_count_ && !has_failed(); ++round) {
      for (int i = 0; i < step_count_ && !has_failed(); ++i) {
        step();
        trade_.watch.check();
        note_problems();
      }
      if (!has_failed()) check_healed();
    }
    if (!has_failed()) check_end();
    return finish();
  }

 private:
  // The plan

  void draw_plan() {
    auto const size = random_.below(1'000);
    start_count_ = 3 + random_.below(4);
    if (size >= 900) start_count_ = 7 + random_.below(8);
    if (size >= 985) start_count_ = 15 + random_.below(16);
    if (size >= 997) start_count_ = 31 + random_.below(19);
    start_count_ = options_.peer_count.value_or(start_count_);
    round_count_ = start_count_ < 7 && random_.chance(1, 4) ? 2 : 1;
    step_count_ = 40 + static_cast<int>(start_count_);
    has_hostile_ = random_.chance(1, 2);
    auto const skew = random_.below(4);
    skew_max_ = skew < 2 ? 0ms : skew == 2 ? milliseconds{1min} : milliseconds{kSkewMax};
    bool const has_cores = start_count_ <= 10 && random_.chance(1, 25);
    if (has_cores) {
      grapes_ = std::make_unique<CoreGrapes>(options_.seed);
    } else {
      grapes_ = std::make_unique<ModelGrapes>(random_.fork());
    }
    std::ostringstream text;
    text << start_count_ << " peers, clocks +-" << skew_max_.count() / 1'000 << " s"
         << (has_hostile_ ? ", a hostile one" : "") << (has_cores ? ", real grapes" : "")
         << (round_count_ > 1 ? ", two rounds" : "");
    report_.plan = text.str();
  }

  // Peers

  Node& join() {
    auto const host = host_count_++;
    grapes_->add();
    grapes_->run(network_.now.steady);
    auto const skew = milliseconds{static_cast<std::int64_t>(
        skew_max_.count() == 0 ? 0 : random_.below(static_cast<std::uint64_t>(2 * skew_max_.count() + 1)))};
    Trader::Options options;
    options.crossing.is_enabled = random_.chance(1, 2);
    bool const has_redis = random_.chance(1, 4);
    // A second process of a maker, with a journal of its own.
    Node const* twin = nullptr;
    if (random_.chance(1, 10) && !network_.nodes.empty()) {
      auto const& other = trade_.any_node();
      if (other.options.is_store_shared && other.trader) twin = &other;
    }
    bool const is_shared = has_redis && random_.chance(1, 2);
    auto const kind = twin ? TradeWorld::Kind{true, true} : TradeWorld::Kind{has_redis, is_shared};
    auto const key = twin ? twin->key : 1 + host;
    auto& node = trade_.joined(network_.add_at(Grapes::address_of(host) + ":3000", skew - skew_max_, "peer",
                                               key, TradeWorld::with_kind(options, kind)));
    hosts_[&node] = host;
    event(node, "joins, clock " + std::to_string(node.skew.count()) + " ms");
    return node;
  }

  void start(Node& node) {
    if (node.trader) return;
    // A peer without a fixed port has another one now.
    if (random_.chance(1, 6)) {
      network_.unreachable.erase(node.at);
      node.at = host_of(node.at) + ":" + std::to_string(3'000 + ++port_count_);
    }
    event(node, "starts");
    trade_.start(node);
  }

  std::uint64_t island(std::string const& endpoint) const {
    auto const found = islands_.find(host_of(endpoint));
    return found == islands_.end() ? 0 : found->second;
  }
  void set_islands(std::uint64_t count) {
    islands_.clear();
    for (auto const& node : network_.nodes) {
      auto const host = hosts_.at(node.get());
      auto const number = random_.below(count);
      islands_[Grapes::address_of(host)] = number;
      grapes_->set_island(host, number);
    }
  }

  // Time

  void live(milliseconds time) {
    if (time > 5s) {
      for (auto& node : network_.nodes) trade_.flush(*node);
    }
    for (auto const end = later_by(network_.now.steady, time); network_.now.steady < end;) {
      auto const next = std::min(end, next_poll_);
      auto const part = std::chrono::ceil<milliseconds>(next - network_.now.steady);
      if (part > 0ms) network_.live(part);
      if (network_.now.steady >= next_poll_) poll();
      for (auto& node : network_.nodes) {
        auto const found = restarts_.find(node.get());
        if (found == restarts_.end() || found->second > network_.now.steady) continue;
        restarts_.erase(found);
        start(*node);
      }
      add_node_events();
    }
  }

  void poll() {
    next_poll_ = later_by(next_poll_, kPollInterval);
    grapes_->run(network_.now.steady);
    bool const announces = poll_count_++ % kPollsPerAnnouncement == 0;
    if (hostile_) grapes_->announce(hostile_host_, HostPort::parse(hostile_->endpoint())->port);
    for (auto& each : network_.nodes) {
      auto* const node = each.get();
      if (!node->trader) continue;
      auto const host = hosts_.at(node);
      if (announces) grapes_->announce(host, HostPort::parse(node->at)->port);
      grapes_->look_up(host, [this, node](std::vector<std::string> const& found) {
        if (node->trader) node->trader->endpoints_found(found, ContactSource::dht, network_.now_of(*node));
      });
    }
    network_.run();
  }

  // Steps

  command::AddOrder any_order() {
    auto const side = random_.chance(1, 2) ? Side::buy : Side::sell;
    // Bids and asks overlap a little.
    auto const away = static_cast<std::int64_t>(random_.below(10)) * 10'000 - 30'000;
    return order_of(side, side == Side::sell ? kPrice + away : kPrice - away, trade_.up_to(1'000));
  }

  void advance() {
    auto const kind = random_.below(10);
    milliseconds time = random_.below(2'000) * 1ms;
    if (kind >= 6) time = random_.below(20) * 1s;
    if (kind == 9) time = random_.below(90) * 1s;
    live(time);
  }

  void disturb() {
    auto const level = static_cast<int>(random_.below(4)) * 8;
    auto& faults = network_.faults;
    for (auto* const each :
         {&faults.call_lost, &faults.call_late, &faults.reply_lost, &faults.call_repeated, &faults.reply_late,
          &faults.answer_repeated, &faults.store_refused, &faults.store_unanswered, &faults.store_late}) {
      *each = random_.chance(1, 2) ? level : 0;
    }
    faults.delay_max = random_.chance(1, 2) ? 2s : 30s;
    event("faults of " + std::to_string(level) + " percent");
  }

  void act_hostile() {
    if (!hostile_) return;
    for (auto count = 1 + random_.below(10); count > 0; --count) hostile_->act(trade_.any_node());
  }

  void leave(Node& node) {
    // The twins of a store that has lost its data must tell what they know.
    if (up_count() <= 2 || !trade_.kill_somewhere(node)) return;
    node.holds_batches = false;
    event(node, "leaves");
    left_.insert(&node);
  }

  void kill(Node& node) {
    if (!trade_.kill_somewhere(node)) return;
    event(node, "is killed");
    if (random_.chance(1, 2)) return start(node);
    restarts_[&node] = later_by(network_.now.steady, random_.below(120) * 1s);
  }

  void come() {
    if (network_.nodes.size() >= kPeersMax) return;
    auto* const other = trade_.any_up();
    auto& node = join();
    if (other && random_.chance(1, 2)) trade_.begin(node, command::Connect{other->at});
  }

  /// Two peers place crossing orders at one moment.
  void cross() {
    auto* const a = trade_.any_up();
    auto* const b = trade_.any_up();
    if (!a || !b || a == b) return;
    place_pair(*a, *b, kPrice);
    network_.run();
  }

  std::pair<std::string, std::string> place_pair(Node& a, Node& b, std::int64_t price) {
    auto const first = network_.begin_only(a, order_of(Side::sell, price, trade_.up_to(1'000)));
    auto const second = network_.begin_only(b, order_of(Side::buy, price, trade_.up_to(1'000)));
    network_.run();
    pending_.emplace_back(&a, first);
    pending_.emplace_back(&b, second);
    auto const ask = trade_.placed(a, first);
    auto const bid = trade_.placed(b, second);
    report_.order_count += 2;
    event(a, "sells, and " + b.at + " buys at the same moment");
    return {ask ? ask->id : "", bid ? bid->id : ""};
  }

  void publish(Node& node) {
    auto const wanted = any_order();
    event(node, to_text(wanted));
    ++report_.order_count;
    trade_.publish_some(node, wanted);
  }

  void step() {
    trade_.make_some_durable();
    watch_placed();
    auto const choice = random_.below(100);
    auto* const node = trade_.any_up();
    if (choice < 28) return advance();
    if (choice < 32) return disturb();
    if (choice < 38) return trade_.pay();
    if (choice < 46) return act_hostile();
    if (choice < 48) return come();
    if (choice < 50) return cross();
    if (choice < 54) return set_islands(1 + random_.below(3));
    if (choice < 56) return toggle_grape();
    if (!node) return;
    if (choice < 72) return publish(*node);
    if (choice < 80) return trade_.accept(*node);
    if (choice < 83) return trade_.execute_at_once(*node, any_order());
    if (choice < 88) return trade_.withdraw(*node);
    if (choice < 92) return kill(*node);
    if (choice < 93) return leave(*node);
    if (choice < 94) return trade_.lose_store(*node);
    if (choice < 96) return trade_.toggle_store(*node);
    if (choice < 98) return trade_.toggle_reachable(*node);
    trade_.toggle_holding(*node);
  }

  void toggle_grape() {
    auto const host = hosts_.at(&trade_.any_node());
    bool const was_down = grapes_down_.erase(host) > 0;
    if (!was_down) grapes_down_.insert(host);
    grapes_->set_down(host, !was_down);
  }

  /// Orders that were placed while batches were held are answered later.
  void watch_placed() {
    for (auto const& [node, id] : pending_) (void)trade_.placed(*node, id);
    for (auto const& [node, run_count, id] : trade_.begun) (void)trade_.placed(*node, id);
  }

  // Checks

  [[nodiscard]] bool has_failed() const { return !report_.problems.empty(); }
  void fail(std::string text) {
    event("FAILED: " + text);
    report_.problems.push_back(std::move(text));
  }
  void note_problems() {
    for (auto& text : std::exchange(trade_.watch.problems, {})) fail("(3) " + text);
  }
  [[nodiscard]] std::size_t up_count() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(network_.nodes, [](auto const& node) { return node->trader != nullptr; }));
  }
  [[nodiscard]] std::vector<Node*> up() const {
    std::vector<Node*> out;
    for (auto const& node : network_.nodes) {
      if (node->trader) out.push_back(node.get());
    }
    return out;
  }

  std::size_t takes_of_hostile(Node const& node) const {
    if (!hostile_) return 0;
    auto const rows = node.rows.read({.kind = Purchases::kRowKind, .count_max = 10'000});
    return static_cast<std::size_t>(std::ranges::count_if(rows, [this](Row const& row) {
      auto const body = json::parse(row.body);
      auto const* const order = body->find("order");
      auto const* const maker = order ? order->find_string("maker") : nullptr;
      return maker && *maker == hostile_->id().hex();
    }));
  }

  /// The signed orders that all peers must have, by key: those that none of them has dropped as expired, and
  /// none has refused as coming from the future in the last `refused_before`.
  std::map<OrderKey, Sha256> common(Node const& node, milliseconds refused_before) const {
    WallTime earliest = WallTime::max();
    WallTime latest = WallTime::min();
    for (auto const* const each : up()) {
      earliest = std::min(earliest, network_.now_of(*each).wall);
      latest = std::max(latest, network_.now_of(*each).wall);
    }
    auto const created_max = earliest + Book::Options{}.clock_skew_max - refused_before;
    std::map<OrderKey, Sha256> out;
    for (auto const& order : network_.orders_of(node)) {
      bool const is_common = order.is_signed() && order.expires > latest + 1s &&
                             (skew_max_ == 0ms || order.created <= created_max);
      if (is_common) out.emplace(key_of(order), order_digest(order));
    }
    return out;
  }

  /// What differs between the books, in words; empty if nothing does.
  std::string difference(milliseconds refused_before) const {
    auto const nodes = up();
    auto const first = common(*nodes.front(), refused_before);
    for (auto const* const node : nodes) {
      auto const other = common(*node, refused_before);
      auto const [a, b] = std::ranges::mismatch(first, other);
      if (a == first.end() && b == other.end()) continue;
      auto const& key = a == first.end() || (b != other.end() && b->first < a->first) ? b->first : a->first;
      return "the books of " + nodes.front()->at + " and " + node->at + " differ in order " + key.id +
             ", of " + std::to_string(first.size()) + " and " + std::to_string(other.size());
    }
    return {};
  }

  std::chrono::seconds wait_until_equal(milliseconds limit, milliseconds refused_before) {
    std::chrono::seconds passed{0};
    while (passed < limit && !difference(refused_before).empty()) {
      live(5s);
      passed += 5s;
    }
    auto const found = difference(refused_before);
    if (!found.empty()) {
      fail("(1) " + std::to_string(passed.count()) + " s after everything works again " + found);
    }
    return passed;
  }

  void check_books() {
    for (auto const* const node : up()) {
      auto const& book = node->trader->book();
      book.check();
      node->trader->sync().index().check();
      auto const now = network_.now_of(*node).wall;
      auto const orders = book.live(now);
      for (std::size_t i = 0; i < std::min<std::size_t>(orders.size(), 12); ++i) {
        auto const& order = orders[random_.below(orders.size())];
        auto const found = book.matches(order, now);
        auto const expected = naive_matches(order, orders, Book::Options{}.match_count_max, now);
        bool const is_equal =
            std::ranges::equal(found, expected, {}, [](Match const& match) { return match.order; });
        if (!is_equal)
          fail("(2) " + node->at + " lists other matches of order " + order.id + " than the model");
      }
    }
  }

  void heal() {
    event("everything works again");
    trade_.heal();
    islands_.clear();
    for (auto const& [node, host] : hosts_) grapes_->set_island(host, 0);
    for (auto const host : std::exchange(grapes_down_, {})) grapes_->set_down(host, false);
    restarts_.clear();
    for (auto& node : network_.nodes) {
      if (!left_.contains(node.get())) start(*node);
    }
    watch_placed();
  }

  void check_healed() {
    heal();
    auto const passed = wait_until_equal(kEqualWithin, kRefusedBefore + kEqualWithin);
    report_.equal_after = std::max(report_.equal_after, passed);
    if (has_failed()) return;
    check_books();
    measure();
  }

  /// Counts the messages that new orders cost when all is quiet, which nobody takes.
  void measure() {
    auto const nodes = up();
    live(kSettledAfter);
    spread_counts_.clear();
    std::size_t const before = own_version_count();
    is_counting_ = true;
    for (std::size_t i = 0; i < kMeasuredOrders; ++i) {
      auto& node = *nodes[random_.below(nodes.size())];
      (void)trade_.publish(node, order_of(Side::sell, kMeasuredPrice, 1'000));
      ++report_.order_count;
      live(1s);
    }
    is_counting_ = false;
    // A trade that goes on makes versions, too.
    auto const version_count = own_version_count() - before;
    std::size_t spread_count = 0;
    std::string kinds;
    for (auto const& [type, count] : spread_counts_) {
      spread_count += count;
      kinds += ", " + std::to_string(count) + " " + type;
    }
    auto const cost = static_cast<double>(spread_count) /
                      static_cast<double>(std::max(version_count, kMeasuredOrders) * nodes.size());
    report_.messages_per_order = std::max(report_.messages_per_order, cost);
    if (cost > 3) {
      fail("(4) " + std::to_string(version_count) + " versions cost " + std::to_string(spread_count) +
           " messages among " + std::to_string(nodes.size()) + " peers" + kinds);
    }
  }
  /// How many versions of own orders there were.
  [[nodiscard]] std::size_t own_version_count() const {
    std::size_t out = 0;
    for (auto const& node : network_.nodes) {
      for (auto const& change : events_of<event::OrderChanged>(*node)) out += change.is_own ? 1u : 0u;
    }
    return out;
  }

  [[nodiscard]] bool is_busy() { return !trade_.is_quiet() || trade_.unanswered(); }

  void check_end() {
    left_.clear();
    heal();
    for (int i = 0; i < 120 && (i < 2 || is_busy()); ++i) live(i < 6 ? 10s : 1min);
    report_.equal_after = std::max(
        report_.equal_after, wait_until_equal(skew_max_ == 0ms ? milliseconds{kEqualWithin}
                                                               : 2 * kSkewMax + kRefusedBefore + kEqualWithin,
                                              0ms));
    trade_.check_quiet();
    note_problems();
    if (has_failed()) return;
    check_books();
    check_pair();
  }

  void check_pair() {
    std::vector<Node*> takers;
    for (auto* const node : up()) {
      if (!node->options.crossing.is_enabled) continue;
      bool const is_apart = takers.empty() || (takers.front()->id != node->id &&
                                               std::chrono::abs(takers.front()->skew - node->skew) < 2min);
      if (is_apart) takers.push_back(node);
    }
    if (takers.size() < 2) return;
    // No other order may be in the way.
    for (auto* const node : up()) {
      auto const orders = node->trader->own_orders().all();
      for (auto const& [id, order] : orders) {
        if (order.record.is_live(network_.now_of(*node).wall)) trade_.begin(*node, command::CancelOrder{id});
      }
    }
    live(20s);
    for (auto* const node : takers) {
      auto const live_orders = node->trader->book().live(network_.now_of(*node).wall);
      if (!live_orders.empty()) return;  // of the hostile one
    }
    auto const [ask, bid] = place_pair(*takers[0], *takers[1], kPrice);
    for (int i = 0; i < 30 && (i < 1 || is_busy()); ++i) live(10s);
    trade_.check_quiet();
    note_problems();
    report_.pair_trades = trade_.watch.sale_count(ask) + trade_.watch.sale_count(bid);
    if (report_.pair_trades != 1u) {
      fail("(5) the orders " + ask + " and " + bid + " of one moment made " +
           std::to_string(*report_.pair_trades) + " trades");
    }
  }

  WorldReport finish() {
    report_.peer_count = network_.nodes.size();
    report_.trade_count = trade_.watch.trade_count();
    report_.hostile_count = hostile_ ? hostile_->sent_count() : 0;
    return std::move(report_);
  }

  // What happened

  void event(std::string text) {
    if (!options_.with_events || report_.events.size() >= kEventsMax) return;
    std::ostringstream line;
    line << std::chrono::duration<double>(network_.now.steady - start_).count() << " s: " << text;
    report_.events.push_back(line.str());
  }
  void event(Node const& node, std::string const& text) { event(node.at + " " + text); }
  void add_node_events() {
    if (!options_.with_events) return;
    for (auto const& node : network_.nodes) {
      auto& count = event_counts_[node.get()];
      for (; count < node->events.size(); ++count) {
        auto const text = std::visit([](auto const& each) { return words_of(each); }, node->events[count]);
        if (!text.empty()) event(*node, text);
      }
    }
  }
  static std::string words_of(event::TradeDone const& done) {
    return std::string{done.as_maker ? "has sold " : "has bought "} + std::to_string(done.amount.units()) +
           " of order " + done.order_id + " in take " + done.take_id;
  }
  static std::string words_of(event::PurchaseChanged const& changed) {
    return "take " + changed.purchase.take_id + " of order " + changed.purchase.order_id + " for " +
           std::to_string(changed.purchase.amount.units()) + " is " +
           std::string{result::to_text(changed.purchase.state)} + " " + changed.text;
  }
  static std::string words_of(event::OrderChanged const& changed) {
    if (!changed.is_own) return {};
    auto const& order = changed.order;
    return "has version " + std::to_string(order.seq) + " of order " + order.id + ", " +
           std::string{exchange::to_text(order.status)} + " " + std::to_string(order.remaining.units()) +
           " of " + std::to_string(order.amount.units());
  }
  static std::string words_of(event::TakeAnswered const& answered) {
    return "is asked for " + std::to_string(answered.amount.units()) + " of order " + answered.order_id +
           (answered.refusal ? ", refuses: " + answered.refusal->reason : ", grants");
  }
  static std::string words_of(event::PeerMet const& met) { return "has met " + met.endpoint; }
  static std::string words_of(event::PeerLost const& lost) { return "has lost " + lost.endpoint; }
  static std::string words_of(event::Warning const& warning) { return "warns: " + warning.text; }
  template <class Other>
  static std::string words_of(Other const&) {
    return {};
  }

  void on_sent(json::Value const& sent) {
    if (hostile_) hostile_->hear(sent);
    auto const* const text = sent.as_string();
    auto const hash = text ? std::hash<std::string>{}(*text) : std::hash<std::string>{}(json::to_text(sent));
    report_.digest = report_.digest * 31 + hash;
    if (!is_counting_ || !text) return;
    // Peers with wrong clocks also send each other, now and then, what one of them refuses.
    bool const has_records = text->find("\"price\"") != std::string::npos;
    if (has_records && text->find(kMeasuredPriceText) == std::string::npos) return;
    for (auto const* const type : {"AddOrderMessage", "InventoryMessage", "GetRecordsMessage"}) {
      if (text->find("\"type\":\"" + std::string{type}) < 100) ++spread_counts_[type];
    }
    if (options_.with_events) event("is sent: " + text->substr(0, 300));
  }

  WorldOptions options_;
  WorldReport report_;
  TradeWorld trade_;
  TraderNetwork& network_;
  Random& random_;
  TimePoint start_ = network_.now.steady;

  std::size_t start_count_ = 0;
  int round_count_ = 1;
  int step_count_ = 0;
  bool has_hostile_ = false;
  milliseconds skew_max_{};

  std::unique_ptr<Grapes> grapes_;
  std::size_t host_count_ = 0;
  std::size_t port_count_ = 0;
  std::map<Node const*, std::size_t> hosts_;
  std::map<std::string, std::uint64_t> islands_;  // by host
  std::set<std::size_t> grapes_down_;
  TimePoint next_poll_{};
  int poll_count_ = 0;

  std::unique_ptr<HostilePeer> hostile_;
  std::size_t hostile_host_ = 0;
  // Nobody walks through these, so that addresses decide nothing.
  std::map<Node const*, TimePoint> restarts_;
  std::set<Node const*> left_;
  std::map<Node const*, std::size_t> event_counts_;
  std::vector<std::pair<Node*, CommandId>> pending_;
  bool is_counting_ = false;
  std::map<std::string, std::size_t> spread_counts_;  // messages that tell of orders, by type
};

}  // namespace

WorldReport run_world(WorldOptions const& options) { return World{options}.run(); }

std::string describe_failure(WorldOptions const& options) {
  auto again = options;
  again.with_events = true;
  auto const report = run_world(again);
  std::ostringstream out;
  if (report.problems.empty()) return "the world does not fail the second time: it is not reproducible\n";
  out << report.plan << "\n";
  // The last events, and before them those that name what the problem names.
  auto const names = names_in(report.problems.front());
  auto const concerns = [&](std::string const& text) {
    return std::ranges::any_of(names, [&](auto const& name) { return text.find(name) != std::string::npos; });
  };
  auto const first = report.events.size() > kPrintedMax ? report.events.size() - kPrintedMax : 0;
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < first; ++i) {
    if (concerns(report.events[i])) lines.push_back(report.events[i]);
  }
  if (lines.size() > kPrintedMax) lines.erase(lines.begin(), lines.end() - kPrintedMax);
  lines.insert(lines.end(), report.events.begin() + static_cast<std::ptrdiff_t>(first), report.events.end());
  for (auto const& line : lines) out << "  " << line << "\n";
  out << "first violated check: " << report.problems.front() << "\n";
  out << "run again: tests/exchange_sim --seed " << options.seed;
  if (options.peer_count) out << " --peers " << *options.peer_count;
  out << "\n";
  return out.str();
}

}  // namespace grenache::exchange::test
