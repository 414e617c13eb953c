// A taker for tests/bench/exchange.py, and what a take costs at least.
//
//     exchange_bench latency MAKER COUNT FOLDER REDIS_PORT
//         takes an order and pays, COUNT times, one after the other; between two of them it makes one round
//         trip to Redis, one signature and one commit of one row in FOLDER. Prints p50 and p99 of all in us
//     exchange_bench takes MAKER COUNT
//         256 takers at once, each takes COUNT orders; prints takes, seconds, p50, p99 (us) and errors
//     exchange_bench rows FOLDER SECONDS
//         commits rows, 256 in a transaction; prints rows and seconds
//     exchange_bench crypto SECONDS
//         prints signatures and verifications per second of one thread
//
// MAKER: host:port. For `takes` it has at least 4 * COUNT orders; each is taken by 64 of the takers. Requests
// are signed before the clock starts.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <hiredis/hiredis.h>
#include <sqlite3.h>

#include "exchange/core/order.hpp"
#include "exchange/core/trade/invoice.hpp"
#include "exchange/messages/bolt11.hpp"
#include "exchange/messages/message.hpp"
#include <grenache/base/crypto.hpp>
#include <grenache/base/hex.hpp>
#include <grenache/net/async_event.hpp>
#include <grenache/net/rethrow.hpp>
#include <grenache/net/steady_clock.hpp>
#include <grenache/rpc/client.hpp>
#include <grenache/rpc/link.hpp>

namespace {

using namespace grenache;
using namespace grenache::exchange;
using namespace std::chrono_literals;
namespace asio = boost::asio;

constexpr std::size_t kTakers = 256;
constexpr std::size_t kTakersOfAnOrder = 64;  // as many live takes of an order as a maker allows
constexpr Satoshi kAmount{1'000};

[[noreturn]] void fail(std::string const& text) { throw std::runtime_error{text}; }

double us_since(TimePoint begin) {
  return std::chrono::duration<double, std::micro>{net::steady_now() - begin}.count();
}

double us_of(std::function<void()> const& work) {
  auto const begin = net::steady_now();
  work();
  return us_since(begin);
}

double at_share(std::vector<double>& values, double share) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  auto const index = static_cast<std::size_t>(share * static_cast<double>(values.size()));
  return values.at(std::min(index, values.size() - 1));
}

// Bare parts of a take

/// The schema and the settings of a journal.
class BareRows {
 public:
  struct NewRow {
    std::string key;
    std::string body;
  };

  explicit BareRows(std::string const& folder) {
    sqlite3* made = nullptr;
    bool const is_open = sqlite3_open((folder + "/bare.db").c_str(), &made) == SQLITE_OK;
    database_.reset(made);
    if (!is_open) fail("cannot open a database in " + folder);
    run("PRAGMA locking_mode=EXCLUSIVE");
    run("PRAGMA journal_mode=WAL");
    run("PRAGMA synchronous=FULL");
    run("CREATE TABLE IF NOT EXISTS row(kind TEXT NOT NULL, key TEXT NOT NULL, position INTEGER NOT NULL, "
        "body TEXT NOT NULL, PRIMARY KEY(kind, key)) WITHOUT ROWID");
    begin_ = prepare("BEGIN IMMEDIATE");
    commit_ = prepare("COMMIT");
    put_ = prepare("INSERT INTO row VALUES('sale',?1,?2,?3)");
    fill();
  }

