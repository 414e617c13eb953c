// Keeps our order book equal to those of the peers that answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "exchange/core/book.hpp"
#include "exchange/core/network/maker_rates.hpp"
#include "exchange/core/network/reconciliation.hpp"
#include "exchange/core/self.hpp"
#include "exchange/core/turn.hpp"
#include "exchange/messages/message.hpp"

namespace grenache::exchange {

/// Remembers ids of versions, the latest ones: 2,048 in at most 16 KiB. What is remembered longest makes
/// room.
class RecentIds {
 public:
  void insert(VersionId const& id);
  [[nodiscard]] bool contains(VersionId const& id) const;
  void clear() { slots_.clear(); }

 private:
  static constexpr std::size_t kWays = 4;
  static constexpr std::size_t kSets = 512;
  static std::size_t set_of(std::uint64_t mixed) { return mixed % kSets * kWays; }
  std::vector<std::uint64_t> slots_;  // kSets sets of kWays, the latest first; empty until the first insert
};

/// Makes our book and that of each peer equal when the peer is met and now and then again, and tells the
/// peers of changes.
///
/// How books become equal:
///
/// Reconciliation compares our set of signed orders with that of a peer of ours. Records that we lack are
/// fetched. Records that the peer lacks are sent to it, unless it is reconciling with us at that time.
///
/// A change of an own order is sent to every peer until that peer has answered: one call at a time for each
/// peer, always with the newest version. So a peer that was away hears of a closed order when it is back.
///
/// The id of a new version of another maker is told to one peer, or to two if the version did not come from
/// its maker, and to two more for each peer that did not know it. It is never told to a peer that has shown
/// it to us. A peer that is missed finds the version by its next reconciliation. Of a maker that changes its
/// orders faster than MakerRates allows, the newest versions are told, later.
///
/// A peer that does not know an id asks for the record: one peer at a time, and after record_timeout another
/// one that has told of the id.
///
/// The book of a peer of the original, or of an older peer of ours that refuses a reconciliation, is read as
/// a whole. Such a peer is sent orders one by one.
///
/// What a peer can make us hold: per peer untold_count_max keys, 48 KiB of ids, kRefusedMax refused positions
/// and a Reconciliation of bounded size; in all wanted_count_max positions and rumour_count_max ids. What it
/// can make us do: an answer to a reconciliation (1 ms), kRecordsMax records; calls of our own are bounded
/// for each peer. A peer that lies, hangs or wastes our time is asked after 2, 4, … minutes, up to
/// interval_max. The endpoint in a message is a claim. Whoever names another's can keep us from telling that
/// peer an id and from sending it what a reconciliation has shown, until that peer reconciles with us; and
/// make us ask it for some records that it lacks, after which its ids are ignored until the next
/// reconciliation. Own orders are sent all the same, and the times of reconciliations do not depend on
/// claims.
class Sync {
 public:
  struct Options {
    std::size_t relay_call_count_max = 64;  // relays under way; others wait
    std::size_t untold_count_max = 1'000;   // own changes a peer has not heard of; about 100 bytes each
    std::size_t read_count_max = 4;         // peers whose books are being read at a time
    std::size_t order_count_max = 14'000;   // orders of one book, which may hold closed ones too
    Duration interval_max = std::chrono::minutes{16};  // after failures
    Duration reread_interval = std::chrono::minutes{1};
    /// Peers of the original do not tell others of new orders.
    Duration original_reread_interval = std::chrono::seconds{5};
    Duration retry = std::chrono::seconds{2};
    /// Ids are collected for this time, up to twice, before they are told.
    Duration relay_delay = std::chrono::milliseconds{15};
    std::size_t rumour_count_max = 4'096;   // ids to be told; others are left to the next reconciliation
    std::size_t wanted_count_max = 32'768;  // positions whose records are asked for; about 150 bytes each
    std::size_t record_call_count_max = 4;  // of a peer
    Duration record_timeout = std::chrono::seconds{2};
    /// A reconciliation ends this long after the last record that was new to us.
    Duration session_patience = std::chrono::seconds{30};
    Reconciliation::Limits reconciliation{};
    MakerRates::Options maker_rates{};
  };
  /// Orders that were read from a peer: its whole book, or records that were asked for.
  struct Read {
    std::string endpoint;      // empty: nothing was read
    bool is_original = false;  // of a peer of the original program
    bool is_book = false;
    OrderList list;
    std::vector<OrderPosition> asked;  // unless it is a book
  };

