// Answers to requests for the whole book.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "exchange/core/book.hpp"
#include "exchange/core/turn.hpp"
#include "exchange/messages/message.hpp"

namespace grenache::exchange {

/// Writes the book as JSON text for peers of the original and for people who ask by hand.
///
/// A full book takes a third of a second to write, so it is written slice by slice, between other inputs;
/// what asks meanwhile waits. An order that changes in this time is in the text as it was when its slice was
/// written. A text is used again until the book changes, for at most age_max: then other closed orders have
/// their turn.
class BookAnswers {
 public:
  struct Options {
    std::size_t slice_size = 100;            // orders; about 3 ms
    std::size_t closed_count_max = 4'000;    // closed orders in an answer, for kAnswerBytesMax
    std::size_t object_bytes_max = 200'000;  // of the text; longer answers are text in either form
    std::size_t waiting_count_max = 32;      // requests; others are refused: each gets a copy of the text
    Duration age_max = std::chrono::seconds{30};
  };

  /// `book` must outlive this object.
  BookAnswers(Options options, Book const& book) : options_{options}, book_{book} {}
  BookAnswers(BookAnswers const&) = delete;
  BookAnswers& operator=(BookAnswers const&) = delete;

  /// Replies when the book is written; at once if it is a short one. The book has no expired orders.
  void handle(RequestId request, PayloadForm form, GetOrderbookMessage const& message, Turn& turn);
  /// Writes a slice.
  void expire(Turn& turn);
  /// TimePoint::min() while a book is being written, else TimePoint::max().
  [[nodiscard]] TimePoint next_expiry() const;
  /// True if the answer is written already.
  [[nodiscard]] bool is_fresh(GetOrderbookMessage const& message, TimePoint now) const;

 private:
  struct Waiting {
    RequestId request = 0;
    PayloadForm form{};
    std::uint64_t version = 0;  // of the book when it asked
  };
  struct Draft {
    std::uint64_t version = 0;  // of the book when it was begun
    std::string text;
    OrderKey first;  // where it began
    OrderKey next;
    bool has_wrapped = false;
    std::size_t closed_count = 0;
  };
  struct Answer {
    bool with_closed = false;
    std::uint64_t version = 0;
    TimePoint made{};
    std::string text{};  // empty: none yet
    std::optional<Draft> draft{};
    std::vector<Waiting> waiting{};
  };

  [[nodiscard]] bool is_fresh(Answer const& answer, TimePoint now) const;
  void begin(Answer& answer, Turn& turn);
  void write_slice(Answer& answer, Turn& turn);
  void finish(Answer& answer, Turn& turn);
  void reply(RequestId request, PayloadForm form, std::string const& text, Turn& turn) const;

  Options options_;
  Book const& book_;
  Answer live_{.with_closed = false};
  Answer full_{.with_closed = true};
};

}  // namespace grenache::exchange
