// Pays debts of credit lines on the settlement ledger, and credits what others have paid there.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "exchange/core/credit/credit_lines.hpp"
#include "exchange/core/credit/ledger_client.hpp"

namespace grenache::exchange {

/// The id under which a creditor credits a transfer on the line: a UUID (version 8, RFC 9562) of SHA-256 of
/// "grenache/exchange/settlement/1:", the key of the ledger and the transfer's number.
[[nodiscard]] std::string settlement_id(PeerId const& ledger, std::int64_t seq);

/// The account of this peer on the ledger, its transfers to peers that it owes, and the transfers of others
/// to it.
///
/// Paying: a transfer is saved before it is sent, and sent again with the same id until the ledger says that
/// it is made, or never will be. So a crash on either side, or a lost answer, never pays twice. Then the
/// creditor is told to look; once it has credited the amount on the line the settlement is done.
///
/// Being paid: the transfers to our account are read in their order, and the number of the last one is saved
/// with what it changes on the line, so each is credited once. One that the line does not take, because it
/// is frozen, closed or has no room, waits and is tried again.
class Settlements {
 public:
  struct Options {
    LedgerClient::Options ledger{};
    std::string account{};  // the name to open an account with; empty: the one of the peer, or its id
    UsdCents start{};       // with so much
    /// At most kTransferLifeMax by the ledger's clock. A ledger that is away longer refuses the transfer.
    std::chrono::milliseconds transfer_life = std::chrono::hours{23};
    Duration poll_interval = std::chrono::seconds{30};
    Duration retry_min = std::chrono::seconds{1};
    Duration retry_max = std::chrono::minutes{1};
    std::size_t settlement_count_max = 1'000;
    std::size_t uncredited_count_max = 100'000;  // each of them has cost its payer money
  };

  enum class State : std::uint8_t {
    asking,  // the ledger has not said yet whether the transfer is made
    paid,    // the creditor has not credited it yet
  };
  struct Settlement {
    std::string id;  // of the transfer: UUID
    PeerId peer;
    UsdCents amount;
    WallTime valid_until{};
    State state{};
    PeerId ledger;         // where it is paid
    std::int64_t seq = 0;  // of a paid one
    // Not saved
    bool is_asking = false;
    TimePoint next_try = TimePoint::min();
    Duration delay{};
  };
  /// A settlement has ended or made a step.
  struct Outcome {
    enum class Kind : std::uint8_t { paid, credited, refused };
    Kind kind{};
    Settlement settlement;
    LedgerErrc reason{};  // of a refusal
  };
  /// An incoming transfer of a peer, to be credited on its line.
  struct Incoming {
    std::string id;  // settlement_id()
    PeerId peer;
    UsdCents amount;
  };

  /// `self` must outlive this object.
  Settlements(Options options, Self const& self)
      : options_{std::move(options)}, self_{self}, client_{options_.ledger, self} {}

  [[nodiscard]] bool is_enabled() const { return client_.is_enabled(); }
  /// What our account has, as far as the ledger has told; nothing before it has.
  [[nodiscard]] std::optional<UsdCents> balance() const { return balance_; }
  [[nodiscard]] std::string const& account_name() const { return account_name_; }
  [[nodiscard]] std::map<std::string, Settlement> const& all() const { return settlements_; }
  /// What is being settled with a peer.
  [[nodiscard]] UsdCents under_way(PeerId const& peer) const;
  [[nodiscard]] bool is_full() const { return settlements_.size() >= options_.settlement_count_max; }

  /// Our account is known, so that start() may be called.
  [[nodiscard]] bool is_ready() const { return has_account_; }
  /// Begins to pay `amount` to the account of `peer`; returns the id.
  std::string start(PeerId const& peer, UsdCents amount, Turn& turn);
  /// The peer has credited an amount under this id.
  void credited(PeerId const& peer, std::string const& id, UsdCents amount, Turn& turn);
  /// Asks for our balance, then calls `done` in the turn of the answer, whether it has come or not.
  void ask_balance(std::function<void(Turn&)> done, Turn& turn);
  /// Asks for all accounts, at most kUsersMax; nothing if the ledger does not answer.
  void ask_users(std::function<void(std::optional<std::vector<LedgerAccount>>, Turn&)> done, Turn& turn);
  /// Asks the ledger to delete all accounts.
  void ask_delete(std::function<void(Result<AccountsDeleted>, Turn&)> done, Turn& turn);
  static constexpr std::size_t kUsersMax = 10'000;

