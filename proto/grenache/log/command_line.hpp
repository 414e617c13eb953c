// Command line options and error handling shared by the programs. CLI11 is compiled once, in
// command_line.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace grenache {

class Log;

/// Exit codes of the programs.
inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;

/// The command line is wrong in a way that no single option shows: thrown by the callbacks of a Command.
class UsageError : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// An option, positional or flag. Its command owns it; each member function returns the same option.
class Option {
 public:
  /// Returns an error message, or an empty string if the text is valid.
  using Check = std::function<std::string(std::string const& text)>;

  explicit Option(CLI::Option& option) : option_{&option} {}

  Option* required();
  Option* check(Check check);
  /// Accepts these values and shows them in the help.
  Option* one_of(std::initializer_list<char const*> values);
  /// Accepted only together with `other`.
  Option* needs(Option const* other);
  /// The placeholder of the value in the help.
  Option* type_name(std::string const& name);
  /// The heading of the help that lists the option.
  Option* group(std::string const& heading);
  /// Shows the target's present value in the help as the default.
  Option* capture_default_str();
  Option* default_str(std::string const& text);
  /// For an option that may be repeated; false: each occurrence has one value.
  Option* allow_extra_args(bool allowed);

 private:
  CLI::Option* option_;
};

/// A command line, or one of its subcommands. Targets of options must outlive parse_command_line().
class Command {
 public:
  Command(std::string const& description, std::string const& name);
  ~Command();
  Command(Command const&) = delete;
  Command& operator=(Command const&) = delete;

  Option* add_option(std::string const& names, std::string& target, std::string const& help);
  /// One that may be repeated.
  Option* add_option(std::string const& names, std::vector<std::string>& target, std::string const& help);
  Option* add_flag(std::string const& names, bool& target, std::string const& help);
  /// A decimal number from `min` to `max`, handed to `set`. CLI11 alone would read an empty text as 0 and a
  /// leading zero as octal. `default_text` is for Option::capture_default_str(), and may be empty.
  Option* add_integer(std::string const& names, std::string const& help, std::int64_t min, std::int64_t max,
                      std::function<void(std::int64_t)> set, std::function<std::string()> default_text);
  /// A decimal number from `min` to `max`, which need not be whole.
  Option* add_decimal(std::string const& names, double& target, double min, double max,
                      std::string const& help);
  Command* add_subcommand(std::string const& name, std::string const& description);
  void set_version_flag(std::string const& name, std::string const& version);
  /// Shown below the options in the help.
  void footer(std::string const& text);
  /// The column of the help at which descriptions begin.
  void column_width(std::size_t width);
  /// Wants exactly one subcommand, which accepts the options of this command too.
  void require_subcommand();
  /// Runs at the end of parsing, when the command was given. May throw UsageError.
  void final_callback(std::function<void()> callback);

  [[nodiscard]] std::string name() const;
  /// How often the option was given.
  [[nodiscard]] std::size_t count(std::string const& option) const;
  /// The name of the subcommand that was given.
  [[nodiscard]] std::string subcommand() const;

 private:
  struct Parts;
  friend std::optional<int> parse_command_line(Command&, int, char**);

  explicit Command(CLI::App& subcommand);
  Option* own(CLI::Option& option);

  std::unique_ptr<Parts> parts_;
};

struct LogOptions {
  std::string level = "info";
  std::string format = "text";

  [[nodiscard]] Log make() const;
};

/// Adds `--log-level` and `--log-format`, stored in `options`, which must outlive `app`.
void add_log_options(Command& app, LogOptions& options);

/// Adds an option with a decimal number from `min` to `max`; the target is an integer, or an optional one.
template <class Number>
Option* add_bounded(Command& app, std::string const& names, Number& target, std::int64_t min,
                    std::int64_t max, std::string const& help) {
  return app.add_integer(
      names, help, min, max, [&target](std::int64_t value) { target = static_cast<Number>(value); },
      [&target] { return std::to_string(target); });
}

template <class Number>
Option* add_bounded(Command& app, std::string const& names, std::optional<Number>& target, std::int64_t min,
                    std::int64_t max, std::string const& help) {
  return app.add_integer(names, help, min, max,
                         [&target](std::int64_t value) { target = static_cast<Number>(value); }, {});
}

/// The same, with the range appended to `help`.
template <class Target>
Option* add_number(Command& app, std::string const& names, Target& target, std::int64_t min, std::int64_t max,
                   std::string const& help) {
  std::string const range = ", " + std::to_string(min) + " to " + std::to_string(max);
  return add_bounded(app, names, target, min, max, help + range);
}

/// Adds an option with a port number, including 0.
template <class Target>
Option* add_port(Command& app, std::string const& names, Target& target, std::string const& help) {
  return add_bounded(app, names, target, 0, 65535, help)->type_name("PORT");
}

/// Ignores SIGPIPE, so that writing to a closed pipe or socket is an error of write(2) and does not kill the
/// program.
void ignore_broken_pipes();

/// Parses the command line. Returns the exit code if the program must exit: 0 after --help and --version, 2
/// after an error, which is printed as one line on stderr.
[[nodiscard]] std::optional<int> parse_command_line(Command& app, int argc, char** argv);

/// Prints `reason` as one line on stderr and returns the exit code.
int fail(Command const& app, std::string const& reason);

}  // namespace grenache
