// Makers that have signed contradictory terms of one order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "exchange/core/turn.hpp"
#include "exchange/messages/order_record.hpp"

namespace grenache::exchange {

/// Known proofs, one per maker, each in a row of kind "equivocation".
///
/// A proof is two signed records of one maker and one order id that contradict() each other, with any seq.
/// Two different records with the same seq and the same terms are not a proof, because honest makers can sign
/// them: after a journal was restored from a backup, after Redis lost its data while a process of the maker
/// was down, or when processes with one identity do not share a Redis. They do no harm: all replicas keep the
/// same one, and the maker decides what remains of an order when it is taken. Different terms cannot arise
/// that way: a maker draws a random id for each order, sets the terms once, and copies them into every later
/// version (tested by CrashTest). Only another holder of the key could sign them, and then the identity is
/// compromised.
///
/// At most maker_count_max proofs are kept. When there are more, those of makers without orders in our book
/// are removed first, then the oldest. So displacing a proof takes as many other convicted makers, with
/// orders if the displaced one had some. Proofs do not expire, because keys do not.
class Equivocations {
 public:
  struct Options {
    std::size_t maker_count_max = 1'000;  // at least 1; about 2 KB each
  };
  struct Proof {
    OrderRecord first;
    OrderRecord second;
    bool had_orders = false;   // in our book when the proof was seen
    std::uint64_t number = 0;  // in the order in which they were seen
  };

  explicit Equivocations(Options options) : options_{options} {}
  Equivocations(Equivocations const&) = delete;
  Equivocations& operator=(Equivocations const&) = delete;

  /// Keeps a proof whose signatures the caller has verified, if its maker is not convicted already.
  void add(OrderRecord const& first, OrderRecord const& second, bool had_orders, Turn& turn);
  /// The proof against a maker; null if there is none.
  [[nodiscard]] Proof const* find(PeerId const& maker) const;
  [[nodiscard]] std::size_t size() const { return proofs_.size(); }

  /// Reads a row of kind "equivocation". False if it is malformed.
  [[nodiscard]] bool restore(Row const& row);
  /// Appends the rows that restore() reads, by key.
  void dump(std::vector<Row>& out) const;
  static constexpr char const* kRowKind = "equivocation";

 private:
  [[nodiscard]] static Row row_of(Proof const& proof);

  Options options_;
  std::map<PeerId, Proof> proofs_;
  std::uint64_t last_number_ = 0;
};

}  // namespace grenache::exchange
