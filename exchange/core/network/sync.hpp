// Keeps our order book equal to those of the peers that answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "exchange/core/book.hpp"
#include "exchange/core/self.hpp"
#include "exchange/core/turn.hpp"

namespace grenache::exchange {

/// Reads the book of each peer when it is met, and now and then again; tells changes to the peers.
///
/// A change of an own order is told to every peer until it has answered, one call at a time per peer, always
/// with the newest version; so a peer that was away hears of a closed order when it is back. A change of
/// another maker is relayed once, to a few peers.
class Sync {
 public:
  struct Options {
    std::size_t relay_count = 8;            // peers to which an order of another maker is relayed
    std::size_t relay_call_count_max = 64;  // relays under way; others are left to the next reading
    std::size_t untold_count_max = 1'000;   // own changes a peer has not heard of; about 100 bytes each
    std::size_t read_count_max = 4;         // books being read at a time, of up to 16 MiB
    std::size_t order_count_max = 14'000;   // orders of one answer, which may hold closed ones too
    Duration interval_max = std::chrono::minutes{16};  // after failures
    Duration reread_interval = std::chrono::minutes{1};
    /// Peers of the original do not tell others of new orders.
    Duration original_reread_interval = std::chrono::seconds{5};
    Duration retry = std::chrono::seconds{2};
  };
  /// A book that was read.
  struct Read {
    std::string endpoint;
    bool is_original = false;  // of a peer of the original program
    OrderList list;
  };

  /// `self` and `book` must outlive this object.
  Sync(Options options, Self const& self, Book const& book) : options_{options}, self_{self}, book_{book} {}
  Sync(Sync const&) = delete;
  Sync& operator=(Sync const&) = delete;

  /// A peer answers at `endpoint`. One of the original is told all own orders.
  void met(std::string const& endpoint, bool is_original, Turn& turn);
  /// It does not answer any more; what it has not heard of is kept for `met`.
  void lost(std::string const& endpoint);
  /// Forgets all about it.
  void forget(std::string const& endpoint);

  /// Tells peers of a change. `from` is the endpoint from which we have it; empty if it is unknown.
  void spread(OrderRecord const& order, bool is_own, std::string const& from, Turn& turn);
  /// A part of the answer to a call; `Read::list` is empty unless a book was read.
  [[nodiscard]] Read on_answered(std::uint64_t key, CallAnswer answer, Turn& turn);
  /// The book of this peer was not worth reading.
  void blame(std::string const& endpoint, Turn& turn);
  /// Reads the books that are due, those that wait longest first, and tells again what was not heard.
  void expire(Turn& turn);
  [[nodiscard]] TimePoint next_expiry() const;
  /// True when the book of every peer that was met was read, or could not be, once.
  [[nodiscard]] bool all_read() const;
  [[nodiscard]] bool is_read(std::string_view endpoint) const;

 private:
  struct State {
    bool is_here = false;
    bool is_original = false;
    bool is_reading = false;
    bool was_read = false;  // or could not be
    TimePoint next_read{};
    std::set<OrderKey> untold;  // own orders whose newest version it may not have
    Duration interval{};        // of reading; doubled after each reading that failed
    bool is_telling = false;
    TimePoint next_tell{};
  };
  enum class Kind { read, tell, relay };
  struct Asked {
    Kind kind{};
    std::string endpoint;
    OrderKey order;  // of tell
  };

  void read(std::string const& endpoint, State& state, Turn& turn);
  void tell(std::string const& endpoint, State& state, Turn& turn);
  void send(Kind kind, std::string const& endpoint, OrderRecord const& order, Turn& turn);
  void add_untold(State& state, OrderKey const& key) const;
  Read on_read(std::string const& endpoint, State* state, CallAnswer answer, Turn& turn);

  Options options_;
  Self const& self_;
  Book const& book_;
  std::map<std::string, State, std::less<>> states_;
  std::map<std::uint64_t, Asked> asked_;
  std::uint64_t last_key_ = 0;
  std::size_t reading_count_ = 0;
  std::size_t relaying_count_ = 0;
};

}  // namespace grenache::exchange
