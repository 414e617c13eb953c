#include "exchange/console/line_editor.hpp"

#include <array>
#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstring>
#include <utility>

#include <histedit.h>
#include <langinfo.h>
#include <poll.h>
#include <unistd.h>

#include "exchange/console/terminal.hpp"
#include "exchange/console/text_table.hpp"

namespace grenache::exchange {
namespace {

constexpr int kRestOfKeyMs = 50;
constexpr wchar_t kNoKey = 0x07;  // Ctrl-G, which only beeps
constexpr char kEndKey = '\x04';  // Ctrl-D, as libedit reports it
constexpr wchar_t kInvalid = 0xfffd;
constexpr std::size_t kShownCandidatesMax = 40;

/// libedit reads and draws in the encoding of the locale.
void use_utf8() {
  std::setlocale(LC_CTYPE, "");
  if (std::strcmp(::nl_langinfo(CODESET), "UTF-8") != 0) std::setlocale(LC_CTYPE, "C.UTF-8");
}

void set_unbuffered(EditLine* editor, bool on) { el_set(editor, EL_UNBUFFERED, on ? 1 : 0); }

}  // namespace

void LineEditor::EndEditor::operator()(editline* editor) const {
  set_unbuffered(editor, false);  // restores the mode of the terminal
  el_end(editor);
}
void LineEditor::EndHistory::operator()(struct history* lines) const { history_end(lines); }

LineEditor::LineEditor(std::string prompt, Complete complete, std::size_t history_size)
    : prompt_{std::move(prompt)}, complete_{std::move(complete)}, history_size_{history_size} {}
LineEditor::~LineEditor() = default;

LineEditor& LineEditor::of(editline* editor) {
  void* self = nullptr;
  el_get(editor, EL_CLIENTDATA, &self);
  return *static_cast<LineEditor*>(self);
}

bool LineEditor::open() {
  use_utf8();
  history_.reset(history_init());
  editor_.reset(el_init("exchange", stdin, stdout, stderr));
  if (!history_ || !editor_) return false;
  HistEvent event{};
  ::history(history_.get(), &event, H_SETSIZE, static_cast<int>(history_size_));
  ::history(history_.get(), &event, H_SETUNIQUE, 1);
  auto* const editor = editor_.get();
  el_set(editor, EL_CLIENTDATA, this);
  el_set(editor, EL_SIGNAL, 0);
  el_set(editor, EL_EDITOR, "emacs");
  el_set(editor, EL_PROMPT, &LineEditor::get_prompt);
  el_set(editor, EL_HIST, &::history, history_.get());
  el_set(editor, EL_GETCFN, &LineEditor::get_character);
  el_set(editor, EL_ADDFN, "complete-word", "Complete the word", &LineEditor::complete_word);
  el_set(editor, EL_BIND, "\t", "complete-word", nullptr);
  set_unbuffered(editor, true);
  return true;
}

char* LineEditor::get_prompt(editline* editor) { return of(editor).prompt_.data(); }

std::optional<unsigned char> LineEditor::read_byte() {
  pollfd polled{STDIN_FILENO, POLLIN, 0};
  if (::poll(&polled, 1, kRestOfKeyMs) <= 0) return std::nullopt;
  unsigned char byte = 0;
  auto const size = ::read(STDIN_FILENO, &byte, 1);
  if (size == 1) return byte;
  if (size == 0 || (errno != EINTR && errno != EAGAIN)) hung_up_ = true;
  return std::nullopt;
}

/// libedit would wait in read(2), for ever if somebody presses Escape and nothing more.
int LineEditor::get_character(editline* editor, wchar_t* out) {
  auto& self = of(editor);
  auto const first = self.read_byte();
  *out = kNoKey;
  if (!first) return self.hung_up_ ? 0 : 1;
  *out = *first;
  if (*first < 0x80) return 1;
  int const more = *first >= 0xf0 ? 3 : *first >= 0xe0 ? 2 : 1;
  auto value = static_cast<wchar_t>(*first & (0x3f >> more));
  for (int i = 0; i < more; ++i) {
    auto const next = self.read_byte();
    if (!next || (*next & 0xc0) != 0x80) {
      value = kInvalid;
      break;
    }
    value = static_cast<wchar_t>(value << 6 | (*next & 0x3f));
  }
  *out = *first < 0xc2 || *first > 0xf4 || value > 0x10ffff ? kInvalid : value;
  return 1;
}

LineEditor::Typed LineEditor::read_key() {
  int count = 0;
  char const* const text = el_gets(editor_.get(), &count);
  if (hung_up_) return {Key::hangup, {}};
  if (!text || count <= 0) return {Key::edited, {}};
  std::string line{text, static_cast<std::size_t>(count)};
  bool const is_complete = line.back() == '\n' || line.back() == '\r';
  if (!is_complete && line.back() != kEndKey) return {Key::edited, {}};
  line.pop_back();
  set_unbuffered(editor_.get(), false);  // begins another line
  set_unbuffered(editor_.get(), true);
  return {is_complete ? Key::enter : Key::end, std::move(line)};
}

std::string_view LineEditor::line_before_cursor() const {
  auto const* const info = el_line(editor_.get());
  return {info->buffer, static_cast<std::size_t>(info->cursor - info->buffer)};
}

std::string LineEditor::erase_sequence() const {
  auto const columns = display_width(prompt_) + display_width(line_before_cursor());
  auto const rows = columns / stdout_width();
  auto const up = rows > 0 ? "\x1b[" + std::to_string(rows) + "A" : std::string{};
  return "\r" + up + "\x1b[J";
}

void LineEditor::redraw() { el_set(editor_.get(), EL_REFRESH); }

void LineEditor::resized() { el_resize(editor_.get()); }

void LineEditor::continued() {
  el_set(editor_.get(), EL_PREP_TERM, 0);
  el_set(editor_.get(), EL_PREP_TERM, 1);
}

void LineEditor::remember(std::string const& line) {
  HistEvent event{};
  ::history(history_.get(), &event, H_ENTER, line.c_str());
}

// Completion

unsigned char LineEditor::complete_word(editline* editor, int) { return of(editor).complete_here(); }

unsigned char LineEditor::complete_here() {
  auto const found = complete_(line_before_cursor());
  if (found.candidates.empty()) return CC_REFRESH_BEEP;
  auto rest = common_prefix(found.candidates).substr(found.word_size);
  if (found.candidates.size() == 1) rest += ' ';
  if (!rest.empty()) return el_insertstr(editor_.get(), rest.c_str()) == 0 ? CC_REFRESH : CC_ERROR;
  std::string list;
  for (auto const& candidate : found.candidates) {
    if (&candidate - found.candidates.data() == static_cast<std::ptrdiff_t>(kShownCandidatesMax)) {
      list += " …";
      break;
    }
    list += (list.empty() ? "" : "  ") + candidate;
  }
  list = erase_sequence() + wrapped(list, stdout_width(), 0) + "\n";
  std::fwrite(list.data(), 1, list.size(), stdout);
  redraw();
  return CC_NORM;
}

}  // namespace grenache::exchange
