// Tells what happens, to a person or to a program.
#pragma once

#include <initializer_list>
#include <iosfwd>
#include <string>
#include <string_view>

#include <grenache/json/json.hpp>

namespace grenache::exchange {

/// Writes one line for each step of a story and flushes it.
///
/// As text: a mark, who acts, what happens. As JSON: one object a line with `step`, `ok`, `who`, `text` and
/// the fields. Control characters that came from elsewhere are not passed on to a terminal.
class Narrator {
 public:
  enum class Form { text, json };
  using Fields = std::initializer_list<json::Value::Member>;

  /// `out` must outlive the narrator.
  Narrator(std::ostream& out, Form form, bool colour) : out_{out}, form_{form}, colour_{colour} {}

  /// Something was done, or a check held.
  void step(std::string_view name, std::string_view who, std::string_view text, Fields fields = {});
  /// Something goes on that proves nothing yet.
  void note(std::string_view name, std::string_view who, std::string_view text, Fields fields = {});
  /// The story ends badly. As text it is left to the caller, who has stderr.
  void failure(std::string_view text);

 private:
  void line(std::string_view mark, std::string_view mark_colour, std::string_view who, std::string_view text);
  void object(std::string_view name, bool ok, std::string_view who, std::string_view text, Fields fields);

  std::ostream& out_;
  Form form_;
  bool colour_;
};

/// True when standard output is a terminal that shows colours, and NO_COLOR (no-color.org) is not set.
[[nodiscard]] bool stdout_has_colour();

}  // namespace grenache::exchange
