// Payments over credit lines for tests/bench/credit.py.
//
//     credit_bench pay LINES COUNT AT_ONCE [FOLDER]
//         one payer and LINES payees on one thread, without sockets: COUNT payments over all lines, AT_ONCE
//         under way. With FOLDER the payer's journal is there (SQLite), and a thread commits all that
//         is queued, one transaction after the other; payees keep theirs in memory. Prints payments, seconds,
//         rows and commits of the payer
//     credit_bench lone COUNT FOLDER
//         two peers with journals in FOLDER, over HTTP: COUNT payments, one after the other; between two of
//         them two commits of one row, two signatures and one request that is answered at once. Prints p50
//         and p99 of the payments, and p50 of each of the others, in us
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <deque>
#include <exception>
#include <filesystem>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "exchange/exchange.hpp"
#include "exchange/journal/release_gate.hpp"
#include "exchange/journal/sqlite_file.hpp"
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

constexpr UsdCents kLimit{UsdCents::kMax};

[[noreturn]] void fail(std::string const& text) { throw std::runtime_error{text}; }

double us_since(TimePoint begin) {
  return std::chrono::duration<double, std::micro>{net::steady_now() - begin}.count();
}

double at_share(std::vector<double>& values, double share) {
  std::ranges::sort(values);
  auto const index = static_cast<std::size_t>(share * static_cast<double>(values.size()));
  return values.at(std::min(index, values.size() - 1));
}

SecretKey key_of(std::size_t number) {
  Random random{1 + number};
  return SecretKey::generate(random);
}

Trader::Options without_limits() {
  Trader::Options out;
  out.guard.units_per_second = out.guard.units_max = 1e12;
  out.peers.contact_count_max = 10'000;
  out.credit.lines.line_count_max = 10'000;
  return out;
}

// On one thread

