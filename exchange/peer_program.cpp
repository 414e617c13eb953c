#include "exchange/peer_program.hpp"

#include <cstdlib>
#include <exception>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <unistd.h>

#include "exchange/console/repl.hpp"
#include "exchange/console/terminal.hpp"
#include "exchange/control/control_socket.hpp"
#include "exchange/control/data_dir.hpp"
#include <grenache/log/printable.hpp>
#include <grenache/net/async_event.hpp>
#include <grenache/net/termination_signals.hpp>

namespace grenache::exchange {

namespace asio = boost::asio;

namespace {

/// `||` does not end when one of its sides throws.
net::Awaitable<std::optional<std::string>> start(Exchange& peer) {
  std::optional<std::string> failure;
  try {
    failure = co_await peer.start();
  } catch (std::exception const& error) {
    failure = std::string{"cannot start: "} + error.what();
  }
  co_return failure;
}

/// A peer with its control socket and console.
class Program {
 public:
  Program(asio::io_context& io, Exchange& peer, PeerProgram const& program)
      : peer_{peer},
        data_dir_{program.data_dir},
        greeting_{program.voice.greeting},
        stop_{io.get_executor()},
        control_{io.get_executor(), handlers()} {
    peer_.subscribe([this, on_event = program.on_event](Event const& event) {
      control_.publish(event);
      if (repl_) repl_->publish(event);
      if (on_event) on_event(peer_, event);
    });
    if (!Repl::is_possible()) return;
    ReplOptions options;
    options.colour = stdout_has_colour();
    options.voice = program.voice;
    if (!data_dir_.empty()) options.history_file = data_dir_ / "history";
    repl_.emplace(io.get_executor(), ReplHandlers{handlers(), [this] { return ids(); }}, std::move(options));
  }

  /// Runs until a signal or the command `stop`.
  net::Awaitable<std::optional<std::string>> run(net::TerminationSignals& signals) {
    using namespace asio::experimental::awaitable_operators;
    std::optional<std::string> failure;
    if (!data_dir_.empty()) failure = control_.listen(control_socket_path(data_dir_));
    if (failure) co_return failure;
    auto starting = start(peer_) || signals.received();
    auto const first = co_await std::move(starting);
    if (first.index() == 0) failure = std::get<0>(first);
    bool const is_running = first.index() == 0 && !failure;
    if (is_running && repl_ && !repl_->start()) repl_.reset();
    if (is_running && repl_) repl_->print(greeting());
    if (is_running) {
      auto ending = signals.received() || stopped();
      (void)co_await std::move(ending);
    }
    if (repl_) repl_->stop();
    (void)co_await peer_.stop();
    (void)co_await control_.stop();
    co_return failure;
  }

 private:
  ControlHandlers handlers() {
    return {[this](Command command, std::function<void(CommandResult)> done) {
              peer_.execute(std::move(command), std::move(done));
            },
            [this] {
              is_stopped_ = true;
              stop_.notify_all();
            }};
  }

  net::Awaitable<void> stopped() {
    while (!is_stopped_) {
      auto const wake = co_await stop_.wait();
      if (wake == net::Wake::cancelled) co_return;
    }
  }

  std::string greeting() const {
    if (!greeting_.empty()) return greeting_;
    auto const folder = data_dir_.empty() ? "Nothing is kept: orders and promises end with this process."
                                          : "Its data folder is " + printable(data_dir_.string()) + ".";
    return "Peer " + peer_.trader().id().hex().substr(0, 8) + " listens on port " +
           std::to_string(peer_.port()) + ".\n" + folder +
           "\n'help' lists the commands, 'stop' ends the peer.\n";
  }

  std::vector<std::string> ids() const {
    std::vector<std::string> out;
    for (auto const* const order : peer_.trader().book().with_prefix({}, kCompletedIdsMax))
      out.push_back(order->id);
    return out;
  }

  static constexpr std::size_t kCompletedIdsMax = 1'000;

  Exchange& peer_;
  std::filesystem::path data_dir_;
  std::string greeting_;
  net::AsyncEvent stop_;
  bool is_stopped_ = false;
  ControlSocket control_;
  std::optional<Repl> repl_;
};

}  // namespace

std::optional<std::string> run_to_end(asio::io_context& io, net::Awaitable<std::optional<std::string>> task) {
  std::optional<std::string> failure;
  std::exception_ptr thrown;
  asio::co_spawn(io, std::move(task), [&](std::exception_ptr error, std::optional<std::string> result) {
    thrown = error;
    failure = std::move(result);
    io.stop();
  });
  io.run();
  if (thrown) std::rethrow_exception(thrown);
  return failure;
}

void quiet_log_below_console(grenache::Command const& app, LogOptions& options) {
  bool const is_shared = Repl::is_possible() && ::isatty(STDERR_FILENO) == 1;
  if (is_shared && app.count("--log-level") == 0) options.level = "error";
}

int run_peer(grenache::Command const& app, PeerProgram program, Log const& log, Random random) {
  auto key = SecretKey::generate(random);
  program.options.on_journal_failure = [&app, &log](std::string const& why) {
    log.flush();
    std::_Exit(fail(app, "the journal cannot be written: " + why));
  };
  std::optional<FileLock> lock;
  std::optional<SqliteFile> journal;
  auto const& data_dir = program.data_dir;
  if (data_dir.empty()) {
    program.options.is_new_identity = true;
    log.warn("in_memory", {{"text", "nothing is kept: orders and promises end with this process"}});
  } else {
    std::error_code ignored;
    program.options.is_new_identity = !std::filesystem::exists(data_dir / "journal.db", ignored);
    auto opened = open_data_folder(data_dir, random, program.load_identity);
    if (!opened) return fail(app, opened.error());
    lock = std::move(opened->lock);
    key = opened->identity;
    journal = std::move(opened->journal);
    program.options.data_dir = data_dir.string();
  }
  asio::io_context io{1};
  net::TerminationSignals signals{io.get_executor()};
  Exchange peer{io.get_executor(), program.options, key, std::move(random), std::move(journal), log};
  Program running{io, peer, program};
  if (auto const failure = run_to_end(io, running.run(signals))) {
    log.flush();
    return fail(app, *failure);
  }
  log.info("stopped");
  return 0;
}

}  // namespace grenache::exchange
