// A whole DHT node under a script: datagrams from several endpoints, answers to its queries, time, requests.
//
// The input is read as steps (see Script::step); after each the invariants of the node and the rules of its
// answers are checked. At the end time runs on alone until every request has been answered.
#include <map>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "grape/core/node.hpp"
#include "proto/base/check.hpp"
#include "proto/dht/bencode_writer.hpp"
#include "tests/fuzz/input.hpp"

namespace grenache::grape {
namespace {

constexpr std::size_t kStepCountMax = 120;
constexpr std::size_t kQueryCountMax = 64;  // of the node's own, remembered to be answered
constexpr std::size_t kTidSize = 2;

// Tables so small that few bytes fill them.
NodeOptions small_options() {
  NodeOptions options;
  options.concurrency = 4;
  options.verify_count_max = 4;
  options.upkeep_ping_max = 2;
  options.bootstrap.address_count_max = 3;
  options.peers.name_count_max = 3;
  options.peers.peer_count_max = 6;
  options.peers.peer_per_address_max = 3;
  options.table.bucket_size = 2;
  options.table.replacement_count_max = 2;
  options.service.search.lookup.k = 2;
  options.service.search.lookup.branch_max = 2;
  options.service.search.lookup.candidate_count_max = 8;
  options.service.search.lookup.query_count_max = 12;
  options.service.search_count_max = 3;
  options.service.request_count_max = 5;
  options.service.peer_count_max = 4;
  options.service.search.peer_gather_max = 8;
  options.transactions.count_max = 16;
  options.rate.private_per_second = 8;
  options.rate.public_per_second = 4;
  options.rate.bucket_count = 16;
  return options;
}

NodeOptions options_of(std::uint8_t choice) {
  NodeOptions options = (choice & 1) != 0 ? small_options() : NodeOptions{};
  options.id = NodeId{};
  options.port = 20001;
  if ((choice & 2) != 0) options.own_address = IpAddress{10, 0, 0, 1};
  return options;
}

struct OwnQuery {
  Endpoint to;
  std::string tid;
};

// What the node may send to. An operator who gives another bootstrap address gets what he asked for; from the
// network none is believed.
bool is_usable(Endpoint const& endpoint) {
  return endpoint.port != 0 && !endpoint.address.is_v6() && !endpoint.address.is_unspecified() &&
         !endpoint.address.is_multicast_or_reserved();
}

class Script {
 public:
  Script(std::uint8_t const* data, std::size_t size)
      : input_{data, size}, options_{options_of(input_.byte())}, node_{options_, Random{1}} {}

  void run() {
    node_.expire(now_);
    drain(nullptr);
    for (std::size_t i = 0; i < kStepCountMax && !input_.empty(); ++i) step();
    settle();
  }

 private:
  void step() {
    switch (input_.below(10)) {
      case 0:
        return receive(endpoint(), input_.long_text());
      case 1:
        return pass(std::chrono::milliseconds{std::int64_t{1} << input_.below(24)});
      case 2:
        return began(node_.start_lookup(name(), now_));
      case 3: {
        auto const port = input_.number<std::uint16_t>();
        return began(node_.start_announce(name(), port, now_));
      }
      case 4:
        return answer_query();
      case 5:
        return fail_query();
      case 6:
        return ask();
      case 7:
        return announce();
      case 8: {
        std::vector<Endpoint> addresses;
        for (auto count = input_.below(4); count > 0; --count) {
          auto const address = endpoint();
          if (is_usable(address)) addresses.push_back(address);
        }
        node_.bootstrap(addresses, now_);
        return drain(nullptr);
      }
      case 9: {
        RequestId const id{input_.byte()};
        node_.cancel(id);
        waiting_.erase(id);
        return drain(nullptr);
      }
    }
  }

