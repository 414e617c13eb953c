// The core of a settlement ledger: requests in, rows and answers out.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "exchange/core/network/guard.hpp"
#include "exchange/core/turn.hpp"
#include "exchange/journal/journal.hpp"
#include "exchange/ledger/accounts.hpp"
#include "exchange/ledger/refusals.hpp"
#include "exchange/ledger/transfer_rows.hpp"
#include "exchange/messages/ledger_answer.hpp"
#include "exchange/messages/message_header.hpp"

namespace grenache::exchange {

/// Read rows as they are after all batches so far, then call Ledger::rows_read().
struct LedgerRead {
  std::uint64_t read = 0;
  RowQuery query;
};
/// Log what happened, when `after` is durable: an account was opened, a transfer made, all accounts deleted.
struct LedgerNotice {
  Position after = 0;
  std::variant<LedgerAccount, PaidTransfer, AccountsDeleted> what;
};
/// What the caller of the core must do, in this order.
using LedgerOutput = std::variant<output::Save, output::Reply, LedgerRead, LedgerNotice>;

/// Answers the requests of ledger_message.hpp. Without sockets, clocks or files.
///
/// What one request changes is one batch, and its answer, like all later ones, waits until the batch is
/// durable. So after a crash at any moment the journal holds all of a transfer or nothing of it, and nobody
/// has been told of what it does not hold.
///
/// A transfer gets one outcome. Before one is made the journal is asked whether it was made already, and
/// requests for the same one wait together for this; refusals are in memory until they end. An answer that
/// relies on the time (expired, a statement) waits until that time is durable, and after a restart the time
/// goes on from there, whatever the clock says.
///
/// The journal is bounded by transfer_count_max, and memory: account_count_max accounts, the refusals, and
/// read_count_max requests that wait for the journal. Requests cost the caller's address its units; a new
/// account costs as much as a hundred transfers. Shown by
/// tests/unit/exchange_ledger/ledger_property_test.cpp.
class Ledger {
 public:
  struct Options {
    std::string name;                 // for display
    UsdCents start_max{100'000'000};  // greatest starting balance of an account
    std::set<PeerId> operators;       // may delete all accounts
    std::size_t account_count_max = 100'000;
    std::int64_t transfer_count_max = 100'000'000;  // each is kept for ever, about 1 kB in the journal
    std::size_t read_count_max = 10'000;
    Refusals::Options refusals;
    Guard::Options guard;
    Position position = 0;  // of the last batch in the journal
  };
  static constexpr std::string_view kStateKind = "ledger";

  Ledger(Options options, SecretKey const& key);
  Ledger(Ledger const&) = delete;
  Ledger& operator=(Ledger const&) = delete;

  /// The kinds of rows to restore().
  [[nodiscard]] static std::vector<std::string_view> row_kinds();
  /// Takes over a row of an earlier run, before all other inputs. False if it is malformed.
  [[nodiscard]] bool restore(Row const& row);
  /// Returns the rows from which restore() makes the present state, by kind and key. Linear; for tests.
  [[nodiscard]] std::vector<Row> dump() const;
  /// Whether balances and sums are as they must be. Linear; after restore(), and for tests.
  [[nodiscard]] bool check() const { return accounts_.check(); }

  void receive(RequestId request, IpAddress const& from, json::Value payload, Now now);
  /// The answer to a LedgerRead.
  void rows_read(std::uint64_t read, std::vector<Row> const& rows, Now now);
  [[nodiscard]] std::optional<LedgerOutput> poll_output();

  [[nodiscard]] PeerId const& id() const { return id_; }
  [[nodiscard]] Accounts const& accounts() const { return accounts_; }
  /// Its own time, which never goes backwards; see above.
  [[nodiscard]] WallTime time() const { return state_.time; }
  /// Of the last transfer; 0: there was none.
  [[nodiscard]] std::int64_t seq() const { return state_.seq; }

