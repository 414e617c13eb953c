// Operations of the matching engine, beside two other books, on one thread.
//
//     book_bench [ROUNDS [COMMANDS]]        default: 5 rounds of 3,000,000 commands
//
// The commands are those of exchange-core's benchmark: of 100, 9 place an order that rests (GTC), 3 take from
// the best price on (IOC), 6 cancel, and 82 move an order to another price of its side, where it is the last
// one. Prices are uniform on half of the levels for each side; orders and takers have amounts of 1 to 1000.
// When the number of live orders leaves its target by 2 %, GTC and cancel stand for each other. Commands are
// made before the clock starts, name orders by a number, and are the same for all books:
//
//   engine   MatchingEngine. Its table from numbers to handles is part of the time
//   map      std::map<price, std::list<order>> per side, the way most books begin; a table of iterators. New
//            orders are appended, it compares neither times nor ids
//   list     orders in an array with links, and an array of lists: unlinks and appends what the commands say.
//            It has no order of prices and does not match, so it is not a book; it costs what the memory
//            costs
//   nothing  reads the commands only
//
// Engine and map must trade the same amounts at the same prices. All figures are medians of the rounds, in
// which the books take turns. `of CPU` counts only the time in which the thread had a core, for machines that
// are not quiet. Latency is open-loop: one command is due each microsecond, and its latency is the time from
// then to its end, also when those before it have delayed it. The percentiles are of all commands of a round;
// `nothing` shows what the clock and the machine add.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <iterator>
#include <list>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "exchange/core/book/matching_engine.hpp"
#include <grenache/base/random.hpp>

