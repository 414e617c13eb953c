#include "exchange/console/repl.hpp"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <csignal>
#include <deque>
#include <fstream>
#include <utility>
#include <variant>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <poll.h>
#include <unistd.h>

#include "exchange/console/completion.hpp"
#include "exchange/console/line_editor.hpp"
#include "exchange/console/tables.hpp"
#include "exchange/console/terminal.hpp"
#include "exchange/control/command_table.hpp"
#include "exchange/control/help.hpp"
#include <grenache/file/private_file.hpp>
#include <grenache/net/steady_clock.hpp>

namespace grenache::exchange {
namespace {

namespace asio = boost::asio;
using Descriptor = asio::posix::stream_descriptor;

constexpr std::size_t kHistorySize = 1'000;
constexpr std::size_t kHistoryLineMax = 4'096;  // longer lines are not kept
constexpr std::size_t kHistoryFileMax = kHistorySize * (kHistoryLineMax + 1) * 2;
constexpr std::size_t kProposalsMax = 100;
constexpr std::size_t kOutputMax = 1024 * 1024;
constexpr std::size_t kWriteMax = 512;  // what a terminal that accepts output takes without blocking

bool accepts_output() {
  pollfd polled{STDOUT_FILENO, POLLOUT, 0};
  return ::poll(&polled, 1, 0) > 0 && (polled.revents & POLLOUT) != 0;
}

/// The lines of earlier sessions, in a file.
class HistoryFile {
 public:
  explicit HistoryFile(std::filesystem::path path) : path_{std::move(path)} {}

  /// Reads the last lines, and removes older ones from the file.
  [[nodiscard]] std::deque<std::string> load() const {
    std::deque<std::string> out;
    if (path_.empty()) return out;
    auto const text = read_private_file(path_, kHistoryFileMax);
    std::string_view rest = text ? std::string_view{*text} : std::string_view{};
    while (!rest.empty()) {
      auto const line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(std::min(line.size() + 1, rest.size()));
      if (!line.empty() && line.size() <= kHistoryLineMax) out.emplace_back(line);
      if (out.size() > kHistorySize) out.pop_front();
    }
    std::string kept;
    for (auto const& line : out) kept += line + '\n';
    (void)save_private_file(path_, kept);
    return out;
  }
  /// Without syncing it to the disk: the lines are a convenience.
  void append(std::string const& line) const {
    if (!path_.empty()) std::ofstream{path_, std::ios::app} << line << '\n';
  }

 private:
  std::filesystem::path path_;
};

/// Events that are shown without `watch`.
bool concerns_us(Event const& event) {
  if (auto const* const changed = std::get_if<event::OrderChanged>(&event)) return changed->is_own;
  return !std::holds_alternative<event::BookRead>(event);
}

}  // namespace

struct Repl::State : std::enable_shared_from_this<State> {
  State(net::Executor const& executor, ReplHandlers calls, ReplOptions const& settings)
      : handlers{std::move(calls)},
        colour{settings.colour},
        voice{settings.voice},
        history{settings.history_file},
        input{executor},
        output{executor},
        signals{executor} {}

  bool start();
  void stop();
  void print(std::string_view lines);
  void handle(std::string line);
  void execute(Command command);
  void leave();
  void ask_to_stop();
  [[nodiscard]] bool answers_proposal(std::string_view line);
  void publish(Event const& event);
  [[nodiscard]] std::string text_of(CommandResult const& result, Command const* command) const;

  void wait_readable();
  void wait_writable();
  void wait_signal();
  void read_key();
  /// Writes what is queued while the terminal accepts it, then draws the prompt again.
  void pump();
  [[nodiscard]] TextStyle style() const {
    return {.colour = colour, .width = stdout_width(), .now = net::wall_now()};
  }

