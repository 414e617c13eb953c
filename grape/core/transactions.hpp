// Queries of ours that wait for an answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "proto/base/endpoint.hpp"
#include "proto/base/ids.hpp"
#include "proto/base/random.hpp"
#include "proto/base/time.hpp"

namespace grenache::grape {

/// What a query was sent for, and so who wants the answer.
enum class Purpose : std::uint8_t {
  bootstrap,  // find_node to an address whose node is not known yet
  verify,     // ping to a node that wants into the table, or that was not heard of for long
  search,     // find_node or get_peers of a lookup; the owner is the search
  announce,   // announce_peer after a lookup; the owner is the search
};

/// The open queries of a node.
///
/// A reply belongs to a query only when the transaction id *and* the whole endpoint are those of the query:
/// Grape compares the address alone and counts ids from 1, which lets anybody answer for anybody. Ids are 16
/// random bits, as long as Grape's.
///
/// Each query times out twice: soon, which lets a lookup ask somebody else meanwhile, and for good.
/// At most `count_max` queries are open; all operations cost O(log count_max).
class Transactions {
 public:
  struct Options {
    Duration soon = std::chrono::milliseconds{500};  // far above a round trip between healthy nodes
    Duration late = std::chrono::seconds{2};         // as Grape
    std::size_t count_max = 4096;                    // 16-bit ids stay sparse, hence hard to guess
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

  explicit Transactions(Options options) : options_{options} {}

  /// The two bytes of a fresh id, or nothing when too many queries are open.
  [[nodiscard]] std::optional<std::string> open(Query const& query, Random& random, TimePoint now);
  /// Closes and returns the query that an answer with `tid` from `from` belongs to, if there is one.
  [[nodiscard]] std::optional<Query> close(std::string_view tid, Endpoint const& from);
  /// The next timeout that is due; call until there is none.
  [[nodiscard]] std::optional<Timeout> expire(TimePoint now);
  /// When expire() has something to tell; TimePoint::max() when nothing is open.
  [[nodiscard]] TimePoint next_deadline() const;

  [[nodiscard]] std::size_t size() const { return open_.size(); }
  /// Open queries of searches and announcements that were not slow so far.
  [[nodiscard]] std::size_t brisk_count() const { return brisk_count_; }
  /// Open pings of nodes that are not known to be alive.
  [[nodiscard]] std::size_t verify_count() const { return verify_count_; }
  void check() const;

 private:
  struct Entry {
    Query query;
    std::uint64_t serial = 0;
    bool slow = false;
  };
  struct Deadline {
    TimePoint at;
    std::uint64_t serial = 0;
    std::uint16_t tid = 0;
  };
  void closed(Entry const& entry);
  [[nodiscard]] bool is_open(Deadline const& deadline) const;
  void drop_closed();
  static bool counts(Query const& query) {
    return query.purpose == Purpose::search || query.purpose == Purpose::announce;
  }

  Options options_;
  std::map<std::uint16_t, Entry> open_;
  // All queries wait equally long, so each queue is in order of time. Closed ones leave at the front.
  std::deque<Deadline> soon_;
  std::deque<Deadline> late_;
  std::uint64_t next_serial_ = 1;
  std::size_t brisk_count_ = 0;
  std::size_t verify_count_ = 0;
};

}  // namespace grenache::grape
