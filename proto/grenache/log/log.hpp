// Writes events to stderr, as text or as JSON lines.
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

/// Parses `error`, `warn`, `info` or `debug`; nothing for any other name.
[[nodiscard]] std::optional<LogLevel> parse_log_level(std::string_view name);
[[nodiscard]] std::optional<LogFormat> parse_log_format(std::string_view name);

/// Writes events, each a name with fields, one per line. Thread-safe. A background thread writes them in
/// order, so that a slow or closed stderr does not block the program: up to 256 KiB of lines are queued and
/// further ones are dropped. The first line written once half of the queue is free is preceded by an event
/// `log_dropped` with their number `lines`; without a further line it is not written. The destructor of the
/// last copy writes the queued lines; it gives up after half a second without progress.
///
/// A JSON line is one object with `ts` (ISO 8601, UTC, milliseconds), `level`, `event` and the fields. Field
/// values are escaped in both formats, bidirectional marks and invisible characters included, so that values
/// from the network cannot forge a line or control a terminal. Invalid UTF-8 is written as U+FFFD.
class Log {
 public:
  using Fields = std::initializer_list<json::Value::Member>;

  Log(LogLevel level, LogFormat format);

  [[nodiscard]] bool enabled(LogLevel level) const { return level <= level_; }
  void write(LogLevel level, std::string_view event, Fields fields) const;
  /// Returns when all events before are on stderr, or after half a second. Call it before writing to stderr
  /// directly.
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
