// Decides which connections a server admits and which one it evicts for a new one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>

namespace grenache::net {

/// The connections of one worker, ordered by how long they have waited for their peer. Pure: the caller
/// closes evicted ones.
///
/// A connection that waits for its peer can be evicted; one that is being served cannot. So any number of
/// peers that are silent, send a request slowly or do not read their reply cannot keep others out: an
/// attacker must have requests in progress to hold a place. Closing connections are evicted first, since
/// their peers lose nothing, then the one that has waited longest. New connections get time for their
/// handshake: one of them is evicted only when they use more than a quarter of all places, or no other
/// connection waits.
///
/// O(1) per call, except evict().
class Admission {
 public:
  enum class Phase : std::uint8_t {
    handshake,  // TLS or WebSocket handshake; the phase of a new connection
    idle,       // waits for the next request, or is a WebSocket session
    reading,    // waits for the rest of a request
    writing,    // waits for the peer to read a reply
    closing,    // waits for the peer to read the last bytes
    serving,    // a handler is running
    evicted,    // was evicted and is being closed; not counted
  };

  class Entry;
  using Entries = std::list<Entry*>;

  /// One connection. Must be removed before it is destroyed.
  class Entry {
   public:
    Entry() = default;
    virtual ~Entry() = default;
    Entry(Entry const&) = delete;
    Entry& operator=(Entry const&) = delete;

    [[nodiscard]] Phase phase() const { return phase_; }

   protected:
    /// Called before an idle connection is evicted; returns whether it has a request in progress.
    [[nodiscard]] virtual bool is_served() const { return false; }

   private:
    friend class Admission;
    Phase phase_ = Phase::handshake;
    Entries::iterator place_;
  };

  explicit Admission(std::size_t count_max) : count_max_{count_max} {}

  void add(Entry& entry);
  void remove(Entry& entry);
  /// Moves the connection to `phase`; its waiting time starts again. An evicted one stays evicted.
  void enter(Entry& entry, Phase phase);

  struct Decision {
    bool admitted = false;
    Entry* evicted = nullptr;  // to be closed by the caller
  };
  /// Call before adding a new connection.
  [[nodiscard]] Decision admit();
  /// Chooses the connection to close and moves it to `evicted`; null when all are being served.
  ///
  /// An idle connection whose is_served() is true is treated as served until it enters a phase again, so each
  /// is checked once per phase.
  [[nodiscard]] Entry* evict();

  /// Evicted ones are not counted.
  [[nodiscard]] std::size_t count() const {
    return closing_.size() + handshakes_.size() + waiting_.size() + serving_.size();
  }

  /// True also while evicted connections have not ended, whose handlers may wait.
  [[nodiscard]] bool is_serving() const { return !serving_.empty() || !evicted_.empty(); }
  /// The number of closing connections, whose peers lose nothing.
  [[nodiscard]] std::size_t closing_count() const { return closing_.size(); }
  /// Calls `visit` with each connection that is being served, the longest-served first, until it returns
  /// false, then with the evicted ones in the same way. It must not call this object.
  template <class Visit>
  void for_each_served(Visit visit) {
    for (Entries* const list : {&serving_, &evicted_}) {
      for (Entry* const each : *list) {
        if (!visit(*each)) break;
      }
    }
  }

  /// Calls `visit` with each connection, including evicted ones. It must not call this object.
  template <class Visit>
  void for_each(Visit visit) {
    for (Entries* const list : {&closing_, &handshakes_, &waiting_, &serving_, &evicted_}) {
      for (Entry* const each : *list) visit(*each);
    }
  }

 private:
  [[nodiscard]] Entries& list_of(Phase phase);

  std::size_t count_max_;
  Entries closing_;  // in this list and the next two the one that has waited longest is first
  Entries handshakes_;
  Entries waiting_;
  Entries serving_;
  Entries evicted_;
};

}  // namespace grenache::net
