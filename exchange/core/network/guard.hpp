// Decides whether a request is looked at.
#pragma once

#include <cstddef>
#include <map>

#include <grenache/base/endpoint.hpp>
#include <grenache/base/time.hpp>

namespace grenache::exchange {

/// Limits how much of this peer's time the callers of one address use, and bans for a time those that send
/// what no honest peer sends.
///
/// Each address has an allowance of work, which grows with time; each request costs about as much as it makes
/// us work. So nobody takes more than a part of the thread, however cheap his requests are for him: the
/// cost to an attacker is one address for each fifth of a core. IPv6 callers are counted by /64, which costs
/// about as much as one IPv4 address. Callers on this host share ten times the allowance, and are not banned,
/// since several peers may run here, or call through a proxy.
///
/// Memory is bounded: at address_count_max, those that have their whole allowance and no faults are
/// forgotten; if none has, all further addresses share one allowance. So an attacker with that many addresses
/// slows all callers that have no place, which an idle one loses.
class Guard {
 public:
  /// About 10 us of the thread.
  using Units = double;

  struct Options {
    Units units_per_second = 20'000;         // a fifth of a core
    Units units_max = 100'000;               // what an idle address has saved
    std::size_t address_count_max = 10'000;  // about 100 bytes each
    double ban_score = 100;
    double score_per_second = 0.2;  // by which a score falls
    Duration ban_time = std::chrono::minutes{10};
  };
  enum class Verdict { admitted, too_many, banned };
  /// Faults of an address. Each adds points to its score; at ban_score it is banned.
  enum class Fault {
    malformed,      // 1: no message, or one with members that cannot be
    bad_signature,  // 10: an order that its maker has not signed
  };

  explicit Guard(Options options) : options_{options} {}
  Guard(Guard const&) = delete;
  Guard& operator=(Guard const&) = delete;

  /// Whether a request that costs `units` is looked at; if so, they are taken from the allowance. Amortized
  /// logarithmic.
  [[nodiscard]] Verdict admit(IpAddress const& from, Units units, TimePoint now);
  void blame(IpAddress const& from, Fault fault, TimePoint now);
  [[nodiscard]] bool is_banned(IpAddress const& from, TimePoint now) const;
  /// The number of addresses that are tracked.
  [[nodiscard]] std::size_t size() const { return callers_.size(); }

 private:
  struct Caller {
    Units units = 0;
    double score = 0;
    TimePoint updated{};
    TimePoint banned_until{};
  };

  Caller& find(IpAddress const& from, TimePoint now);
  void update(Caller& caller, bool is_local, TimePoint now) const;
  [[nodiscard]] Units units_max(bool is_local) const;
  void forget_idle(TimePoint now);

  Options options_;
  std::map<IpAddress, Caller> callers_;  // by address, or /64
  Caller others_;                        // all that have no place
  TimePoint next_forgetting_{};
};

}  // namespace grenache::exchange
