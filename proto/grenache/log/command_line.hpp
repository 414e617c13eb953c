// What the programs' command lines have in common.
#pragma once

#include <charconv>
#include <csignal>
#include <cstdint>
#include <iostream>
#include <optional>
#include <sstream>
#include <string>

#include <CLI/CLI.hpp>

#include <grenache/log/log.hpp>

namespace grenache {

/// Exit codes of the programs.
inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;

struct LogOptions {
  std::string level = "info";
  std::string format = "text";

  [[nodiscard]] Log make() const { return Log{*parse_log_level(level), *parse_log_format(format)}; }
};

/// Adds `--log-level` and `--log-format`, which go to `options`; it must live as long as `app`.
inline void add_log_options(CLI::App& app, LogOptions& options) {
  app.add_option("--log-level", options.level, "What to tell on stderr: error, warn, info or debug")
      ->check(CLI::IsMember{{"error", "warn", "info", "debug"}})
      ->capture_default_str();
  app.add_option("--log-format", options.format, "How to tell it: text, or json (one object a line)")
      ->check(CLI::IsMember{{"text", "json"}})
      ->capture_default_str();
}

/// Fails unless the text is a decimal number from `min` to `max`. CLI11 alone would read an empty text as 0,
/// a leading zero as octal, and a NaN as within any range; so the number is handed to it in its shortest
/// form.
template <class Number>
[[nodiscard]] CLI::Validator number_from(Number min, Number max) {
  std::ostringstream range;
  range << min << " to " << max;
  auto const check = [min, max, range = range.str()](std::string& text) -> std::string {
    Number value{};
    char const* const end = text.data() + text.size();
    auto const [rest, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc{} || rest != end || !(value >= min && value <= max)) {
      return "'" + text + "' is not a number from " + range;
    }
    if constexpr (std::is_integral_v<Number>) text = std::to_string(value);
    return {};
  };
  return CLI::Validator{check, ""};
}

/// Adds an option that is a decimal number from `min` to `max`; the range is appended to `help`.
template <class Target>
CLI::Option* add_number(CLI::App& app, std::string const& names, Target& target, std::int64_t min,
                        std::int64_t max, std::string const& help) {
  return app.add_option(names, target, help + ", " + std::to_string(min) + " to " + std::to_string(max))
      ->type_name("N")
      ->transform(number_from(min, max));
}

/// Adds an option that is a port number, with 0 allowed.
template <class Target>
CLI::Option* add_port(CLI::App& app, std::string const& names, Target& target, std::string const& help) {
  return app.add_option(names, target, help)
      ->type_name("PORT")
      ->transform(number_from<std::int64_t>(0, 65535));
}

/// A pipe or socket whose reader has ended is an error of write(2), not a signal that ends the program.
inline void ignore_broken_pipes() { std::signal(SIGPIPE, SIG_IGN); }

/// For programs that serve others: the end of their terminal (SIGHUP) does not end them. An empty handler,
/// unlike SIG_IGN, leaves the programs that they start with the default; under nohup(1) nothing changes.
inline void survive_hangup() {
  auto const former = std::signal(SIGHUP, [](int) {});
  if (former == SIG_IGN) std::signal(SIGHUP, SIG_IGN);
}

/// Parses the command line. Returns the exit code when the program is done: 0 after --help and --version, 2
/// after one line on stderr that says what is wrong.
[[nodiscard]] inline std::optional<int> parse_command_line(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
    return std::nullopt;
  } catch (CLI::ParseError const& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    std::cerr << app.get_name() << ": " << error.what() << " (see " << app.get_name() << " --help)\n";
    return kExitUsage;
  }
}

/// Says in one line why the program cannot go on.
inline int fail(CLI::App const& app, std::string const& reason) {
  std::cerr << app.get_name() << ": " << reason << '\n';
  return kExitFailure;
}

}  // namespace grenache