  /// Looks for transfers to us now: somebody says that there is one.
  void look(Turn& turn);
  /// A transfer that the line did not take, or that it has dropped again: it waits.
  void postpone(Incoming incoming, Turn& turn);
  /// Removes and returns those of `peer` that wait, with their rows; what the line does not take must be
  /// postponed again.
  [[nodiscard]] std::vector<Incoming> take_postponed(PeerId const& peer, Turn& turn);
  [[nodiscard]] std::vector<PeerId> postponed_peers() const;
  /// What a peer has paid to us and its line has not taken yet.
  [[nodiscard]] UsdCents uncredited(PeerId const& peer) const;

  void start_up(Turn& turn);
  void on_answered(std::uint64_t call, CallAnswer const& answer, Turn& turn);
  void expire(Turn& turn);
  [[nodiscard]] TimePoint next_expiry() const;

  [[nodiscard]] std::vector<Outcome> take_outcomes() { return std::exchange(outcomes_, {}); }
  /// Transfers that were read: in the same turn each must be credited, postponed or left alone.
  [[nodiscard]] std::vector<Incoming> take_incoming() { return std::exchange(incoming_, {}); }

  [[nodiscard]] static std::vector<std::string_view> row_kinds();
  [[nodiscard]] bool restore(Row const& row);
  void dump(std::vector<Row>& out) const;
  static constexpr char const* kRowKind = "settlement";
  static constexpr char const* kCursorKind = "ledgerCursor";
  static constexpr char const* kUncreditedKind = "uncredited";

 private:
  struct AskAccount {};
  struct AskOpen {};
  struct AskBalance {
    std::function<void(Turn&)> done;
  };
  struct AskTransfer {
    std::string id;
  };
  struct AskIncoming {};
  struct AskUsers {
    std::vector<LedgerAccount> found;
    std::function<void(std::optional<std::vector<LedgerAccount>>, Turn&)> done;
  };
  struct AskDelete {
    std::function<void(Result<AccountsDeleted>, Turn&)> done;
  };
  using Purpose =
      std::variant<AskAccount, AskOpen, AskBalance, AskTransfer, AskIncoming, AskUsers, AskDelete>;

  void ask(Purpose purpose, LedgerRequest::Body body, Turn& turn);
  void on(AskAccount& asked, std::optional<LedgerAnswer> const& answer, Turn& turn);
  void on(AskOpen& asked, std::optional<LedgerAnswer> const& answer, Turn& turn);
  void on(AskBalance& asked, std::optional<LedgerAnswer> const& answer, Turn& turn);
  void on(AskTransfer& asked, std::optional<LedgerAnswer> const& answer, Turn& turn);
  void on(AskIncoming& asked, std::optional<LedgerAnswer> const& answer, Turn& turn);
  void on(AskUsers& asked, std::optional<LedgerAnswer> const& answer, Turn& turn);
  void on(AskDelete& asked, std::optional<LedgerAnswer> const& answer, Turn& turn);
  void send(Settlement& settlement, Turn& turn);
  void open_account(Turn& turn);
  /// Nobody answers: looks again soon, then less and less often.
  void look_later(Turn& turn);
  [[nodiscard]] bool is_here(Settlement const& settlement) const {
    return client_.key() == settlement.ledger;
  }
  void has_account(LedgerAccount const& account, Turn& turn);
  void lose_account(Turn& turn);
  void read_more(Turn& turn);
  [[nodiscard]] static Row row_of(Settlement const& settlement);
  [[nodiscard]] static Row row_of(Incoming const& incoming);
  [[nodiscard]] Row cursor_row() const;

  Options options_;
  Self const& self_;
  LedgerClient client_;
  std::map<std::uint64_t, Purpose> purposes_;
  std::uint64_t last_tag_ = 0;
  std::map<std::string, Settlement> settlements_;  // by id
  std::map<std::string, Incoming> uncredited_;     // by id
  std::int64_t cursor_ = 0;                        // seq of the last transfer that was read
  bool is_reading_ = false;
  bool looks_again_ = false;
  bool has_account_ = false;
  bool is_opening_ = false;
  bool has_other_name_ = false;  // the name was taken
  bool has_warned_ = false;      // that no account is opened
  std::string account_name_;
  std::optional<UsdCents> balance_;
  TimePoint next_look_ = TimePoint::max();
  Duration look_delay_{};
  std::vector<Outcome> outcomes_;
  std::vector<Incoming> incoming_;
};

}  // namespace grenache::exchange
