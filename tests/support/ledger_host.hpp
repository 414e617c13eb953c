// A ledger core with a journal in memory, which can crash.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "exchange/journal/memory_journal.hpp"
#include "exchange/journal/release_gate.hpp"
#include "exchange/ledger/ledger.hpp"
#include "exchange/messages/refusal.hpp"

namespace grenache::exchange::test {

inline SecretKey secret(std::uint64_t seed) {
  Random random{seed};
  return SecretKey::generate(random);
}

inline std::string uuid(std::uint64_t n) {
  auto const digits = std::to_string(n);
  return "00000000-0000-4000-8000-" + std::string(12 - digits.size(), '0') + digits;
}

/// What a ledger has replied to a request: a signed answer, or a refusal.
struct LedgerReply {
  std::optional<LedgerAnswer> answer;
  std::optional<Refusal> refusal;
};

class LedgerHost {
 public:
  /// Called with each reply when the core makes it, and again when it is released.
  using Observer = std::function<void(RequestId, LedgerReply const&)>;

  explicit LedgerHost(Ledger::Options options = free_of_limits()) : options_{std::move(options)} {
    boot({}, 0);
  }

  static Ledger::Options free_of_limits() {
    Ledger::Options out;
    out.guard.units_per_second = 1e12;
    out.guard.units_max = 1e12;
    return out;
  }

  [[nodiscard]] Ledger& core() { return *core_; }
  [[nodiscard]] PeerId const& id() const { return core_->id(); }
  [[nodiscard]] SecretKey const& key() const { return key_; }
  void observe(Observer on_made, Observer on_released) {
    on_made_ = std::move(on_made);
    on_released_ = std::move(on_released);
  }

  void set_wall(WallTime time) { now_.wall = time; }
  void advance(std::chrono::milliseconds time) {
    now_.wall += time;
    now_.steady += time;
  }
  [[nodiscard]] WallTime wall() const { return now_.wall; }

  [[nodiscard]] LedgerRequest signed_by(SecretKey const& key, LedgerRequest::Body body) {
    auto out = make_ledger_request(std::move(body), id(), random_);
    sign(out, key);
    return out;
  }

  RequestId send(LedgerRequest const& request, IpAddress const& from = IpAddress{10, 0, 0, 1}) {
    asked_.insert_or_assign(++last_request_, request);
    return send(to_json(request), from, last_request_);
  }
  RequestId send_raw(json::Value payload, IpAddress const& from = IpAddress{10, 0, 0, 1}) {
    return send(std::move(payload), from, ++last_request_);
  }

  /// Makes up to `count` batches durable and serves reads.
  void flush(std::size_t count = ~std::size_t{0}) { journal_->run(count); }
  /// Until nothing is waiting.
  void settle() {
    while (has_work_) {
      has_work_ = false;
      journal_->run();
    }
  }
  [[nodiscard]] std::size_t queued_count() const { return journal_->queued_count(); }
  /// Of the last batch that is durable, and of the last batch.
  [[nodiscard]] Position durable() const { return journal_->durable(); }
  [[nodiscard]] Position last_position() const { return last_position_; }

  /// Sends it, waits, and returns the reply.
  LedgerReply ask(LedgerRequest const& request, IpAddress const& from = IpAddress{10, 0, 0, 1}) {
    auto const sent = send(request, from);
    settle();
    return reply_to(sent);
  }
  LedgerReply ask(SecretKey const& key, LedgerRequest::Body body) {
    return ask(signed_by(key, std::move(body)));
  }
  /// The body of the answer, which must be of this kind.
  template <class Body>
  Body get(LedgerRequest const& request) {
    auto const reply = ask(request);
    auto const* const body = reply.answer ? std::get_if<Body>(&reply.answer->body) : nullptr;
    EXPECT_TRUE(body) << describe(reply);
    return body ? *body : Body{};
  }
  template <class Body>
  Body get(SecretKey const& key, LedgerRequest::Body body) {
    return get<Body>(signed_by(key, std::move(body)));
  }
  /// The code of the failure that is answered.
  LedgerErrc error_of(SecretKey const& key, LedgerRequest::Body body) {
    return get<LedgerFailure>(key, std::move(body)).code;
  }

