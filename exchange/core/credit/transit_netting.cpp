// What others may ask in order to remove cycles of debts.
#include <algorithm>

#include "exchange/core/credit/transits.hpp"

namespace grenache::exchange {

DebtsAnswer Transits::debts(std::optional<PeerId> const& after) const {
  DebtsAnswer out;
  auto it = after ? policies_.upper_bound(*after) : policies_.begin();
  for (; it != policies_.end(); ++it) {
    auto const& [peer, policy] = *it;
    auto const* const line = policy.nets ? lines_.find(peer) : nullptr;
    if (!line) continue;
    auto const view = line->view();
    if (!view.is_open || view.is_frozen || view.is_disputed) continue;
    auto const cents =
        view.balance > 0 ? std::max<std::int64_t>(0, view.balance - view.pending.units() - view.held.units())
                         : std::min<std::int64_t>(0, view.balance + view.held_by_them.units());
    if (cents == 0) continue;
    if (out.debts.size() == kDebtsPageMax) {
      out.has_more = true;
      break;
    }
    out.debts.push_back({peer, std::clamp(cents, -UsdCents::kMax, UsdCents::kMax)});
  }
  return out;
}

void Transits::handle(RequestId request, PayloadForm form, GetDebtsMessage const& message, Turn& turn) const {
  auto out = debts(message.after);
  out.header = self_.header(CreatorType::server, turn.now.wall);
  turn.reply(request, write_payload(to_json(out), form));
}

void Transits::handle(RequestId request, PayloadForm form, StartNettingMessage const& message, Turn& turn) {
  auto const key = key_of(message.id, {}, static_cast<int>(message.path.size()));
  if (!transits_.contains(key)) {
    if (auto const started = net(message.id, message.path, message.amount, turn); !started) {
      bool const is_full = started.error() == CreditErrc::too_many;
      auto const code = is_full ? RefusalCode::limit : RefusalCode::invalid;
      auto const* const text =
          is_full ? "too many cycles are being removed here" : "this is no cycle of mine";
      return turn.reply_error_now(request, to_error_text({code, text, std::chrono::seconds{1}}));
    }
  }
  Transit::Waiting const waiting{request, form, later_by(turn.now.steady, options_.answer_wait), true};
  wait_or_answer(transits_.at(key), waiting, turn);
}

}  // namespace grenache::exchange
