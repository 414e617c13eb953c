// Inputs, outputs and the answers to queries; node_upkeep.cpp has what the node does on its own account.
#include "grape/core/node.hpp"

#include <algorithm>
#include <numeric>

#include "proto/base/check.hpp"

namespace grenache::grape {

using dht::KrpcCode;

namespace {

constexpr std::size_t kValueSize = 2 + dht::kCompactPeer4Size;  // "6:" and the bytes
constexpr std::size_t kValueCountMax = 100;                     // as many as Grape's users get
constexpr std::string_view kStoreFull = "too many services are stored here";
IpAddress const kLoopback{127, 0, 0, 1};

}  // namespace

std::string_view to_string(DropReason reason) {
  switch (reason) {
    case DropReason::bad_source:
      return "bad_source";
    case DropReason::malformed:
      return "malformed";
    case DropReason::own_id:
      return "own_id";
    case DropReason::unmatched_reply:
      return "unmatched_reply";
    case DropReason::rate_limited:
      return "rate_limited";
  }
  return "unknown";
}

std::uint64_t NodeStats::dropped_total() const {
  return std::accumulate(dropped.begin(), dropped.end(), std::uint64_t{0});
}

Node::Node(NodeOptions options, Random random)
    : options_{options},
      random_{std::move(random)},
      id_{options.id ? *options.id : NodeId::random(random_)},
      table_{id_, options.table},
      transactions_{options.transactions},
      tokens_{options.tokens, random_},
      rate_limit_{options.rate, random_},
      peers_{options.peers},
      own_{options.peers},
      bootstrap_{options.bootstrap},
      service_{options.service, id_, table_, peers_, own_, random_} {}

void Node::receive(Endpoint const& from, std::string_view bytes, TimePoint now) {
  ++stats_.datagrams_in;
  if (from.port == 0 || from.address.is_v6() || from.address.is_unspecified() ||
      from.address.is_multicast_or_reserved()) {
    return drop(DropReason::bad_source);
  }
  auto const message = dht::parse_message(bytes, document_);
  if (!message) return drop(DropReason::malformed);
  std::visit([&](auto const& body) { on(from, body, now); }, *message);
  pump(now);
}

Result<RequestId> Node::start_lookup(dht::ServiceKey const& name, TimePoint now) {
  auto const id = service_.lookup(name, holds_searches(), now);
  if (id) ++stats_.lookups;
  pump(now);
  return id;
}

Result<RequestId> Node::start_announce(dht::ServiceKey const& name, std::uint16_t port, TimePoint now) {
  bool const implied_port = port == 0;
  std::uint16_t const actual = implied_port ? options_.port : port;
  auto const id = service_.announce(name, actual, implied_port, holds_searches(), now);
  if (!id) return id;
  ++stats_.announces;
  PeerStore& store = options_.own_address ? peers_ : own_;
  if (actual != 0 && !store.announce(name, {options_.own_address.value_or(kLoopback), actual}, now)) {
    tell(Warning{"no room to store our own announcement: too many services"});
  }
  pump(now);
  return id;
}

void Node::cancel(RequestId id) { service_.cancel(id); }

std::optional<Output> Node::poll_output() {
  if (!outputs_.empty()) {
    Output output = std::move(outputs_.front());
    outputs_.pop_front();
    return output;
  }
  if (auto event = service_.poll_event()) return Output{std::move(*event)};
  return std::nullopt;
}

NodeStats Node::stats() const {
  NodeStats stats = stats_;
  stats.nodes = table_.size();
  stats.replacements = table_.replacement_count();
  stats.queries_in_flight = transactions_.size();
  stats.names_stored = peers_.name_count() + own_.name_count();
  stats.peers_stored = peers_.peer_count() + own_.peer_count();
  stats.lookups_running = service_.lookup_count();
  stats.requests_waiting = service_.request_count();
  stats.ready = is_ready();
  return stats;
}

void Node::check() const {
  table_.check();
  transactions_.check();
  peers_.check();
  own_.check();
  service_.check();
  GRN_CHECK(transactions_.verify_count() <= options_.verify_count_max + options_.upkeep_ping_max);
}

void Node::send(Endpoint const& to, std::string bytes) {
  ++stats_.datagrams_out;
  outputs_.emplace_back(Datagram{to, std::move(bytes)});
}

void Node::send_error(Endpoint const& to, std::string_view tid, KrpcCode code, std::string_view text) {
  ++stats_.errors_sent;
  send(to, dht::encode_error(tid, code, text));
}

void Node::on(Endpoint const& from, dht::Query const& query, TimePoint now) {
  if (query.sender == id_) return drop(DropReason::own_id);
  if (!rate_limit_.allow(from, now)) return drop(DropReason::rate_limited);
  ++stats_.queries_in;
  std::visit([&](auto const& body) { answer(from, query, body, now); }, query.body);
  if (!query.sender) return;
  dht::Contact const node{*query.sender, from};
  // Below the limit first: a refused ping must not count as made.
  if (transactions_.verify_count() < options_.verify_count_max && table_.heard(node, now)) ping(node, now);
}

void Node::on(Endpoint const& from, dht::Refusal const& refusal, TimePoint now) {
  if (!rate_limit_.allow(from, now)) return drop(DropReason::rate_limited);
  ++stats_.queries_in;
  send_error(from, refusal.tid, refusal.code, refusal.text);
}

void Node::answer(Endpoint const& from, dht::Query const& query, dht::Ping const&, TimePoint) {
  send(from, dht::encode_reply(query.tid, id_, {}));
}

void Node::answer(Endpoint const& from, dht::Query const& query, dht::FindNode const& find, TimePoint) {
  answer_nodes(from, query.tid, find.target);
}

void Node::answer(Endpoint const& from, dht::Query const& query, dht::UnknownQuery const& any, TimePoint) {
  answer_nodes(from, query.tid, any.target);
}

void Node::answer(Endpoint const& from, dht::Query const& query, dht::Get const& get, TimePoint) {
  answer_nodes(from, query.tid, get.target);
}

void Node::answer(Endpoint const& from, dht::Query const& query, dht::Put const&, TimePoint) {
  send_error(from, query.tid, KrpcCode::protocol, dht::kBadPutToken);
}

void Node::answer_nodes(Endpoint const& from, std::string_view tid, NodeId const& target) {
  gather_nodes(target, options_.table.bucket_size);
  dht::ReplyFields fields;
  fields.nodes = scratch_;
  send(from, dht::encode_reply(tid, id_, fields));
}

void Node::gather_nodes(NodeId const& target, std::size_t count_max) {
  contacts_.clear();
  scratch_.clear();
  table_.closest(target, count_max, contacts_);
  for (dht::Contact const& node : contacts_) append_compact(scratch_, node);
}

void Node::answer(Endpoint const& from, dht::Query const& query, dht::GetPeers const& get, TimePoint now) {
  std::size_t const overhead = dht::reply_overhead(query.tid.size(), Sha1::kSize);
  std::size_t const room = options_.reply_size_max - std::min(options_.reply_size_max, overhead);
  std::size_t const value_count_max = std::min(kValueCountMax, room / kValueSize);

  auto values = peers_.sample(get.info_hash, value_count_max, now, random_);
  if (from.address.is_loopback() && values.size() < value_count_max) {
    auto const own = own_.sample(get.info_hash, value_count_max - values.size(), now, random_);
    values.insert(values.end(), own.begin(), own.end());
  }
  std::size_t const left = room - values.size() * kValueSize;
  gather_nodes(dht::target_of(get.info_hash),
               std::min(options_.table.bucket_size, left / dht::kCompactNode4Size));

  dht::ReplyFields fields;
  fields.nodes = scratch_;
  fields.values = values;
  Sha1 token;
  if (peers_.has_room(get.info_hash)) {
    token = tokens_.make(from, query.sender, get.info_hash);
    fields.token = token.view();
  }
  send(from, dht::encode_reply(query.tid, id_, fields));
}

void Node::answer(Endpoint const& from, dht::Query const& query, dht::AnnouncePeer const& announce,
                  TimePoint now) {
  if (!tokens_.verify(announce.token, from, query.sender, announce.info_hash)) {
    return send_error(from, query.tid, KrpcCode::protocol, dht::kBadAnnounceToken);
  }
  auto const name = dht::ServiceKey::from_bytes(announce.info_hash);
  GRN_CHECK(name.has_value());  // parse_message() let only valid names pass
  Endpoint const peer{from.address, announce.implied_port.value_or(false) ? from.port : announce.port};
  if (!peers_.announce(*name, peer, now)) {
    return send_error(from, query.tid, KrpcCode::server, kStoreFull);
  }
  ++stats_.announces_stored;
  send(from, dht::encode_reply(query.tid, id_, {}));
  tell(AnnounceStored{*name, peer});
}

}  // namespace grenache::grape