  // One of a few hosts with a few ports, and the strange ones among them.
  Endpoint endpoint() {
    auto const choice = input_.byte();
    auto const host = static_cast<std::uint8_t>(choice % 16);
    std::uint16_t const port = choice == 255 ? 0 : static_cast<std::uint16_t>(20001 + choice / 64);
    if (host < 8) return {IpAddress{10, 0, 0, host}, port};
    if (host < 12) return {IpAddress{203, 0, 113, host}, port};
    if (host == 12) return {IpAddress{127, 0, 0, 1}, port};
    if (host == 13) return {IpAddress{IpAddress::V6{0x20, 0x01, 0x0d, 0xb8}}, port};
    if (host == 14) return {IpAddress{224, 0, 0, 1}, port};
    return {IpAddress{}, port};
  }

  // An id at a distance that one byte chooses: of our own 0, the first byte is the one that counts.
  NodeId node_id() {
    NodeId id;
    auto const choice = input_.byte();
    if (choice == 0) return id;
    auto const bit = choice % 64u;
    id.array()[bit / 8] = static_cast<std::uint8_t>(0x80 >> bit % 8);
    id.array()[19] = choice;
    return id;
  }

  // Few different names, so that they meet again; the longest there is among them.
  dht::ServiceKey name() {
    auto const choice = input_.byte();
    std::size_t const size = choice % 8 == 7 ? dht::ServiceKey::kSizeMax : choice % 8u * 5 + 1;
    return *dht::ServiceKey::from_bytes(std::string(size, static_cast<char>('a' + choice / 64)));
  }

  std::string compact_nodes() {
    std::string out;
    for (auto count = input_.below(24); count > 0; --count) {
      dht::Contact const node{node_id(), endpoint()};
      if (!node.endpoint.address.is_v6()) append_compact(out, node);
    }
    return out;
  }

  void receive(Endpoint const& from, std::string_view bytes) {
    node_.receive(from, bytes, now_);
    drain(&from);
  }

  // Answers one of the node's queries, from where it asked or from elsewhere.
  void answer_query() {
    auto const query = take_query();
    auto const from = input_.flag() ? endpoint() : query.to;
    auto const id = node_id();
    auto const nodes = compact_nodes();
    std::vector<Endpoint> values(input_.below(8));
    for (auto& value : values) value = endpoint();
    if (auto const count = input_.byte(); count > 200) values.resize(count * std::size_t{20}, {{}, count});
    dht::ReplyFields fields;
    fields.nodes = nodes;
    fields.values = values;
    fields.token = input_.short_text();
    receive(from, dht::encode_reply(query.tid, id, fields));
  }

  void fail_query() {
    auto const query = take_query();
    auto const code = static_cast<dht::KrpcCode>(input_.byte());
    receive(query.to, dht::encode_error(query.tid, code, input_.short_text()));
  }

  void ask() {
    auto const from = endpoint();
    auto const id = node_id();
    auto const tid = input_.bytes(kTidSize);
    switch (input_.below(4)) {
      case 0:
        return receive(from, dht::encode_query(tid, id, dht::Ping{}));
      case 1:
        return receive(from, dht::encode_query(tid, id, dht::FindNode{node_id()}));
      case 2:
        return receive(from, dht::encode_query(tid, id, dht::GetPeers{name().bytes()}));
      default:
        return receive(from, dht::encode_query(tid, id, dht::Get{node_id(), {}}));
    }
  }

  // With the token that this endpoint got for this name, or with the last one that anybody got.
  void announce() {
    auto const from = endpoint();
    auto const id = node_id();
    auto const key = name();
    if (input_.flag()) receive(from, dht::encode_query("tk", id, dht::GetPeers{key.bytes()}));
    dht::AnnouncePeer announce;
    announce.info_hash = key.bytes();
    announce.token = token_;
    announce.port = input_.number<std::uint16_t>();
    if (auto const implied = input_.below(3); implied > 0) announce.implied_port = implied == 1;
    receive(from, dht::encode_query("an", id, announce));
  }

  void pass(Duration duration) {
    now_ += duration;
    node_.expire(now_);
    drain(nullptr);
    // Else the one who runs it would spin.
    GRN_CHECK(node_.next_deadline() > now_);
  }

