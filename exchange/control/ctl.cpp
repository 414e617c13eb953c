#include "exchange/control/ctl.hpp"

#include <chrono>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <iostream>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <unistd.h>

#include "exchange/console/tables.hpp"
#include "exchange/console/terminal.hpp"
#include "exchange/control/command_table.hpp"
#include "exchange/control/control_client.hpp"
#include "exchange/control/data_dir.hpp"
#include "exchange/control/help.hpp"
#include <grenache/log/command_line.hpp>
#include <grenache/log/printable.hpp>
#include <grenache/net/steady_clock.hpp>
#include <grenache/net/termination_signals.hpp>

namespace grenache::exchange {
namespace {

namespace asio = boost::asio;

constexpr double kTimeoutMax = 86'400;
constexpr std::size_t kUnlimited = 1'000'000;  // columns

struct CtlFlags {
  std::string data_dir;
  std::string name;
  std::vector<std::string> words;
  bool json = false;
  bool dry_run = false;
  std::string max_fee;
  double timeout = 120;  // seconds; above what a take may need to try several makers
};

void declare_flags(grenache::Command& app, CtlFlags& flags) {
  app.column_width(27);
  app.add_option("--data-dir", flags.data_dir, "Folder of the peer [that of --name]")->type_name("FOLDER");
  app.add_option("--name", flags.name,
                 "Name of a peer with its folder in\n$XDG_DATA_HOME/grenache/exchange [default]")
      ->type_name("NAME");
  app.add_flag("--json", flags.json, "Print answers and events as JSON, one object a line");
  app.add_flag("--dry-run", flags.dry_run, "Of pay: say what a payment over a credit line would do");
  app.add_option("--max-fee", flags.max_fee, "Of pay: the highest fee of others [1 % and 0.01]")
      ->type_name("USD");
  app.add_decimal("--timeout", flags.timeout, 0.001, kTimeoutMax, "Seconds to wait for the answer")
      ->capture_default_str();
  app.add_option("command", flags.words, "The command and its arguments")->type_name("COMMAND");
}

struct Ctl {
  CtlFlags const& flags;
  CommandRequest const& command;
  ControlClient& client;
  net::TerminationSignals& signals;

