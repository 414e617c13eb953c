#include "grape/core/service.hpp"

#include <algorithm>

#include <grenache/base/check.hpp>

namespace grenache::grape {

using dht::Contact;
using dht::ServiceKey;

namespace {

// An unannounce asks this many times as many nodes as other stores.
constexpr std::size_t kWide = 3;

constexpr std::size_t kNodesTaken = 20;  // nodes taken from one reply

ServiceKey name_of(Subject const& subject) { return *ServiceKey::from_bytes(subject.key); }

}  // namespace

std::string_view describe(ServiceErrc code) {
  switch (code) {
    case ServiceErrc::too_many_requests:
      return "too many requests are waiting";
  }
  return "unknown service error";
}

Result<RequestId> Service::lookup(ServiceKey const& name, bool hold, TimePoint now) {
  return add_request(Subject::peers(name), Waiter{}, hold, now);
}

Result<RequestId> Service::get(NodeId const& target, std::string_view salt, bool hold, TimePoint now) {
  for (ItemStore const* store : {&tables_.items, &tables_.own_items}) {
    dht::Item const* here = store->find(target, now);
    if (here == nullptr || here->is_mutable()) continue;
    RequestId const id{next_id_++};
    notify(GetDone{id, target, *here, tables_.ids.v4, {}}, false);
    return id;
  }
  return add_request(Subject::item(target, salt), Waiter{}, hold, now);
}

Result<RequestId> Service::announce(ServiceKey const& name, AnnounceJob job, bool silent, bool hold,
                                    TimePoint now) {
  return add_request(Subject::peers(name), Waiter{{}, job, silent}, hold, now);
}

Result<RequestId> Service::unannounce(ServiceKey const& name, UnannounceJob job, bool silent, bool hold,
                                      TimePoint now) {
  end_announcements(name, job);
  return add_request(Subject::peers(name), Waiter{{}, job, silent}, hold, now);
}

Result<RequestId> Service::put(PutJob job, bool silent, bool hold, TimePoint now) {
  auto const subject =
      Subject::item(job.item.target(), job.item.owner() ? job.item.owner()->salt : std::string{});
  return add_request(subject, Waiter{{}, std::move(job), silent}, hold, now);
}

RequestId Service::refuse_put(NodeId const& target, PutRefusal refusal) {
  RequestId const id{next_id_++};
  notify(PutDone{id, target, 0, std::move(refusal)}, false);
  return id;
}

Result<RequestId> Service::add_request(Subject const& subject, Waiter waiter, bool hold, TimePoint now) {
  if (requests_.size() >= options_.request_count_max) return ServiceErrc::too_many_requests;
  bool const wide = waiter.job && std::holds_alternative<UnannounceJob>(*waiter.job);
  auto const known = wide ? shared_.end() : shared_.find(subject);
  std::uint64_t id = known == shared_.end() ? 0 : known->second;
  if (id == 0) {
    if (searches_.size() >= options_.search_count_max) return ServiceErrc::too_many_requests;
    id = start(subject, wide);
    if (!wide) shared_.emplace(subject, id);
    if (hold) {
      held_.emplace(id, now + options_.hold_max);
    } else {
      begin(id, searches_.at(id), now);
    }
  }
  waiter.id = RequestId{next_id_++};
  requests_.emplace(waiter.id, id);
  if (waiter.silent) ++silent_count_;
  RequestId const request = waiter.id;
  searches_.at(id).waiters.push_back(std::move(waiter));
  return request;
}

std::uint64_t Service::start(Subject const& subject, bool wide) {
  std::uint64_t const id = next_id_++;
  Search::Options options = options_.search;
  if (wide) options.lookup.k *= kWide;
  searches_.emplace(id, Running{Search{subject, options, tables_.ids, tables_.families}, {}, false});
  return id;
}

void Service::end_request(RequestId id, bool silent) {
  requests_.erase(id);
  if (silent) --silent_count_;
}

void Service::cancel(RequestId id) {
  auto const request = requests_.find(id);
  if (request == requests_.end()) return;
  std::uint64_t const task = request->second;
  end_request(id, false);  // users do not know the ids of silent requests
  if (stores_.erase(task) > 0) return;
  std::erase_if(searches_.at(task).waiters, [id](Waiter const& waiter) { return waiter.id == id; });
  forget_if_unwanted(task);
}

void Service::forget_if_unwanted(std::uint64_t search) {
  auto const found = searches_.find(search);
  if (found == searches_.end() || !found->second.waiters.empty()) return;
  Subject const& subject = found->second.search.subject();
  if (subject.kind == Subject::Kind::nodes) return;
  if (auto const shared = shared_.find(subject); shared != shared_.end() && shared->second == search) {
    shared_.erase(shared);
  }
  held_.erase(search);
  searches_.erase(found);
}

// Ends announcements of the unannounced service; each reports the nodes that stored it so far.
void Service::end_announcements(ServiceKey const& name, UnannounceJob const& job) {
  auto const is_same = [&](StoreJob const& other) {
    auto const* announce = std::get_if<AnnounceJob>(&other);
    return announce != nullptr && announce->port == job.port && announce->implied_port == job.implied_port;
  };
  Subject const subject = Subject::peers(name);
  for (auto task = stores_.begin(); task != stores_.end();) {
    auto const next = std::next(task);
    if (task->second.subject == subject && is_same(task->second.task.job())) finish_storing(task->first);
    task = next;
  }
  auto const shared = shared_.find(subject);
  if (shared == shared_.end()) return;
  std::uint64_t const search = shared->second;
  std::erase_if(searches_.at(search).waiters, [&](Waiter const& waiter) {
    if (!waiter.job || !is_same(*waiter.job)) return false;
    end_request(waiter.id, waiter.silent);
    notify(AnnounceDone{waiter.id, name, 0}, waiter.silent);
    return true;
  });
  forget_if_unwanted(search);
}

std::optional<std::uint64_t> Service::find_nodes(NodeId const& target, TimePoint now) {
  if (searches_.size() >= options_.search_count_max) return std::nullopt;
  std::uint64_t const id = start(Subject::nodes(target), false);
  begin(id, searches_.at(id), now);
  return id;
}

void Service::begin(std::uint64_t id, Running& running, TimePoint now) {
  NodeId const& target = running.search.subject().target;
  for (Family const family : kFamilies) {
    if (!tables_.families[family]) continue;
    std::vector<Contact> seeds;
    tables_.tables[family].closest(target, options_.search.lookup.k, seeds);
    tables_.tables[family].touch(target, now);
    for (Contact const& seed : seeds) running.search.add(seed);
  }
  wake(id, running);
}

void Service::add_nodes(std::uint64_t search, Contact const& from, dht::Reply const& reply) {
  auto const found = searches_.find(search);
  if (found == searches_.end()) return;
  for (dht::CompactNodes const* nodes : {&reply.nodes, &reply.nodes6}) {
    // Grape sends 20; an attacker could send more to cost us time or to crowd out the nodes of other replies.
    std::size_t const count = std::min<std::size_t>(nodes->size(), kNodesTaken);
    for (std::size_t i = 0; i < count; ++i) {
      auto const node = nodes->at(i);
      if (node) found->second.search.add(*node, &from);
    }
  }
}

void Service::add_node(std::uint64_t search, Contact const& node) {
  with_search(search, [&](Running& running) { running.search.add(node); });
}

void Service::release(TimePoint now) {
  auto const held = std::exchange(held_, {});
  for (auto const& [id, until] : held) begin(id, searches_.at(id), now);
}

void Service::expire(TimePoint now) {
  // Ids ascend, and all waits are equal, so the first search is the oldest.
  while (!held_.empty() && held_.begin()->second <= now) {
    std::uint64_t const id = held_.begin()->first;
    held_.erase(held_.begin());
    begin(id, searches_.at(id), now);
  }
}

TimePoint Service::next_deadline() const { return held_.empty() ? TimePoint::max() : held_.begin()->second; }

std::optional<Service::OutgoingQuery> Service::next(TimePoint now) {
  while (!awake_.empty()) {
    std::uint64_t const id = awake_.front();
    awake_.pop_front();
    std::optional<OutgoingQuery> ask;
    if (auto const search = searches_.find(id); search != searches_.end()) {
      search->second.awake = false;
      ask = next_of_search(id, now);
      if (ask) wake(id, searches_.at(id));
    } else if (auto const task = stores_.find(id); task != stores_.end()) {
      task->second.awake = false;
      ask = next_of_storing(id);
      if (ask) wake(id, stores_.at(id));
    }
    if (ask) return ask;
  }
  return std::nullopt;
}

std::optional<Service::OutgoingQuery> Service::next_of_search(std::uint64_t id, TimePoint now) {
  answer_early(id, now);
  auto const found = searches_.find(id);
  if (found == searches_.end() || held_.contains(id)) return std::nullopt;
  Search& search = found->second.search;
  auto const to = search.next();
  if (!to) {
    if (search.is_over()) finish(id, now);
    return std::nullopt;
  }
  OutgoingQuery ask;
  ask.owner = id;
  ask.to = *to;
  Subject const& subject = search.subject();
  switch (subject.kind) {
    case Subject::Kind::nodes:
      ask.query = dht::FindNode{subject.target};
      break;
    case Subject::Kind::peers:
      ask.query = dht::GetPeers{subject.key};
      break;
    case Subject::Kind::item:
      ask.query = dht::Get{subject.target, std::nullopt};
      break;
  }
  return ask;
}

std::optional<Service::OutgoingQuery> Service::next_of_storing(std::uint64_t id) {
  Storing& storing = stores_.at(id);
  Lookup::Target const* target = storing.task.next();
  if (target == nullptr) return std::nullopt;
  OutgoingQuery ask;
  ask.owner = id;
  ask.stores = true;
  ask.to = target->node;
  StoreJob const& job = storing.task.job();
  if (auto const* announce = std::get_if<AnnounceJob>(&job)) {
    ask.query = dht::AnnouncePeer{storing.subject.key, announce->port, announce->implied_port, target->token};
  } else if (auto const* back = std::get_if<UnannounceJob>(&job)) {
    ask.query = dht::UnannouncePeer{storing.subject.key, back->port, back->implied_port, target->token};
  } else {
    PutJob const& put = std::get<PutJob>(job);
    dht::Put query{target->token, put.item.value(), {}, {}, {}, {}, {}};
    if (auto const& owner = put.item.owner()) {
      query.k = owner->key.view();
      query.sig = owner->signature.view();
      if (!owner->salt.empty()) query.salt = owner->salt;
      query.seq = owner->seq;
      query.cas = put.cas;
    }
    ask.query = query;
  }
  return ask;
}

template <class Action>
void Service::with_search(std::uint64_t owner, Action action) {
  auto const found = searches_.find(owner);
  if (found == searches_.end()) return;
  action(found->second);
  wake(owner, found->second);
}

template <class Action>
void Service::with_storing(std::uint64_t owner, Action action) {
  auto const found = stores_.find(owner);
  if (found == stores_.end()) return;
  action(found->second.task);
  if (found->second.task.is_over()) return finish_storing(owner);
  wake(owner, found->second);
}

void Service::search_answered(std::uint64_t owner, Contact const& from, dht::Reply const& reply) {
  with_search(owner, [&](Running& running) {
    Search& search = running.search;
    search.answered(from, reply.token);
    if (search.subject().kind == Subject::Kind::peers) {
      for (Endpoint const& peer : search.add_peers(reply.values, tables_.random)) {
        notify(PeerFound{name_of(search.subject()), peer}, false);
      }
    } else if (search.subject().kind == Subject::Kind::item) {
      search.add_item(reply);
    }
    add_nodes(owner, from, reply);
  });
}

void Service::search_slow(std::uint64_t owner, Contact const& to) {
  // A node that failed before and is slow now is most likely dead, so the search does not wait for it.
  bool const is_dead = tables_.tables[family_of(to.endpoint)].is_failing(to);
  with_search(owner,
              [&](Running& running) { is_dead ? running.search.failed(to) : running.search.slow(to); });
}

void Service::search_timed_out(std::uint64_t owner, Contact const& to) {
  with_search(owner, [&](Running& running) { running.search.timed_out(to); });
}

void Service::search_failed(std::uint64_t owner, Contact const& to) {
  with_search(owner, [&](Running& running) { running.search.failed(to); });
}

void Service::store_answered(std::uint64_t owner, Contact const& from, dht::Reply const& reply) {
  with_storing(owner, [&](StoreTask& task) {
    // A node that does not know unannounce_peer may answer it as find_node, with nodes.
    bool const understood = !std::holds_alternative<UnannounceJob>(task.job()) || reply.nodes.empty();
    task.answered(from, understood);
  });
}

void Service::store_slow(std::uint64_t owner, Contact const& to) {
  with_storing(owner, [&](StoreTask& task) { task.slow(to); });
}

void Service::store_timed_out(std::uint64_t owner, Contact const& to) {
  with_storing(owner, [&](StoreTask& task) { task.timed_out(to); });
}

void Service::store_failed(std::uint64_t owner, Contact const& to) {
  with_storing(owner, [&](StoreTask& task) { task.answered(to, false); });
}

void Service::store_refused(std::uint64_t owner, Contact const& to, dht::ErrorReply const& error) {
  with_storing(owner, [&](StoreTask& task) { task.refused(to, error); });
}

void Service::finish(std::uint64_t id, TimePoint now) {
  auto node = searches_.extract(id);
  Running& running = node.mapped();
  Subject const& subject = running.search.subject();
  if (auto const shared = shared_.find(subject); shared != shared_.end() && shared->second == id) {
    shared_.erase(shared);
  }
  if (subject.kind != Subject::Kind::nodes) {
    ++effort_.searches;
    effort_.queries += running.search.query_count();
    effort_.hops += running.search.hops();
  }
  for (Waiter& waiter : running.waiters) {
    if (waiter.job) {
      start_storing(running, waiter);
    } else {
      end_request(waiter.id, waiter.silent);
      answer(running.search, waiter.id, now);
    }
  }
}

void Service::answer(Search const& search, RequestId id, TimePoint now) {
  Subject const& subject = search.subject();
  if (subject.kind == Subject::Kind::peers) {
    notify(LookupDone{id, name_of(subject), peers_of(search, now)}, false);
  } else {
    notify(item_of(search, id, now), false);
  }
}

void Service::answer_early(std::uint64_t id, TimePoint now) {
  Running& running = searches_.at(id);
  if (!running.search.found() || running.search.found()->item.is_mutable()) return;
  std::erase_if(running.waiters, [&](Waiter const& waiter) {
    if (waiter.job) return false;
    end_request(waiter.id, waiter.silent);
    answer(running.search, waiter.id, now);
    return true;
  });
  forget_if_unwanted(id);
}

void Service::start_storing(Running& running, Waiter& waiter) {
  std::uint64_t const id = next_id_++;
  auto targets = running.search.store_targets();
  if (auto const* back = std::get_if<UnannounceJob>(&*waiter.job)) {
    for (auto& holder : holders_.take({running.search.subject().key, back->port})) {
      bool const known = std::ranges::any_of(
          targets, [&](Lookup::Target const& target) { return target.node == holder.node; });
      if (!known) targets.push_back(std::move(holder));
    }
  }
  auto& storing =
      stores_
          .emplace(id, Storing{running.search.subject(), waiter.id,
                               StoreTask{std::move(*waiter.job), std::move(targets)}, waiter.silent, false})
          .first->second;
  requests_.at(waiter.id) = id;
  if (storing.task.is_over()) {
    finish_storing(id);
  } else {
    wake(id, storing);
  }
}

void Service::finish_storing(std::uint64_t id) {
  auto node = stores_.extract(id);
  Storing const& storing = node.mapped();
  StoreTask const& task = storing.task;
  end_request(storing.id, storing.silent);
  if (auto const* announce = std::get_if<AnnounceJob>(&task.job())) {
    holders_.add({storing.subject.key, announce->port}, task.holders());
    notify(AnnounceDone{storing.id, name_of(storing.subject), task.stored()}, storing.silent);
  } else if (std::holds_alternative<UnannounceJob>(task.job())) {
    notify(UnannounceDone{storing.id, name_of(storing.subject), task.stored()}, storing.silent);
  } else {
    notify(PutDone{storing.id, storing.subject.target, task.stored(), task.refusal()}, storing.silent);
  }
}

std::vector<Endpoint> Service::peers_of(Search const& search, TimePoint now) {
  std::string const& name = search.subject().key;
  PeerChoice peers = search.peers();
  auto stored = tables_.peers.sample(name, Search::kPeersTaken, now, tables_.random);
  peers.add(stored);
  // Our own peers are stored as 127.0.0.1; one with the port of a known peer is most likely the same service
  // under our external address.
  auto ours = tables_.own_peers.sample(name, Search::kPeersTaken, now, tables_.random);
  std::erase_if(ours, [&](Endpoint const& peer) { return peers.has_port(peer.port); });
  peers.add(ours);
  return peers.choose(options_.peer_count_max, tables_.random);
}

GetDone Service::item_of(Search const& search, RequestId id, TimePoint now) const {
  Subject const& subject = search.subject();
  GetDone done{id, subject.target, std::nullopt, tables_.ids.v4, {}};
  if (auto const& found = search.found()) {
    done.item = found->item;
    done.from = found->from;
    done.token = found->token;
  }
  for (ItemStore const* store : {&tables_.items, &tables_.own_items}) {
    dht::Item const* here = store->find(subject.target, now);
    if (here == nullptr || (done.item && done.item->seq() >= here->seq())) continue;
    if (here->owner() && here->owner()->salt != subject.key) continue;
    done = GetDone{id, subject.target, *here, tables_.ids.v4, {}};
  }
  return done;
}

std::optional<Service::Notice> Service::poll_event() {
  if (events_.empty()) return std::nullopt;
  Notice notice = std::move(events_.front());
  events_.pop_front();
  return notice;
}

void Service::check() const {
  GRN_CHECK(searches_.size() <= options_.search_count_max);
  GRN_CHECK(requests_.size() <= options_.request_count_max);
  std::size_t waiters = 0;
  std::size_t silent = 0;
  for (auto const& [id, running] : searches_) {
    running.search.check();
    waiters += running.waiters.size();
    for (Waiter const& waiter : running.waiters) silent += waiter.silent ? 1 : 0;
    if (running.search.subject().kind != Subject::Kind::nodes) GRN_CHECK(!running.waiters.empty());
  }
  for (auto const& [subject, id] : shared_) GRN_CHECK(searches_.at(id).search.subject() == subject);
  for (auto const& [id, storing] : stores_) {
    storing.task.check();
    GRN_CHECK(!storing.task.is_over());
    silent += storing.silent ? 1 : 0;
  }
  GRN_CHECK(waiters + stores_.size() == requests_.size());
  GRN_CHECK(silent == silent_count_);
  holders_.check();
  for (auto const& [id, until] : held_) GRN_CHECK(searches_.contains(id));
}

}  // namespace grenache::grape
