#include "tools/grenache/pub_sub.hpp"

#include <chrono>
#include <cstdint>
#include <iostream>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <unistd.h>

#include "tools/grenache/peer_options.hpp"
#include "tools/grenache/program.hpp"
#include "tools/grenache/read_lines.hpp"
#include "tools/grenache/run.hpp"
#include "tools/grenache/write_text.hpp"
#include <grenache/json/bencode_json.hpp>
#include <grenache/log/command_line.hpp>
#include <grenache/net/async_event.hpp>
#include <grenache/net/hangup.hpp>
#include <grenache/net/rethrow.hpp>
#include <grenache/rpc/publisher.hpp>
#include <grenache/rpc/subscriber.hpp>

namespace grenache::client {
namespace {

namespace asio = boost::asio;
using json::Value;

constexpr std::size_t kMessageSizeMax = 8 * 1024 * 1024;  // of pub and sub
constexpr Duration kSubscriberPoll = std::chrono::milliseconds{20};

struct PubFlags {
  PeerOptions peer;
  ListenOptions listen;
  std::size_t subscribers = 0;
};

struct SubFlags {
  PeerOptions peer;
  std::optional<std::uint64_t> count;
};

std::string count_of(std::uint64_t count, std::string const& what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

// pub

/// Waits until there are `count` subscribers. Returns false after a signal.
net::Awaitable<bool> wait_subscribers(rpc::Publisher const& publisher, std::size_t count,
                                      net::TerminationSignals const& signals) {
  auto const executor = co_await asio::this_coro::executor;
  asio::steady_timer timer{executor};
  while (publisher.subscriber_count() < count && signals.count() == 0) {
    timer.expires_after(kSubscriberPoll);
    (void)co_await timer.async_wait(net::kTuple);
  }
  co_return signals.count() == 0;
}

/// Publishes the lines of stdin until its end or `stop`.
net::Awaitable<std::optional<Failure>> publish_lines(rpc::Publisher& publisher, StopSignal const& stop) {
  auto const executor = co_await asio::this_coro::executor;
  net::AsyncEvent done{executor};
  bool ended = false;
  std::optional<Failure> failure;
  asio::thread_pool reader{1};
  auto const publish = [&](std::string line) { publisher.publish(std::move(line)); };
  auto const end = [&](std::optional<Failure> result) {
    ended = true;
    failure = std::move(result);
    done.notify_all();
  };
  asio::post(reader, [&] {
    auto result = read_lines(STDIN_FILENO, kMessageSizeMax, stop, publish);
    asio::post(executor, [end, result = std::move(result)] { end(result); });
  });
  while (!ended) (void)co_await done.wait();
  co_return failure;
}

void print_published(Common const& common, rpc::Publisher::Counters const& counters) {
  if (common.json) {
    print(Value::object({{"event", "stopped"},
                         {"published", counters.published},
                         {"delivered", counters.delivered},
                         {"subscribers", counters.subscribers},
                         {"dropped", counters.slow}}));
    return;
  }
  std::cout << "published " << count_of(counters.published, "message") << " to "
            << count_of(counters.subscribers, "subscriber") << '\n';
}

net::Awaitable<std::optional<Failure>> pub(Common const& common, PubFlags const& flags,
                                           rpc::Publisher::Options options) {
  auto const executor = co_await asio::this_coro::executor;
  net::TerminationSignals signals{executor};
  rpc::Link link{executor, link_options(common), Random::from_system()};
  rpc::Publisher publisher{executor, std::move(options)};
  auto const opened = co_await open_service(publisher, common, flags.peer, flags.listen, link, signals);
  std::optional<Failure> failure;
  StopSignal stop;
  if (!opened) {
    failure = opened.error();
  } else {
    signals.on_signal([&stop] { stop.raise(); });
    bool const has_subscribers = co_await wait_subscribers(publisher, flags.subscribers, signals);
    if (has_subscribers) failure = co_await publish_lines(publisher, stop);
  }
  bool const all_sent = co_await publisher.stop(common.timeout());
  co_await link.stop();
  if (failure) co_return failure;
  auto const counters = publisher.counters();
  print_published(common, counters);
  if (counters.slow > 0) {
    co_return Failure{count_of(counters.slow, "subscriber") + " read too slowly and missed messages"};
  }
  if (!all_sent) co_return Failure{"not all subscribers received everything in time"};
  co_return std::nullopt;
}

std::optional<Failure> run_pub(Common const& common, PubFlags const& flags) {
  net::survive_hangup();
  rpc::Publisher::Options options;
  options.web_access = flags.listen.web_access;
  auto tls = load_tls(flags.peer, Side::server);
  if (!tls) return tls.error();
  options.tls = std::move(tls->context);
  return run(pub(common, flags, std::move(options)));
}

// sub

std::string line_of(Common const& common, rpc::Publication const& publication) {
  if (!common.json) return printable(publication.text, STDOUT_FILENO) + '\n';
  auto const message = Value{json::to_utf8(publication.text)};
  return json::to_text(Value::object({{"from", publication.publisher}, {"message", message}})) + '\n';
}

/// Writes to stdout, on the thread of `writer` if it would block: this thread has to handle signals.
net::Awaitable<Written> write_out(asio::thread_pool& writer, std::string line, StopSignal const& stop) {
  if (has_room(STDOUT_FILENO, line)) co_return write_text(STDOUT_FILENO, line, stop);
  auto const executor = co_await asio::this_coro::executor;
  net::AsyncEvent done{executor};
  std::optional<Written> result;
  auto const end = [&](Written written) {
    result = written;
    done.notify_all();
  };
  asio::post(writer, [&line, &stop, executor, end] {
    Written const written = write_text(STDOUT_FILENO, line, stop);
    asio::post(executor, [end, written] { end(written); });
  });
  while (!result) (void)co_await done.wait();
  co_return *result;
}

net::Awaitable<std::optional<Failure>> sub(Common const& common, SubFlags const& flags,
                                           rpc::Subscriber::Options options) {
  auto const executor = co_await asio::this_coro::executor;
  net::TerminationSignals signals{executor};
  rpc::Link link{executor, link_options(common), Random::from_system()};
  rpc::Subscriber subscriber{executor, link, flags.peer.name, std::move(options), Random::from_system()};
  StopSignal stop;
  asio::thread_pool writer{1};
  signals.on_signal([&stop, &subscriber, executor] {
    stop.raise();
    asio::co_spawn(executor, subscriber.stop(), net::kRethrow);
  });
  subscriber.start();
  std::optional<Failure> failure;
  auto const connected = co_await subscriber.connected(1, common.timeout());
  if (!connected && signals.count() == 0) failure = Failure{explain(connected.error(), flags.peer.name)};
  for (std::uint64_t left = flags.count.value_or(UINT64_MAX); left > 0 && !failure; --left) {
    auto const publication = co_await subscriber.next();
    if (!publication) break;
    Written const written = co_await write_out(writer, line_of(common, *publication), stop);
    if (written == Written::failed) failure = Failure{"cannot write the message"};
    if (written != Written::all) break;
  }
  co_await subscriber.stop();
  co_await link.stop();
  co_return failure;
}

std::optional<Failure> run_sub(Common const& common, SubFlags const& flags) {
  rpc::Subscriber::Options options;
  options.message_bytes_max = kMessageSizeMax;
  auto tls = load_tls(flags.peer, Side::caller);
  if (!tls) return tls.error();
  options.tls = std::move(tls->context);
  return run(sub(common, flags, std::move(options)));
}

}  // namespace

void declare_pub(Command& app, Common const& common, Action& action) {
  auto const flags = std::make_shared<PubFlags>();
  Command& command = *app.add_subcommand("pub", "Publish each line of stdin to all subscribers");
  declare_peer(command, flags->peer, Side::server, {"ws", "wss"});
  declare_listen(command, flags->listen, "subscribe");
  add_number(command, "--wait-subscribers", flags->subscribers, 0, 1'000'000,
             "Read nothing until so many are connected")
      ->capture_default_str();
  command.footer(
      "Ends when stdin has ended and everything was sent, or at Ctrl-C. A subscriber gets no earlier\n"
      "messages: without --wait-subscribers the first lines may reach nobody.\n"
      "The DHT shows the service at the address that its grape sees: use a grape on the same host, or one\n"
      "that reaches this host by the address that callers use.\n"
      "--grape, --json and --timeout: see grenache --help.\n"
      "  grenache pub news\n"
      "  tail -f app.log | grenache pub log --wait-subscribers 1\n"
      "  grenache pub news --transport wss --cert me.pem --key me.key");
  command.final_callback([&common, &action, flags] {
    check_peer(flags->peer, Side::server);
    action = [&common, flags] { return run_pub(common, *flags); };
  });
}

void declare_sub(Command& app, Common const& common, Action& action) {
  auto const flags = std::make_shared<SubFlags>();
  Command& command = *app.add_subcommand("sub", "Print the messages of all publishers, one per line");
  declare_peer(command, flags->peer, Side::caller, {"ws", "wss"});
  add_bounded(command, "--count", flags->count, 1, std::numeric_limits<std::int64_t>::max(),
              "End after so many messages");
  command.footer(
      "--timeout is for the first connection to a publisher; after that there is no time limit, and\n"
      "publishers may come and go. It ends with exit code 0 at Ctrl-C, after --count messages, and when\n"
      "the reader of its output has ended. --json prints {\"from\",\"message\"}.\n"
      "--grape, --json and --timeout: see grenache --help.\n"
      "  grenache sub news\n"
      "  grenache sub log --json --count 10\n"
      "  grenache sub news --transport wss --ca ca.pem --timeout 60");
  command.final_callback([&common, &action, flags] {
    check_peer(flags->peer, Side::caller);
    action = [&common, flags] { return run_sub(common, *flags); };
  });
}

}  // namespace grenache::client
