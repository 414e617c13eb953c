// Runs a settlement ledger with a script of requests, crashes and time.
//
// The input is a list of steps (see Script::step). A parsed request can be written and parses to the same.
// Every request is answered at most once, and once if the ledger does not crash; balances and sums are as
// they must be; the rows of the journal are the state of the ledger; an outcome that was told never changes;
// no answer leaves before the rows of its turn are durable.
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "exchange/journal/memory_journal.hpp"
#include "exchange/journal/release_gate.hpp"
#include "exchange/ledger/ledger.hpp"
#include "exchange/messages/refusal.hpp"
#include "tests/fuzz/input.hpp"
#include <grenache/base/check.hpp>

namespace grenache::exchange {
namespace {

constexpr std::size_t kStepCountMax = 64;  // most compute signatures
constexpr std::size_t kKeyCount = 4;       // the last one is the operator's

SecretKey key_of(std::uint64_t seed) {
  Random random{seed};
  return SecretKey::generate(random);
}

void check_answers(json::Value const& body) {
  auto const answer = parse_ledger_answer(body);
  if (!answer) return;
  auto const again = parse_ledger_answer(to_json(*answer));
  GRN_CHECK(again && *again == *answer);
  (void)answer_digest(*answer, Sha256{});
}

void check_request(json::Value const& body) {
  auto const request = parse_ledger_request(body);
  if (!request) {
    GRN_CHECK(!request.error().message().empty());
    return;
  }
  auto const again = parse_ledger_request(to_json(*request));
  GRN_CHECK(again && *again == *request && request_digest(*again) == request_digest(*request));
}

class Script {
 public:
  Script(std::uint8_t const* data, std::size_t size) : input_{data, size} {
    for (std::uint64_t seed = 0; seed < kKeyCount; ++seed) keys_.push_back(key_of(2 + seed));
    boot({}, 0);
  }

  void run() {
    for (std::size_t i = 0; i < kStepCountMax && !input_.empty(); ++i) {
      step();
      GRN_CHECK(core_->check());
    }
    settle();
    GRN_CHECK(waiting_.empty());
    GRN_CHECK(core_->dump() == kept(journal_->table().all()));
  }

 private:
  static Ledger::Options small_options() {
    Ledger::Options out;
    out.start_max = UsdCents{300};
    out.operators = {key_of(2 + kKeyCount - 1).public_key()};
    out.account_count_max = 3;
    out.read_count_max = 3;
    out.refusals = {4, 2};
    return out;
  }

  void step() {
    switch (input_.below(10)) {
      case 0:
        return receive_bytes();
      case 1:
        return receive(OpenAccount{std::string{"abc"[input_.below(3)]}, {}, cents(), "", {}});
      case 2:
      case 3:
        return receive(transfer());
      case 4:
        return again();
      case 5:
        return read();
      case 6:
        return receive(DeleteAccounts{{}, wall() - std::chrono::seconds{input_.byte()}, {}});
      case 7:
        return journal_->run(input_.below(4));
      case 8:
        return pass_time();
      default:
        return crash();
    }
  }

  WallTime wall() const { return now_.wall; }
  UsdCents cents() { return UsdCents{std::int64_t{2} * input_.byte()}; }
  PeerId any_key() { return keys_[input_.below(kKeyCount)].public_key(); }

