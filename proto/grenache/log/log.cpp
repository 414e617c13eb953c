#include "grenache/log/log.hpp"

#include <algorithm>
#include <array>
#include <string>

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>

#include <grenache/base/check.hpp>
#include <grenache/json/bencode_json.hpp>

namespace grenache {
namespace {

constexpr std::array<std::string_view, 4> kLevelNames{"error", "warn", "info", "debug"};
constexpr std::array<spdlog::level::level_enum, 4> kSpdlogLevels{spdlog::level::err, spdlog::level::warn,
                                                                 spdlog::level::info, spdlog::level::debug};

// Words stand as they are, everything else in quotes with escapes.
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

Log::Log(LogLevel level, LogFormat format) : level_{level}, format_{format} {
  auto sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
  logger_ = std::make_shared<spdlog::logger>("grenache", std::move(sink));
  // %^ and %$ enclose what a terminal colours.
  char const* const pattern =
      format == LogFormat::json ? R"({"ts":"%Y-%m-%dT%H:%M:%S.%eZ",%v)" : "%Y-%m-%dT%H:%M:%S.%eZ %^%-7l%$ %v";
  logger_->set_formatter(
      std::make_unique<spdlog::pattern_formatter>(pattern, spdlog::pattern_time_type::utc));
  logger_->set_level(spdlog::level::trace);
  logger_->flush_on(spdlog::level::trace);
}

void Log::write(LogLevel level, std::string_view event, Fields fields) const {
  if (!enabled(level)) return;
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
  line = json::to_utf8(line);  // names of services are any bytes
  logger_->log(kSpdlogLevels[index], spdlog::string_view_t{line.data(), line.size()});
}

}  // namespace grenache
