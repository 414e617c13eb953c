#include "grenache/net/admission.hpp"

namespace grenache::net {

Admission::Entries& Admission::list_of(Phase phase) {
  switch (phase) {
    case Phase::handshake:
      return handshakes_;
    case Phase::closing:
      return closing_;
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
  Entries* from = &closing_;
  if (from->empty()) {
    from = handshakes_.size() > count_max_ / 4 ? &handshakes_ : &waiting_;
    while (from == &waiting_ && !waiting_.empty() && waiting_.front()->is_served()) {
      enter(*waiting_.front(), Phase::serving);
    }
    if (from->empty()) from = &handshakes_;
  }
  if (from->empty()) return nullptr;
  Entry* const chosen = from->front();
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
