// The interactive console of a peer.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "exchange/console/console_voice.hpp"
#include "exchange/control/control_socket.hpp"
#include "exchange/core/event.hpp"
#include <grenache/net/asio.hpp>

namespace grenache::exchange {

struct ReplHandlers {
  ControlHandlers commands;
  /// The ids that can be completed: of orders and takes.
  std::function<std::vector<std::string>()> ids;
};

struct ReplOptions {
  /// Entered lines are kept here (mode 0600), the last 1000; empty: nowhere.
  std::filesystem::path history_file;
  bool colour = false;
  ConsoleVoice voice{};
};

/// Reads commands from the terminal at standard input and prints their answers, and events, on standard
/// output, above the line that is being typed. `watch` switches between all events and those that concern us.
/// `exit` and `quit` settle what can be settled on the ledger, say what is left, and ask to end the peer; so
/// do `stop` and Ctrl-D, at once.
///
/// A proposal of a credit line is a question: the next line that is `y`, `n` or empty answers the oldest one.
///
/// A terminal that does not accept output, such as one stopped with Ctrl-S, does not block the process: up to
/// a megabyte is kept, and what comes after that is dropped with a note.
///
/// Standard input and output must be terminals, and nothing else may read or write them. The terminal is in
/// raw mode from start() to stop(). SIGINT is left to the program. One at a time in a process; not
/// thread-safe.
class Repl {
 public:
  Repl(net::Executor const& executor, ReplHandlers handlers, ReplOptions options);
  /// As stop().
  ~Repl();
  Repl(Repl const&) = delete;
  Repl& operator=(Repl const&) = delete;

  /// True if standard input and output are terminals.
  [[nodiscard]] static bool is_possible();

  /// Shows the prompt. Returns false if the terminal cannot be used.
  [[nodiscard]] bool start();
  /// Prints lines above the prompt. Text must be printable; see printable().
  void print(std::string_view lines);
  void publish(Event const& event);
  /// Ends input and restores the terminal.
  void stop();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace grenache::exchange