  ReplHandlers handlers;
  bool const colour;
  ConsoleVoice const voice;
  std::deque<event::CreditProposed> proposals;  // that wait for an answer
  bool is_leaving = false;
  HistoryFile const history;
  std::unique_ptr<LineEditor> editor;
  Descriptor input;
  Descriptor output;
  asio::signal_set signals;
  std::string queued;
  std::size_t written = 0;  // of queued
  std::size_t dropped_count = 0;
  bool is_erased = false;  // the prompt, while queued is written
  bool is_waiting_to_write = false;
  bool has_key = false;  // not read, since the terminal accepts no output
  bool watches_all = false;
  bool stopped = false;
};

// Start and stop

bool Repl::State::start() {
  auto const complete_line = [this](std::string_view line) {
    return complete(line, handlers.ids ? handlers.ids() : std::vector<std::string>{});
  };
  editor = std::make_unique<LineEditor>(voice.prompt, complete_line, kHistorySize);
  auto const remembered = history.load();
  if (!editor->open()) return false;
  for (auto const& line : remembered) editor->remember(line);
  Error error;
  input.assign(::dup(STDIN_FILENO), error);
  if (!error) output.assign(::dup(STDOUT_FILENO), error);
  if (!error) signals.add(SIGWINCH, error);
  if (!error) signals.add(SIGCONT, error);
  if (error) return false;
  wait_signal();
  wait_readable();
  return true;
}

void Repl::State::stop() {
  if (std::exchange(stopped, true)) return;
  handlers = {};
  Error ignored;
  input.close(ignored);
  output.close(ignored);
  signals.cancel(ignored);
  if (!editor) return;
  editor.reset();
  if (accepts_output()) (void)!::write(STDOUT_FILENO, "\n", 1);
}

void Repl::State::wait_signal() {
  signals.async_wait([self = shared_from_this()](Error error, int number) {
    if (error || self->stopped) return;
    if (number == SIGWINCH) self->editor->resized();
    if (number == SIGCONT) self->editor->continued();
    self->print("\r");  // draws the line again
    self->wait_signal();
  });
}

// Input

void Repl::State::wait_readable() {
  input.async_wait(Descriptor::wait_read, [self = shared_from_this()](Error error) {
    if (!error && !self->stopped) self->read_key();
  });
}

void Repl::State::read_key() {
  has_key = is_erased || !accepts_output();  // libedit would block when it draws
  if (has_key) return wait_writable();
  auto const typed = editor->read_key();
  switch (typed.key) {
    case LineEditor::Key::edited:
      break;
    case LineEditor::Key::enter:
      handle(typed.line);
      break;
    case LineEditor::Key::end:
      ask_to_stop();
      break;
    case LineEditor::Key::hangup:
      return;
  }
  if (!stopped) wait_readable();
}

void Repl::State::handle(std::string line) {
  line.erase(line.find_last_not_of(" \t") + 1);
  line.erase(0, line.find_first_not_of(" \t"));
  if (answers_proposal(line) || line.empty()) return;
  if (line.size() <= kHistoryLineMax) {
    editor->remember(line);
    history.append(line);
  }
  if (voice.is_farewell(line)) return leave();
  auto const request = voice.read(line);
  if (!request) return print(text_of(request.error(), nullptr));
  auto parsed = parse(*request);
  if (!parsed) return print(text_of(parsed.error(), nullptr));
  if (auto* const command = std::get_if<Command>(&*parsed)) return execute(std::move(*command));
  if (auto const* const help = std::get_if<HelpCommand>(&*parsed)) return print(help_text(help->command));
  if (std::holds_alternative<WatchCommand>(*parsed)) {
    watches_all = !watches_all;
    return print(watches_all ? "All events are shown.\n" : "Only events that concern us are shown.\n");
  }
  ask_to_stop();
}

void Repl::State::ask_to_stop() {
  auto const end = handlers.commands.stop;  // a copy, since the call may stop the console
  if (end) end();
}

void Repl::State::execute(Command command) {
  auto const run = handlers.commands.execute;
  if (!run) return;
  auto const asked = std::make_shared<Command>(command);
  run(std::move(command), [here = weak_from_this(), asked](CommandResult const& result) {
    if (auto const self = here.lock(); self && !self->stopped) {
      self->print(self->text_of(result, asked.get()));
    }
  });
}

/// Settles, says what is left, and asks to stop; the second time it does not wait.
void Repl::State::leave() {
  auto const run = handlers.commands.execute;
  if (std::exchange(is_leaving, true) || !run) return ask_to_stop();
  run(command::LeaveCredit{}, [here = weak_from_this()](CommandResult const& result) {
    auto const self = here.lock();
    if (!self || self->stopped) return;
    auto const* const left = std::get_if<result::CreditLeave>(&result);
    bool const has_credit = left && (left->settled.units() > 0 || !left->left.empty());
    if (has_credit) self->print(self->text_of(result, nullptr));
    self->print(self->voice.farewell);
    self->ask_to_stop();
  });
}

bool Repl::State::answers_proposal(std::string_view line) {
  if (proposals.empty()) return false;
  std::string lower{line};
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  bool const is_no = lower == "n" || lower == "no";
  if (!is_no && !lower.empty() && lower != "y" && lower != "yes") return false;
  auto const asked = proposals.front();
  proposals.pop_front();
  execute(command::AnswerProposal{asked.peer.hex(), !is_no, asked.limit, asked.wish});
  return true;
}

void Repl::State::publish(Event const& event) {
  auto const forget = [this](PeerId const& peer) {
    std::erase_if(proposals, [&](auto const& each) { return each.peer == peer; });
  };
  // Answered elsewhere, or by a counter-proposal.
  if (auto const* const changed = std::get_if<event::CreditLineChanged>(&event)) forget(changed->peer);
  auto const text = voice.event ? voice.event(event) : std::nullopt;
  auto const* const proposed = std::get_if<event::CreditProposed>(&event);
  if (proposed) forget(proposed->peer);
  // Only what was shown is answered.
  if (proposed && (!text || !text->empty()) && proposals.size() < kProposalsMax)
    proposals.push_back(*proposed);
  if (text) return print(*text);
  if (watches_all || concerns_us(event)) print(to_table(event, style()));
}

std::string Repl::State::text_of(CommandResult const& result, Command const* command) const {
  auto const text = voice.answer ? voice.answer(result, command) : std::nullopt;
  return text ? *text : to_table(result, style());
}

// Output

void Repl::State::print(std::string_view lines) {
  if (stopped || !editor) return;
  if (queued.size() - written + lines.size() > kOutputMax) {
    ++dropped_count;
    return;
  }
  queued += lines;
  pump();
}

void Repl::State::wait_writable() {
  if (std::exchange(is_waiting_to_write, true)) return;
  output.async_wait(Descriptor::wait_write, [self = shared_from_this()](Error error) {
    self->is_waiting_to_write = false;
    if (error || self->stopped) return;
    self->pump();
    if (self->has_key && !self->is_erased) self->read_key();
  });
}

void Repl::State::pump() {
  while (written < queued.size()) {
    if (!accepts_output()) return wait_writable();
    if (!std::exchange(is_erased, true)) queued.insert(written, editor->erase_sequence());
    auto const size = std::min(kWriteMax, queued.size() - written);
    auto const count = ::write(STDOUT_FILENO, queued.data() + written, size);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;  // the terminal is gone
    written += static_cast<std::size_t>(count);
  }
  queued.clear();
  written = 0;
  if (dropped_count > 0) {
    queued = std::to_string(std::exchange(dropped_count, 0)) +
             " messages were dropped: the terminal was stopped.\n";
    return pump();
  }
  if (std::exchange(is_erased, false)) editor->redraw();
}

Repl::Repl(net::Executor const& executor, ReplHandlers handlers, ReplOptions options)
    : state_{std::make_shared<State>(executor, std::move(handlers), options)} {}
Repl::~Repl() { state_->stop(); }

bool Repl::is_possible() { return ::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1; }
bool Repl::start() { return state_->start(); }
void Repl::print(std::string_view lines) {
  if (!lines.empty()) state_->print(lines);
}
void Repl::publish(Event const& event) {
  if (!state_->stopped) state_->publish(event);
}
void Repl::stop() { state_->stop(); }

}  // namespace grenache::exchange
