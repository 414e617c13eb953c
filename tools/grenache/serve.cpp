#include "tools/grenache/serve.hpp"

#include <algorithm>
#include <chrono>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/steady_timer.hpp>

#include "tools/grenache/peer_options.hpp"
#include "tools/grenache/program_pool.hpp"
#include "tools/grenache/run.hpp"
#include <grenache/log/command_line.hpp>
#include <grenache/net/hangup.hpp>
#include <grenache/rpc/server.hpp>

namespace grenache::client {
namespace {

namespace asio = boost::asio;

constexpr Duration kDrain = std::chrono::seconds{3};   // for programs that are running at the stop
constexpr Duration kAnswer = std::chrono::seconds{2};  // to answer the callers of killed programs

struct ServeFlags {
  PeerOptions peer;
  ListenOptions listen;
  bool echo = false;
  std::string program;
  std::vector<std::string> arguments;
  unsigned parallel = std::max(1U, std::thread::hardware_concurrency());
  unsigned threads = 0;
};

net::Awaitable<rpc::Reply> echo(rpc::Request& request) { co_return rpc::Reply{std::move(request.payload)}; }

std::unique_ptr<rpc::Server> make_server(net::Executor const& executor, rpc::Server::Options options,
                                         ProgramPool* programs) {
  if (programs == nullptr) {
    return std::make_unique<rpc::Server>(executor, std::move(options), rpc::Server::Handler{echo});
  }
  rpc::Server::CallbackHandler handler = [programs](rpc::Request request, rpc::Responder respond) {
    programs->run(std::move(request), std::move(respond));
  };
  return std::make_unique<rpc::Server>(executor, std::move(options), std::move(handler));
}

std::unique_ptr<ProgramPool> make_programs(Common const& common, ServeFlags const& flags,
                                           std::string const& path) {
  if (flags.echo) return nullptr;
  ProgramPool::Options options;
  options.limits.time_max = common.timeout();
  options.parallel = flags.parallel;
  std::vector<std::string> arguments{flags.program};
  arguments.insert(arguments.end(), flags.arguments.begin(), flags.arguments.end());
  return std::make_unique<ProgramPool>(path, std::move(arguments), options);
}

void print_stopped(Common const& common, rpc::Server const& server) {
  std::uint64_t const requests = server.counters().requests;
  if (common.json) {
    print(json::Value::object({{"event", "stopped"}, {"requests", requests}}));
  } else {
    std::cout << "stopped after " << requests << (requests == 1 ? " request\n" : " requests\n");
  }
}

net::Awaitable<std::optional<Failure>> serve(Common const& common, ServeFlags const& flags,
                                             rpc::Server::Options options, std::string path) {
  auto const executor = co_await asio::this_coro::executor;
  net::TerminationSignals signals{executor};
  rpc::Link link{executor, link_options(common), Random::from_system()};
  std::shared_ptr<ProgramPool> programs = make_programs(common, flags, path);
  auto const server = make_server(executor, std::move(options), programs.get());
  auto const opened = co_await open_service(*server, common, flags.peer, flags.listen, link, signals);
  if (opened && *opened) co_await signals.received();

  auto const kill = [running = std::weak_ptr{programs}] {
    if (auto const pool = running.lock()) pool->stop();
  };
  asio::steady_timer drain{executor, kDrain};
  drain.async_wait([kill](boost::system::error_code error) {
    if (!error) kill();
  });
  signals.on_signal(kill);
  if (signals.count() > 1) kill();
  (void)co_await server->stop(kDrain + kAnswer);
  drain.cancel();
  programs.reset();  // answers the remaining requests, for which it needs the server
  co_await link.stop();
  if (!opened) co_return opened.error();
  print_stopped(common, *server);
  co_return std::nullopt;
}

std::optional<Failure> run_serve(Common const& common, ServeFlags const& flags) {
  rpc::Server::Options options;
  options.transport = flags.peer.chosen();
  options.threads = flags.threads;
  options.web_access = flags.listen.web_access;
  auto tls = load_tls(flags.peer, Side::server);
  if (!tls) return tls.error();
  options.tls = std::move(tls->options);
  net::survive_hangup();
  std::string path;
  if (!flags.echo) {
    auto const found = find_program(flags.program);
    if (!found) return Failure{"there is no program '" + flags.program + "' that can be executed"};
    path = *found;
  }
  return run(serve(common, flags, std::move(options), std::move(path)));
}

}  // namespace

void declare_serve(Command& app, Common const& common, Action& action) {
  auto const flags = std::make_shared<ServeFlags>();
  Command& command = *app.add_subcommand("serve", "Answer requests with the output of a program");
  declare_peer(command, flags->peer, Side::server, {"http", "https", "ws", "wss"});
  command.add_flag("--echo", flags->echo, "Answer with the payload");
  command.add_option("--exec", flags->program, "Run this program for each request")->type_name("PROGRAM");
  command
      .add_option("arg", flags->arguments, "Arguments of PROGRAM; -- must precede those that begin with -")
      ->type_name("");
  add_number(command, "--parallel", flags->parallel, 1, 1024,
             "How many programs run at a time; more requests wait [cores]");
  declare_listen(command, flags->listen, "call the service");
  add_number(command, "--threads", flags->threads, 0, 256, "Threads for connections; 0: one for everything")
      ->capture_default_str();
  command.footer(
      "PROGRAM gets the payload as a line of JSON on stdin, and GRENACHE_KEY (the name), GRENACHE_RID,\n"
      "GRENACHE_PEER (ip:port), GRENACHE_ACTION and GRENACHE_FINGERPRINT (of the caller's certificate)\n"
      "in its environment. Its output is the answer: JSON, otherwise a string. If it fails, the last\n"
      "line of its stderr is the error. It is killed after --timeout, and if it prints over 8 MiB.\n"
      "The DHT shows the service at the address of the grape that announces it: use a grape on the same "
      "host.\n"
      "A warning is printed if the DHT shows the service at an address where it does not listen.\n"
      "--grape, --json and --timeout: see grenache --help.\n"
      "Ctrl-C removes the announcement and lets programs run for 3 s more; a second one kills them.\n"
      "  grenache serve rpc_test --echo\n"
      "  grenache serve sum --exec jq -- -c add\n"
      "  grenache serve upper --exec ./upper.sh --port 7070 --parallel 4 --timeout 2\n"
      "  grenache serve rpc_test --echo --transport https --cert me.pem --key me.key --ca ca.pem");
  command.final_callback([&common, &action, flags] {
    check_peer(flags->peer, Side::server);
    if (flags->echo == !flags->program.empty()) {
      throw UsageError{"serve needs either --exec PROGRAM or --echo"};
    }
    if (flags->echo && !flags->arguments.empty()) throw UsageError{"--echo takes no arguments"};
    action = [&common, flags] { return run_serve(common, *flags); };
  });
}

}  // namespace grenache::client
