// A program with one trading peer: its folder, its console and its control socket.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include <boost/asio/io_context.hpp>

#include "exchange/console/console_voice.hpp"
#include "exchange/data_folder.hpp"
#include "exchange/exchange.hpp"
#include <grenache/log/command_line.hpp>
#include <grenache/log/log.hpp>
#include <grenache/net/asio.hpp>

namespace grenache::exchange {

struct PeerProgram {
  Exchange::Options options{};
  std::filesystem::path data_dir{};  // empty: nothing is kept
  LoadIdentity load_identity = load_or_make_identity;
  ConsoleVoice voice{};
  /// Called with each event, after the console; may execute commands.
  std::function<void(Exchange& peer, Event const& event)> on_event{};
};

/// Runs the peer until a signal or the command `stop`; returns the exit code of the program, after printing a
/// failure.
[[nodiscard]] int run_peer(grenache::Command const& app, PeerProgram program, Log const& log, Random random);

/// At a terminal the console shows what the log would tell: then the log has errors alone, unless
/// --log-level is given.
void quiet_log_below_console(grenache::Command const& app, LogOptions& options);

/// Runs `task` on `io` until it has ended.
[[nodiscard]] std::optional<std::string> run_to_end(boost::asio::io_context& io,
                                                    net::Awaitable<std::optional<std::string>> task);

}  // namespace grenache::exchange
