#include "exchange/console/narrator.hpp"

#include <ostream>

#include <grenache/log/printable.hpp>

namespace grenache::exchange {
namespace {

constexpr std::string_view kPlain = "\x1b[0m";
constexpr std::string_view kGreen = "\x1b[32m";
constexpr std::string_view kGrey = "\x1b[90m";
constexpr std::string_view kBold = "\x1b[1m";
constexpr std::size_t kNameWidth = 6;

std::string padded(std::string_view name) {
  auto out = printable(name);
  if (out.size() < kNameWidth) out.append(kNameWidth - out.size(), ' ');
  return out;
}

}  // namespace

void Narrator::step(std::string_view name, std::string_view who, std::string_view text, Fields fields) {
  if (form_ == Form::json) return object(name, true, who, text, fields);
  line("✓", kGreen, who, text);
}

void Narrator::note(std::string_view name, std::string_view who, std::string_view text, Fields fields) {
  if (form_ == Form::json) return object(name, true, who, text, fields);
  line("·", kGrey, who, text);
}

void Narrator::failure(std::string_view text) {
  if (form_ == Form::json) object("failed", false, {}, text, {});
}

void Narrator::line(std::string_view mark, std::string_view mark_colour, std::string_view who,
                    std::string_view text) {
  if (colour_) {
    out_ << mark_colour << mark << kPlain << ' ' << kBold << padded(who) << kPlain << ' ';
  } else {
    out_ << mark << ' ' << padded(who) << ' ';
  }
  out_ << printable(text) << std::endl;
}

void Narrator::object(std::string_view name, bool ok, std::string_view who, std::string_view text,
                      Fields fields) {
  json::Value::Object out{{"step", name}, {"ok", ok}};
  if (!who.empty()) out.emplace_back("who", who);
  out.emplace_back("text", text);
  for (auto const& field : fields) out.push_back(field);
  out_ << escape_invisible(json::to_text(json::Value{std::move(out)})) << std::endl;
}

}  // namespace grenache::exchange
