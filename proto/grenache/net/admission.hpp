// Which connections a server keeps, and which one makes room for a new one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>

namespace grenache::net {

/// The connections of one worker, in the order in which they began to wait. Pure: it closes nothing itself.
///
/// Who waits for its peer can be evicted; who is being served cannot. So peers that are silent, that send a
/// request slowly or that do not read their reply keep nobody out, however many they are: an attacker has to
/// have requests in progress to hold a place. Connections that close are evicted first, as their peers lose
/// nothing; then whoever waits longest. New connections are given time for their handshake: one of them is
/// evicted only when they take more than a quarter of all places, or nobody else waits.
///
/// O(1) per call, but for evict(): see there.
class Admission {
 public:
  enum class Phase : std::uint8_t {
    handshake,  // of TLS or WebSocket; the phase of a new connection
    idle,       // waits for the next request, or is a WebSocket session
    reading,    // waits for the rest of a request
    writing,    // waits for the peer to take a reply
    closing,    // waits for the peer to read the last of what was sent
    serving,    // a handler works
    evicted,    // was chosen to make room; it is being closed and counts no more
  };

  class Entry;
  using Entries = std::list<Entry*>;

  /// One connection. Must be removed before it goes.
  class Entry {
   public:
    Entry() = default;
    virtual ~Entry() = default;
    Entry(Entry const&) = delete;
    Entry& operator=(Entry const&) = delete;

    [[nodiscard]] Phase phase() const { return phase_; }

   protected:
    /// Asked before an idle connection is evicted: whether it has a request in progress after all.
    [[nodiscard]] virtual bool is_served() const { return false; }

   private:
    friend class Admission;
    Phase phase_ = Phase::handshake;
    Entries::iterator place_;
  };

  explicit Admission(std::size_t count_max) : count_max_{count_max} {}

  void add(Entry& entry);
  void remove(Entry& entry);
  /// The connection begins to wait anew, or to be served. An evicted one stays evicted.
  void enter(Entry& entry, Phase phase);

  struct Decision {
    bool admitted = false;
    Entry* evicted = nullptr;  // to be closed by the caller
  };
  /// For a new connection that is about to be added.
  [[nodiscard]] Decision admit();
  /// The connection that can best be spared, now in phase `evicted`; null when all are being served.
  ///
  /// Idle connections that turn out to be served count as served until they enter() a phase again, so each
  /// is asked once per phase.
  [[nodiscard]] Entry* evict();

  /// Without those that were evicted.
  [[nodiscard]] std::size_t count() const {
    return closing_.size() + handshakes_.size() + waiting_.size() + serving_.size();
  }

  [[nodiscard]] bool is_serving() const { return !serving_.empty(); }
  /// Of connections whose peers have nothing to lose any more.
  [[nodiscard]] std::size_t closing_count() const { return closing_.size(); }
  /// Calls `visit` with each connection that is being served, the one served longest first, until it returns
  /// false. It must not call back.
  template <class Visit>
  void for_each_served(Visit visit) {
    for (Entry* const each : serving_) {
      if (!visit(*each)) return;
    }
  }

  /// Calls `visit` with each connection, evicted ones too. It must not call back.
  template <class Visit>
  void for_each(Visit visit) {
    for (Entries* const list : {&closing_, &handshakes_, &waiting_, &serving_, &evicted_}) {
      for (Entry* const each : *list) visit(*each);
    }
  }

 private:
  [[nodiscard]] Entries& list_of(Phase phase);

  std::size_t count_max_;
  Entries closing_;  // this list and the next two begin with the one that waits longest
  Entries handshakes_;
  Entries waiting_;
  Entries serving_;
  Entries evicted_;
};

}  // namespace grenache::net
