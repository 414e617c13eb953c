// Makers that have signed contradictory terms of one order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "exchange/core/turn.hpp"
#include "exchange/messages/order_record.hpp"

namespace grenache::exchange {

/// The proofs that were seen, one for each maker, each in a row of kind "equivocation".
///
/// A proof is two signed records of one maker and one order id that contradict() each other, whatever their
/// seq. Two different records with one seq and the same terms prove nothing, since honest makers sign them:
/// after a journal was restored from a backup, after a Redis has lost its data while a process of the maker
/// was away, or when processes with copies of one identity do not share a Redis. They harm nobody: all
/// replicas keep the same one of the two, and what is left of an order is decided by its maker when it is
/// taken. Terms are different: a maker draws a random id for each order, sets the terms once, and copies them
/// into every later version, also into versions of records that it gets from others; so none of these
/// accidents makes two records with one id and different terms (CrashTest checks this). Somebody who has the
/// key can; then the identity is lost anyway.
///
/// At most maker_count_max proofs are kept. To push one out, somebody needs as many makers with proofs of
/// their own, and as many that had orders in our book if the convicted one had: those without go first, then
/// the oldest. Proofs do not expire otherwise, since keys do not.
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