  /// As large as the row of a sale.
  static NewRow make_row(Random& random) {
    auto const order = make_uuid(random);
    auto const take = make_uuid(random);
    auto const taker = to_hex(random.bytes(PeerId::kSize));
    return {order + "/" + take + "@" + taker,
            R"({"order":")" + order + R"(","take":")" + take + R"(","taker":")" + taker +
                R"(","amount":"0.00001","fence":12345,"reservedAt":1700000000000,"lifeMs":900000,)" +
                R"("state":"invoiced"})"};
  }

  static std::vector<NewRow> make_rows(std::size_t count, Random& random) {
    std::vector<NewRow> out;
    for (; count > 0; --count) out.push_back(make_row(random));
    return out;
  }

  void commit(std::vector<NewRow> const& rows) {
    step(begin_);
    for (auto const& row : rows) {
      bind(1, row.key);
      sqlite3_bind_int64(put_.get(), 2, ++position_);
      bind(3, row.body);
      step(put_);
    }
    step(commit_);
  }

 private:
  struct Close {
    void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  using Statement = std::unique_ptr<sqlite3_stmt, Close>;

  /// Fills the log until it is used again from its beginning, as that of a journal is most of the time: to
  /// overwrite a file costs less than to extend it.
  void fill() {
    auto random = Random::from_system();
    for (int i = 0; i < 40; ++i) commit(make_rows(kTakers, random));
  }
  void check(bool is_good) const {
    if (!is_good) fail(sqlite3_errmsg(database_.get()));
  }
  void run(char const* sql) {
    check(sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr) == SQLITE_OK);
  }
  Statement prepare(char const* sql) {
    sqlite3_stmt* made = nullptr;
    check(sqlite3_prepare_v2(database_.get(), sql, -1, &made, nullptr) == SQLITE_OK);
    return Statement{made};
  }
  void bind(int index, std::string const& text) {
    sqlite3_bind_text(put_.get(), index, text.data(), static_cast<int>(text.size()), SQLITE_STATIC);
  }
  void step(Statement const& statement) {
    check(sqlite3_step(statement.get()) == SQLITE_DONE);
    sqlite3_reset(statement.get());
  }

  std::unique_ptr<sqlite3, Close> database_;
  Statement begin_;
  Statement commit_;
  Statement put_;
  sqlite3_int64 position_ = 0;
};

/// Runs a script that does nothing.
class BareRedis {
 public:
  explicit BareRedis(int port) : context_{redisConnect("127.0.0.1", port)} {
    if (!context_ || context_->err != 0) fail("cannot connect to Redis");
    sha1_ = call("SCRIPT LOAD %s", "return 1");
  }
  void round_trip() { (void)call("EVALSHA %s 0", sha1_.c_str()); }

 private:
  struct Free {
    void operator()(redisContext* context) const { redisFree(context); }
    void operator()(redisReply* reply) const { freeReplyObject(reply); }
  };

  std::string call(char const* format, char const* word) {
    std::unique_ptr<redisReply, Free> const reply{
        static_cast<redisReply*>(redisCommand(context_.get(), format, word))};
    if (!reply || reply->type == REDIS_REPLY_ERROR) fail("Redis has answered with an error");
    return reply->str != nullptr ? std::string{reply->str, reply->len} : std::string{};
  }

  std::unique_ptr<redisContext, Free> context_;
  std::string sha1_;
};

// Taker

MessageHeader header() { return {-1, CreatorType::client, net::wall_now()}; }

/// A maker as a taker knows it, with the connections to it.
struct Maker {
  asio::io_context& io;
  std::string endpoint;
  rpc::Link link;
  rpc::Client client;
  std::vector<OrderRecord> orders{};

  Maker(asio::io_context& context, std::string at)
      : io{context},
        endpoint{std::move(at)},
        link{io.get_executor(), {}, Random::from_system()},
        client{io.get_executor(), link, client_options(), Random::from_system()} {}

  static rpc::ClientOptions client_options() {
    rpc::ClientOptions out;
    out.connections_per_destination_max = kTakers;
    return out;
  }
  [[nodiscard]] PeerId const& id() const { return *orders.front().maker; }

