#include "exchange/core/network/book_answers.hpp"

#include <algorithm>
#include <utility>

#include "exchange/messages/refusal.hpp"

namespace grenache::exchange {
namespace {

constexpr json::ParseLimits kOwnTextLimits{.depth_max = 16, .value_count_max = 100'000};
constexpr std::chrono::milliseconds kRetry = std::chrono::seconds{1};

}  // namespace

bool BookAnswers::is_fresh(Answer const& answer, TimePoint now) const {
  return !answer.text.empty() && answer.version == book_.version() &&
         later_by(answer.made, options_.age_max) > now;
}

bool BookAnswers::is_fresh(GetOrderbookMessage const& message, TimePoint now) const {
  return is_fresh(message.with_closed ? full_ : live_, now);
}

void BookAnswers::handle(RequestId request, PayloadForm form, GetOrderbookMessage const& message,
                         Turn& turn) {
  auto& answer = message.with_closed ? full_ : live_;
  if (is_fresh(answer, turn.now.steady)) return reply(request, form, answer.text, turn);
  if (answer.waiting.size() >= options_.waiting_count_max) {
    Refusal const refusal{RefusalCode::limit, "too many requests for the book", kRetry};
    return turn.reply_error_now(request, to_error_text(refusal));
  }
  answer.waiting.push_back({request, form, book_.version()});
  if (answer.draft) return;
  begin(answer, turn);
  write_slice(answer, turn);
}

void BookAnswers::begin(Answer& answer, Turn& turn) {
  Draft draft;
  draft.version = book_.version();
  draft.text = "[";
  // Each answer has other closed orders.
  if (answer.with_closed) draft.first.id = make_uuid(turn.random);
  draft.next = draft.first;
  answer.draft = std::move(draft);
}

void BookAnswers::write_slice(Answer& answer, Turn& turn) {
  auto& draft = *answer.draft;
  auto const write = [&](OrderRecord const& order) {
    if (draft.has_wrapped && key_of(order) >= draft.first) return;
    bool const is_closed =
        order.is_signed() && order.status != OrderStatus::open && order.expires > turn.now.wall;
    // Peers of ours ask for closed orders too; each of them hides orders of silent makers itself.
    bool const is_listed = order.is_live(turn.now.wall) && (answer.with_closed || !book_.is_hidden(order));
    bool const is_wanted =
        is_listed || (answer.with_closed && is_closed && draft.closed_count < options_.closed_count_max);
    if (!is_wanted) return;
    if (is_closed) ++draft.closed_count;
    if (draft.text.size() > 1) draft.text += ',';
    draft.text += json::to_text(to_json(order));
  };
  auto next = book_.visit(draft.next, options_.slice_size, write);
  bool const is_at_end = !next || (draft.has_wrapped && *next >= draft.first);
  if (!is_at_end) {
    draft.next = *std::move(next);
    return;
  }
  bool const must_wrap = !draft.has_wrapped && draft.first != OrderKey{};
  if (!must_wrap) return finish(answer, turn);
  draft.has_wrapped = true;
  draft.next = {};
  if (book_.size() <= options_.slice_size) write_slice(answer, turn);
}

void BookAnswers::finish(Answer& answer, Turn& turn) {
  auto draft = std::move(*answer.draft);
  answer.draft.reset();
  answer.text = std::move(draft.text) + ']';
  answer.version = draft.version;
  answer.made = turn.now.steady;
  // Whoever asked after a later change may know of it already, and waits for the next text.
  auto const later =
      std::stable_partition(answer.waiting.begin(), answer.waiting.end(),
                            [&](Waiting const& each) { return each.version <= draft.version; });
  for (auto it = answer.waiting.begin(); it != later; ++it) reply(it->request, it->form, answer.text, turn);
  answer.waiting.erase(answer.waiting.begin(), later);
  if (!answer.waiting.empty()) begin(answer, turn);
}

void BookAnswers::reply(RequestId request, PayloadForm form, std::string const& text, Turn& turn) const {
  bool const is_text = form == PayloadForm::text || text.size() > options_.object_bytes_max;
  if (is_text) return turn.reply(request, text);
  auto value = json::parse(text, kOwnTextLimits);
  turn.reply(request, value ? *std::move(value) : json::Value::array());
}

void BookAnswers::expire(Turn& turn) {
  for (auto* const answer : {&live_, &full_}) {
    if (answer->draft) write_slice(*answer, turn);
  }
}

TimePoint BookAnswers::next_expiry() const {
  return live_.draft || full_.draft ? TimePoint::min() : TimePoint::max();
}

}  // namespace grenache::exchange
