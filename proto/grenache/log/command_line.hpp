// What the programs' command lines have in common.
#pragma once

#include <iostream>
#include <optional>
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
