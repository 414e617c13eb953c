// Columns of text, cut to the width of a terminal.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace grenache::exchange {

enum class Tone { plain, good, bad, faint, bold };
/// `text` with the escape sequence of its colour, if `colour`.
[[nodiscard]] std::string toned(std::string_view text, Tone tone, bool colour);

/// The number of columns that `utf8` needs at most: two for characters from U+1100 on, which may be wide.
[[nodiscard]] std::size_t display_width(std::string_view utf8);
/// The beginning of `utf8` that fits into `width` columns, with "…" as its end if it was cut.
[[nodiscard]] std::string cut_to_width(std::string_view utf8, std::size_t width);
/// Breaks `text` into lines of at most `width` columns at blanks; the lines after the first begin with
/// `indent` blanks. Words that are longer than a line are broken too. No newline at the end.
[[nodiscard]] std::string wrapped(std::string_view text, std::size_t width, std::size_t indent);

enum class Align {
  left,
  right,
  point,  // decimal points of numbers below each other
};

struct Column {
  std::string heading;
  Align align = Align::left;
  /// Of columns that do not fit, those with the highest rank are left out first; 0: never.
  int rank = 0;
  /// May be cut to fit, before others are left out.
  bool may_be_cut = false;
};

struct Cell {
  Cell(std::string content, Tone its_tone = Tone::plain) : text{std::move(content)}, tone{its_tone} {}
  Cell(char const* content) : text{content} {}

  std::string text;  // printable, one line
  Tone tone = Tone::plain;
};

class TextTable {
 public:
  explicit TextTable(std::vector<Column> columns) : columns_{std::move(columns)} {}

  /// A cell for each column.
  void add(std::vector<Cell> row) { rows_.push_back(std::move(row)); }
  /// A line that is printed between the rows as it is.
  void add_line(std::string line);
  [[nodiscard]] bool empty() const { return rows_.empty(); }

  /// A line of headings, then the rows, each line with at most `width` columns if the columns of rank 0 fit,
  /// and with a newline.
  [[nodiscard]] std::string text(std::size_t width, bool colour) const;

 private:
  struct Layout;
  [[nodiscard]] Layout layout(std::size_t width) const;

  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;  // a row of one cell in a table of several columns is a line
};

}  // namespace grenache::exchange