class World {
 public:
  World(std::size_t line_count, std::optional<SqliteFile> file) : file_{std::move(file)} {
    for (std::size_t i = 0; i <= line_count; ++i) {
      auto& node = nodes_.emplace_back();
      node.at = "127.0.0.1:" + std::to_string(1'000 + i);
      node.trader = std::make_unique<Trader>(without_limits(), key_of(i), Random{i});
      node.trader->set_endpoint(node.at);
      node.trader->start(now());
      by_endpoint_[node.at] = i;
    }
    std::vector<std::string> endpoints;
    for (auto const& node : nodes_) endpoints.push_back(node.at);
    for (std::size_t i = 0; i <= line_count; ++i) {
      auto const known = i == 0 ? endpoints : std::vector<std::string>{endpoints[0]};
      nodes_[i].trader->endpoints_found(known, ContactSource::connect, now());
      run();
    }
    for (std::size_t i = 1; i <= line_count; ++i) {
      execute(0, command::ProposeCredit{id(i), kLimit, kLimit});
      run();
      execute(i, command::AnswerProposal{id(0), true});
      run();
    }
  }

  /// Returns the seconds that it takes.
  double pay(std::size_t count, std::size_t at_once) {
    commit_count = row_count = 0;
    paid_ = failed_ = 0;
    auto const begin = net::steady_now();
    std::size_t begun = 0;
    while (paid_ + failed_ < count) {
      while (begun < count && begun - paid_ - failed_ < at_once) {
        auto const to = 1 + begun++ % (nodes_.size() - 1);
        execute(0, command::PayCredit{ids_[to], UsdCents{1}});
      }
      run();
    }
    if (failed_ > 0) fail("a payment failed");
    return us_since(begin) / 1e6;
  }

  std::size_t commit_count = 0;
  std::size_t row_count = 0;

 private:
  struct Node {
    std::string at;
    std::unique_ptr<Trader> trader;
    ReleaseGate<Output> gate;
    std::vector<Batch> batches;
    std::map<RequestId, std::pair<std::size_t, CallId>> asked;  // who asks, and its call
  };

  static Now now() { return {net::steady_now(), net::wall_now()}; }
  std::string id(std::size_t i) {
    while (ids_.size() < nodes_.size()) ids_.push_back(nodes_[ids_.size()].trader->id().hex());
    return ids_[i];
  }
  void execute(std::size_t i, TraderCommand const& command) {
    nodes_[i].trader->execute(++last_command_, command, now());
  }

  /// Until nothing happens any more. The payer's journal is written on another thread.
  void run() {
    for (;;) {
      bool is_idle = true;
      for (std::size_t i = 0; i < nodes_.size(); ++i) {
        while (auto out = nodes_[i].trader->poll_output()) {
          is_idle = false;
          take(i, std::move(*out));
        }
        is_idle = !(i > 0 && commit(i)) && is_idle;
      }
      is_idle = !write(is_idle) && is_idle;
      if (is_idle) return;
    }
  }

  bool commit(std::size_t i) {
    auto const batches = std::exchange(nodes_[i].batches, {});
    if (!batches.empty()) release(i, batches.back().position);
    return !batches.empty();
  }
  void release(std::size_t i, Position position) {
    nodes_[i].gate.set_durable(position);
    while (auto out = nodes_[i].gate.next()) dispatch(i, std::move(*out));
  }

  /// Begins and ends transactions of the payer; waits for one if there is nothing else to do.
  bool write(bool is_idle) {
    bool const is_done = writing_.valid() && (is_idle || writing_.wait_for(0s) == std::future_status::ready);
    if (is_done) {
      if (!writing_.get()) fail("the journal cannot be written");
      release(0, writing_position_);
    }
    auto& batches = nodes_[0].batches;
    if (writing_.valid() || batches.empty()) return is_done;
    ++commit_count;
    writing_position_ = batches.back().position;
    writing_ = std::async(
        file_ ? std::launch::async : std::launch::deferred,
        [this, taken = std::exchange(batches, {})] { return !file_ || file_->commit(taken).has_value(); });
    return true;
  }

  void take(std::size_t i, Output out) {
    auto& node = nodes_[i];
    if (auto* const save = std::get_if<output::Save>(&out)) {
      if (i == 0) row_count += save->batch.changes.size();
      node.batches.push_back(std::move(save->batch));
      return;
    }
    auto const after = std::visit(
        [](auto const& each) -> Position {
          if constexpr (requires { each.after; }) return each.after;
          return 0;
        },
        out);
    if (auto released = node.gate.add(after, std::move(out))) dispatch(i, std::move(*released));
  }

  void dispatch(std::size_t i, Output out) {
    auto& node = nodes_[i];
    if (auto* const call = std::get_if<output::Call>(&out)) {
      auto const to = by_endpoint_.find(call->endpoint);
      if (to == by_endpoint_.end()) return node.trader->call_answered(call->call, {{}, "nobody"}, now());
      auto const request = ++last_request_;
      nodes_[to->second].asked.emplace(request, std::pair{i, call->call});
      nodes_[to->second].trader->receive(request, IpAddress{127, 0, 0, 1}, std::move(call->payload), now());
    } else if (auto* const reply = std::get_if<output::Reply>(&out)) {
      auto const asked = node.asked.extract(reply->request);
      auto const& [who, id] = asked.mapped();
      nodes_[who].trader->call_answered(id, {std::move(reply->result), std::move(reply->error)}, now());
    } else if (auto* const answer = std::get_if<output::Answer>(&out)) {
      auto const* const payment = std::get_if<result::CreditPayment>(&answer->result);
      if (payment && payment->state == result::CreditPaymentState::counted) ++paid_;
      if (std::holds_alternative<result::Failure>(answer->result)) ++failed_;
    } else if (auto* const store = std::get_if<output::Store>(&out)) {
      node.trader->store_answered(store->call, store::Done{}, now());
    }
  }

  std::optional<SqliteFile> file_;
  std::future<bool> writing_;
  Position writing_position_ = 0;
  std::deque<Node> nodes_;
  std::map<std::string, std::size_t> by_endpoint_;
  std::vector<std::string> ids_;
  CommandId last_command_ = 0;
  RequestId last_request_ = 0;
  std::size_t paid_ = 0;
  std::size_t failed_ = 0;
};

void measure(std::size_t line_count, std::size_t count, std::size_t at_once, std::string const& folder) {
  std::optional<SqliteFile> file;
  if (!folder.empty()) {
    auto opened = SqliteFile::open(std::filesystem::path{folder} / "payer.db");
    if (!opened) fail(opened.error());
    file = std::move(*opened);
  }
  World world{line_count, std::move(file)};
  world.pay(std::max(count / 10, 4 * at_once), at_once);
  auto const seconds = world.pay(count, at_once);
  std::printf(R"({"payments":%zu,"seconds":%.3f,"rows":%zu,"commits":%zu})"
              "\n",
              count, seconds, world.row_count, world.commit_count);
}

// Over HTTP

std::unique_ptr<Exchange> make_peer(asio::io_context& io, std::size_t number, std::string const& folder,
                                    Log const& log) {
  Exchange::Options options;
  options.bind = IpAddress{127, 0, 0, 1};
  options.is_new_identity = true;
  options.trader = without_limits();
  auto file = SqliteFile::open(std::filesystem::path{folder} / ("peer" + std::to_string(number) + ".db"));
  if (!file) fail(file.error());
  return std::make_unique<Exchange>(io.get_executor(), std::move(options), key_of(number), Random{number},
                                    std::optional{std::move(*file)}, log);
}

template <class Wanted>
Awaitable<Wanted> get(Exchange& peer, Command command) {
  auto answer = co_await peer.execute(std::move(command));
  auto* const found = std::get_if<Wanted>(&answer);
  if (!found) fail("a command failed");
  co_return std::move(*found);
}

Awaitable<void> measure_lone(asio::io_context& io, std::size_t count, std::string folder) {
  Log const log{LogLevel::error, LogFormat::text};
  auto const alice = make_peer(io, 1, folder, log);
  auto const bob = make_peer(io, 2, folder, log);
  for (auto const* const peer : {&alice, &bob}) {
    auto const failure = co_await (*peer)->start();
    if (failure) fail(*failure);
  }
  auto const endpoint = "127.0.0.1:" + std::to_string(bob->port());
  Command const connect = command::Connect{endpoint};
  (void)co_await get<result::Connected>(*alice, connect);
  Command const connect_back = command::Connect{"127.0.0.1:" + std::to_string(alice->port())};
  (void)co_await get<result::Connected>(*bob, connect_back);
  Command const propose = command::ProposeCredit{bob->trader().id().hex(), kLimit, kLimit};
  (void)co_await get<result::CreditLineView>(*alice, propose);
  auto const is_asked = [&] {
    auto const* const line = bob->trader().credit().lines().find(alice->trader().id());
    return line && line->proposal();
  };
  bool const was_asked = co_await bob->wait_until(is_asked, net::steady_deadline(10s));
  if (!was_asked) fail("no proposal");
  Command const accept = command::AnswerProposal{"", true};
  (void)co_await get<result::CreditLineView>(*bob, accept);
  auto const is_open = [&] {
    auto const* const line = alice->trader().credit().lines().find(bob->trader().id());
    return line && line->view().is_open;
  };
  bool const has_opened = co_await alice->wait_until(is_open, net::steady_deadline(10s));
  if (!has_opened) fail("the line is not open");

  auto bare = SqliteFile::open(std::filesystem::path{folder} / "lone_bare.db");
  if (!bare) fail(bare.error());
  rpc::Link link{io.get_executor(), {}, Random{7}};
  rpc::Client client{io.get_executor(), link, {}, Random{8}};
  auto const key = key_of(3);
  Command const pay = command::PayCredit{bob->trader().id().hex(), UsdCents{1}};
  std::vector<double> payments;
  std::vector<double> commits;
  std::vector<double> signatures;
  std::vector<double> trips;
  Position position = 0;
  for (std::size_t i = 0; i < count; ++i) {
    auto begin = net::steady_now();
    (void)co_await get<result::CreditPayment>(*alice, pay);
    payments.push_back(us_since(begin));

    begin = net::steady_now();
    Batch const batch{++position, {{"bare", std::to_string(i), std::string(1'000, 'x')}}};
    if (!bare->commit({&batch, 1})) fail("the row cannot be written");
    commits.push_back(us_since(begin));

    begin = net::steady_now();
    (void)key.sign(sha256(std::to_string(i)));
    signatures.push_back(us_since(begin));

    // A message that the peer refuses at once.
    begin = net::steady_now();
    rpc::RequestOptions const options;
    json::Value const nothing = "{}";
    (void)co_await client.request_to(endpoint, "exchange", nothing, options);
    trips.push_back(us_since(begin));
  }
  std::printf(R"({"p50":%.0f,"p99":%.0f,"commit":%.0f,"signature":%.1f,"trip":%.0f})"
              "\n",
              at_share(payments, 0.5), at_share(payments, 0.99), at_share(commits, 0.5),
              at_share(signatures, 0.5), at_share(trips, 0.5));
  co_await client.stop();
  co_await link.stop();
  (void)co_await alice->stop();
  (void)co_await bob->stop();
}

void run(std::vector<std::string> const& words) {
  if ((words.size() == 4 || words.size() == 5) && words[0] == "pay") {
    measure(std::stoul(words[1]), std::stoul(words[2]), std::stoul(words[3]),
            words.size() == 5 ? words[4] : "");
  } else if (words.size() == 3 && words[0] == "lone") {
    asio::io_context io{1};
    asio::co_spawn(io, measure_lone(io, std::stoul(words[1]), words[2]), net::kRethrow);
    io.run();
  } else {
    fail("pay LINES COUNT AT_ONCE [FOLDER] | lone COUNT FOLDER");
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run({argv + 1, argv + argc});
  } catch (std::exception const& error) {
    std::fprintf(stderr, "credit_bench: %s\n", error.what());
    return 1;
  }
}
