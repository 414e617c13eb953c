#include "grenache/log/log.hpp"

#include <algorithm>
#include <array>
#include <mutex>
#include <string>

#include <spdlog/details/os.h>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <unistd.h>

#include <grenache/base/check.hpp>
#include <grenache/log/line_writer.hpp>
#include <grenache/log/printable.hpp>

namespace grenache {
namespace {

constexpr std::array<std::string_view, 4> kLevelNames{"error", "warn", "info", "debug"};
constexpr std::array<spdlog::level::level_enum, 4> kSpdlogLevels{spdlog::level::err, spdlog::level::warn,
                                                                 spdlog::level::info, spdlog::level::debug};

constexpr std::size_t kWaitingBytesMax = 256 * 1024;  // the capacity of four pipes
constexpr std::array<std::string_view, 4> kColours{"\x1b[1;31m", "\x1b[1;33m", "\x1b[32m", "\x1b[36m"};
constexpr std::string_view kPlain = "\x1b[m";

class QueueSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit QueueSink(std::shared_ptr<LineWriter> writer) : writer_{std::move(writer)} {}

 private:
  void sink_it_(spdlog::details::log_msg const& message) override {
    spdlog::memory_buf_t formatted;
    formatter_->format(message, formatted);
    std::string line{formatted.data(), formatted.size()};
    auto const level = std::ranges::find(kSpdlogLevels, message.level);
    if (colours_ && level != kSpdlogLevels.end() && message.color_range_end > message.color_range_start) {
      line.insert(message.color_range_end, kPlain);
      line.insert(message.color_range_start,
                  kColours[static_cast<std::size_t>(level - kSpdlogLevels.begin())]);
    }
    writer_->write(line);
  }
  void flush_() override {}

  std::shared_ptr<LineWriter> writer_;
  bool colours_ = spdlog::details::os::in_terminal(stderr) && spdlog::details::os::is_color_terminal();
};

// Writes plain words as they are, other values in quotes with escapes.
void append_text(std::string& out, json::Value const& value) {
  auto const* text = value.as_string();
  auto const plain = [](char c) {
    return static_cast<unsigned char>(c) > ' ' && c != '"' && c != '\\' && c != '=' && c != 0x7f;
  };
  if (text && !text->empty() && std::ranges::all_of(*text, plain)) {
    out += *text;
  } else {
    out += json::to_text(value);
  }
}

}  // namespace

std::optional<LogLevel> parse_log_level(std::string_view name) {
  auto const found = std::ranges::find(kLevelNames, name);
  if (found == kLevelNames.end()) return std::nullopt;
  return static_cast<LogLevel>(found - kLevelNames.begin());
}

std::optional<LogFormat> parse_log_format(std::string_view name) {
  if (name == "text") return LogFormat::text;
  if (name == "json") return LogFormat::json;
  return std::nullopt;
}

Log::Log(LogLevel level, LogFormat format)
    : level_{level},
      format_{format},
      writer_{std::make_shared<LineWriter>(STDERR_FILENO, kWaitingBytesMax)},
      logger_{std::make_shared<spdlog::logger>("grenache", std::make_shared<QueueSink>(writer_))} {
  // %^ and %$ enclose the coloured part.
  char const* const pattern =
      format == LogFormat::json ? R"({"ts":"%Y-%m-%dT%H:%M:%S.%eZ",%v)" : "%Y-%m-%dT%H:%M:%S.%eZ %^%-7l%$ %v";
  logger_->set_formatter(
      std::make_unique<spdlog::pattern_formatter>(pattern, spdlog::pattern_time_type::utc));
  logger_->set_level(spdlog::level::trace);
}

void Log::flush() const { writer_->flush(); }

void Log::write(LogLevel level, std::string_view event, Fields fields) const {
  if (!enabled(level)) return;
  std::uint64_t const dropped = writer_->take_dropped();
  if (dropped > 0) write_line(LogLevel::warn, "log_dropped", {{"lines", dropped}});
  write_line(level, event, fields);
}

void Log::write_line(LogLevel level, std::string_view event, Fields fields) const {
  auto const index = static_cast<std::size_t>(level);
  GRN_CHECK(index < kLevelNames.size());
  std::string line;
  if (format_ == LogFormat::json) {
    line += "\"level\":\"";
    line += kLevelNames[index];
    line += "\",\"event\":";
    json::append_quoted(line, event);
    for (auto const& [name, value] : fields) {
      line += ',';
      json::append_quoted(line, name);
      line += ':';
      line += json::to_text(value);
    }
    line += '}';
  } else {
    line += event;
    for (auto const& [name, value] : fields) {
      line += ' ';
      line += name;
      line += '=';
      append_text(line, value);
    }
  }
  line = escape_invisible(line);  // received names may hold any bytes
  logger_->log(kSpdlogLevels[index], spdlog::string_view_t{line.data(), line.size()});
}

}  // namespace grenache
