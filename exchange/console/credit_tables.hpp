// Text of answers and events about credit lines. Not public.
#pragma once

#include <string>

#include "exchange/console/tables.hpp"
#include "exchange/console/text_table.hpp"
#include "exchange/core/event.hpp"

namespace grenache::exchange {

/// A line of text with its tone.
struct Sentence {
  std::string text;
  Tone tone = Tone::plain;
};

[[nodiscard]] std::string credit_text(result::CreditLineView const& view, TextStyle const& style);
[[nodiscard]] std::string credit_text(result::CreditBalance const& balance, TextStyle const& style);
[[nodiscard]] std::string credit_text(result::CreditPayment const& payment, TextStyle const& style);
[[nodiscard]] std::string credit_text(result::CreditForecast const& forecast, TextStyle const& style);
[[nodiscard]] std::string credit_text(result::NettingDone const& done, TextStyle const& style);
[[nodiscard]] std::string credit_text(result::Receipt const& receipt, TextStyle const& style);
[[nodiscard]] std::string credit_text(result::CreditSettlement const& settlement, TextStyle const& style);
[[nodiscard]] std::string credit_text(result::LedgerUsers const& users, TextStyle const& style);
[[nodiscard]] std::string credit_text(result::LedgerDeleted const& deleted, TextStyle const& style);
[[nodiscard]] std::string credit_text(result::CreditLeave const& leave, TextStyle const& style);

[[nodiscard]] Sentence credit_sentence(event::CreditProposed const& proposed);
[[nodiscard]] Sentence credit_sentence(event::CreditReceived const& received);
[[nodiscard]] Sentence credit_sentence(event::CreditPaid const& paid);
[[nodiscard]] Sentence credit_sentence(event::CreditTransit const& transit);
[[nodiscard]] Sentence credit_sentence(event::CreditLow const& low);
[[nodiscard]] Sentence credit_sentence(event::CreditSettled const& settled);
[[nodiscard]] Sentence credit_sentence(event::CreditLineChanged const& changed);

}  // namespace grenache::exchange
