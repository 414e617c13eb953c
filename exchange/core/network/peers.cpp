#include "exchange/core/network/peers.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "exchange/core/row_fields.hpp"
#include <grenache/base/endpoint.hpp>

namespace grenache::exchange {
namespace {

constexpr std::size_t kTroubleSizeMax = 200;
constexpr std::size_t kCommandCountMax = 100;
/// The least time between two pings of a contact that calls us while it is away.
constexpr Duration kCalledPause = std::chrono::seconds{5};

/// A public peer does not make us call hosts of our own network.
bool is_foreign(HostPort const& named, std::string const& named_by) {
  auto const by = HostPort::parse(named_by);
  auto const namer = by ? IpAddress::parse(by->host) : std::nullopt;
  auto const address = IpAddress::parse(named.host);
  bool const is_inside = address && (address->is_private() || address->is_unspecified());
  return is_inside && namer && !namer->is_private();
}

}  // namespace

std::string_view to_text(ContactSource source) {
  switch (source) {
    case ContactSource::dht:
      return "dht";
    case ContactSource::connect:
      return "connect";
    case ContactSource::peers:
      return "peers";
    case ContactSource::earlier:
      return "earlier";
  }
  return "";
}

std::string network_of(std::string_view host) {
  constexpr std::string_view kMapped{"\0\0\0\0\0\0\0\0\0\0\xff\xff", 12};
  auto const address = IpAddress::parse(host);
  if (!address) return "name";
  auto bytes = address->view();
  if (!address->is_v6()) return std::string{bytes.substr(0, 2)};
  if (bytes.starts_with(kMapped)) return std::string{bytes.substr(kMapped.size(), 2)};
  return std::string{bytes.substr(0, 4)};
}

// A contact that does not answer goes first, then the newest one of the network with the most contacts.
bool Peers::make_room(std::string const& network) {
  if (contacts_.size() < options_.contact_count_max) return true;
  auto const is_evictable = [](Contact const& contact) {
    return !contact.is_kept && !contact.is_self && contact.source != ContactSource::connect;
  };
  std::map<std::string_view, std::size_t> counts;
  auto worst = contacts_.end();
  for (auto it = contacts_.begin(); it != contacts_.end(); ++it) {
    auto const& contact = it->second;
    if (!is_evictable(contact)) continue;
    ++counts[contact.network];
    bool const is_silent = contact.was_tried && !contact.is_met;
    if (is_silent && (worst == contacts_.end() || contact.delay > worst->second.delay)) worst = it;
  }
  if (worst == contacts_.end()) {
    auto const largest = std::ranges::max_element(counts, {}, [](auto const& each) { return each.second; });
    if (largest == counts.end() || largest->second < counts[network] + 2) return false;
    auto const crowd = largest->first;
    for (auto it = contacts_.begin(); it != contacts_.end(); ++it) {
      auto const& contact = it->second;
      if (!is_evictable(contact) || contact.network != crowd) continue;
      if (worst == contacts_.end() || contact.first_seen > worst->second.first_seen) worst = it;
    }
  }
  forgotten_.push_back(worst->first);
  contacts_.erase(worst);
  return true;
}

bool Peers::may_be_named(std::string const& named_by) const {
  std::size_t count = 0;
  std::size_t by_one = 0;
  for (auto const& [endpoint, contact] : contacts_) {
    if (contact.source != ContactSource::peers || contact.is_met) continue;
    ++count;
    if (contact.named_by == named_by) ++by_one;
  }
  auto const by_one_max = named_by.empty() ? 2 * options_.named_by_one_max : options_.named_by_one_max;
  return count < options_.named_by_peers_max && by_one < by_one_max;
}

Contact* Peers::add(std::string const& endpoint, ContactSource source, std::string const& named_by,
                    Turn& turn) {
  auto known = contacts_.find(endpoint);
  if (known == contacts_.end()) {
    auto const parsed = HostPort::parse(endpoint);
    if (!parsed || endpoint.size() > kEndpointSizeMax) return nullptr;
    if (source == ContactSource::peers && (is_foreign(*parsed, named_by) || !may_be_named(named_by))) {
      return nullptr;
    }
    auto network = network_of(parsed->host);
    if (!make_room(network)) return nullptr;
    known = contacts_.try_emplace(endpoint).first;
    known->second.source = source;
    known->second.named_by = named_by;
    known->second.network = std::move(network);
    known->second.first_seen = known->second.next_ping = turn.now.steady;
    known->second.is_self = endpoint == self_.endpoint;
  }
  auto& contact = known->second;
  bool const is_better = source == ContactSource::connect || contact.source == ContactSource::earlier;
  if (is_better && source != ContactSource::peers) contact.source = source;
  if (source != ContactSource::peers || !contact.was_tried) contact.last_seen = turn.now.steady;
  return &contact;
}

void Peers::found(std::vector<std::string> const& endpoints, ContactSource source, Turn& turn,
                  std::string const& named_by) {
  for (auto const& endpoint : endpoints) {
    auto* const contact = add(endpoint, source, named_by, turn);
    if (contact && !contact->was_tried) ping(endpoint, *contact, turn);
  }
}

void Peers::connect(CommandId command, std::string const& endpoint, Turn& turn) {
  if (commands_.size() >= kCommandCountMax) {
    return turn.answer(command, result::Failure{result::FailureCode::unavailable,
                                                "too many connections are being made at once", "try again"});
  }
  auto* const contact = add(endpoint, ContactSource::connect, {}, turn);
  if (!contact) {
    bool const is_full = HostPort::parse(endpoint).has_value();
    return turn.answer(command,
                       result::Failure{result::FailureCode::invalid,
                                       is_full ? "too many peers are known" : "a peer is given as host:port",
                                       "for example: connect 127.0.0.1:3002"});
  }
  commands_.emplace(endpoint, command);
  ping(endpoint, *contact, turn);
}

void Peers::ping(std::string const& endpoint, Contact& contact, Turn& turn) {
  if (contact.is_asking) return;
  contact.is_asking = true;
  contact.next_ping = TimePoint::max();
  auto const nonce = PingNonce::random(turn.random);
  PingPongMessage message{self_.header(CreatorType::client, turn.now.wall),
                          false,
                          self_.id,
                          self_.instance,
                          self_.name,
                          nonce,
                          {}};
  if (contact.peer) message.wanted = heartbeats_.wanted(turn);
  asked_.emplace(++last_key_, Asked{endpoint, nonce, false, message.wanted});
  turn.call_now({Part::peers, last_key_}, endpoint, write_payload(to_json(message), PayloadForm::text));
}

void Peers::ask_for_peers(std::string const& endpoint, Turn& turn) {
  asked_.emplace(++last_key_, Asked{endpoint, {}, true});
  GetPeersMessage const message{self_.header(CreatorType::client, turn.now.wall), self_.endpoint};
  turn.call_now({Part::peers, last_key_}, endpoint, write_payload(to_json(message), PayloadForm::text));
}

void Peers::handle(RequestId request, PayloadForm form, PingPongMessage const& message, Turn& turn) {
  PingPongMessage pong{
      self_.header(CreatorType::server, turn.now.wall), true, self_.id, self_.instance, self_.name, {}, {}};
  if (message.nonce && !self_.endpoint.empty()) sign_pong(pong, *message.nonce, self_.endpoint, self_.key);
  if (message.peer) pong.heartbeats = heartbeats_.answer(message.wanted, turn);
  turn.reply_now(request, write_payload(to_json(pong), form));
}

void Peers::handle(RequestId request, PayloadForm form, GetPeersMessage const& message, Turn& turn) const {
  auto endpoints = met();
  std::erase(endpoints, message.endpoint);
  turn.reply_now(request, write_payload(endpoints_to_json(endpoints), form));
}

void Peers::called_by(std::string const& endpoint, IpAddress const& from, Turn& turn) {
  auto const parsed = HostPort::parse(endpoint);
  auto const address = parsed ? IpAddress::parse(parsed->host) : std::nullopt;
  if (address != from) return;
  auto const known = contacts_.find(endpoint);
  if (known == contacts_.end()) return found({endpoint}, ContactSource::peers, turn);
  auto& contact = known->second;
  // A contact that was away and now calls us is probably back.
  bool const is_away = !contact.is_met && !contact.is_self && !contact.is_asking && contact.was_tried;
  if (is_away && contact.next_ping - contact.delay + kCalledPause <= turn.now.steady) {
    ping(endpoint, contact, turn);
  }
}

void Peers::on_pong(Asked const& asked, Contact& contact, PingPongMessage const& pong, Turn& turn) const {
  contact.peer = pong.peer;
  contact.is_proven = is_proven(pong, asked.nonce, asked.endpoint);
  contact.name = pong.name;
  contact.instance = pong.instance;
  contact.is_self = pong.instance == self_.instance;
  contact.trouble.clear();
  contact.delay = Duration::zero();
  contact.last_seen = turn.now.steady;
  contact.next_ping = later_by(turn.now.steady, options_.ping_interval);
}

void Peers::on_failure(Contact& contact, std::string trouble, Turn& turn) const {
  trouble.resize(std::min(trouble.size(), kTroubleSizeMax));
  contact.trouble = std::move(trouble);
  contact.is_proven = false;
  bool const is_old = later_by(contact.last_seen, options_.age_max) <= turn.now.steady;
  auto const delay_max = contact.is_kept && is_old ? options_.kept_retry_max : options_.retry_max;
  contact.delay = std::clamp(2 * contact.delay, options_.retry_min, delay_max);
  contact.next_ping = later_by(turn.now.steady, contact.delay);
}

void Peers::end_commands(std::string const& endpoint, Contact const& contact, Turn& turn) {
  auto const [first, last] = commands_.equal_range(endpoint);
  for (auto it = first; it != last; ++it) {
    if (contact.is_self) {
      turn.answer(it->second,
                  result::Failure{result::FailureCode::invalid, "this is the endpoint of this peer", {}});
    } else if (contact.is_met) {
      turn.answer(it->second, result::Connected{endpoint, contact.name, contact.peer});
    } else {
      turn.answer(it->second, result::Failure{result::FailureCode::unavailable,
                                              "no peer answers at " + endpoint + ": " + contact.trouble,
                                              "it is tried again now and then; see: peers"});
    }
  }
  commands_.erase(first, last);
}

Peers::Outcome Peers::on_answered(std::uint64_t key, CallAnswer answer, Turn& turn) {
  auto const asked = asked_.extract(key);
  if (asked.empty()) return {};
  auto const& endpoint = asked.mapped().endpoint;
  Outcome out;
  out.endpoint = endpoint;
  auto const found = contacts_.find(endpoint);
  if (found == contacts_.end()) return out;
  auto& contact = found->second;
  auto const body = read_answer(std::move(answer.result));
  if (asked.mapped().for_peers) {
    auto list = parse_endpoints(body);
    if (answer.error.empty() && list) out.named = std::move(list->endpoints);
    return out;
  }
  contact.is_asking = false;
  contact.was_tried = true;
  bool const was_met = contact.is_met;
  auto const instance = contact.instance;
  auto const pong = parse_pong(body);
  if (answer.error.empty() && pong) {
    on_pong(asked.mapped(), contact, *pong, turn);
    contact.is_met = !contact.is_self;
    auto const& wanted = asked.mapped().wanted;
    std::ranges::copy_if(pong->heartbeats, std::back_inserter(out.heartbeats), [&](Heartbeat const& each) {
      return each.maker == pong->peer || std::ranges::find(wanted, each.maker) != wanted.end();
    });
    bool const is_worth_a_row = contact.is_proven || contact.source == ContactSource::connect;
    if (contact.is_met && is_worth_a_row) keep(endpoint, contact, turn);
    // It listens elsewhere than it was reached; that endpoint can be proven.
    bool const names_another = contact.peer && pong->proof && pong->proof->endpoint != endpoint;
    if (contact.is_met && names_another) out.named.push_back(pong->proof->endpoint);
  } else {
    on_failure(contact, answer.error.empty() ? pong.error().message() : std::move(answer.error), turn);
    contact.is_met = false;
  }
  bool const has_restarted = contact.instance != instance;
  out.is_met = contact.is_met && (!was_met || has_restarted);
  out.is_lost = was_met && !contact.is_met;
  if (out.is_met) turn.log(event::PeerMet{endpoint, contact.peer, contact.name});
  if (out.is_lost) turn.log(event::PeerLost{endpoint, contact.trouble});
  end_commands(endpoint, contact, turn);
  if (contact.is_met && contact.peer) ask_for_peers(endpoint, turn);
  return out;
}

Duration Peers::age_max(Contact const& contact) const {
  return contact.is_kept ? options_.kept_age_max : options_.age_max;
}

bool Peers::is_stale(Contact const& contact, TimePoint now) const {
  if (contact.source == ContactSource::connect || contact.is_asking) return false;
  // A stranger may name the endpoints of others, who are not to be pinged for long.
  bool const is_rumour = contact.source == ContactSource::peers && !contact.is_kept;
  return (is_rumour && contact.delay > options_.retry_min) ||
         later_by(contact.last_seen, age_max(contact)) <= now;
}

std::vector<std::string> Peers::expire(Turn& turn) {
  for (auto it = contacts_.begin(); it != contacts_.end();) {
    auto& [endpoint, contact] = *it;
    if (is_stale(contact, turn.now.steady)) {
      if (contact.is_kept) turn.erase(kRowKind, endpoint);
      forgotten_.push_back(endpoint);
      it = contacts_.erase(it);
      continue;
    }
    if (!contact.is_self && contact.next_ping <= turn.now.steady) ping(endpoint, contact, turn);
    ++it;
  }
  auto out = std::exchange(forgotten_, {});
  std::erase_if(out,
                [&](std::string const& endpoint) { return contacts_.contains(endpoint); });  // back again
  return out;
}

TimePoint Peers::next_expiry() const {
  auto next = TimePoint::max();
  for (auto const& [endpoint, contact] : contacts_) {
    if (!contact.is_self) next = std::min(next, contact.next_ping);
    if (contact.source != ContactSource::connect && !contact.is_asking) {
      next = std::min(next, later_by(contact.last_seen, age_max(contact)));
    }
  }
  return next;
}

void Peers::keep(std::string const& endpoint, Contact& contact, Turn& turn) {
  if (contact.is_kept) return;
  std::size_t count = 0;
  std::map<std::string_view, std::size_t> counts;  // by network
  for (auto const& [other, kept] : contacts_) {
    if (!kept.is_kept) continue;
    ++count;
    ++counts[kept.network];
  }
  if (count >= options_.kept_count_max) {
    auto const largest = std::ranges::max_element(counts, {}, [](auto const& each) { return each.second; });
    bool const is_crowd = largest->second >= counts[contact.network] + 2;
    auto const crowd = largest->first;
    auto replaced = contacts_.end();
    for (auto it = contacts_.begin(); it != contacts_.end(); ++it) {
      auto const& kept = it->second;
      if (!kept.is_kept || (kept.is_met && !(is_crowd && kept.network == crowd))) continue;
      bool const is_silent =
          !kept.is_met && later_by(kept.last_seen, options_.kept_silence) <= turn.now.steady;
      bool const is_of_crowd = is_crowd && kept.network == crowd;
      if (!is_silent && !is_of_crowd) continue;
      if (replaced == contacts_.end() || kept.last_seen < replaced->second.last_seen) replaced = it;
    }
    if (replaced == contacts_.end()) return;
    turn.erase(kRowKind, replaced->first);
    replaced->second.is_kept = false;
  }
  contact.is_kept = true;
  turn.save(row_of(endpoint));
}

Row Peers::row_of(std::string const& endpoint) {
  return {kRowKind, endpoint, json::to_text(json::Value::object({{"endpoint", endpoint}}))};
}

bool Peers::restore(Row const& row) {
  RowFields fields{row.body};
  auto const endpoint = fields.text("endpoint");
  auto const parsed = HostPort::parse(endpoint);
  if (!fields.ok() || !parsed || endpoint != row.key || endpoint.size() > kEndpointSizeMax) return false;
  Contact contact;
  contact.source = ContactSource::earlier;
  contact.is_kept = true;
  contact.network = network_of(parsed->host);
  return contacts_.emplace(endpoint, std::move(contact)).second;
}

void Peers::resume(Turn& turn) {
  for (auto& [endpoint, contact] : contacts_) {
    contact.first_seen = contact.last_seen = turn.now.steady;
    contact.is_self = endpoint == self_.endpoint;
    if (!contact.is_self) ping(endpoint, contact, turn);
  }
}

void Peers::dump(std::vector<Row>& out) const {
  for (auto const& [endpoint, contact] : contacts_) {
    if (contact.is_kept) out.push_back(row_of(endpoint));
  }
}

std::vector<std::string> Peers::endpoints_of(PeerId const& peer) const {
  std::vector<std::string> out;
  for (auto const& [endpoint, contact] : contacts_) {
    if (contact.is_proven && contact.peer == peer) out.push_back(endpoint);
  }
  return out;
}

std::string Peers::name_of(PeerId const& peer) const {
  auto const endpoints = endpoints_of(peer);
  return endpoints.empty() ? std::string{} : contacts_.find(endpoints.front())->second.name;
}

std::vector<std::string> Peers::met() const {
  std::vector<std::string> out;
  for (auto const& [endpoint, contact] : contacts_) {
    if (contact.is_met) out.push_back(endpoint);
  }
  return out;
}

Contact const* Peers::find(std::string_view endpoint) const {
  auto const found = contacts_.find(endpoint);
  return found == contacts_.end() ? nullptr : &found->second;
}

bool Peers::all_tried() const {
  return std::ranges::all_of(contacts_,
                             [](auto const& each) { return each.second.was_tried || each.second.is_self; });
}

}  // namespace grenache::exchange
