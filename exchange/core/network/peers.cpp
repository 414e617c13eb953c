#include "exchange/core/network/peers.hpp"

#include <algorithm>
#include <utility>

#include <grenache/base/endpoint.hpp>

namespace grenache::exchange {
namespace {

constexpr std::size_t kTroubleSizeMax = 200;
constexpr std::size_t kCommandCountMax = 100;

}  // namespace

std::string_view to_text(ContactSource source) {
  switch (source) {
    case ContactSource::dht:
      return "dht";
    case ContactSource::connect:
      return "connect";
    case ContactSource::peers:
      return "peers";
  }
  return "";
}

bool Peers::make_room() {
  if (contacts_.size() < options_.contact_count_max) return true;
  auto const worst = std::ranges::max_element(contacts_, {}, [](auto const& each) {
    auto const& contact = each.second;
    bool const is_kept = contact.is_met || contact.source == ContactSource::connect || !contact.was_tried;
    return std::pair{!is_kept, contact.delay};
  });
  if (worst->second.is_met || worst->second.source == ContactSource::connect || !worst->second.was_tried) {
    return false;
  }
  forgotten_.push_back(worst->first);
  contacts_.erase(worst);
  return true;
}

Contact* Peers::add(std::string const& endpoint, ContactSource source, Turn& turn) {
  auto known = contacts_.find(endpoint);
  if (known == contacts_.end()) {
    if (!HostPort::parse(endpoint) || endpoint.size() > kEndpointSizeMax) return nullptr;
    if (source == ContactSource::peers) {
      auto const is_unproven = [](auto const& each) {
        return each.second.source == ContactSource::peers && !each.second.is_met;
      };
      auto const count = static_cast<std::size_t>(std::ranges::count_if(contacts_, is_unproven));
      if (count >= options_.named_by_peers_max) return nullptr;
    }
    if (!make_room()) return nullptr;
    known = contacts_.try_emplace(endpoint).first;
    known->second.source = source;
    known->second.next_ping = turn.now.steady;
    known->second.is_self = endpoint == self_.endpoint;
  }
  auto& contact = known->second;
  if (source == ContactSource::connect) contact.source = source;
  if (source != ContactSource::peers || !contact.was_tried) contact.last_seen = turn.now.steady;
  return &contact;
}

void Peers::found(std::vector<std::string> const& endpoints, ContactSource source, Turn& turn) {
  for (auto const& endpoint : endpoints) {
    auto* const contact = add(endpoint, source, turn);
    if (contact && !contact->was_tried) ping(endpoint, *contact, turn);
  }
}

void Peers::connect(CommandId command, std::string const& endpoint, Turn& turn) {
  if (commands_.size() >= kCommandCountMax) {
    return turn.answer(command, result::Failure{result::FailureCode::unavailable,
                                                "too many connections are being made at once", "try again"});
  }
  auto* const contact = add(endpoint, ContactSource::connect, turn);
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
  asked_.emplace(++last_key_, Asked{endpoint, false});
  PingPongMessage const message{self_.header(CreatorType::client, turn.now.wall), false, self_.id,
                                self_.instance, self_.name};
  turn.call_now({Part::peers, last_key_}, endpoint, write_payload(to_json(message), PayloadForm::text));
}

void Peers::ask_for_peers(std::string const& endpoint, Turn& turn) {
  asked_.emplace(++last_key_, Asked{endpoint, true});
  GetPeersMessage const message{self_.header(CreatorType::client, turn.now.wall), self_.endpoint};
  turn.call_now({Part::peers, last_key_}, endpoint, write_payload(to_json(message), PayloadForm::text));
}

void Peers::handle(RequestId request, PayloadForm form, PingPongMessage const&, Turn& turn) const {
  PingPongMessage const pong{self_.header(CreatorType::server, turn.now.wall), true, self_.id, self_.instance,
                             self_.name};
  turn.reply_now(request, write_payload(to_json(pong), form));
}

void Peers::handle(RequestId request, PayloadForm form, GetPeersMessage const& message, Turn& turn) {
  auto endpoints = met();
  std::erase(endpoints, message.endpoint);
  turn.reply_now(request, write_payload(endpoints_to_json(endpoints), form));
  if (!message.endpoint.empty()) found({message.endpoint}, ContactSource::peers, turn);
}

void Peers::on_pong(Contact& contact, PingPongMessage const& pong, Turn& turn) const {
  contact.peer = pong.peer;
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
  contact.delay = std::clamp(2 * contact.delay, options_.retry_min, options_.retry_max);
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
    on_pong(contact, *pong, turn);
    contact.is_met = !contact.is_self;
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

std::vector<std::string> Peers::expire(Turn& turn) {
  for (auto it = contacts_.begin(); it != contacts_.end();) {
    auto& [endpoint, contact] = *it;
    // A stranger may name the endpoints of others, who are not to be pinged for long.
    bool const is_rumour = contact.source == ContactSource::peers && contact.delay > options_.retry_min;
    bool const is_stale = contact.source != ContactSource::connect && !contact.is_asking &&
                          (is_rumour || later_by(contact.last_seen, options_.age_max) <= turn.now.steady);
    if (is_stale) {
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
      next = std::min(next, later_by(contact.last_seen, options_.age_max));
    }
  }
  return next;
}

std::vector<std::string> Peers::endpoints_of(PeerId const& peer) const {
  std::vector<std::string> out;
  for (auto const& [endpoint, contact] : contacts_) {
    if (contact.is_met && contact.peer == peer) out.push_back(endpoint);
  }
  return out;
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
  return std::ranges::all_of(contacts_, [](auto const& each) { return each.second.was_tried; });
}

}  // namespace grenache::exchange