  [[nodiscard]] LedgerReply reply_to(RequestId request) const {
    auto const found = released_.find(request);
    return found != released_.end() ? found->second : LedgerReply{};
  }
  [[nodiscard]] LedgerRequest const& request(RequestId id) const { return asked_.at(id); }
  /// The id that the next request gets.
  [[nodiscard]] RequestId next_request() const { return last_request_ + 1; }
  /// Whether the core has replied, though the reply may wait.
  [[nodiscard]] bool was_made(RequestId id) const { return made_.contains(id); }
  [[nodiscard]] static std::string describe(LedgerReply const& reply) {
    if (reply.answer) return json::to_text(to_json(*reply.answer));
    return reply.refusal ? "refused: " + reply.refusal->reason : "no reply";
  }

  /// What is not durable is lost, with all requests.
  void crash() {
    auto const rows = journal_->table().all();
    boot(rows, journal_->durable());
  }
  /// The rows of the kinds that the core restores.
  [[nodiscard]] std::vector<Row> saved_rows() const { return kept(journal_->table().all()); }
  [[nodiscard]] std::vector<Row> all_rows() const { return journal_->table().all(); }

 private:
  RequestId send(json::Value payload, IpAddress const& from, RequestId id) {
    core_->receive(id, from, std::move(payload), now_);
    pump();
    return id;
  }

  static std::vector<Row> kept(std::vector<Row> rows) {
    std::erase_if(rows, [](Row const& row) {
      auto const kinds = Ledger::row_kinds();
      return std::ranges::find(kinds, row.kind) == kinds.end();
    });
    return rows;
  }

  void boot(std::vector<Row> const& rows, Position position) {
    options_.position = position;
    last_position_ = position;
    core_ = std::make_unique<Ledger>(options_, key_);
    for (auto const& row : kept(rows)) EXPECT_TRUE(core_->restore(row)) << row.kind << ' ' << row.body;
    EXPECT_TRUE(core_->check());
    gate_ = ReleaseGate<output::Reply>{position};
    journal_ = std::make_unique<MemoryJournal>(
        Journal::Callbacks{[this](Position durable) { release(durable); }, nullptr},
        [this] { has_work_ = true; });
    if (position == 0) return;
    Batch all{position, {}};
    for (auto const& row : rows) all.changes.push_back({row.kind, row.key, row.body});
    journal_->append(std::move(all));
    journal_->run();
  }

  void pump() {
    while (auto output = core_->poll_output()) run(std::move(*output));
  }
  void run(LedgerOutput output) {
    if (auto* const save = std::get_if<output::Save>(&output)) {
      last_position_ = save->batch.position;
      return journal_->append(std::move(save->batch));
    }
    if (auto* const wanted = std::get_if<LedgerRead>(&output)) {
      return journal_->read(wanted->query, [this, read = wanted->read](std::vector<Row> const& rows) {
        core_->rows_read(read, rows, now_);
        pump();
      });
    }
    if (std::holds_alternative<LedgerNotice>(output)) return;
    auto& reply = std::get<output::Reply>(output);
    auto const& made = made_.insert_or_assign(reply.request, parsed(reply)).first->second;
    if (on_made_) on_made_(reply.request, made);
    if (auto released = gate_.add(reply.after, std::move(reply))) deliver(*released);
  }
  void release(Position durable) {
    gate_.set_durable(durable);
    while (auto released = gate_.next()) deliver(*released);
  }
  void deliver(output::Reply const& reply) {
    auto const& made = made_.at(reply.request);
    released_.insert_or_assign(reply.request, made);
    if (on_released_) on_released_(reply.request, made);
  }

  LedgerReply parsed(output::Reply const& reply) const {
    LedgerReply out;
    if (!reply.error.empty()) {
      out.refusal = parse_refusal(reply.error);
      EXPECT_TRUE(out.refusal) << reply.error;
      return out;
    }
    auto const answer = read_ledger_answer(reply.result, asked_.at(reply.request));
    EXPECT_TRUE(answer) << json::to_text(reply.result) << answer.error().message();
    if (answer) out.answer = *answer;
    return out;
  }

  SecretKey key_ = secret(1);
  Ledger::Options options_;
  Random random_{std::uint64_t{2}};
  Now now_{TimePoint{}, from_unix_ms(1'800'000'000'000)};
  std::unique_ptr<Ledger> core_;
  std::unique_ptr<MemoryJournal> journal_;
  ReleaseGate<output::Reply> gate_;
  bool has_work_ = false;
  Position last_position_ = 0;
  RequestId last_request_ = 0;
  std::map<RequestId, LedgerRequest> asked_;
  std::map<RequestId, LedgerReply> made_;
  std::map<RequestId, LedgerReply> released_;
  Observer on_made_;
  Observer on_released_;
};

}  // namespace grenache::exchange::test
