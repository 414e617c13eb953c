// How fast orders reach other peers' books: peers in one process, over HTTP on 127.0.0.1, without a DHT.
//
//     sync_bench [PEERS [ORDERS [SYNCED]]]        default: 10 peers, 300 orders, 100,000 orders
//
// books  One peer publishes ORDERS orders, one after the other, each as soon as the one before is in all
//        books: the time from the command to the last of PEERS books. All peers share one thread, so this is
//        the work of all of them together.
// sync   A peer with SYNCED orders is met by an empty one: the time until the second has them all, beside the
//        bare time of verifying as many signatures on all cores. Both peers share one thread; the signatures
//        are verified on the others.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "exchange/exchange.hpp"
#include "exchange/messages/message.hpp"
#include <grenache/log/log.hpp>
#include <grenache/net/rethrow.hpp>
#include <grenache/net/steady_clock.hpp>
#include <grenache/rpc/client.hpp>
#include <grenache/rpc/link.hpp>

namespace {

using namespace grenache;
using namespace grenache::exchange;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using net::Awaitable;

constexpr std::size_t kMakers = 500;
constexpr Duration kLimit = 120s;

[[noreturn]] void fail(std::string const& text) { throw std::runtime_error{text}; }

double ms_since(TimePoint begin) {
  return std::chrono::duration<double, std::milli>{net::steady_now() - begin}.count();
}

double at_share(std::vector<double>& values, double share) {
  std::ranges::sort(values);
  auto const index = static_cast<std::size_t>(share * static_cast<double>(values.size()));
  return values.at(std::min(index, values.size() - 1));
}

/// Peers on one thread.
class Peers {
 public:
  explicit Peers(std::size_t order_count_max) : order_count_max_{order_count_max} {}

  Exchange& add() {
    Exchange::Options options;
    options.bind = IpAddress{127, 0, 0, 1};
    options.is_new_identity = true;
    options.call_timeout = 60s;
    auto& book = options.trader.book;
    book.order_count_max = std::max(book.order_count_max, order_count_max_);
    book.closed_count_max = std::max(book.closed_count_max, 2 * order_count_max_);
    options.trader.guard.units_per_second = options.trader.guard.units_max = 1e12;  // all share an address
    Random random{1 + all_.size()};
    return *all_.emplace_back(std::make_unique<Exchange>(io.get_executor(), std::move(options),
                                                         SecretKey::generate(random), random.fork(),
                                                         std::nullopt, log_));
  }
  static std::string endpoint(Exchange const& peer) { return "127.0.0.1:" + std::to_string(peer.port()); }

  Awaitable<void> stop() {
    for (auto const& peer : all_) (void)co_await peer->stop();
  }
  std::vector<std::unique_ptr<Exchange>> const& all() const { return all_; }

  asio::io_context io{1};

