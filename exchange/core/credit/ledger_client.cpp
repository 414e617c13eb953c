#include "exchange/core/credit/ledger_client.hpp"

namespace grenache::exchange {
namespace {

constexpr std::uint64_t kIntroduction = 0;  // the tag of GetLedger

}  // namespace

void LedgerClient::ask(std::uint64_t tag, LedgerRequest::Body body, Turn& turn) {
  if (auto const& ledger = key()) {
    return send(tag, make_ledger_request(std::move(body), *ledger, turn.random), turn);
  }
  waiting_.push_back({tag, std::move(body)});
  if (std::exchange(is_introducing_, true)) return;
  send(kIntroduction, make_get_ledger(turn.random), turn);
}

void LedgerClient::send(std::uint64_t tag, LedgerRequest request, Turn& turn) {
  sign(request, self_.key);
  auto body = to_json(request);
  asked_.emplace(++last_call_, Asked{tag, std::move(request)});
  turn.call_service({Part::ledger, last_call_}, options_.service, std::move(body));
}

std::vector<LedgerClient::Answered> LedgerClient::on_answered(std::uint64_t call, CallAnswer const& answer,
                                                              Turn& turn) {
  auto const found = asked_.extract(call);
  if (found.empty()) return {};
  auto const& [tag, request] = found.mapped();
  auto read = answer.error.empty() ? read_ledger_answer(read_answer(answer.result), request)
                                   : Result<LedgerAnswer>{LedgerErrc::bad_answer};
  if (tag != kIntroduction) return {{tag, read ? std::optional{std::move(*read)} : std::nullopt}};

  is_introducing_ = false;
  auto const waiting = std::exchange(waiting_, {});
  if (read && body_of<LedgerInfo>(*read)) {
    pinned_ = read->ledger;
    turn.save(row());
    turn.log(event::Warning{"ledger '" + options_.service + "' has the key " + pinned_->hex() +
                            ", which is trusted from now on"});
    for (auto const& [each, body] : waiting) ask(each, body, turn);
    return {};
  }
  std::vector<Answered> out;
  for (auto const& each : waiting) out.push_back({each.tag, std::nullopt});
  return out;
}

Row LedgerClient::row() const {
  return {kRowKind, options_.service, json::to_text(json::Value::object({{"key", pinned_->hex()}}))};
}

bool LedgerClient::restore(Row const& row) {
  if (row.key != options_.service) return true;  // of another one
  auto const body = json::parse(row.body);
  auto const* const text = body ? body->find_string("key") : nullptr;
  pinned_ = text ? PeerId::from_hex(*text) : std::nullopt;
  return pinned_.has_value();
}

void LedgerClient::dump(std::vector<Row>& out) const {
  if (pinned_) out.push_back(row());
}

}  // namespace grenache::exchange