  /// `self` and `book` must outlive this object.
  Sync(Options options, Self const& self, Book const& book)
      : options_{options}, self_{self}, book_{book}, maker_rates_{options.maker_rates} {}
  Sync(Sync const&) = delete;
  Sync& operator=(Sync const&) = delete;

  /// A peer answers at `endpoint`. One of the original is told all own orders.
  void met(std::string const& endpoint, bool is_original, Turn& turn);
  /// It does not answer any more; what it has not heard of is kept for `met`.
  void lost(std::string const& endpoint, Turn& turn);
  /// Forgets all about it.
  void forget(std::string const& endpoint, Turn& turn);

  /// The book has got this order; nobody is told.
  void add(OrderRecord const& order) { index_.put(order); }
  /// The book has got this version of an order: tells peers of it. `from` is the endpoint from which we have
  /// it; empty if it is unknown.
  void spread(OrderRecord const& order, bool is_own, std::string const& from, Turn& turn);
  /// The book refuses this version, for a reason other than its signature. For ten minutes, peers that tell
  /// of its id are answered that it is known, and are not asked for it. A reconciliation still finds it.
  void heard(OrderRecord const& order) {
    if (order.is_signed()) unwanted_.insert(version_of(order));
  }
  /// The book has dropped this order.
  void remove(OrderKey const& key) { index_.erase(key); }
  /// The book has removed the orders that have expired.
  void expire_orders(WallTime now) { index_.expire(now); }

  void handle(RequestId request, PayloadForm form, ReconcileMessage const& message, Turn& turn);
  void handle(RequestId request, PayloadForm form, GetRecordsMessage const& message, Turn& turn);
  /// Which of the ids of an inventory were not known. Asks `from` for their records; it may be empty.
  [[nodiscard]] std::vector<bool> on_inventory(std::string const& from, std::vector<VersionId> const& ids,
                                               Turn& turn);

  /// A part of the answer to a call. The caller offers `Read::list` to the book; if it is not a whole book,
  /// it then calls record_offered() for each order, and at last records_done().
  [[nodiscard]] Read on_answered(std::uint64_t key, CallAnswer answer, Turn& turn);
  /// What became of an order that `endpoint` has sent on request.
  void record_offered(std::string const& endpoint, OrderRecord const& order, Result<Added> const& added);
  void records_done(Read const& read, Turn& turn);

  /// This peer was not worth reading.
  void blame(std::string const& endpoint, Turn& turn);
  /// Reads the books that are due, those that wait longest first, tells ids, and repeats what was not heard.
  void expire(Turn& turn);
  [[nodiscard]] TimePoint next_expiry() const;
  /// A peer answers there.
  [[nodiscard]] bool is_here(std::string_view endpoint) const;
  /// True when the book of every peer that was met was read, or could not be, once.
  [[nodiscard]] bool all_read() const;
  [[nodiscard]] bool is_read(std::string_view endpoint) const;

  /// The signed orders of the book.
  [[nodiscard]] OrderIndex const& index() const { return index_; }
  /// What is held because peers have sent something: for tests of bounds.
  struct Load {
    std::size_t wanted_count = 0;
    std::size_t rumour_count = 0;
    std::size_t call_count = 0;
    std::size_t delayed_count = 0;  // orders of makers that change too much
  };
  [[nodiscard]] Load load() const {
    return {wanted_.size(), rumours_.size(), asked_.size(), maker_rates_.delayed_count()};
  }

