// Settlements for tests/bench/ledger.py.
//
//     ledger_bench settle LEDGER COUNT AT_ONCE
//         opens 16 accounts and makes COUNT transfers between them, AT_ONCE under way; prints settlements,
//         seconds, p50, p99 (us) and errors
//     ledger_bench core COUNT
//         the same in the core alone, with a journal in memory; prints settlements and seconds
//
// LEDGER: host:port. Requests are signed before the clock starts, answers are verified after it has stopped.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "exchange/journal/memory_journal.hpp"
#include "exchange/ledger/ledger.hpp"
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

constexpr std::size_t kAccountCount = 16;

[[noreturn]] void fail(std::string const& text) { throw std::runtime_error{text}; }

double us_since(TimePoint begin) {
  return std::chrono::duration<double, std::micro>{net::steady_now() - begin}.count();
}

double at_share(std::vector<double>& values, double share) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  auto const index = static_cast<std::size_t>(share * static_cast<double>(values.size()));
  return values.at(std::min(index, values.size() - 1));
}

std::vector<SecretKey> make_keys(Random& random) {
  std::vector<SecretKey> out;
  for (std::size_t i = 0; i < kAccountCount; ++i) out.push_back(SecretKey::generate(random));
  return out;
}

LedgerRequest make_opening(SecretKey const& key, PeerId const& ledger, Random& random) {
  OpenAccount const wanted{"bench " + key.public_key().hex().substr(2, 12), {}, UsdCents{1'000'000}, "", {}};
  auto out = make_ledger_request(wanted, ledger, random);
  sign(out, key);
  return out;
}

std::vector<LedgerRequest> make_transfers(std::size_t count, std::vector<SecretKey> const& keys,
                                          PeerId const& ledger, WallTime now, Random& random) {
  std::vector<LedgerRequest> out;
  for (std::size_t i = 0; i < count; ++i) {
    auto const& to = keys[(i + 1) % kAccountCount];
    Transfer const wanted{make_uuid(random), {}, to.public_key(), UsdCents{1}, now + 12h, {}};
    out.push_back(make_ledger_request(wanted, ledger, random));
    sign(out.back(), keys[i % kAccountCount]);
  }
  return out;
}

// Over the network

struct Load {
  rpc::Client& client;
  std::string endpoint;
  std::vector<LedgerRequest> requests{};
  std::vector<json::Value> payloads{};
  std::vector<json::Value> answers{};
  std::vector<double> took_us{};
  unsigned errors = 0;
  std::string last_error{};
  std::size_t next = 0;
  std::size_t done = 0;
  net::AsyncEvent finished;
};

net::Awaitable<rpc::RpcResult<json::Value>> call(Load& load, json::Value payload) {
  rpc::RequestOptions options;
  options.timeout = 60s;
  co_return co_await load.client.request_to(load.endpoint, "exchange:ledger", std::move(payload), options);
}

net::Awaitable<LedgerAnswer> ask(Load& load, LedgerRequest const& request) {
  auto answered = co_await call(load, write_payload(to_json(request), PayloadForm::text));
  if (!answered) fail("refused: " + answered.error().text());
  auto answer = read_ledger_answer(read_answer(std::move(*answered)), request);
  if (!answer) fail("a bad answer: " + answer.error().message());
  co_return std::move(*answer);
}

net::Awaitable<void> settle_some(Load& load) {
  while (load.next < load.requests.size()) {
    auto const at = load.next++;
    auto const begin = net::steady_now();
    auto answer = co_await call(load, std::move(load.payloads[at]));
    load.took_us.push_back(us_since(begin));
    if (answer) load.answers[at] = std::move(*answer);
    if (!answer) ++load.errors, load.last_error = answer.error().text();
    ++load.done;
  }
  if (load.done == load.requests.size()) load.finished.notify_all();
}

void verify_answers(Load& load) {
  for (std::size_t i = 0; i < load.requests.size(); ++i) {
    if (load.answers[i].is_null()) continue;
    auto const answer = read_ledger_answer(read_answer(std::move(load.answers[i])), load.requests[i]);
    bool const is_paid = answer && std::holds_alternative<TransferPaid>(answer->body);
    if (is_paid) continue;
    ++load.errors;
    load.last_error = "a transfer was not paid";
  }
}

