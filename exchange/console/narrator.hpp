// Prints the steps of the playbook as text or JSON.
#pragma once

#include <initializer_list>
#include <iosfwd>
#include <string>
#include <string_view>

#include "exchange/console/terminal.hpp"
#include <grenache/json/json.hpp>

namespace grenache::exchange {

/// Writes and flushes one line per step.
///
/// A text line holds a mark, the actor and a sentence. A JSON line is an object with `step`, `ok`, `who`,
/// `text` and the fields. Control characters are escaped, so that received text cannot control a terminal.
class Narrator {
 public:
  enum class Form { text, json };
  using Fields = std::initializer_list<json::Value::Member>;

  /// `out` must outlive the narrator.
  Narrator(std::ostream& out, Form form, bool colour) : out_{out}, form_{form}, colour_{colour} {}

  /// Reports a completed step or a passed check.
  void step(std::string_view name, std::string_view who, std::string_view text, Fields fields = {});
  /// Reports progress that is not a check.
  void note(std::string_view name, std::string_view who, std::string_view text, Fields fields = {});
  /// Reports the failure of the playbook, as JSON only; with text output the caller prints it to stderr.
  void failure(std::string_view text);

 private:
  void line(std::string_view mark, std::string_view mark_colour, std::string_view who, std::string_view text);
  void object(std::string_view name, bool ok, std::string_view who, std::string_view text, Fields fields);

  std::ostream& out_;
  Form form_;
  bool colour_;
};

}  // namespace grenache::exchange