  net::Awaitable<rpc::RpcResult<json::Value>> call(json::Value payload) {
    rpc::RequestOptions options;
    options.timeout = 60s;
    co_return co_await client.request_to(endpoint, "exchange", std::move(payload), options);
  }
  /// Answers the body of an answer; fails if there is none.
  net::Awaitable<json::Value> ask(json::Value payload) {
    auto answer = co_await call(std::move(payload));
    if (!answer) fail("refused: " + answer.error().text());
    auto read = read_payload(std::move(*answer));
    if (!read) fail("an answer that is no message");
    co_return std::move(read->body);
  }
  net::Awaitable<void> read_orders() {
    GetOrderbookMessage const message{header()};
    auto const body = co_await ask(write_payload(to_json(message), PayloadForm::text));
    auto read = parse_orders(body, 10'000);
    if (!read || read->orders.empty()) fail("the maker has no orders");
    orders = std::move(read->orders);
  }
  net::Awaitable<void> stop() {
    co_await client.stop();
    co_await link.stop();
  }
};

ExecuteOrderMessage make_take(Maker const& maker, OrderRecord const& order, SecretKey const& taker,
                              Random& random) {
  TakeTerms terms;
  terms.take_id = make_uuid(random);
  terms.amount = kAmount;
  terms.price = order.price;
  terms.created = from_unix_ms(to_unix_ms(net::wall_now()));
  sign_take(terms, order.id, maker.id(), taker);
  return {header(), order.id, terms};
}

/// The payment of the invoice in an answer to `take`.
PayMessage make_payment(Maker const& maker, ExecuteOrderMessage const& take, json::Value const& answer,
                        SecretKey const& taker) {
  auto const response = parse_execute_response(answer);
  if (!response) fail("an answer without an invoice");
  ExpectedInvoice const expected{maker.id(), take.order_id, take.take->take_id + "@" + take.take->taker.hex(),
                                 kAmount};
  auto const invoice = check_invoice(response->lightning_invoice, expected, net::wall_now());
  if (!invoice) fail("a bad invoice: " + invoice.error().message());
  PayMessage out{header(), take.order_id, take.take->take_id, invoice->payment_hash, {}, {}};
  sign_pay(out, maker.id(), taker);
  return out;
}

net::Awaitable<void> measure_latency(Maker& maker, std::size_t count, std::string folder, int redis_port) {
  auto random = Random::from_system();
  auto const taker = SecretKey::generate(random);
  BareRows rows{folder};
  BareRedis redis{redis_port};
  std::map<std::string, std::vector<double>> took;
  constexpr std::size_t kWarmUp = 100;  // until the maker overwrites its log too
  for (std::size_t i = 0; i < count + kWarmUp; ++i) {
    if (i == kWarmUp) took.clear();
    auto const take = make_take(maker, maker.orders.front(), taker, random);
    auto payload = write_payload(to_json(take), PayloadForm::text);
    auto begin = net::steady_now();
    auto const answer = co_await maker.ask(std::move(payload));
    took["take"].push_back(us_since(begin));

    auto const payment = make_payment(maker, take, answer, taker);
    payload = write_payload(to_json(payment), PayloadForm::text);
    begin = net::steady_now();
    auto const paid = co_await maker.ask(std::move(payload));
    took["pay"].push_back(us_since(begin));
    auto const message = parse_paid(paid);
    if (!message || sha256(message->preimage.view()) != payment.payment_hash) fail("a wrong preimage");

    // The maker may still write rows for which nobody waits; they are on the disk before the next commit.
    for (int waited = 0; waited < 2; ++waited) rows.commit(BareRows::make_rows(1, random));
    auto const row = BareRows::make_rows(1, random);
    auto const digest = sha256(take.take->take_id);
    auto const commit = us_of([&] { rows.commit(row); });
    auto const trip = us_of([&] { redis.round_trip(); });
    auto const signature = us_of([&] { (void)taker.sign_recoverable(digest); });
    took["commit"].push_back(commit);
    took["redis"].push_back(trip);
    took["signature"].push_back(signature);
    took["bare"].push_back(commit + trip + signature);
  }
  std::string line;
  for (auto& [name, values] : took) {
    std::array<char, 128> text{};
    (void)std::snprintf(text.data(), text.size(), R"(%s"%s_p50":%.1f,"%s_p99":%.1f)", line.empty() ? "" : ",",
                        name.c_str(), at_share(values, 0.5), name.c_str(), at_share(values, 0.99));
    line += text.data();
  }
  std::printf("{%s}\n", line.c_str());
}

struct Load {
  Maker& maker;
  std::vector<double> took_us{};
  unsigned errors = 0;
  std::string last_error{};
  unsigned running = 0;
  net::AsyncEvent finished;
};

net::Awaitable<void> take_all(Load& load, std::vector<json::Value> takes) {
  ++load.running;
  for (auto& take : takes) {
    auto const begin = net::steady_now();
    auto const answer = co_await load.maker.call(std::move(take));
    load.took_us.push_back(us_since(begin));
    if (answer) continue;
    ++load.errors;
    load.last_error = answer.error().text();
  }
  if (--load.running == 0) load.finished.notify_all();
}

/// Takers in groups of 64; the takers of a group share `count` orders, in another succession each.
std::vector<std::vector<json::Value>> make_takes(Maker const& maker, std::size_t count) {
  auto random = Random::from_system();
  if (maker.orders.size() < kTakers / kTakersOfAnOrder * count) fail("too few orders");
  std::vector<std::vector<json::Value>> out(kTakers);
  for (std::size_t taker = 0; taker < kTakers; ++taker) {
    auto const key = SecretKey::generate(random);
    for (std::size_t i = 0; i < count; ++i) {
      auto const order = taker / kTakersOfAnOrder * count + (taker + i) % count;
      auto const take = make_take(maker, maker.orders[order], key, random);
      out[taker].push_back(write_payload(to_json(take), PayloadForm::text));
    }
  }
  return out;
}

net::Awaitable<void> measure_takes(Maker& maker, std::size_t count) {
  auto takes = make_takes(maker, count);
  Load load{.maker = maker, .finished = net::AsyncEvent{maker.io.get_executor()}};
  auto const begin = net::steady_now();
  for (auto& each : takes) asio::co_spawn(maker.io, take_all(load, std::move(each)), net::kRethrow);
  while (load.took_us.size() < kTakers * count) co_await load.finished.wait();
  auto const seconds = us_since(begin) / 1e6;
  if (load.errors > 0) std::fprintf(stderr, "the last error: %s\n", load.last_error.c_str());
  std::printf(R"({"takes":%zu,"seconds":%.3f,"p50":%.0f,"p99":%.0f,"errors":%u})"
              "\n",
              load.took_us.size() - load.errors, seconds, at_share(load.took_us, 0.5),
              at_share(load.took_us, 0.99), load.errors);
}

// Programs

void measure_rows(std::string const& folder, double seconds) {
  auto random = Random::from_system();
  BareRows rows{folder};
  std::size_t done = 0;
  double took_us = 0;
  while (took_us < seconds * 1e6) {
    auto const batch = BareRows::make_rows(kTakers, random);
    took_us += us_of([&] { rows.commit(batch); });
    done += batch.size();
  }
  std::printf(R"({"rows":%zu,"seconds":%.3f})"
              "\n",
              done, took_us / 1e6);
}

void measure_crypto(double seconds) {
  auto random = Random::from_system();
  auto const key = SecretKey::generate(random);
  auto const id = key.public_key();
  auto const digest = sha256("a take");
  auto const signature = key.sign(digest);
  auto const rate = [&](std::function<void()> const& work) {
    double count = 0;
    auto const begin = net::steady_now();
    while (us_since(begin) < seconds * 1e6) {
      work();
      ++count;
    }
    return count / us_since(begin) * 1e6;
  };
  auto const signatures = rate([&] { (void)key.sign_recoverable(digest); });
  auto const verifications = rate([&] { (void)verify(id, digest, signature); });
  std::printf(R"({"signatures":%.0f,"verifications":%.0f})"
              "\n",
              signatures, verifications);
}

net::Awaitable<void> run_taker(asio::io_context& io, std::vector<std::string> words) {
  Maker maker{io, words[1]};
  co_await maker.read_orders();
  std::size_t const count = std::stoul(words[2]);
  if (words[0] == "latency") {
    co_await measure_latency(maker, count, words.at(3), std::stoi(words.at(4)));
  } else {
    co_await measure_takes(maker, count);
  }
  co_await maker.stop();
}

void run(std::vector<std::string> const& words) {
  bool const is_taker = words.size() >= 3 && (words[0] == "latency" || words[0] == "takes");
  if (is_taker) {
    asio::io_context io{1};
    asio::co_spawn(io, run_taker(io, words), net::kRethrow);
    io.run();
  } else if (words.size() == 3 && words[0] == "rows") {
    measure_rows(words[1], std::stod(words[2]));
  } else if (words.size() == 2 && words[0] == "crypto") {
    measure_crypto(std::stod(words[1]));
  } else {
    fail("latency MAKER COUNT FOLDER REDIS_PORT | takes MAKER COUNT | rows FOLDER SECONDS | crypto SECONDS");
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run({argv + 1, argv + argc});
  } catch (std::exception const& error) {
    std::fprintf(stderr, "exchange_bench: %s\n", error.what());
    return 1;
  }
}
