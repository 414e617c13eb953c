// Shows proofs of equivocation to other peers.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "exchange/core/book/equivocation.hpp"
#include "exchange/core/self.hpp"
#include "exchange/core/turn.hpp"

namespace grenache::exchange {

/// A new proof is sent to a few peers, which send it to a few more. Peers that were missed receive it when
/// they send an order of its maker; peers that hold such orders compare books with all their neighbours, so
/// this happens soon.
///
/// A peer is sent the same proof at most once per `repeat`, as long as it is among the shown_count_max
/// remembered ones; call_count_max bounds the calls in progress. Whoever claims to be an endpoint, or makes
/// proofs against own keys, causes spread_count calls per proof, as with orders.
class ProofSpread {
 public:
  struct Options {
    std::size_t spread_count = 4;         // peers that are told of a new proof
    std::size_t call_count_max = 64;      // under way
    std::size_t shown_count_max = 4'096;  // remembered; about 200 bytes each
    Duration repeat = std::chrono::minutes{10};
  };

  /// `self` must outlive this object.
  ProofSpread(Options options, Self const& self) : options_{options}, self_{self} {}
  ProofSpread(ProofSpread const&) = delete;
  ProofSpread& operator=(ProofSpread const&) = delete;

  /// Shows a new proof to some of `endpoints`, those of peers of ours.
  void spread(Equivocations::Proof const& proof, std::vector<std::string> endpoints, Turn& turn);
  /// Shows it to a peer of ours that may not know it, unless it was shown lately.
  void show(Equivocations::Proof const& proof, std::string const& endpoint, Turn& turn);
  /// A call has ended.
  void on_answered() { --call_count_; }

 private:
  bool remember(PeerId const& maker, std::string const& endpoint, TimePoint now);

  Options options_;
  Self const& self_;
  std::map<std::pair<std::string, PeerId>, TimePoint> shown_;  // until when it is not shown again
  std::size_t call_count_ = 0;
};

}  // namespace grenache::exchange
