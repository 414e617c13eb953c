// The line that is being typed at a terminal. libedit is seen by line_editor.cpp alone.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "exchange/console/completion.hpp"

struct editline;
struct history;

namespace grenache::exchange {

/// Edits one line at a time on standard input and output, a key at a time. libedit draws; see Repl for who
/// else may print.
class LineEditor {
 public:
  using Complete = std::function<Completion(std::string_view line)>;

  LineEditor(std::string prompt, Complete complete, std::size_t history_size);
  ~LineEditor();
  LineEditor(LineEditor const&) = delete;
  LineEditor& operator=(LineEditor const&) = delete;

  /// Puts the terminal into raw mode and draws the prompt; the destructor restores it. Returns false if the
  /// terminal cannot be used.
  [[nodiscard]] bool open();

  enum class Key {
    edited,  // the line may have changed
    enter,   // the line is complete; an empty one was begun
    end,     // Ctrl-D on an empty line
    hangup,  // the terminal is gone
  };
  struct Typed {
    Key key{};
    std::string line;  // with `enter`
  };
  /// Handles one key. Call it when standard input is readable; waits at most 50 ms for the rest of a key that
  /// sends several bytes.
  [[nodiscard]] Typed read_key();

  /// What erases the drawn lines and leaves the cursor at their beginning.
  [[nodiscard]] std::string erase_sequence() const;
  /// Draws prompt and line at the cursor, which must be at the beginning of an empty line.
  void redraw();
  /// Adapts to another size of the terminal, or, after the process was continued, to its mode.
  void resized();
  void continued();
  /// Adds a line to those that the arrow keys bring back.
  void remember(std::string const& line);

 private:
  static int get_character(editline* editor, wchar_t* out);
  static char* get_prompt(editline* editor);
  static unsigned char complete_word(editline* editor, int key);
  static LineEditor& of(editline* editor);

  [[nodiscard]] std::optional<unsigned char> read_byte();
  [[nodiscard]] unsigned char complete_here();
  [[nodiscard]] std::string_view line_before_cursor() const;

  struct EndEditor {
    void operator()(editline* editor) const;
  };
  struct EndHistory {
    void operator()(struct history* lines) const;
  };
  std::string prompt_;
  Complete complete_;
  std::size_t history_size_;
  std::unique_ptr<struct history, EndHistory> history_;
  std::unique_ptr<editline, EndEditor> editor_;  // after history_, which it uses
  bool hung_up_ = false;
};

}  // namespace grenache::exchange
