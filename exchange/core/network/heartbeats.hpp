// Which makers of the book are there.
#pragma once

#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <utility>
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
/// The answer to a ping carries the heartbeat of its sender. A ping asks for those of makers of which nothing
/// was heard for five minutes, so heartbeats cost no message of their own, and nearly nothing where all peers
/// reach each other. A heartbeat is as many minutes old, at most, as there are peers on its way, and five.
///
/// A maker that has never given a heartbeat, as those of older versions, is not hidden. Heartbeats are not
/// kept: after a restart they are asked for.
///
/// Clocks: the age of a heartbeat counts from the youngest one that its maker has given, by our clock, so
/// clocks that differ by clock_skew_max hide nobody. A maker that was gone for less than silence and
/// clock_skew_max when we hear of it first is therefore hidden silence later. A maker that proves to us that
/// it answers is there, whatever its clock says.
///
/// What a peer can make us hold: an entry of about 300 bytes for each maker with open orders in the book.
/// What it can make us do: kHeartbeatsMax verifications (4 ms) for each ping of ours. Old heartbeats revive
/// nobody, since they hold their time. Makers of the three kinds are asked for in fixed shares, each in turn,
/// so makers that give no heartbeats take no place from those that do; a maker that only others reach stays
/// visible as long as fewer than 2,000 such makers give heartbeats and eight peers are pinged.
class Heartbeats {
 public:
  struct Options {
    Duration silence = std::chrono::minutes{15};       // then a maker is hidden
    Duration ask_after = std::chrono::minutes{5};      // then its heartbeat is asked for
    Duration sign_interval = std::chrono::minutes{1};  // of the own one
    Duration look_interval = std::chrono::seconds{30};
    /// Between our clock and that of a maker: each may be ten minutes wrong.
    std::chrono::milliseconds clock_skew_max = std::chrono::minutes{20};
    std::size_t maker_count_max = 20'000;  // those beyond it are never hidden
  };
  struct Changes {
    std::vector<PeerId> silent;
    std::vector<PeerId> back;
  };
  /// Of a ping; with the own heartbeat its answer has kHeartbeatsMax.
  static constexpr std::size_t kWantedMax = kHeartbeatsMax - 1;

  /// `self` and `book` must outlive this object.
  Heartbeats(Options options, Self const& self, Book const& book)
      : options_{options}, self_{self}, book_{book} {}
  Heartbeats(Heartbeats const&) = delete;
  Heartbeats& operator=(Heartbeats const&) = delete;

  /// The book has an open order of another maker, created at `created`. True if the maker was silent and is
  /// back.
  [[nodiscard]] bool add(PeerId const& maker, WallTime created, Turn const& turn);
  /// The maker has proved that it answers. True if it was silent and is back.
  [[nodiscard]] bool answered(PeerId const& maker, Turn const& turn);
  /// Some makers of which nothing was heard for a while, at most kWantedMax, those first that were not asked
  /// for the longest time. Logarithmic for each of them.
  [[nodiscard]] std::vector<PeerId> wanted(Turn const& turn);
  /// The own heartbeat, and those of `wanted` that are known; at most kHeartbeatsMax.
  [[nodiscard]] std::vector<Heartbeat> answer(std::span<PeerId const> wanted, Turn const& turn);
  /// Learns what the answer to a ping has brought, up to the first that is forged; returns the makers that
  /// were silent and are back.
  [[nodiscard]] std::vector<PeerId> learn(std::span<Heartbeat const> heartbeats, Turn const& turn);
  /// Forgets makers without open orders; they count as back.
  [[nodiscard]] Changes expire(Turn const& turn);
  [[nodiscard]] TimePoint next_expiry() const { return makers_.empty() ? TimePoint::max() : next_look_; }
  [[nodiscard]] std::size_t size() const { return makers_.size(); }

 private:
  enum class Kind : std::size_t { there, silent, unheard };
  using Queue = std::set<std::pair<TimePoint, PeerId>>;
  struct Maker {
    std::optional<Heartbeat> latest{};
    std::optional<std::chrono::milliseconds> lag{};  // least age of its heartbeats, by our clock
    TimePoint last_alive = TimePoint::min();
    TimePoint due = TimePoint::min();  // when it is asked for; in the queue of its kind
    Kind kind = Kind::unheard;
  };

  /// It was alive at `time`; true if it is back.
  bool note_alive(PeerId const& id, Maker& maker, TimePoint time, TimePoint now);
  void queue(PeerId const& id, Maker& maker, Kind kind, TimePoint due);
  [[nodiscard]] Queue& queue_of(Kind kind) { return queues_[static_cast<std::size_t>(kind)]; }
  /// Forgets how clocks differ if ours was set.
  void watch_clock(Now now);

  Options options_;
  Self const& self_;
  Book const& book_;
  std::map<PeerId, Maker> makers_;  // with open orders, without ourselves
  std::array<Queue, 3> queues_;     // all makers, by kind
  std::optional<Heartbeat> own_;
  std::optional<Now> last_now_;
  TimePoint next_look_{};
};

}  // namespace grenache::exchange
