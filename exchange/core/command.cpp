#include "exchange/core/command.hpp"

namespace grenache::exchange {

std::string_view to_text(TimeInForce time_in_force) {
  switch (time_in_force) {
    case TimeInForce::good_till_cancelled:
      return "GTC";
    case TimeInForce::good_till_date:
      return "GTD";
    case TimeInForce::immediate_or_cancel:
      return "IOC";
    case TimeInForce::fill_or_kill:
      return "FOK";
  }
  return "";
}

std::optional<TimeInForce> parse_time_in_force(std::string_view text) {
  using enum TimeInForce;
  for (auto const each : {good_till_cancelled, good_till_date, immediate_or_cancel, fill_or_kill}) {
    if (text == to_text(each)) return each;
  }
  return std::nullopt;
}

namespace result {

std::string_view to_text(PurchaseState state) {
  switch (state) {
    case PurchaseState::asking:
      return "asking";
    case PurchaseState::invoiced:
      return "invoiced";
    case PurchaseState::paying:
      return "paying";
    case PurchaseState::settled:
      return "settled";
    case PurchaseState::failed:
      return "failed";
  }
  return "";
}

std::optional<PurchaseState> parse_purchase_state(std::string_view text) {
  using enum PurchaseState;
  for (auto const each : {asking, invoiced, paying, settled, failed}) {
    if (text == to_text(each)) return each;
  }
  return std::nullopt;
}

std::string_view to_text(ImportOutcome outcome) {
  switch (outcome) {
    case ImportOutcome::added:
      return "added";
    case ImportOutcome::updated:
      return "updated";
    case ImportOutcome::known:
      return "known";
    case ImportOutcome::foreign:
      return "foreign";
    case ImportOutcome::refused:
      return "refused";
  }
  return "";
}

}  // namespace result

}  // namespace grenache::exchange
