#include "tools/grenache/call.hpp"

#include <algorithm>
#include <iostream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <unistd.h>

#include "tools/grenache/peer_options.hpp"
#include "tools/grenache/run.hpp"
#include "tools/grenache/write_text.hpp"
#include <grenache/log/command_line.hpp>
#include <grenache/rpc/client.hpp>

namespace grenache::client {
namespace {

using json::Value;

struct CallFlags {
  PeerOptions peer;
  std::string payload = "-";
  std::string to;
  bool map = false;
  bool gzip = false;
  bool raw = false;
  unsigned retry_count = rpc::RequestOptions{}.retry_count;
};

using Entries = std::vector<rpc::Client::MapEntry>;

std::string text_of(Value const& value, bool raw) {
  std::string const* const string = raw ? value.as_string() : nullptr;
  return printable(string != nullptr ? *string : json::to_text(value), STDOUT_FILENO);
}

std::optional<Failure> show(Common const& common, CallFlags const& flags,
                            rpc::RpcResult<Value> const& reply) {
  std::string const& name = flags.peer.name;
  if (common.json) {
    auto out = Value::object({{"name", name}});
    if (reply) out.set("result", *reply);
    if (!reply) out.set("error", reply.error().text());
    print(out);
  } else if (reply) {
    std::cout << text_of(*reply, flags.raw) << '\n';
  }
  if (reply) return std::nullopt;
  return Failure{printable(explain(reply.error(), name), STDERR_FILENO)};
}

std::optional<Failure> show(Common const& common, CallFlags const& flags,
                            rpc::RpcResult<Entries> const& replies) {
  std::string const& name = flags.peer.name;
  if (!replies) return show(common, flags, rpc::RpcResult<Value>{replies.error()});
  Value::Array out;
  std::size_t failed = 0;
  for (auto const& [destination, reply] : *replies) {
    auto entry = Value::object({{"destination", destination}});
    if (reply) entry.set("result", *reply);
    if (!reply) entry.set("error", reply.error().text());
    if (!reply) ++failed;
    out.push_back(std::move(entry));
    if (common.json) continue;
    if (reply) {
      std::cout << destination << ' ' << text_of(*reply, flags.raw) << '\n';
    } else {
      std::cout << destination << " ! " << printable(explain(reply.error(), name), STDOUT_FILENO) << '\n';
    }
  }
  if (common.json) print(Value::object({{"name", name}, {"replies", std::move(out)}}));
  if (failed == 0) return std::nullopt;
  return Failure{std::to_string(failed) + " of " + std::to_string(replies->size()) + " destinations failed"};
}

net::Awaitable<std::optional<Failure>> call(Common const& common, CallFlags const& flags,
                                            rpc::Client::Options client_options, Value payload) {
  auto const executor = co_await net::asio::this_coro::executor;
  rpc::Link link{executor, link_options(common), Random::from_system()};
  rpc::Client client{executor, link, std::move(client_options), Random::from_system()};
  std::string const& name = flags.peer.name;
  std::optional<Failure> failure;
  if (flags.map) {
    rpc::MapOptions options;
    options.timeout = common.timeout();
    options.compress = flags.gzip;
    auto const replies = co_await client.map(name, std::move(payload), options);
    bool const all_answered =
        replies && std::ranges::all_of(*replies, [](auto const& each) { return each.reply.has_value(); });
    if (all_answered) end_at_signal();
    failure = show(common, flags, replies);
  } else {
    rpc::RequestOptions options;
    options.timeout = common.timeout();
    options.compress = flags.gzip;
    options.retry_count = flags.retry_count;
    auto request = flags.to.empty() ? client.request(name, std::move(payload), options)
                                    : client.request_to(flags.to, name, std::move(payload), options);
    auto const reply = co_await std::move(request);
    if (reply) end_at_signal();
    failure = show(common, flags, reply);
  }
  std::cout.flush();  // now, because a signal may end the program from here on
  co_await client.stop();
  co_await link.stop();
  co_return failure;
}

std::optional<Failure> run_call(Common const& common, CallFlags const& flags) {
  std::string text = flags.payload;
  if (text == "-") text.assign(std::istreambuf_iterator<char>{std::cin}, {});
  auto payload = json::parse(text);
  if (!payload) return Failure{"the payload is not JSON: " + payload.error().message()};
  rpc::Client::Options options;
  options.transport = flags.peer.chosen();
  auto tls = load_tls(flags.peer, Side::caller);
  if (!tls) return tls.error();
  options.tls = std::move(tls->options);
  return run(call(common, flags, std::move(options), std::move(*payload)));
}

}  // namespace

void declare_call(Command& app, Common const& common, Action& action) {
  auto const flags = std::make_shared<CallFlags>();
  Command& command = *app.add_subcommand("call", "Send a request to a service and print its answer as JSON");
  declare_peer(command, flags->peer, Side::caller, {"http", "https", "ws", "wss"});
  command
      .add_option("payload", flags->payload,
                  "The request as JSON, a string in quotes;\nread from stdin if missing or -")
      ->type_name("")
      ->check([](std::string const& text) {
        return text == "-" || json::parse(text) ? "" : "'" + text + "' is not JSON; a string needs quotes";
      });
  command.add_option("--to", flags->to, "Send it to this destination, without a lookup")
      ->type_name("HOST:PORT")
      ->check([](std::string const& text) {
        return HostPort::parse(text) ? "" : "'" + text + "' is not host:port";
      });
  command.add_flag("--map", flags->map,
                   "Send it to all destinations of the name; prints a line\nfor each: destination and "
                   "answer, or ! and the error");
  command.add_flag("--gzip", flags->gzip, "Compress request and answer (http and https)");
  add_number(command, "--retry", flags->retry_count, 0, 100,
             "How often to repeat a request that may have been executed before its\nconnection "
             "failed; 0: never")
      ->capture_default_str();
  command.add_flag("--raw", flags->raw, "Print a string without quotes");
  command.footer(
      "--timeout is for lookup, connection and answer together. --grape, --json: see grenache --help.\n"
      "  grenache call rpc_test '{\"user\":7}'\n"
      "  grenache call rpc_test '\"hello\"' --raw --timeout 2\n"
      "  echo '[1,2]' | grenache call rpc_test --map\n"
      "  grenache call rpc_test null --transport https --ca ca.pem --cert me.pem --key me.key");
  command.final_callback([&common, &action, flags, command_app = &command] {
    check_peer(flags->peer, Side::caller);
    if (flags->map && command_app->count("--retry") > 0) throw UsageError{"--map excludes --retry"};
    if (flags->map && !flags->to.empty()) throw UsageError{"--map excludes --to"};
    if (flags->gzip && rpc::uses_websocket(flags->peer.chosen())) {
      throw UsageError{"--gzip needs --transport http or https"};
    }
    action = [&common, flags] { return run_call(common, *flags); };
  });
}

}  // namespace grenache::client