namespace {

using namespace grenache;
using namespace grenache::exchange;
using Clock = std::chrono::steady_clock;

constexpr std::int64_t kAmountMax = 1'000;
constexpr std::int64_t kMiddle = 5'000'000;  // 50,000 USD in cents
constexpr std::chrono::nanoseconds kPeriod{1'000};

struct Market {
  char const* name;
  std::uint32_t order_count;
  std::uint32_t level_count;
};

enum class Kind : std::uint8_t { place, take, cancel, move };

struct Command {
  std::int32_t level = 0;  // of its side, 0 is nearest to the middle
  std::int32_t amount = 0;
  std::uint32_t number = 0;  // of the order; of a take: the first of its fills
  Kind kind = Kind::place;
  Side side = Side::buy;
  std::uint16_t fill_count = 0;  // orders that a take fills
};

struct Script {
  std::vector<Command> preload;
  std::vector<Command> commands;
  std::vector<std::uint32_t> filled;  // numbers of the orders that takes fill
  std::uint32_t number_count = 0;
  std::uint32_t level_count = 0;  // of a side
};

std::int64_t price_of(Side side, std::int32_t level) {
  return side == Side::buy ? kMiddle - 1 - level : kMiddle + 1 + level;
}

/// The trades of a book in one number.
struct Trades {
  std::uint64_t sum = 0;
  void add(std::int64_t price, std::int64_t amount) {
    sum = sum * 31 + static_cast<std::uint64_t>(price) * static_cast<std::uint64_t>(amount);
  }
};

// Books

class MapBook {
 public:
  explicit MapBook(Script const& script) : places_(script.number_count) {}

  void place(Command const& command, std::int64_t) {
    put(command.number, command.side, price_of(command.side, command.level), command.amount);
  }
  void cancel(Command const& command, std::int64_t) { remove(command.number); }
  void move(Command const& command, std::int64_t) {
    auto& place = places_[command.number];
    auto const amount = place.order->amount;
    remove(command.number);
    put(command.number, command.side, price_of(command.side, command.level), amount);
  }
  void take(Command const& command, std::int64_t) {
    take(command, [](std::uint32_t) {});
  }
  /// Calls `on_filled(number)` for each order that is gone.
  template <class OnFilled>
  void take(Command const& command, OnFilled on_filled) {
    auto const limit = price_of(opposite(command.side), command.level);
    if (command.side == Side::buy) {
      take_from(asks_, command.amount, on_filled, [&](std::int64_t price) { return price > limit; });
    } else {
      take_from(bids_, command.amount, on_filled, [&](std::int64_t price) { return price < limit; });
    }
  }
  [[nodiscard]] std::uint64_t result() const { return trades_.sum; }

 private:
  struct Order {
    std::uint32_t number;
    std::int64_t amount;
  };
  using Level = std::list<Order>;
  using Asks = std::map<std::int64_t, Level>;
  using Bids = std::map<std::int64_t, Level, std::greater<>>;
  struct Place {
    Side side{};
    Bids::iterator bid;
    Asks::iterator ask;
    Level::iterator order;
  };

  void put(std::uint32_t number, Side side, std::int64_t price, std::int64_t amount) {
    auto& place = places_[number];
    place.side = side;
    auto const append = [&](Level& level) { place.order = level.insert(level.end(), {number, amount}); };
    if (side == Side::buy) {
      place.bid = bids_.try_emplace(price).first;
      append(place.bid->second);
    } else {
      place.ask = asks_.try_emplace(price).first;
      append(place.ask->second);
    }
  }
  void remove(std::uint32_t number) {
    auto& place = places_[number];
    auto const erase = [&](auto& levels, auto level) {
      level->second.erase(place.order);
      if (level->second.empty()) levels.erase(level);
    };
    place.side == Side::buy ? erase(bids_, place.bid) : erase(asks_, place.ask);
  }
  template <class Levels, class OnFilled, class IsBeyond>
  void take_from(Levels& levels, std::int64_t left, OnFilled& on_filled, IsBeyond is_beyond) {
    while (left > 0 && !levels.empty()) {
      auto const level = levels.begin();
      if (is_beyond(level->first)) return;
      auto& order = level->second.front();
      auto const amount = std::min(order.amount, left);
      trades_.add(level->first, amount);
      order.amount -= amount;
      left -= amount;
      if (order.amount > 0) return;
      on_filled(order.number);
      level->second.pop_front();
      if (level->second.empty()) levels.erase(level);
    }
  }

  Bids bids_;
  Asks asks_;
  std::vector<Place> places_;
  Trades trades_;
};

class EngineBook {
 public:
  explicit EngineBook(Script const& script) : handles_(script.number_count) {
    engine_.reserve(script.number_count);
  }

  void place(Command const& command, std::int64_t now) {
    handles_[command.number] = engine_.add({.side = command.side,
                                            .price = price_of(command.side, command.level),
                                            .created = now,
                                            .id = {0, command.number, 0},
                                            .maker = kMaker,
                                            .amount = command.amount});
  }
  void cancel(Command const& command, std::int64_t) { engine_.remove(handles_[command.number]); }
  void move(Command const& command, std::int64_t now) {
    engine_.move(handles_[command.number], price_of(command.side, command.level), now);
  }
  void take(Command const& command, std::int64_t now) {
    engine_.take({.side = command.side,
                  .price = price_of(opposite(command.side), command.level),
                  .amount = command.amount,
                  .maker = kTaker,
                  .now = now},
                 fills_);
    for (auto const& fill : fills_) trades_.add(fill.price, fill.amount);
  }
  [[nodiscard]] std::uint64_t result() const { return trades_.sum; }

 private:
  static constexpr MatchingEngine::Maker kMaker = 1;
  static constexpr MatchingEngine::Maker kTaker = 2;
  MatchingEngine engine_;
  std::vector<MatchingEngine::Handle> handles_;
  std::vector<MatchingEngine::Fill> fills_;
  Trades trades_;
};

class ListBook {
 public:
  explicit ListBook(Script const& script)
      : filled_{script.filled}, orders_(script.number_count), levels_(2 * std::size_t{script.level_count}) {}

  void place(Command const& command, std::int64_t) {
    orders_[command.number].amount = command.amount;
    append(command);
  }
  void cancel(Command const& command, std::int64_t) { unlink(command.number); }
  void move(Command const& command, std::int64_t) {
    unlink(command.number);
    append(command);
  }
  void take(Command const& command, std::int64_t) {
    for (std::uint32_t i = 0; i < command.fill_count; ++i) unlink(filled_[command.number + i]);
  }
  [[nodiscard]] std::uint64_t result() const { return levels_[0].head; }

 private:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  struct Order {
    std::uint32_t previous = kNone;
    std::uint32_t next = kNone;
    std::uint32_t level = 0;
    std::int32_t amount = 0;
  };
  struct Level {
    std::uint32_t head = kNone;
    std::uint32_t tail = kNone;
  };

  void append(Command const& command) {
    auto& order = orders_[command.number];
    order.level = 2 * static_cast<std::uint32_t>(command.level) + (command.side == Side::buy ? 0u : 1u);
    auto& level = levels_[order.level];
    order.previous = level.tail;
    order.next = kNone;
    (level.tail == kNone ? level.head : orders_[level.tail].next) = command.number;
    level.tail = command.number;
  }
  void unlink(std::uint32_t number) {
    auto const& order = orders_[number];
    auto& level = levels_[order.level];
    (order.previous == kNone ? level.head : orders_[order.previous].next) = order.next;
    (order.next == kNone ? level.tail : orders_[order.next].previous) = order.previous;
  }

  std::vector<std::uint32_t> const& filled_;
  std::vector<Order> orders_;
  std::vector<Level> levels_;
};

class NoBook {
 public:
  explicit NoBook(Script const&) {}
  void place(Command const& command, std::int64_t) { sum_ += command.number; }
  void cancel(Command const& command, std::int64_t) { sum_ += command.number; }
  void move(Command const& command, std::int64_t) { sum_ += command.number; }
  void take(Command const& command, std::int64_t) { sum_ += command.number; }
  [[nodiscard]] std::uint64_t result() const { return sum_; }

 private:
  std::uint64_t sum_ = 0;
};

// Commands

class ScriptMaker {
 public:
  explicit ScriptMaker(Market market) : market_{market} {
    script_.level_count = market.level_count / 2;
    script_.number_count = market.order_count + market.order_count / 10 + 100;
    orders_.resize(script_.number_count);
    for (auto number = script_.number_count; number > 0; --number) free_.push_back(number - 1);
  }

  Script make(std::size_t count) {
    book_ = std::make_unique<MapBook>(script_);
    while (live_.size() < market_.order_count) script_.preload.push_back(place());
    while (script_.commands.size() < count) script_.commands.push_back(next());
    return std::move(script_);
  }

 private:
  struct Known {
    Side side{};
    std::size_t index = 0;  // in live_
  };

  std::uint32_t below(std::uint32_t bound) { return static_cast<std::uint32_t>(random_.below(bound)); }
  std::int32_t any_level() { return static_cast<std::int32_t>(below(script_.level_count)); }
  std::int32_t any_amount() { return 1 + static_cast<std::int32_t>(below(kAmountMax)); }

  Command next() {
    auto const kind = below(100);
    auto const low = market_.order_count - market_.order_count / 50;
    auto const high = market_.order_count + market_.order_count / 50;
    if (kind < 15) {
      bool const adds = live_.size() < low || (kind < 9 && live_.size() <= high);
      return adds ? place() : cancel();
    }
    return kind < 18 ? take() : move();
  }
  Command place() {
    auto const number = free_.back();
    free_.pop_back();
    auto const side = random_.chance(1, 2) ? Side::buy : Side::sell;
    orders_[number] = {side, live_.size()};
    live_.push_back(number);
    Command const out{any_level(), any_amount(), number, Kind::place, side};
    book_->place(out, 0);
    return out;
  }
  Command cancel() {
    auto const number = live_[below(static_cast<std::uint32_t>(live_.size()))];
    Command const out{0, 0, number, Kind::cancel, orders_[number].side};
    book_->cancel(out, 0);
    forget(number);
    return out;
  }
  Command move() {
    auto const number = live_[below(static_cast<std::uint32_t>(live_.size()))];
    Command const out{any_level(), 0, number, Kind::move, orders_[number].side};
    book_->move(out, 0);
    return out;
  }
  Command take() {
    auto const side = random_.chance(1, 2) ? Side::buy : Side::sell;
    auto const worst = static_cast<std::int32_t>(script_.level_count) - 1;
    auto const first = static_cast<std::uint32_t>(script_.filled.size());
    Command out{worst, any_amount(), first, Kind::take, side};
    book_->take(out, [&](std::uint32_t number) {
      script_.filled.push_back(number);
      ++out.fill_count;
      forget(number);
    });
    return out;
  }
  void forget(std::uint32_t number) {
    auto const index = orders_[number].index;
    live_[index] = live_.back();
    orders_[live_[index]].index = index;
    live_.pop_back();
    free_.push_back(number);
  }

  Market market_;
  Random random_{1};
  Script script_;
  std::unique_ptr<MapBook> book_;
  std::vector<Known> orders_;
  std::vector<std::uint32_t> live_;
  std::vector<std::uint32_t> free_;
};

// Measurement

template <class Book>
void run(Book& book, Command const& command, std::int64_t now) {
  switch (command.kind) {
    case Kind::place:
      return book.place(command, now);
    case Kind::take:
      return book.take(command, now);
    case Kind::cancel:
      return book.cancel(command, now);
    case Kind::move:
      return book.move(command, now);
  }
}

template <class Book>
std::int64_t preload(Book& book, Script const& script) {
  std::int64_t now = 0;
  for (auto const& command : script.preload) run(book, command, ++now);
  return now;
}

struct Result {
  double ops_s = 0;
  double cpu_ops_s = 0;                // of the time that the thread had a core
  std::array<double, 5> latency_us{};  // p50, p99, p99.9, p99.99, highest
  std::uint64_t trades = 0;
};

double cpu_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

template <class Book>
Result throughput(Script const& script) {
  Book book{script};
  auto now = preload(book, script);
  auto const cpu_begin = cpu_seconds();
  auto const begin = Clock::now();
  for (auto const& command : script.commands) run(book, command, ++now);
  auto const seconds = std::chrono::duration<double>{Clock::now() - begin}.count();
  auto const count = static_cast<double>(script.commands.size());
  return {
      .ops_s = count / seconds, .cpu_ops_s = count / (cpu_seconds() - cpu_begin), .trades = book.result()};
}

template <class Book>
std::array<double, 5> latency(Script const& script) {
  Book book{script};
  auto now = preload(book, script);
  std::vector<std::int64_t> latencies(script.commands.size());
  auto due = Clock::now() + kPeriod;
  auto time = Clock::now();
  for (std::size_t i = 0; i < script.commands.size(); ++i, due += kPeriod) {
    while (time < due) time = Clock::now();
    run(book, script.commands[i], ++now);
    time = Clock::now();
    latencies[i] = std::chrono::nanoseconds{time - due}.count();
  }
  std::ranges::sort(latencies);
  auto const at = [&](double share) {
    auto const index = static_cast<std::size_t>(share * static_cast<double>(latencies.size()));
    return static_cast<double>(latencies[std::min(index, latencies.size() - 1)]) / 1e3;
  };
  return {at(0.5), at(0.99), at(0.999), at(0.9999), at(1)};
}

template <class Book>
Result measure(Script const& script) {
  auto out = throughput<Book>(script);
  out.latency_us = latency<Book>(script);
  return out;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

void show(char const* name, std::vector<Result> const& results) {
  auto const median_of = [&](auto const& get) {
    std::vector<double> values;
    for (auto const& result : results) values.push_back(get(result));
    return median(values);
  };
  std::printf("  %-10s%10.2f%10.2f", name, median_of([](Result const& result) { return result.ops_s; }) / 1e6,
              median_of([](Result const& result) { return result.cpu_ops_s; }) / 1e6);
  for (std::size_t i = 0; i < 5; ++i) {
    std::printf("%10.2f", median_of([&](Result const& result) { return result.latency_us[i]; }));
  }
  std::printf("\n");
}

void measure_market(Market market, int rounds, std::size_t count) {
  auto const script = ScriptMaker{market}.make(count);
  std::array<std::vector<Result>, 4> results;
  for (int i = 0; i < rounds; ++i) {
    results[0].push_back(measure<EngineBook>(script));
    results[1].push_back(measure<MapBook>(script));
    results[2].push_back(measure<ListBook>(script));
    results[3].push_back(measure<NoBook>(script));
    if (results[0].back().trades != results[1].back().trades) {
      throw std::runtime_error{"engine and map have traded differently"};
    }
  }
  std::printf("%s\n", market.name);
  auto const names = std::to_array<char const*>({"engine", "map", "list", "nothing"});
  for (std::size_t i = 0; i < names.size(); ++i) show(names[i], results[i]);
}

}  // namespace

int main(int argc, char** argv) {
  auto const rounds = argc > 1 ? std::atoi(argv[1]) : 5;
  auto const count = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 3'000'000;
  if (rounds < 1 || count < 1) {
    std::fprintf(stderr, "usage: book_bench [ROUNDS [COMMANDS]]\n");
    return 2;
  }
  std::printf("%-12s%10s%10s%10s%10s%10s%10s%10s\n", "book", "M ops/s", "of CPU", "p50 us", "p99", "p99.9",
              "p99.99", "highest");
  measure_market({"1,000 orders on 750 levels", 1'000, 750}, rounds, count);
  measure_market({"1,000,000 orders on 750 levels", 1'000'000, 750}, rounds, count);
  measure_market({"1,000,000 orders on 200,000 levels", 1'000'000, 200'000}, rounds, count);
  std::printf("published, from other programs and machines\n");
  std::printf(
      "  exchange-core  5 M ops/s; p50 0.5 us, p99.99 31 us at 1 M/s; 1,000 orders on 750 levels, this "
      "mix\n");
  std::printf("  Liquibook      2.0 to 2.5 M inserts/s; its program gives 1.4 to 1.7 on a 2-core EPYC\n");
}
