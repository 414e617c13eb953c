#include "exchange/core/credit/credit_lines.hpp"

#include <algorithm>
#include <iterator>

namespace grenache::exchange {
namespace {

constexpr std::size_t kPeerHexSize = 66;
constexpr std::chrono::milliseconds kRefusalRetry = std::chrono::seconds{1};

// The outbox holds what one request carries; whatever is lost from it is sent again.
constexpr std::size_t kOutboxMax = kCreditMessagesMax;

}  // namespace

CreditLine const* CreditLines::find(PeerId const& peer) const {
  auto const found = entries_.find(peer);
  return found == entries_.end() ? nullptr : &found->second.line;
}

bool CreditLines::is_fresh(PeerId const& peer, TimePoint now) const {
  auto const found = entries_.find(peer);
  return found != entries_.end() && found->second.heard != TimePoint::min() &&
         now - found->second.heard <= options_.fresh;
}

bool CreditLines::is_blank(Entry const& entry) {
  return entry.line.is_untouched() && !entry.line.is_wanted();
}

Result<void> CreditLines::create(PeerId const& peer, std::string name) {
  if (entries_.contains(peer)) return {};
  if (!has_room_for_another()) return make_error_code(CreditErrc::too_many);
  auto line = CreditLine::create(self_.id, peer);
  if (!line) return line.error();
  entries_.emplace(peer, Entry{.line = std::move(*line), .name = std::move(name)});
  return {};
}

// Steps

void CreditLines::apply(PeerId const& peer, Entry& entry, CreditStep step, Turn& turn) {
  auto const hex = peer.hex();
  for (auto& [key, body] : step.rows) {
    if (body.empty()) {
      turn.erase(kEntryRowKind, hex + '/' + key);
    } else {
      turn.save({kEntryRowKind, hex + '/' + key, std::move(body)});
    }
  }
  if (step.save) {
    auto row = entry.line.to_row();
    row.set("name", entry.name);
    turn.save({kRowKind, hex, json::to_text(row)});
    entry.is_saved = true;
  }
  send(entry, std::move(step.send));
  for (auto& notice : step.tell) {
    outcomes_.push_back({peer, Outcome::Kind::notice, std::move(notice)});
  }
  schedule(entry, turn.now.steady);
}

void CreditLines::send(Entry& entry, std::vector<CreditMessage> messages) const {
  std::ranges::move(messages, std::back_inserter(entry.outbox));
  if (entry.outbox.size() > kOutboxMax) {
    entry.outbox.erase(entry.outbox.begin(), entry.outbox.end() - kOutboxMax);
  }
}

/// Plans to send again what has no answer.
void CreditLines::schedule(Entry& entry, TimePoint now) const {
  if (entry.line.awaits_answer()) {
    if (entry.next_retry == TimePoint::max()) {
      entry.delay = options_.retry_min;
      entry.next_retry = now + entry.delay;
    }
  } else {
    entry.next_retry = TimePoint::max();
  }
}

CreditMessages CreditLines::envelope(Entry& entry, CreatorType creator, WallTime now) const {
  CreditMessages out{self_.header(creator, now), self_.id, self_.endpoint, std::exchange(entry.outbox, {}),
                     std::exchange(entry.has_settled, false)};
  for (auto& each : out.messages) sign(each, entry.line.side(), self_.key);
  return out;
}

void CreditLines::flush(PeerId const& peer, Entry& entry, Turn& turn) {
  if (entry.is_calling || (entry.outbox.empty() && !entry.has_settled)) return;
  if (entry.endpoints.empty()) entry.endpoints = peers_.endpoints_of(peer);
  if (entry.endpoints.empty()) {
    entry.outbox.clear();
    return;
  }
  entry.is_calling = true;
  calls_.emplace(++last_call_, peer);
  auto const& endpoint = entry.endpoints[entry.failures % entry.endpoints.size()];
  turn.call({Part::credit, last_call_}, endpoint,
            to_json(envelope(entry, CreatorType::client, turn.now.wall)));
}

// Holds

Result<void> CreditLines::hold(PeerId const& peer, bool is_ours, std::string const& id, UsdCents amount,
                               CreditLine::HoldKind kind) {
  auto const found = entries_.find(peer);
  if (found == entries_.end()) return make_error_code(CreditErrc::not_open);
  auto& line = found->second.line;
  return line.hold(owner_of(line, is_ours), id, amount, kind);
}

void CreditLines::set_hold(PeerId const& peer, bool is_ours, std::string const& id, UsdCents amount) {
  auto const found = entries_.find(peer);
  if (found == entries_.end()) return;
  auto& line = found->second.line;
  line.set_hold(owner_of(line, is_ours), id, amount);
}

void CreditLines::release(PeerId const& peer, bool is_ours, std::string const& id) {
  auto const found = entries_.find(peer);
  if (found == entries_.end()) return;
  auto& line = found->second.line;
  line.release(owner_of(line, is_ours), id);
}

void CreditLines::learn(PeerId const& peer, SignedCreditRecord const& record, Turn& turn) {
  auto const found = entries_.find(peer);
  if (found == entries_.end() || record.record.counter <= found->second.line.known_counter()) return;
  CreditMessage const message{found->second.line.parties().line(), {}, CreditAccepted{record}};
  receive(peer, found->second, {message}, turn);
  flush(peer, found->second, turn);
}

// Messages of the other side

bool CreditLines::receive(PeerId const& peer, Entry& entry, std::vector<CreditMessage> const& messages,
                          Turn& turn) {
  auto& line = entry.line;
  bool is_any = false;
  for (auto const& message : messages) {
    if (!is_genuine(message, line.parties(), other_side(line.side()), line.known_counter())) continue;
    is_any = true;
    entry.heard = turn.now.steady;
    entry.failures = 0;
    apply(peer, entry, line.receive(message, turn.now.wall), turn);
  }
  return is_any;
}

bool CreditLines::handle(RequestId request, PayloadForm form, CreditMessages const& message, Turn& turn) {
  auto const refuse = [&](RefusalCode code, std::string text) {
    turn.reply_error_now(request, to_error_text({code, std::move(text), kRefusalRetry}));
    return false;
  };
  auto const& peer = message.sender;
  if (peer == self_.id) return refuse(RefusalCode::invalid, "this is the receiver's own identity");
  auto found = entries_.find(peer);
  bool const is_new = found == entries_.end();
  if (is_new) {
    if (!is_known(peer)) return refuse(RefusalCode::unavailable, "the sender is not known here yet");
    auto const blank_count = static_cast<std::size_t>(
        std::ranges::count_if(entries_, [this](auto const& each) { return is_blank(each.second); }));
    bool const is_full = blank_count >= options_.proposal_count_max && !forget_one(turn);
    if (is_full || !create(peer, peers_.name_of(peer))) {
      return refuse(RefusalCode::limit, "too many credit lines wait for an answer here");
    }
    found = entries_.find(peer);
  }
  auto& entry = found->second;
  if (!receive(peer, entry, message.messages, turn)) {
    if (is_new) entries_.erase(found);
    return refuse(RefusalCode::signature, "no message is signed by the sender");
  }
  turn.reply(request, write_payload(to_json(envelope(entry, CreatorType::server, turn.now.wall)), form));
  if (is_new && !entry.is_saved) entries_.erase(found);
  return true;
}

bool CreditLines::forget_one(Turn& turn) {
  auto const found = std::ranges::find_if(
      entries_, [](auto const& each) { return is_blank(each.second) && !each.second.line.proposal(); });
  if (found == entries_.end()) return false;
  turn.erase(kRowKind, found->first.hex());
  entries_.erase(found);
  return true;
}

void CreditLines::on_answered(std::uint64_t key, CallAnswer const& answer, Turn& turn) {
  auto const call = calls_.extract(key);
  if (call.empty()) return;
  auto const& peer = call.mapped();
  auto const found = entries_.find(peer);
  if (found == entries_.end()) return;
  auto& entry = found->second;
  entry.is_calling = false;
  auto const messages = answer.error.empty() ? parse_credit_messages(read_answer(answer.result))
                                             : Result<CreditMessages>{MessageErrc::bad_answer};
  auto const now = turn.now.steady;
  if (!messages || messages->sender != peer) {
    ++entry.failures;
    entry.endpoints.clear();
    outcomes_.push_back({peer, Outcome::Kind::unreached, {}});
    entry.outbox.clear();
  } else {
    entry.heard = now;
    entry.failures = 0;
    outcomes_.push_back({peer, Outcome::Kind::reached, {}});
    (void)receive(peer, entry, messages->messages, turn);
  }
  if (entry.line.awaits_answer() && entry.outbox.empty()) {
    entry.delay = std::clamp(2 * entry.delay, options_.retry_min, options_.retry_max);
    entry.next_retry = now + entry.delay;
  }
  flush(peer, entry, turn);
}

void CreditLines::met(PeerId const& peer, Turn& turn) {
  auto const found = entries_.find(peer);
  if (found == entries_.end()) return;
  auto& entry = found->second;
  entry.endpoints.clear();
  entry.outbox.clear();
  send(entry, entry.line.connect());
  entry.next_retry = TimePoint::max();
  schedule(entry, turn.now.steady);
  flush(peer, entry, turn);
}

void CreditLines::probe(PeerId const& peer, Turn& turn) {
  auto const found = entries_.find(peer);
  if (found == entries_.end()) return;
  auto& entry = found->second;
  if (entry.outbox.empty()) send(entry, entry.line.connect());
  flush(peer, entry, turn);
  if (!entry.is_calling) outcomes_.push_back({peer, Outcome::Kind::unreached, {}});
}

void CreditLines::tell_settled(PeerId const& peer, Turn& turn) {
  auto const found = entries_.find(peer);
  if (found == entries_.end()) return;
  found->second.has_settled = true;
  // Something that is signed, so that the other side listens.
  if (found->second.outbox.empty()) send(found->second, found->second.line.connect());
  flush(peer, found->second, turn);
}

// Time

void CreditLines::expire(Turn& turn) {
  auto const now = turn.now.steady;
  for (auto& [peer, entry] : entries_) {
    if (entry.line.next_expiry() <= turn.now.wall) apply(peer, entry, entry.line.expire(turn.now.wall), turn);
    if (entry.next_retry > now) continue;
    entry.delay = std::min(2 * entry.delay, options_.retry_max);
    entry.next_retry = now + entry.delay;
    if (!entry.is_calling) send(entry, entry.line.resend());
    flush(peer, entry, turn);
  }
}

TimePoint CreditLines::next_expiry(Now now) const {
  auto steady = TimePoint::max();
  auto wall = WallTime::max();
  for (auto const& [peer, entry] : entries_) {
    steady = std::min(steady, entry.next_retry);
    wall = std::min(wall, entry.line.next_expiry());
  }
  if (wall == WallTime::max()) return steady;
  return std::min(steady, later_by(now.steady, std::max(wall - now.wall, std::chrono::milliseconds{0})));
}

// Rows

bool CreditLines::restore(Row const& row) {
  if (row.kind == kEntryRowKind) {
    if (row.key.size() <= kPeerHexSize || row.key[kPeerHexSize] != '/') return false;
    restoring_[row.key.substr(0, kPeerHexSize)].emplace(row.key.substr(kPeerHexSize + 1), row.body);
    return true;
  }
  auto const peer = PeerId::from_hex(row.key);
  if (!peer) return false;
  auto line = CreditLine::from_rows({row.body, std::move(restoring_[row.key])}, self_.id, *peer);
  restoring_.erase(row.key);
  auto const body = json::parse(row.body);
  auto const* const name = body ? body->find_string("name") : nullptr;
  if (!line || !name || name->size() > kPeerNameSizeMax) return false;
  return entries_.emplace(*peer, Entry{.line = std::move(*line), .name = *name, .is_saved = true}).second;
}

void CreditLines::dump(std::vector<Row>& out) const {
  for (auto const& [peer, entry] : entries_) {
    auto const hex = peer.hex();
    if (!entry.is_saved) continue;
    auto row = entry.line.to_row();
    row.set("name", entry.name);
    out.push_back({kRowKind, hex, json::to_text(row)});
    for (auto& [key, body] : entry.line.rows().entries) out.push_back({kEntryRowKind, hex + '/' + key, body});
  }
}

}  // namespace grenache::exchange
