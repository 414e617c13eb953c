#include "exchange/console/password.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <optional>
#include <utility>

#include <fcntl.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <grenache/file/file_descriptor.hpp>

namespace grenache::exchange {
namespace {

constexpr std::array kSignals{SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};

Error last_error() { return {errno, boost::system::system_category()}; }

/// Where the handler tells of a signal.
std::atomic<int> signal_pipe{-1};
static_assert(std::atomic<int>::is_always_lock_free);

void note_signal(int number) {
  int const saved = errno;
  auto const byte = static_cast<unsigned char>(number);
  (void)!::write(signal_pipe, &byte, 1);
  errno = saved;
}

/// While it lives, kSignals are noted in a pipe and have no other effect, except those that were ignored.
class NotedSignals {
 public:
  NotedSignals() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) return;
    read_end_ = FileDescriptor{ends[0]};
    write_end_ = FileDescriptor{ends[1]};
    signal_pipe = write_end_.number();
    struct sigaction noting {};
    noting.sa_handler = note_signal;
    noting.sa_flags = SA_RESTART;
    for (std::size_t i = 0; i < kSignals.size(); ++i) {
      ::sigaction(kSignals[i], nullptr, &former_[i]);
      if (former_[i].sa_handler != SIG_IGN) ::sigaction(kSignals[i], &noting, nullptr);
    }
  }
  ~NotedSignals() {
    if (!is_open()) return;
    for (std::size_t i = 0; i < kSignals.size(); ++i) ::sigaction(kSignals[i], &former_[i], nullptr);
  }
  NotedSignals(NotedSignals const&) = delete;
  NotedSignals& operator=(NotedSignals const&) = delete;

  [[nodiscard]] bool is_open() const { return read_end_.is_open(); }
  [[nodiscard]] int descriptor() const { return read_end_.number(); }
  [[nodiscard]] int number() const {
    unsigned char byte = 0;
    return ::read(read_end_.number(), &byte, 1) == 1 ? byte : 0;
  }

 private:
  FileDescriptor read_end_;
  FileDescriptor write_end_;
  std::array<struct sigaction, kSignals.size()> former_{};
};

/// While it lives, the terminal at standard input shows nothing of what is typed but the newline.
class HiddenInput {
 public:
  HiddenInput() {
    if (::tcgetattr(STDIN_FILENO, &former_) != 0) return;
    auto hidden = former_;
    hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO | ECHOE | ECHOK);
    hidden.c_lflag |= ICANON | ISIG | ECHONL;
    is_hidden_ = ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) == 0;
  }
  ~HiddenInput() {
    if (is_hidden_) ::tcsetattr(STDIN_FILENO, TCSANOW, &former_);
  }
  HiddenInput(HiddenInput const&) = delete;
  HiddenInput& operator=(HiddenInput const&) = delete;

  [[nodiscard]] bool is_hidden() const { return is_hidden_; }

 private:
  termios former_{};
  bool is_hidden_ = false;
};

void print_at_terminal(std::string_view text) {
  bool const has_stdout_only = ::isatty(STDERR_FILENO) == 0 && ::isatty(STDOUT_FILENO) == 1;
  (void)!::write(has_stdout_only ? STDOUT_FILENO : STDERR_FILENO, text.data(), text.size());
}

/// A line that is read a byte at a time, without a copy of it elsewhere.
class SecretLine {
 public:
  SecretLine() { text_.reserve(kPasswordSizeMax); }
  ~SecretLine() { wipe(text_); }
  SecretLine(SecretLine const&) = delete;
  SecretLine& operator=(SecretLine const&) = delete;

  /// Reads a byte; returns nullopt if the line has not ended.
  std::optional<Result<std::string>> read() {
    char byte = 0;
    auto const count = ::read(STDIN_FILENO, &byte, 1);
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) return std::nullopt;
    if (count < 0) return last_error();
    bool const is_end = count == 0 || byte == '\n';
    if (count == 0 && text_.empty()) return make_error_code(PasswordErrc::no_input);
    if (is_end) return std::move(text_);
    if (text_.size() == kPasswordSizeMax) return make_error_code(PasswordErrc::too_long);
    text_ += byte;
    return std::nullopt;
  }

 private:
  std::string text_;
};

Result<std::string> read_line_of_file() {
  SecretLine line;
  for (;;) {
    if (auto read = line.read()) return std::move(*read);
    pollfd input{STDIN_FILENO, POLLIN, 0};
    (void)::poll(&input, 1, -1);
  }
}

/// Sets `signal` if one has come.
Result<std::string> read_line_of_terminal(std::string_view prompt, int& signal) {
  NotedSignals const signals;
  if (!signals.is_open()) return last_error();
  HiddenInput const hidden;
  if (!hidden.is_hidden()) return last_error();
  print_at_terminal(prompt);
  SecretLine line;
  for (;;) {
    std::array waits{pollfd{signals.descriptor(), POLLIN, 0}, pollfd{STDIN_FILENO, POLLIN, 0}};
    if (::poll(waits.data(), waits.size(), -1) < 0 && errno != EINTR) return last_error();
    if ((waits[0].revents & POLLIN) != 0) {
      signal = signals.number();
      print_at_terminal("\n");
      return PasswordErrc::interrupted;
    }
    if (waits[1].revents == 0) continue;
    auto read = line.read();
    bool const is_too_long = read && read->has_error() && read->error() == PasswordErrc::too_long;
    if (is_too_long) ::tcflush(STDIN_FILENO, TCIFLUSH);
    if (read) return std::move(*read);
  }
}

}  // namespace

std::string_view describe(PasswordErrc code) {
  switch (code) {
    case PasswordErrc::no_input:
      return "no password was given";
    case PasswordErrc::too_long:
      return "the password is longer than 1024 bytes";
    case PasswordErrc::interrupted:
      return "interrupted";
  }
  return "unknown error";
}

Result<std::string> read_password(std::string_view prompt) {
  if (::isatty(STDIN_FILENO) != 1) return read_line_of_file();
  for (;;) {
    int signal = 0;
    auto out = read_line_of_terminal(prompt, signal);
    if (signal != 0) ::raise(signal);  // the terminal and the handlers are as before
    if (signal != SIGTSTP) return out;
  }
}

void wipe(std::string& secret) {
  OPENSSL_cleanse(secret.data(), secret.size());
  secret.clear();
}

}  // namespace grenache::exchange
