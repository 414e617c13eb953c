// Command line options and error handling shared by the programs.
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

/// Adds `--log-level` and `--log-format`, stored in `options`, which must outlive `app`.
inline void add_log_options(CLI::App& app, LogOptions& options) {
  app.add_option("--log-level", options.level, "Level of the log on stderr: error, warn, info or debug")
      ->check(CLI::IsMember{{"error", "warn", "info", "debug"}})
      ->capture_default_str();
  app.add_option("--log-format", options.format, "Format of the log: text, or json (one object per line)")
      ->check(CLI::IsMember{{"text", "json"}})
      ->capture_default_str();
}

/// Accepts only decimal numbers from `min` to `max`. CLI11 alone would read an empty text as 0, a leading
/// zero as octal, and a NaN as within any range; so the number is passed to it in its shortest form.
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

/// Adds an option with a decimal number from `min` to `max`; the range is appended to `help`.
template <class Target>
CLI::Option* add_number(CLI::App& app, std::string const& names, Target& target, std::int64_t min,
                        std::int64_t max, std::string const& help) {
  return app.add_option(names, target, help + ", " + std::to_string(min) + " to " + std::to_string(max))
      ->type_name("N")
      ->transform(number_from(min, max));
}

/// Adds an option with a port number, including 0.
template <class Target>
CLI::Option* add_port(CLI::App& app, std::string const& names, Target& target, std::string const& help) {
  return app.add_option(names, target, help)
      ->type_name("PORT")
      ->transform(number_from<std::int64_t>(0, 65535));
}

/// Ignores SIGPIPE, so that writing to a closed pipe or socket is an error of write(2) and does not kill the
/// program.
inline void ignore_broken_pipes() { std::signal(SIGPIPE, SIG_IGN); }

/// For servers: ignores SIGHUP, so that closing the terminal does not end them. An empty handler, unlike
/// SIG_IGN, is not inherited by programs that they start. Keeps the SIG_IGN of nohup(1).
inline void survive_hangup() {
  auto const former = std::signal(SIGHUP, [](int) {});
  if (former == SIG_IGN) std::signal(SIGHUP, SIG_IGN);
}

/// Parses the command line. Returns the exit code if the program must exit: 0 after --help and --version, 2
/// after an error, which is printed as one line on stderr.
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

/// Prints `reason` as one line on stderr and returns the exit code.
inline int fail(CLI::App const& app, std::string const& reason) {
  std::cerr << app.get_name() << ": " << reason << '\n';
  return kExitFailure;
}

}  // namespace grenache