 private:
  Log log_{LogLevel::error, LogFormat::text};
  std::size_t order_count_max_;
  std::vector<std::unique_ptr<Exchange>> all_;
};

Awaitable<void> start(Exchange& peer) {
  auto const failure = co_await peer.start();
  if (failure) fail(*failure);
}

Awaitable<void> wait(Exchange& peer, std::function<bool()> condition, std::string what) {
  bool const held = co_await peer.wait_until(std::move(condition), net::steady_deadline(kLimit));
  if (!held) fail(what + " took too long");
}

Awaitable<void> connect(Exchange& peer, Exchange const& other) {
  Command const wanted = command::Connect{Peers::endpoint(other)};
  auto const answer = co_await peer.execute(wanted);
  if (!std::holds_alternative<result::Connected>(answer)) fail("the peers do not meet");
}

// books

Awaitable<void> publish(Peers& peers, std::size_t order_count, std::vector<double>& times) {
  for (auto const& peer : peers.all()) co_await start(*peer);
  for (auto const& peer : peers.all()) {
    if (peer != peers.all().front()) co_await connect(*peer, *peers.all().front());
  }
  for (auto const& peer : peers.all()) {
    auto const has_met = [&] { return peer->trader().peers().met().size() + 1 == peers.all().size(); };
    co_await wait(*peer, has_met, "meeting");
  }
  auto& maker = *peers.all().front();
  for (std::size_t i = 0; i < order_count; ++i) {
    command::AddOrder terms;
    terms.side = i % 2 == 0 ? Side::buy : Side::sell;
    terms.price = PriceCents{terms.side == Side::buy ? 5'000'000 : 6'000'000};
    terms.amount = Satoshi{1'000};
    Command const wanted = terms;
    auto const begin = net::steady_now();
    auto const answer = co_await maker.execute(wanted);
    auto const* const placed = std::get_if<result::Placed>(&answer);
    if (!placed) fail("an order was not placed");
    auto const key = key_of(placed->order.order);
    for (auto const& peer : peers.all()) {
      auto const has_it = [&] { return peer->trader().book().find(key) != nullptr; };
      co_await wait(*peer, has_it, "an order");
    }
    times.push_back(ms_since(begin));
  }
  co_await peers.stop();
}

void measure_books(std::size_t peer_count, std::size_t order_count) {
  Peers peers{0};
  for (std::size_t i = 0; i < peer_count; ++i) peers.add();
  std::vector<double> times;
  asio::co_spawn(peers.io, publish(peers, order_count, times), net::kRethrow);
  peers.io.run();
  std::printf("books  order to all books of %zu peers: p50 %.2f ms, p99 %.2f ms (%zu orders)\n", peer_count,
              at_share(times, 0.5), at_share(times, 0.99), times.size());
}

// sync

std::vector<OrderRecord> make_orders(std::size_t count) {
  Random random{42};
  std::vector<SecretKey> makers;
  for (std::size_t i = 0; i < kMakers; ++i) makers.push_back(SecretKey::generate(random));
  std::vector<OrderRecord> out;
  auto const now = net::wall_now();
  for (std::size_t i = 0; i < count; ++i) {
    OrderRecord order;
    order.id = make_uuid(random);
    order.seq = 1;
    order.side = i % 2 == 0 ? Side::buy : Side::sell;
    auto const step = static_cast<std::int64_t>(random.below(500'000));
    order.price = PriceCents{order.side == Side::buy ? 5'000'000 - step : 6'000'000 + step};
    order.amount = order.remaining = Satoshi{1'000};
    order.created = now;
    order.expires = now + std::chrono::hours{24};
    order.endpoint = "127.0.0.1:1";
    sign_order(order, makers[i % kMakers]);
    out.push_back(std::move(order));
  }
  return out;
}

double bare_seconds(std::vector<OrderRecord> const& orders) {
  auto const begin = net::steady_now();
  auto const thread_count = std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < thread_count; ++i) {
    threads.emplace_back([&, i] {
      for (std::size_t k = i; k < orders.size(); k += thread_count) {
        if (!verify_order(orders[k])) std::abort();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  return ms_since(begin) / 1'000;
}

Awaitable<void> fill(Peers& peers, Exchange& peer, std::vector<OrderRecord> const& orders) {
  rpc::Link link{peers.io.get_executor(), {}, Random{7}};
  rpc::Client client{peers.io.get_executor(), link, {}, Random{8}};
  for (std::size_t first = 0; first < orders.size(); first += kInventoryOrdersMax) {
    InventoryMessage message;
    auto const last = std::min(orders.size(), first + kInventoryOrdersMax);
    message.orders.assign(orders.begin() + static_cast<std::ptrdiff_t>(first),
                          orders.begin() + static_cast<std::ptrdiff_t>(last));
    auto payload = write_payload(to_json(message), PayloadForm::text);
    rpc::RequestOptions const options;
    auto const to = Peers::endpoint(peer);
    auto const reply = co_await client.request_to(to, "exchange", std::move(payload), options);
    if (!reply) fail("the first peer refuses orders: " + reply.error().text());
    auto const is_taken = [&] { return peer.trader().book().size() == last; };
    co_await wait(peer, is_taken, "filling the first book");
  }
  co_await client.stop();
  co_await link.stop();
}

Awaitable<void> sync(Peers& peers, std::vector<OrderRecord> const& orders, double& seconds) {
  auto& full = *peers.all().front();
  auto& empty = *peers.all().back();
  co_await start(full);
  co_await start(empty);
  co_await fill(peers, full, orders);
  auto const begin = net::steady_now();
  co_await connect(empty, full);
  auto const is_equal = [&] { return empty.trader().book().size() == orders.size(); };
  co_await wait(empty, is_equal, "the sync");
  seconds = ms_since(begin) / 1'000;
  co_await peers.stop();
}

void measure_sync(std::size_t count) {
  auto const orders = make_orders(count);
  auto const bare = bare_seconds(orders);
  Peers peers{count};
  peers.add();
  peers.add();
  double seconds = 0;
  asio::co_spawn(peers.io, sync(peers, orders, seconds), net::kRethrow);
  peers.io.run();
  std::printf("sync   %zu signed orders: %.2f s; verification alone on all cores: %.2f s; ratio %.2f\n",
              count, seconds, bare, seconds / bare);
}

std::size_t number(int argc, char** argv, int index, std::size_t otherwise) {
  return argc > index ? std::strtoull(argv[index], nullptr, 10) : otherwise;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    measure_books(number(argc, argv, 1, 10), number(argc, argv, 2, 300));
    measure_sync(number(argc, argv, 3, 100'000));
  } catch (std::exception const& error) {
    std::fprintf(stderr, "sync_bench: %s\n", error.what());
    return 1;
  }
}