  Transfer transfer() {
    auto const id = "00000000-0000-4000-8000-00000000000" + std::to_string(input_.below(4));
    auto const amount = UsdCents{1 + std::int64_t{input_.byte()}};
    return {id,
            {},
            any_key(),
            amount,
            from_unix_ms(kBegin + 1'000 * std::int64_t{input_.number<std::uint16_t>()}),
            {}};
  }

  void read() {
    switch (input_.below(5)) {
      case 0:
        return receive(
            GetAccounts{std::string{input_.flag() ? "a" : ""}, 1 + input_.byte() % kLedgerPageMax});
      case 1:
        return receive(GetAccount{any_key()});
      case 2:
        return receive(GetTransfers{any_key(), input_.byte() % 8, 1 + input_.byte() % kLedgerPageMax});
      case 3:
        return receive(GetStatement{any_key(), wall() - std::chrono::seconds{input_.byte() % 16}});
      default:
        return receive(GetAccount{std::string{"b"}});
    }
  }

  void receive_bytes() {
    json::Value const payload{input_.long_text()};
    if (auto const body = read_payload(payload)) {
      check_request(body->body);
      check_answers(body->body);
    }
    receive(payload, std::nullopt);
  }
  void receive(LedgerRequest::Body body) {
    auto request = make_ledger_request(std::move(body), core_->id(), random_);
    sign(request, keys_[input_.below(kKeyCount)]);
    check_request(to_json(request));
    sent_.push_back(request);
    receive(to_json(request), request);
  }
  void again() {
    if (sent_.empty()) return;
    auto const request = sent_[input_.byte() % sent_.size()];
    receive(to_json(request), request);
  }
  void receive(json::Value payload, std::optional<LedgerRequest> request) {
    waiting_.emplace(++last_request_, std::move(request));
    core_->receive(last_request_, IpAddress{10, 0, 0, 1}, std::move(payload), now_);
    pump();
  }

  void pass_time() {
    auto const seconds = std::chrono::seconds{input_.byte()};
    now_.steady += seconds;
    now_.wall += input_.flag() ? seconds * 300 : input_.flag() ? -seconds : seconds;
  }

  void crash() {
    journal_->run(input_.below(4));
    auto const rows = journal_->table().all();
    waiting_.clear();
    boot(rows, journal_->durable());
    GRN_CHECK(core_->dump() == kept(rows));
  }

  static std::vector<Row> kept(std::vector<Row> rows) {
    std::erase_if(rows, [](Row const& row) {
      auto const kinds = Ledger::row_kinds();
      return std::ranges::find(kinds, row.kind) == kinds.end();
    });
    return rows;
  }
  void boot(std::vector<Row> const& rows, Position position) {
    auto options = small_options();
    options.position = position;
    core_ = std::make_unique<Ledger>(options, key_of(1));
    for (auto const& row : kept(rows)) GRN_CHECK(core_->restore(row));
    GRN_CHECK(core_->check());
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
  void settle() {
    while (std::exchange(has_work_, false)) journal_->run();
  }

  void pump() {
    while (auto output = core_->poll_output()) run(std::move(*output));
  }
  void run(LedgerOutput output) {
    if (auto* const save = std::get_if<output::Save>(&output))
      return journal_->append(std::move(save->batch));
    if (auto* const wanted = std::get_if<LedgerRead>(&output)) {
      return journal_->read(wanted->query, [this, read = wanted->read](std::vector<Row> const& rows) {
        core_->rows_read(read, rows, now_);
        pump();
      });
    }
    if (std::holds_alternative<LedgerNotice>(output)) return;
    auto& reply = std::get<output::Reply>(output);
    if (auto released = gate_.add(reply.after, std::move(reply))) hear(*released);
  }
  void release(Position durable) {
    gate_.set_durable(durable);
    while (auto released = gate_.next()) hear(*released);
  }

  void hear(output::Reply const& reply) {
    auto const found = waiting_.extract(reply.request);
    GRN_CHECK(found);
    if (!reply.error.empty()) {
      GRN_CHECK(parse_refusal(reply.error));
      return;
    }
    check_answers(read_answer(reply.result));
    auto const& request = found.mapped();
    if (!request) return;
    auto const answer = read_ledger_answer(read_answer(reply.result), *request);
    GRN_CHECK(answer);
    auto const* const wanted = std::get_if<Transfer>(&request->body);
    if (!wanted || std::holds_alternative<LedgerFailure>(answer->body)) return;
    // What was refused stays refused; its reason may become `expired`.
    auto key = *wanted;
    key.signature = {};
    auto const text = json::to_text(to_json(LedgerRequest{{}, core_->id(), key}));
    auto const& first = outcomes_.emplace(text, answer->body).first->second;
    GRN_CHECK(first == answer->body || (std::holds_alternative<TransferRefused>(first) &&
                                        std::holds_alternative<TransferRefused>(answer->body)));
  }

  static constexpr std::int64_t kBegin = 1'800'000'000'000;

  fuzz::Input input_;
  Random random_{std::uint64_t{9}};
  std::vector<SecretKey> keys_;
  Now now_{TimePoint{}, from_unix_ms(kBegin)};
  std::unique_ptr<Ledger> core_;
  std::unique_ptr<MemoryJournal> journal_;
  ReleaseGate<output::Reply> gate_;
  bool has_work_ = false;
  RequestId last_request_ = 0;
  std::map<RequestId, std::optional<LedgerRequest>> waiting_;
  std::vector<LedgerRequest> sent_;
  std::map<std::string, LedgerAnswer::Body> outcomes_;
};

}  // namespace
}  // namespace grenache::exchange

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  grenache::exchange::Script{data, size}.run();
  return 0;
}