net::Awaitable<void> measure_settlements(asio::io_context& io, std::string endpoint, std::size_t count,
                                         std::size_t at_once) {
  auto random = Random::from_system();
  rpc::Link link{io.get_executor(), {}, random.fork()};
  rpc::ClientOptions options;
  options.connections_per_destination_max = at_once;
  rpc::Client client{io.get_executor(), link, options, random.fork()};
  Load load{
      .client = client, .endpoint = std::move(endpoint), .finished = net::AsyncEvent{io.get_executor()}};
  auto const first = make_get_ledger(random);
  auto const known = co_await ask(load, first);
  auto const keys = make_keys(random);
  for (auto const& key : keys) {
    auto const opening = make_opening(key, known.ledger, random);
    auto const opened = co_await ask(load, opening);
    if (!std::holds_alternative<LedgerAccount>(opened.body)) fail("an account was not opened");
  }
  load.requests = make_transfers(count, keys, known.ledger, net::wall_now(), random);
  for (auto const& each : load.requests) {
    load.payloads.push_back(write_payload(to_json(each), PayloadForm::text));
  }
  load.answers.resize(count);
  auto const begin = net::steady_now();
  for (std::size_t i = 0; i < at_once; ++i) asio::co_spawn(io, settle_some(load), net::kRethrow);
  while (load.done < count) co_await load.finished.wait();
  auto const seconds = us_since(begin) / 1e6;
  verify_answers(load);
  if (load.errors > 0) std::fprintf(stderr, "the last error: %s\n", load.last_error.c_str());
  std::printf(R"({"settlements":%zu,"seconds":%.3f,"p50":%.0f,"p99":%.0f,"errors":%u})"
              "\n",
              count - load.errors, seconds, at_share(load.took_us, 0.5), at_share(load.took_us, 0.99),
              load.errors);
  co_await client.stop();
  co_await link.stop();
}

// In the core

void measure_core(std::size_t count) {
  auto random = Random::from_system();
  Ledger::Options options;
  options.guard.units_per_second = 1e12;
  options.guard.units_max = 1e12;
  Ledger ledger{options, SecretKey::generate(random)};
  MemoryJournal journal{{[](Position) {}, nullptr}, [] {}};
  Now const now{net::steady_now(), net::wall_now()};
  auto const keys = make_keys(random);
  auto const pump = [&] {
    std::vector<LedgerRead> reads;
    while (auto output = ledger.poll_output()) {
      if (auto* const save = std::get_if<output::Save>(&*output)) journal.append(std::move(save->batch));
      if (auto* const read = std::get_if<LedgerRead>(&*output)) reads.push_back(std::move(*read));
    }
    return reads;
  };
  for (auto const& key : keys) {
    ledger.receive(0, IpAddress{127, 0, 0, 1}, to_json(make_opening(key, ledger.id(), random)), now);
    (void)pump();
  }
  std::vector<json::Value> payloads;
  for (auto const& each : make_transfers(count, keys, ledger.id(), now.wall, random)) {
    payloads.push_back(write_payload(to_json(each), PayloadForm::text));
  }
  auto const begin = net::steady_now();
  for (auto& payload : payloads) {
    ledger.receive(0, IpAddress{127, 0, 0, 1}, std::move(payload), now);
    for (auto const& read : pump()) ledger.rows_read(read.read, {}, now);
    (void)pump();
    journal.run();
  }
  auto const seconds = us_since(begin) / 1e6;
  if (ledger.seq() != static_cast<std::int64_t>(count)) fail("a transfer was not made");
  std::printf(R"({"settlements":%zu,"seconds":%.3f})"
              "\n",
              count, seconds);
}

void run(std::vector<std::string> const& words) {
  if (words.size() == 4 && words[0] == "settle") {
    asio::io_context io{1};
    asio::co_spawn(io, measure_settlements(io, words[1], std::stoul(words[2]), std::stoul(words[3])),
                   net::kRethrow);
    io.run();
  } else if (words.size() == 2 && words[0] == "core") {
    measure_core(std::stoul(words[1]));
  } else {
    fail("settle LEDGER COUNT AT_ONCE | core COUNT");
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run({argv + 1, argv + argc});
  } catch (std::exception const& error) {
    std::fprintf(stderr, "ledger_bench: %s\n", error.what());
    return 1;
  }
}
