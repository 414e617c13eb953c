#include "exchange/console/text_table.hpp"

#include <algorithm>
#include <numeric>

namespace grenache::exchange {
namespace {

constexpr std::size_t kGap = 2;        // blanks between columns
constexpr std::size_t kCutWidth = 12;  // of a column that was cut, at least

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

/// The size of the first character of `utf8`, in bytes; `utf8` is not empty.
std::size_t character_size(std::string_view utf8) {
  std::size_t size = 1;
  while (size < utf8.size() && is_continuation(utf8[size])) ++size;
  return size;
}

/// U+1100, the first wide character, is E1 84 80.
std::size_t character_width(std::string_view character) {
  if (character == "…" || character == "─") return 1;
  return character >= "\xe1\x84\x80" ? 2 : 1;
}

struct Split {
  std::string_view whole;
  std::string_view fraction;  // with the point
};
Split split(std::string_view number) {
  auto const point = std::min(number.find('.'), number.size());
  return {number.substr(0, point), number.substr(point)};
}

/// The widths of a column: all of a cell, or the parts before and behind the decimal point.
struct Widths {
  std::size_t whole = 0;
  std::size_t fraction = 0;

  [[nodiscard]] std::size_t sum() const { return whole + fraction; }
  void include(std::string_view text, Align align) {
    if (align != Align::point) {
      whole = std::max(whole, display_width(text));
      return;
    }
    auto const parts = split(text);
    whole = std::max(whole, display_width(parts.whole));
    fraction = std::max(fraction, display_width(parts.fraction));
  }
};

std::string blanks(std::size_t count) { return std::string(count, ' '); }
std::size_t rest(std::size_t width, std::size_t used) { return width > used ? width - used : 0; }

}  // namespace

std::string toned(std::string_view text, Tone tone, bool colour) {
  if (!colour || tone == Tone::plain) return std::string{text};
  char const* code = "1";
  if (tone == Tone::good) code = "32";
  if (tone == Tone::bad) code = "31";
  if (tone == Tone::faint) code = "90";
  return std::string{"\x1b["} + code + "m" + std::string{text} + "\x1b[0m";
}

std::size_t display_width(std::string_view utf8) {
  std::size_t out = 0;
  while (!utf8.empty()) {
    auto const size = character_size(utf8);
    out += character_width(utf8.substr(0, size));
    utf8.remove_prefix(size);
  }
  return out;
}

std::string cut_to_width(std::string_view utf8, std::size_t width) {
  if (display_width(utf8) <= width) return std::string{utf8};
  std::string out;
  for (std::size_t used = 1; !utf8.empty();) {  // 1: the ellipsis
    auto const size = character_size(utf8);
    used += character_width(utf8.substr(0, size));
    if (used > width) break;
    out += utf8.substr(0, size);
    utf8.remove_prefix(size);
  }
  return out + "…";
}

std::string wrapped(std::string_view text, std::size_t width, std::size_t indent) {
  std::string out;
  std::size_t used = 0;
  while (!text.empty()) {
    auto const size = std::min(text.find(' '), text.size());
    auto word = text.substr(0, size);
    text.remove_prefix(std::min(size + 1, text.size()));
    if (used > 0 && used + 1 + std::min(display_width(word), rest(width, indent)) > width) {
      out += "\n" + blanks(indent);
      used = indent;
    } else if (used > 0) {
      out += ' ';
      ++used;
    }
    for (; !word.empty(); word.remove_prefix(character_size(word))) {
      auto const character = word.substr(0, character_size(word));
      if (used > indent && used + character_width(character) > width) {
        out += "\n" + blanks(indent);
        used = indent;
      }
      out += character;
      used += character_width(character);
    }
  }
  return out;
}

struct TextTable::Layout {
  std::vector<Widths> widths;
  std::vector<bool> is_shown;

  [[nodiscard]] std::size_t total() const {
    std::size_t out = 0;
    for (std::size_t i = 0; i < widths.size(); ++i) {
      if (is_shown[i]) out += widths[i].sum() + kGap;
    }
    return out > 0 ? out - kGap : 0;
  }
};

void TextTable::add_line(std::string line) { rows_.push_back({Cell{std::move(line)}}); }

TextTable::Layout TextTable::layout(std::size_t width) const {
  Layout out{std::vector<Widths>(columns_.size()), std::vector<bool>(columns_.size(), true)};
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    auto& widths = out.widths[i];
    for (auto const& row : rows_) {
      if (row.size() == columns_.size()) widths.include(row[i].text, columns_[i].align);
    }
    auto const heading = display_width(columns_[i].heading);
    widths.whole = std::max(widths.whole, rest(heading, widths.fraction));
  }
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    auto& widths = out.widths[i];
    if (!columns_[i].may_be_cut || widths.whole <= kCutWidth) continue;
    widths.whole = std::max(kCutWidth, widths.whole - std::min(widths.whole, rest(out.total(), width)));
  }
  while (out.total() > width) {
    std::size_t last = columns_.size();
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      bool const may_go = out.is_shown[i] && columns_[i].rank > 0;
      if (may_go && (last == columns_.size() || columns_[i].rank > columns_[last].rank)) last = i;
    }
    if (last == columns_.size()) break;
    out.is_shown[last] = false;
  }
  return out;
}

std::string TextTable::text(std::size_t width, bool colour) const {
  auto const shape = layout(width);
  std::string out;
  auto const put = [&](auto const& text_of, auto const& tone_of, bool is_heading) {
    std::string line;
    std::size_t owed = 0;  // blanks, which are not written at the end of a line
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (!shape.is_shown[i]) continue;
      auto const& widths = shape.widths[i];
      auto const align = columns_[i].align;
      std::string const text = align == Align::left ? cut_to_width(text_of(i), widths.sum()) : text_of(i);
      std::size_t before = 0;
      if (align == Align::right || (align == Align::point && is_heading)) {
        before = rest(widths.sum(), display_width(text));
      } else if (align == Align::point) {
        before = rest(widths.whole, display_width(split(text).whole));
      }
      if (!text.empty()) line += blanks(owed + before) + toned(text, tone_of(i), colour);
      auto const used = text.empty() ? 0 : before + display_width(text);
      owed = (text.empty() ? owed : 0) + rest(widths.sum(), used) + kGap;
    }
    out += line + "\n";
  };
  put([&](std::size_t i) { return columns_[i].heading; }, [](std::size_t) { return Tone::faint; }, true);
  for (auto const& row : rows_) {
    if (row.size() == columns_.size()) {
      put([&](std::size_t i) { return row[i].text; }, [&](std::size_t i) { return row[i].tone; }, false);
    } else {
      out += toned(row.front().text, Tone::faint, colour) + "\n";
    }
  }
  return out;
}

}  // namespace grenache::exchange
