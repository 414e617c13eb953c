#include "grenache/net/admission.hpp"

namespace grenache::net {

Admission::Entries& Admission::list_of(Phase phase) {
  switch (phase) {
    case Phase::handshake:
    case Phase::closing:
      return leaving_;
    case Phase::idle:
    case Phase::reading:
    case Phase::writing:
      return waiting_;
    case Phase::serving:
      return serving_;
    case Phase::evicted:
      break;
  }
  return evicted_;
}

void Admission::add(Entry& entry) {
  Entries& list = list_of(entry.phase_);
  entry.place_ = list.insert(list.end(), &entry);
}

void Admission::remove(Entry& entry) { list_of(entry.phase_).erase(entry.place_); }

void Admission::enter(Entry& entry, Phase phase) {
  if (entry.phase_ == Phase::evicted) return;
  Entries& to = list_of(phase);
  to.splice(to.end(), list_of(entry.phase_), entry.place_);
  entry.phase_ = phase;
}

Admission::Entry* Admission::evict() {
  while (leaving_.empty() && !waiting_.empty() && waiting_.front()->is_served()) {
    enter(*waiting_.front(), Phase::serving);
  }
  Entries& from = leaving_.empty() ? waiting_ : leaving_;
  if (from.empty()) return nullptr;
  Entry* const chosen = from.front();
  enter(*chosen, Phase::evicted);
  return chosen;
}

Admission::Decision Admission::admit() {
  Decision decision;
  if (count() >= count_max_) decision.evicted = evict();
  decision.admitted = count() < count_max_;
  return decision;
}

}  // namespace grenache::net