 private:
  struct Session {
    Session(std::uint64_t number, OrderIndex const& index, std::uint64_t salt, Reconciliation::Limits limits)
        : id{number}, walk{index, salt, limits} {}
    std::uint64_t id;
    Reconciliation walk;
    std::size_t call_count = 0;
    std::size_t failure_count = 0;
    bool has_found = false;  // something that one of us lacks
    bool is_useful = false;  // something was transferred
    TimePoint deadline{};
    bool is_progress = false;  // something new has come since the deadline was set
    event::BookRead counts;
  };
  struct Refused {
    std::uint16_t rank = 0;
    ShortTag version = 0;
  };
  struct State {
    bool is_here = false;
    bool is_original = false;
    std::optional<bool>
        knows_sync;  // it is a peer of ours that knows the messages of sync; none: not known yet
    bool is_reading = false;
    bool was_read = false;  // or could not be
    TimePoint next_read{};
    Duration interval{};  // of reading; doubled after each reading that failed
    std::unique_ptr<Session> session;
    TimePoint asks_us_until{};   // it reconciles with us, and takes what it lacks by itself
    std::size_t miss_count = 0;  // answers in a row that brought nothing of what it has listed
    std::size_t false_count =
        0;  // of what somebody in its name has told of; then ids are ignored for a while
    // Own changes
    std::set<OrderKey> untold;  // own orders whose newest version it may not have
    bool is_telling = false;
    TimePoint next_tell{};
    // Records
    std::deque<OrderPosition> queue;  // to be asked for
    std::size_t record_call_count = 0;
    std::deque<OrderKey> lacking;  // it does not have our version
    std::size_t push_count = 0;    // calls under way
    RecentIds shown;               // it has, or says it has, or was told
    RecentIds held;                // it has: it has sent it to us, or has answered when we have sent it
    std::map<OrderPosition, Refused> refused;  // what it has and our book does not accept
    TimePoint refused_since{};
    TimePoint held_since{};
  };
  enum class Kind { read, tell, relay, reconcile, records, inventory, push };
  struct Asked {
    Kind kind{};
    std::string endpoint{};
    std::vector<OrderKey> orders{};  // of tell and push
    std::vector<VersionId> ids{};    // of tell, push and inventory
    std::uint64_t session = 0;
    ReconcileMessage reconcile{};
    std::vector<OrderPosition> positions{};
    TimePoint deadline{};
  };
  struct Wanted {
    std::string from;                 // who is asked, or will be
    std::vector<std::string> others;  // who have told of it, too
    bool is_listed = false;           // `from` has listed it when we asked; else only somebody in its name
  };
  struct Rumour {
    VersionId id;
    std::size_t count = 0;  // of peers to tell
  };

  // Own changes
  void tell(std::string const& endpoint, State& state, Turn& turn);
  void add_untold(State& state, OrderKey const& key) const;
  void on_told(Asked& asked, CallAnswer const& answer, Turn& turn);
  // Changes of others
  void add_rumour(VersionId const& id, std::size_t count, Turn& turn);
  void relay(Turn& turn);
  void send_ids(std::string const& endpoint, State& state, std::vector<VersionId> ids, Turn& turn);
  void on_ids_answered(Asked const& asked, CallAnswer answer, Turn& turn);
  // Equal sets
  void read(std::string const& endpoint, State& state, Turn& turn);
  Read on_read(std::string const& endpoint, State* state, CallAnswer answer, Turn& turn);
  void begin_session(std::string const& endpoint, State& state, Turn& turn);
  void on_reconciled(Asked const& asked, CallAnswer answer, Turn& turn);
  void continue_session(std::string const& endpoint, State& state, Turn& turn);
  void finish_session(std::string const& endpoint, State& state, Turn& turn);
  void end_session(State& state);
  void give_up_session(std::string const& endpoint, State& state, Turn& turn);
  void take_differences(std::string const& endpoint, State& state, Turn& turn);
  // Records
  bool want(OrderPosition position, bool is_listed, std::string const& endpoint, State& state);
  void drop_queue(std::string const& endpoint, State& state, Turn& turn);
  void ask_for_records(std::string const& endpoint, State& state, Turn& turn);
  Read on_records(Asked& asked, CallAnswer answer, Turn& turn);
  void fail_over(OrderPosition position, std::string const& from, Turn& turn);
  void add_miss(std::string const& endpoint, State& state, Turn& turn);
  void push(std::string const& endpoint, State& state, Turn& turn);
  void on_pushed(Asked const& asked, CallAnswer answer, Turn& turn);
  void expire_record_calls(Turn& turn);

  State* find(std::string const& endpoint);
  std::uint64_t remember(Asked asked);
  InventoryMessage inventory(Turn const& turn) const;
  /// Moves orders from `keys` into a message, as many as fit; true if one of them is ours.
  template <class Keys>
  bool fill(InventoryMessage& message, Keys& keys, State const* skips, Asked& asked, WallTime now) const;

  Options options_;
  Self const& self_;
  Book const& book_;
  OrderIndex index_;
  std::map<std::string, State, std::less<>> states_;
  std::map<std::uint64_t, Asked> asked_;
  std::uint64_t last_key_ = 0;
  std::uint64_t last_session_ = 0;
  std::size_t reading_count_ = 0;  // books being read, and sessions
  std::size_t relaying_count_ = 0;
  std::map<OrderPosition, Wanted> wanted_;
  std::set<std::pair<TimePoint, std::uint64_t>> record_deadlines_;
  std::deque<Rumour> rumours_;
  MakerRates maker_rates_;
  TimePoint next_relay_ = TimePoint::max();
  RecentIds unwanted_;  // versions that the book has not taken
  TimePoint unwanted_since_{};
  RecentIds seen_;  // versions that we had, though we may have newer ones
};

}  // namespace grenache::exchange