  void began(Result<RequestId> const& id) {
    if (id) GRN_CHECK(waiting_.insert(*id).second);
    drain(nullptr);
  }

  OwnQuery take_query() {
    if (queries_.empty()) return {endpoint(), std::string{input_.bytes(kTidSize)}};
    auto const at = queries_.begin() + static_cast<std::ptrdiff_t>(input_.below(queries_.size()));
    auto query = std::move(*at);
    queries_.erase(at);
    return query;
  }

  // Takes all outputs. `asker` is who sent the datagram that caused them.
  void drain(Endpoint const* asker) {
    std::size_t answers = 0;
    while (auto const output = node_.poll_output()) {
      if (auto const* const datagram = std::get_if<Datagram>(&*output)) {
        if (sent(*datagram)) continue;
        ++answers;
        GRN_CHECK(asker && datagram->to == *asker);
        GRN_CHECK(datagram->bytes.size() <= options_.reply_size_max);
      } else {
        std::visit([this](auto const& event) { tell(event); }, std::get<Event>(*output));
      }
    }
    GRN_CHECK(answers <= 1);
    check();
  }

  // True for a query; it is remembered.
  bool sent(Datagram const& datagram) {
    GRN_CHECK(is_usable(datagram.to));
    auto const message = dht::parse_message(datagram.bytes, document_);
    GRN_CHECK(message && document_.is_canonical());
    GRN_CHECK(!std::holds_alternative<dht::Refusal>(*message));
    if (auto const* const reply = std::get_if<dht::Reply>(&*message)) {
      GRN_CHECK(reply->sender == node_.id());
      if (reply->token) token_ = *reply->token;
    }
    auto const* const query = std::get_if<dht::Query>(&*message);
    if (!query) return false;
    GRN_CHECK(query->sender == node_.id() && query->tid.size() == kTidSize);
    if (queries_.size() == kQueryCountMax) queries_.erase(queries_.begin());
    queries_.push_back({datagram.to, std::string{query->tid}});
    return true;
  }

  void tell(LookupDone const& done) {
    GRN_CHECK(waiting_.erase(done.id) == 1);
    GRN_CHECK(done.peers.size() <= options_.service.peer_count_max);
    GRN_CHECK(std::set(done.peers.begin(), done.peers.end()).size() == done.peers.size());
  }
  void tell(AnnounceDone const& done) {
    GRN_CHECK(waiting_.erase(done.id) == 1);
    GRN_CHECK(done.stored <= options_.service.search.lookup.k);
  }
  void tell(Ready const&) { GRN_CHECK(++ready_count_ == 1); }
  template <class Other>
  void tell(Other const&) {}

  void check() {
    node_.check();
    auto const stats = node_.stats();
    GRN_CHECK(stats.queries_in_flight <= options_.transactions.count_max);
    GRN_CHECK(stats.names_stored <= 2 * options_.peers.name_count_max);
    GRN_CHECK(stats.lookups_running <= options_.service.search_count_max);
    GRN_CHECK(stats.requests_waiting == waiting_.size());
    GRN_CHECK(waiting_.size() <= options_.service.request_count_max);
  }

  // Without any more answers, every request ends by itself within minutes.
  void settle() {
    auto const limit = now_ + std::chrono::minutes{10};
    while (!waiting_.empty()) {
      auto const next = node_.next_deadline();
      GRN_CHECK(next <= limit);
      pass(std::max(next - now_, Duration{0}));
    }
  }

  fuzz::Input input_;
  NodeOptions options_;
  TimePoint now_{std::chrono::hours{1}};
  Node node_;
  std::set<RequestId> waiting_;
  std::vector<OwnQuery> queries_;
  std::string token_;
  int ready_count_ = 0;
  dht::BencodeDocument document_;
};

}  // namespace
}  // namespace grenache::grape

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  grenache::grape::Script{data, size}.run();
  return 0;
}
