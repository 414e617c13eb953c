// Events on stderr, as text for people or as JSON lines for machines.
#pragma once

#include <initializer_list>
#include <memory>
#include <optional>
#include <string_view>

#include <grenache/json/json.hpp>

namespace spdlog {
class logger;
}
namespace grenache {
class LineWriter;
}

namespace grenache {

enum class LogLevel { error, warn, info, debug };
enum class LogFormat { text, json };

/// `error`, `warn`, `info` or `debug`; nothing for anything else.
[[nodiscard]] std::optional<LogLevel> parse_log_level(std::string_view name);
[[nodiscard]] std::optional<LogFormat> parse_log_format(std::string_view name);

/// Writes events: a name and fields. Thread-safe; each event is one line. Another thread writes them, in
/// order, so that a reader of stderr that is slow or gone stops nobody: up to 256 KiB of lines wait, later
/// ones are dropped, and an event `log_dropped` tells how many `lines` as soon as there is room. The last
/// copy of a log writes what waits when it is destroyed, for at most half a second without progress.
///
/// As JSON a line is one object with `ts` (ISO 8601, UTC, milliseconds), `level`, `event` and the fields.
/// Field values that came from a network are escaped in both formats, so that they cannot forge a line or
/// steer a terminal. Bytes that are no UTF-8 come as U+FFFD.
class Log {
 public:
  using Fields = std::initializer_list<json::Value::Member>;

  Log(LogLevel level, LogFormat format);

  [[nodiscard]] bool enabled(LogLevel level) const { return level <= level_; }
  void write(LogLevel level, std::string_view event, Fields fields) const;
  /// Returns when everything before is on stderr, or after half a second: for those who write there
  /// themselves.
  void flush() const;

  void error(std::string_view event, Fields fields = {}) const { write(LogLevel::error, event, fields); }
  void warn(std::string_view event, Fields fields = {}) const { write(LogLevel::warn, event, fields); }
  void info(std::string_view event, Fields fields = {}) const { write(LogLevel::info, event, fields); }
  void debug(std::string_view event, Fields fields = {}) const { write(LogLevel::debug, event, fields); }

 private:
  void write_line(LogLevel level, std::string_view event, Fields fields) const;

  LogLevel level_;
  LogFormat format_;
  std::shared_ptr<LineWriter> writer_;
  std::shared_ptr<spdlog::logger> logger_;
};

}  // namespace grenache
