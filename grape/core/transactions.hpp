// Our queries that wait for an answer.
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

/// Why a query was sent, which determines the recipient of the answer.
enum class Purpose : std::uint8_t {
  bootstrap,  // find_node to an address whose node id is unknown
  verify,     // ping to a candidate for the routing table, or to a node that was silent for long
  search,     // find_node, get_peers or get of a search; the owner is the search
  store,      // announce_peer, unannounce_peer or put after a search; the owner is the store
};

/// The open queries of a node.
///
/// A reply belongs to a query only when both the transaction id and the whole endpoint match. (Grape compares
/// the address only and counts ids from 1, so replies can be forged.) Ids are 16 random bits, as long as
/// Grape's.
///
/// Each query has two timeouts: a short one, after which a lookup queries another node in addition, and a
/// final one. The short one is four times the mean of the round trips seen so far, within the options, so
/// that on a fast network dead nodes cost milliseconds.
///
/// At most `count_max` queries are open; all operations cost O(log count_max).
class Transactions {
 public:
  struct Options {
    Duration soon_min = std::chrono::milliseconds{50};   // a busy machine may need this long to answer
    Duration soon_max = std::chrono::milliseconds{500};  // used until a round trip is known
    Duration late = std::chrono::seconds{2};             // as Grape
    std::size_t count_max = 4096;                        // 16-bit ids stay sparse, so they are hard to guess
  };

  struct Query {
    Endpoint to;
    std::optional<NodeId> expected;  // the node id at `to`; nothing when unknown
    Purpose purpose = Purpose::verify;
    std::uint64_t owner = 0;
  };
  struct Timeout {
    Query query;
    bool is_final = false;  // the query is closed; otherwise it stays open until its final timeout
  };

  explicit Transactions(Options options) : options_{options}, round_trip_{options.soon_max / 4} {}

  /// Opens a query. Returns the two bytes of its new id, or nothing when count_max is reached.
  [[nodiscard]] std::optional<std::string> open(Query const& query, Random& random, TimePoint now);
  /// Returns whether an answer with `tid` from `from` belongs to an open query.
  [[nodiscard]] bool is_open(std::string_view tid, Endpoint const& from) const;
  /// Returns whether a query with `tid` to any endpoint is open.
  [[nodiscard]] bool is_open(std::string_view tid) const;
  /// Returns whether `datagram` from `from` may be an answer to an open query: it contains the id of a query
  /// to that endpoint. Costs one pass over the bytes at most, or nothing while no query to `from` is open.
  /// Returns false after three datagrams that only looked like answers, until an answer comes or no query to
  /// `from` is open.
  [[nodiscard]] bool may_answer(std::string_view datagram, Endpoint const& from) const;
  /// Reports that a datagram accepted by may_answer() was not an answer.
  void was_no_answer(Endpoint const& from);
  /// Closes and returns the query that an answer with `tid` from `from` belongs to, if there is one.
  [[nodiscard]] std::optional<Query> close(std::string_view tid, Endpoint const& from, TimePoint now);
  /// Returns the next timeout that is due; call until there is none.
  [[nodiscard]] std::optional<Timeout> expire(TimePoint now);
  /// When expire() will next return a timeout; TimePoint::max() when no query is open.
  [[nodiscard]] TimePoint next_deadline() const;

  [[nodiscard]] std::size_t size() const { return open_.size(); }
  /// Open queries of searches and stores whose short timeout has not passed.
  [[nodiscard]] std::size_t prompt_count() const { return prompt_count_; }
  /// Open pings.
  [[nodiscard]] std::size_t verify_count() const { return verify_count_; }
  void check() const;

 private:
  struct Entry {
    Query query;
    TimePoint sent;
    TimePoint next;  // its entry in deadlines_
    bool slow = false;
  };
  struct Deadline {
    TimePoint at;
    std::uint16_t tid = 0;
    friend auto operator<=>(Deadline const&, Deadline const&) = default;
  };
  struct Destination {
    std::size_t open_count = 0;   // at least 1
    std::size_t false_count = 0;  // datagrams from it that only looked like answers
  };
  using Open = std::map<std::uint16_t, Entry>;
  Query remove(Open::const_iterator entry);
  static bool counts(Query const& query) {
    return query.purpose == Purpose::search || query.purpose == Purpose::store;
  }

  [[nodiscard]] Open::const_iterator find(std::string_view tid) const;

  Options options_;
  Open open_;
  std::map<Endpoint, Destination> open_to_;  // destinations of open queries
  std::set<Deadline> deadlines_;             // one for each open query
  Duration round_trip_;                      // moving mean
  std::size_t prompt_count_ = 0;
  std::size_t verify_count_ = 0;
};

}  // namespace grenache::grape