 private:
  /// The state that belongs to no account.
  struct State {
    WallTime time{};
    std::int64_t seq = 0;
    // The last deletion.
    Sha256 deletion;
    WallTime deletion_at{};
    std::int64_t deleted_count = 0;
  };
  /// A request until it is answered.
  struct Question {
    RequestId request = 0;
    PayloadForm form{};
    Sha256 digest;
  };
  struct WaitingTransfer {
    Question question;
    Transfer transfer;  // without its signature
  };
  struct TransferLookup {
    std::string key;
  };
  struct IncomingLookup {
    Question question;
  };
  struct StatementLookup {
    Question question;
    UsdCents start;
    std::int64_t opened_seq;
  };
  using Lookup = std::variant<TransferLookup, IncomingLookup, StatementLookup>;

  void begin(Now now);
  void end();
  [[nodiscard]] bool may_cost(RequestId request, IpAddress const& from, Guard::Units units);
  [[nodiscard]] Guard::Units cost_of(LedgerRequest const& request) const;
  void answer(Question const& question, LedgerAnswer::Body body);
  void fail(Question const& question, LedgerErrc code) { answer(question, LedgerFailure{code}); }
  void refuse_now(RequestId request, RefusalCode code, std::string reason,
                  std::chrono::milliseconds retry_after = {});
  void busy(Question const& question, std::string reason);
  void save(Row row) { changes_.push_back({std::move(row.kind), std::move(row.key), std::move(row.body)}); }
  void erase(std::string_view kind, std::string key) {
    changes_.push_back({std::string{kind}, std::move(key), {}});
  }
  /// An answer of this turn says that `time` is over.
  void rely_on(WallTime time) { relied_on_ = std::max(relied_on_, time); }
  /// False if too many requests are waiting; then it is answered.
  bool look_up(Question const& question, Lookup lookup, RowQuery query);

  void handle(Question const& question, GetLedger const&);
  void handle(Question const& question, OpenAccount const& wanted);
  void handle(Question const& question, GetAccounts const& wanted);
  void handle(Question const& question, GetAccount const& wanted);
  void handle(Question const& question, Transfer const& wanted);
  void handle(Question const& question, GetTransfers const& wanted);
  void handle(Question const& question, GetStatement const& wanted);
  void handle(Question const& question, DeleteAccounts const& wanted);

  void finish(TransferLookup const& lookup, std::vector<Row> const& rows);
  void finish(IncomingLookup const& lookup, std::vector<Row> const& rows);
  void finish(StatementLookup const& lookup, std::vector<Row> const& rows);
  /// Makes a transfer that was neither made nor refused, or refuses it, and answers. Returns it if it was
  /// made.
  std::optional<PaidTransfer> execute(WaitingTransfer const& waiting);
  void refuse(WaitingTransfer const& waiting, LedgerErrc reason);
  [[nodiscard]] bool answer_refused(WaitingTransfer const& waiting);
  PaidTransfer pay(Transfer const& transfer);
  [[nodiscard]] Row state_row() const;

  Options options_;
  SecretKey key_;
  PeerId id_;
  Guard guard_;
  Accounts accounts_;
  Refusals refusals_;
  State state_;
  WallTime saved_time_{};  // as in the last batch
  Position position_;
  std::uint64_t last_read_ = 0;
  std::map<std::uint64_t, Lookup> lookups_;
  std::map<std::string, std::vector<WaitingTransfer>> waiting_;  // by transfer_key()
  std::size_t waiting_count_ = 0;                                // requests in lookups_ and waiting_

  // Of the present turn.
  TimePoint now_{};
  WallTime relied_on_{};
  bool is_state_changed_ = false;  // in more than the time
  std::vector<RowChange> changes_;
  std::vector<LedgerOutput> outputs_;  // replies wait for `changes_`, unless they are refusals
  std::deque<LedgerOutput> out_;
};

}  // namespace grenache::exchange
