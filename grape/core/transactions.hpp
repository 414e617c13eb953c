// Queries of ours that wait for an answer.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include <grenache/base/endpoint.hpp>
#include <grenache/base/ids.hpp>
#include <grenache/base/random.hpp>
#include <grenache/base/time.hpp>

namespace grenache::grape {

/// What a query was sent for, and so who wants the answer.
enum class Purpose : std::uint8_t {
  bootstrap,  // find_node to an address whose node is not known yet
  verify,     // ping to a node that wants into the table, or that was not heard of for long
  search,     // find_node, get_peers or get of a search, which is the owner
  store,      // announce_peer, unannounce_peer or put after a search; the owner is the store
};

/// The open queries of a node.
///
/// A reply belongs to a query only when the transaction id *and* the whole endpoint are those of the query:
/// Grape compares the address alone and counts ids from 1, which lets anybody answer for anybody. Ids are 16
/// random bits, as long as Grape's.
///
/// Each query times out twice: soon, which lets a lookup ask somebody else meanwhile, and for good. How soon
/// follows from the round trips seen so far (four times their mean, within the options), so that on a fast
/// network dead nodes cost milliseconds.
///
/// At most `count_max` queries are open; all operations cost O(log count_max).
class Transactions {
 public:
  struct Options {
    Duration soon_min = std::chrono::milliseconds{50};   // a busy machine may be this slow to answer
    Duration soon_max = std::chrono::milliseconds{500};  // as long as no round trip is known
    Duration late = std::chrono::seconds{2};             // as Grape
    std::size_t count_max = 4096;                        // 16-bit ids stay sparse, hence hard to guess
  };

  struct Query {
    Endpoint to;
    std::optional<NodeId> expected;  // who lives there; nothing when that is what the query is to tell
    Purpose purpose = Purpose::verify;
    std::uint64_t owner = 0;
  };
  struct Timeout {
    Query query;
    bool is_final = false;  // the query is closed; else it stays open until its final timeout
  };

  explicit Transactions(Options options) : options_{options}, round_trip_{options.soon_max / 4} {}

  /// The two bytes of a fresh id, or nothing when too many queries are open.
  [[nodiscard]] std::optional<std::string> open(Query const& query, Random& random, TimePoint now);
  /// Whether an answer with `tid` from `from` belongs to an open query.
  [[nodiscard]] bool is_open(std::string_view tid, Endpoint const& from) const;
  /// Whether a query with `tid` is open, to whomever.
  [[nodiscard]] bool is_open(std::string_view tid) const;
  /// Whether `datagram` from `from` may be an answer that is waited for: it has the id of a query to that
  /// endpoint somewhere. Costs one pass over the bytes, and nothing while no query to `from` is open. False
  /// after three datagrams that only looked like answers, until no query to `from` is open.
  [[nodiscard]] bool may_answer(std::string_view datagram, Endpoint const& from) const;
  /// A datagram from `from` that may_answer() let pass was no answer.
  void was_no_answer(Endpoint const& from);
  /// Closes and returns the query that an answer with `tid` from `from` belongs to, if there is one.
  [[nodiscard]] std::optional<Query> close(std::string_view tid, Endpoint const& from, TimePoint now);
  /// The next timeout that is due; call until there is none.
  [[nodiscard]] std::optional<Timeout> expire(TimePoint now);
  /// When expire() has something to tell; TimePoint::max() when nothing is open.
  [[nodiscard]] TimePoint next_deadline() const;

  [[nodiscard]] std::size_t size() const { return open_.size(); }
  /// Open queries of searches and stores that were not slow so far.
  [[nodiscard]] std::size_t prompt_count() const { return prompt_count_; }
  /// Open pings.
  [[nodiscard]] std::size_t verify_count() const { return verify_count_; }
  void check() const;

 private:
  struct Entry {
    Query query;
    TimePoint sent;
    TimePoint next;  // its deadline in deadlines_
    bool slow = false;
  };
  struct Deadline {
    TimePoint at;
    std::uint16_t tid = 0;
    friend auto operator<=>(Deadline const&, Deadline const&) = default;
  };
  struct Destination {
    std::size_t open_count = 0;   // at least 1
    std::size_t false_count = 0;  // datagrams from there that only looked like answers
  };
  using Open = std::map<std::uint16_t, Entry>;
  Query remove(Open::const_iterator entry);
  static bool counts(Query const& query) {
    return query.purpose == Purpose::search || query.purpose == Purpose::store;
  }

  [[nodiscard]] Open::const_iterator find(std::string_view tid) const;

  Options options_;
  Open open_;
  std::map<Endpoint, Destination> open_to_;  // of open queries
  std::set<Deadline> deadlines_;             // one for each open query
  Duration round_trip_;                      // moving mean
  std::size_t prompt_count_ = 0;
  std::size_t verify_count_ = 0;
};

}  // namespace grenache::grape
