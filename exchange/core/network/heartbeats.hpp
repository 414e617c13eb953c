// Which makers of the book are there.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "exchange/core/book.hpp"
#include "exchange/core/self.hpp"
#include "exchange/core/turn.hpp"
#include "exchange/messages/heartbeat.hpp"

namespace grenache::exchange {

/// Orders live for a day, and their makers may be gone long before. So a maker signs a heartbeat every
/// minute, and the orders of one that has been silent for 15 minutes are hidden: they are not listed and not
/// matched, but stay in the replica, and are back with its next heartbeat.
///
/// A pong carries the heartbeat of its sender. A ping asks for those of makers of which nothing was heard for
/// five minutes, so heartbeats cost no message of their own, and nearly nothing where all peers reach each
/// other. A heartbeat is as many minutes old, at most, as there are peers on its way, and five.
///
/// A maker that has never given a heartbeat, as those of older versions, is not hidden. Heartbeats are not
/// kept: after a restart they are asked for.
///
/// What a peer can make us hold: an entry of about 200 bytes for each maker with orders in the book. What it
/// can make us do: kHeartbeatsMax verifications (4 ms) for each ping of ours. Who passes on old heartbeats
/// revives nobody, since they hold their time; who keeps new ones back hides only makers that nobody else
/// reaches.
class Heartbeats {
 public:
  struct Options {
    Duration silence = std::chrono::minutes{15};       // then a maker is hidden
    Duration ask_after = std::chrono::minutes{5};      // then its heartbeat is asked for
    Duration sign_interval = std::chrono::minutes{1};  // of the own one
    Duration look_interval = std::chrono::seconds{30};
    std::chrono::milliseconds clock_skew_max = std::chrono::minutes{10};  // of makers ahead of us
    std::size_t maker_count_max = 20'000;                                 // those beyond it are never hidden
  };
  struct Changes {
    std::vector<PeerId> silent;
    std::vector<PeerId> back;
  };

  /// `self` and `book` must outlive this object.
  Heartbeats(Options options, Self const& self, Book const& book)
      : options_{options}, self_{self}, book_{book} {}
  Heartbeats(Heartbeats const&) = delete;
  Heartbeats& operator=(Heartbeats const&) = delete;

  /// The book has got an order of another maker, created at `created`. True if the maker was silent and is
  /// back.
  [[nodiscard]] bool add(PeerId const& maker, WallTime created, Turn const& turn);
  /// Some makers of which nothing was heard for a while, at most kHeartbeatsMax: hidden ones last, else
  /// at random.
  [[nodiscard]] std::vector<PeerId> wanted(Turn& turn) const;
  /// The own heartbeat, and those of `wanted` that are known; at most kHeartbeatsMax.
  [[nodiscard]] std::vector<Heartbeat> answer(std::span<PeerId const> wanted, Turn const& turn);
  /// Takes over what a pong has brought; returns the makers that were silent and are back.
  [[nodiscard]] std::vector<PeerId> take(std::span<Heartbeat const> heartbeats, Turn const& turn);
  /// Forgets makers without orders; they count as back.
  [[nodiscard]] Changes expire(Turn const& turn);
  [[nodiscard]] TimePoint next_expiry() const { return makers_.empty() ? TimePoint::max() : next_look_; }
  [[nodiscard]] std::size_t size() const { return makers_.size(); }

 private:
  struct Maker {
    std::optional<Heartbeat> latest;
    TimePoint last_sign;  // of life
    bool is_silent = false;
  };
  /// When something that was made at `at` was made, by our steady clock.
  [[nodiscard]] static TimePoint steady_time_of(WallTime at, Now now);
  /// True if it is back.
  [[nodiscard]] bool note_sign(Maker& maker, TimePoint sign, TimePoint now) const;

  Options options_;
  Self const& self_;
  Book const& book_;
  std::map<PeerId, Maker> makers_;  // of the book, without ourselves
  std::optional<Heartbeat> own_;
  TimePoint next_look_{};
};

}  // namespace grenache::exchange