  /// Each returns the exit code.
  net::Awaitable<int> run();
  net::Awaitable<int> watch();
  int print_answer(ControlReply const& reply) const;
  [[nodiscard]] bool print(json::Value const& value) const;
};

/// False when stdout is closed.
bool Ctl::print(json::Value const& value) const {
  auto const* const text = value.as_string();
  if (text) {
    std::cout << *text;
  } else {
    std::cout << escape_invisible(json::to_text(value)) << '\n';  // with names that others have chosen
  }
  return static_cast<bool>(std::cout.flush());
}

int print_failure(result::Failure const& failure, int exit_code) {
  std::cerr << "exchange ctl: " << to_table(failure, {.width = kUnlimited});
  return exit_code;
}

result::Failure failure_of(json::Value const& error) {
  auto const text = [&](char const* name) {
    auto const* const found = error.find_string(name);
    return found ? *found : std::string{};
  };
  return {result::FailureCode::refused, text("text"), text("hint")};
}

int Ctl::print_answer(ControlReply const& reply) const {
  if (!reply.error.empty()) {
    return print_failure({result::FailureCode::unavailable, reply.error, ""}, kExitFailure);
  }
  if (auto const* const error = reply.line.find("error")) {
    if (flags.json) (void)print(reply.line);
    return print_failure(failure_of(*error), kExitFailure);
  }
  auto const* const result = reply.line.find("result");
  return result && print(*result) ? 0 : kExitFailure;
}

net::Awaitable<int> Ctl::run() {
  auto request = to_json(command);
  request.set("id", 1);
  request.set("form", flags.json ? "json" : "text");
  if (!flags.json) {
    request.set("colour", stdout_has_colour());
    // Lines of a pipe or a file stay whole for those who search them.
    bool const is_terminal = ::isatty(STDOUT_FILENO) == 1;
    request.set("width", static_cast<std::int64_t>(is_terminal ? stdout_width() : kUnlimited));
  }
  auto const deadline =
      net::steady_deadline(std::chrono::milliseconds{static_cast<std::int64_t>(flags.timeout * 1000)});
  auto const reply = co_await client.call(std::move(request), deadline);
  if (signals.count() > 0) {
    result::Failure const failure{result::FailureCode::unavailable,
                                  "interrupted; the exchange may still execute the command", ""};
    co_return print_failure(failure, kExitFailure);
  }
  int const code = print_answer(reply);
  if (code != 0 || command.name != "watch") co_return code;
  int const watched = co_await watch();
  co_return watched;
}

net::Awaitable<int> Ctl::watch() {
  for (;;) {
    auto const reply = co_await client.next(TimePoint::max());
    if (signals.count() > 0) co_return 0;
    if (!reply.error.empty()) co_return print_answer(reply);
    auto const* const event = reply.line.find("event");
    if (event && !print(*event)) co_return kExitFailure;
  }
}

net::Awaitable<int> until_signal(Ctl& ctl) {
  using namespace asio::experimental::awaitable_operators;
  auto both = ctl.run() || ctl.signals.received();
  auto const first = co_await std::move(both);
  if (first.index() == 0) co_return std::get<0>(first);
  co_return ctl.command.name == "watch" ? 0 : kExitFailure;
}

int run_ctl(CtlFlags const& flags, CommandRequest const& command, std::filesystem::path const& data_dir) {
  asio::io_context io{1};
  net::TerminationSignals signals{io.get_executor()};
  ControlClient client{io.get_executor()};
  if (auto const failure = client.connect(data_dir)) {
    return print_failure({result::FailureCode::unavailable, *failure, ""}, kExitFailure);
  }
  Ctl ctl{flags, command, client, signals};
  int code = kExitFailure;
  std::exception_ptr thrown;
  asio::co_spawn(io, until_signal(ctl), [&](std::exception_ptr error, int result) {
    thrown = error;
    code = result;
    io.stop();
  });
  io.run();
  if (thrown) std::rethrow_exception(thrown);
  return code;
}

int try_ctl(int argc, char** argv) {
  grenache::Command app{"Sends a command to a running exchange and prints its answer.", "exchange ctl"};
  CtlFlags flags;
  declare_flags(app, flags);
  app.footer(
      "Commands:\n" + help_text("") +
      "Exit codes: 0 done, 1 failed, 2 wrong usage.\nExample:\n  exchange ctl --data-dir client1 orders");
  if (auto const done = parse_command_line(app, argc, argv)) return *done;
  ignore_broken_pipes();
  if (flags.dry_run) flags.words.emplace_back("--dry-run");
  if (!flags.max_fee.empty()) flags.words.emplace_back("maxFee=" + flags.max_fee);
  auto request = read_words(flags.words);
  if (!request) return print_failure(request.error(), kExitUsage);
  auto const parsed = parse(*request);
  if (!parsed) return print_failure(parsed.error(), kExitUsage);
  if (auto const* const help = std::get_if<HelpCommand>(&*parsed)) {
    std::cout << help_text(help->command);
    return 0;
  }
  if (request->name == "importOrders") {  // the peer runs in another folder
    auto& file = request->arguments.front().second;
    file = std::filesystem::absolute(*file.as_string()).string();
  }
  auto const data_dir =
      select_data_dir(flags.data_dir, flags.name, [](char const* variable) { return std::getenv(variable); });
  if (!data_dir) return fail(app, data_dir.error());
  return run_ctl(flags, *request, *data_dir);
}

}  // namespace

int ctl(int argc, char** argv) {
  try {
    return try_ctl(argc, argv);
  } catch (std::exception const& error) {
    std::cerr << "exchange ctl: " << error.what() << '\n';
    return kExitFailure;
  }
}

}  // namespace grenache::exchange
