// Runs a DHT node with a script of datagrams from several endpoints of both address families, answers to its
// queries, time, requests of users, and restarts.
//
// The first byte chooses the options (see fuzz_node::options_of); the rest is a list of steps (see
// Script::step). After each step the invariants of the node and the rules of its answers are checked. At the
// end only time advances, until every request has ended.
#include <map>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "grape/core/address_rules.hpp"
#include "grape/core/node.hpp"
#include "tests/fuzz/grape_node_choices.hpp"
#include "tests/fuzz/input.hpp"
#include <grenache/base/check.hpp>
#include <grenache/dht/bencode_writer.hpp>

namespace grenache::grape {
namespace {

using namespace fuzz_node;

constexpr std::size_t kStepCountMax = 120;
constexpr std::size_t kQueryCountMax = 64;  // remembered queries of the node, to be answered later
constexpr std::size_t kTidSize = 2;
constexpr int kRoundCountMax = 50;  // calls of expire() at one time

class Script {
 public:
  Script(std::uint8_t const* data, std::size_t size)
      : input_{data, size}, options_{fuzz_node::options_of(input_.byte())} {
    node_.emplace(options_, Random{1});
  }

  void run() {
    node_->expire(now_);
    drain(nullptr);
    for (std::size_t i = 0; i < kStepCountMax && !input_.empty(); ++i) step();
    settle();
  }

 private:
  void step() {
    switch (input_.below(16)) {
      case 0: {
        auto const from = endpoint();
        (void)receive(from, input_.long_text());
        return;
      }
      case 1:
        return pass(std::chrono::milliseconds{std::int64_t{1} << input_.below(24)});
      case 2:
        return began(node_->start_lookup(name(), now_));
      case 3: {
        auto const key = name();
        auto const port = input_.number<std::uint16_t>();
        return began(node_->start_announce(key, port, now_, (port & 1) != 0));
      }
      case 4:
        return answer_query();
      case 5:
        return fail_query();
      case 6:
        return ask();
      case 7:
        return announce();
      case 8:
        return bootstrap();
      case 9:
        return cancel();
      case 10: {
        auto const& wanted = item();
        auto const salt = wanted.owner() ? wanted.owner()->salt : std::string{};
        return began(node_->start_get(wanted.target(), salt, now_));
      }
      case 11: {
        auto const& value = item();
        auto const how = input_.byte();
        PutOptions options;
        options.keep = (how & 1) != 0;
        if ((how & 2) != 0) options.cas = how / 64;
        return began(node_->start_put(value, now_, options));
      }
      case 12: {
        auto const key = name();
        return began(node_->start_unannounce(key, input_.number<std::uint16_t>(), now_));
      }
      case 13:
        return put();
      case 14:
        return unannounce();
      case 15:
        return restart();
    }
  }

  // A host with one of a few ports; pairs of hosts share a /24 or /64, and some have unusual addresses.
  Endpoint endpoint() {
    auto const choice = input_.byte();
    auto const host = static_cast<std::uint8_t>(choice % 16);
    auto const net = static_cast<std::uint8_t>(host / 2);
    std::uint16_t const port = choice == 255 ? 0 : static_cast<std::uint16_t>(20001 + choice / 64);
    return {(choice & 32) != 0 ? address6(host, net) : address4(host, net), port};
  }
  // An id at a distance chosen by one byte, which is its first byte, since our own id is 0. The last choices
  // are ids that fit the address (BEP 42).
  NodeId node_id(Endpoint const& of) {
    NodeId id;
    auto const choice = input_.byte();
    if (choice == 0) return id;
    if (choice >= 240) {
      Random random{choice};
      return fitting_id(of.address, random);
    }
    auto const bit = choice % 64u;
    id.array()[bit / 8] = static_cast<std::uint8_t>(0x80 >> bit % 8);
    id.array()[19] = choice;
    return id;
  }

  // One of a few names, so that they repeat; the longest possible one among them.
  dht::ServiceKey name() {
    auto const choice = input_.byte();
    std::size_t const size = choice % 8 == 7 ? dht::ServiceKey::kSizeMax : choice % 8u * 5 + 1;
    return *dht::ServiceKey::from_bytes(std::string(size, static_cast<char>('a' + choice / 64)));
  }

  dht::Item const& item() { return kItems[input_.below(kItems.size())]; }

  PerFamily<std::string> compact_nodes() {
    PerFamily<std::string> out;
    for (auto count = input_.below(24); count > 0; --count) {
      auto const where = endpoint();
      append_compact(out[family_of(where)], dht::Contact{node_id(where), where});
    }
    return out;
  }

  // The immediate answers of the node; its own queries are remembered separately.
  struct Answer {
    bool any = false;
    std::optional<std::int64_t> error;
    std::string token;
    std::vector<Endpoint> values;
    bool has_item = false;
    std::int64_t seq = 0;
  };
  Answer receive(Endpoint const& from, std::string_view bytes) {
    answer_ = {};
    node_->receive(from, bytes, now_);
    drain(&from);
    return std::exchange(answer_, {});
  }
  template <class Query>
  Answer query(Endpoint const& from, NodeId const& id, Query const& query,
               dht::QueryExtras const& extras = {}) {
    return receive(from, dht::encode_query("qy", id, query, extras));
  }

  // Answers one of the node's queries, from the queried endpoint or another one.
  void answer_query() {
    auto const own = take_query();
    auto const from = input_.flag() ? endpoint() : own.to;
    auto const id = node_id(from);
    auto const nodes = compact_nodes();
    auto const content = input_.byte();
    std::vector<Endpoint> values(content % 8u);
    for (auto& value : values) value = endpoint();
    if (content > 240) values.resize(content * std::size_t{20}, {{}, content});
    dht::ReplyFields fields;
    fields.nodes = nodes.v4;
    fields.nodes6 = nodes.v6;
    fields.values = values;
    fields.token = input_.short_text();
    if ((content & 16) != 0) fields.ip = endpoint();
    if ((content & 32) != 0) {
      auto const& found = item();
      fields.v = found.value();
      if (auto const& owner = found.owner(); owner && (content & 8) == 0) {
        fields.k = owner->key.view();
        fields.sig = owner->signature.view();
        fields.seq = (content & 64) == 0 ? owner->seq : input_.byte();
      }
    }
    (void)receive(from, dht::encode_reply(own.tid, id, fields));
  }

  void fail_query() {
    auto const own = take_query();
    auto const code = static_cast<dht::KrpcCode>(input_.number<std::uint16_t>() % 512);
    (void)receive(own.to, dht::encode_error(own.tid, code, input_.short_text()));
  }

  void ask() {
    auto const from = endpoint();
    auto const id = node_id(from);
    auto const choice = input_.byte();
    dht::QueryExtras extras;
    if ((choice & 8) != 0) extras.want = dht::Want{(choice & 16) != 0, (choice & 32) != 0};
    extras.read_only = (choice & 64) != 0;
    if ((choice & 128) != 0) extras.version = "LT12";
    switch (choice % 5) {
      case 0:
        return (void)query(from, id, dht::Ping{}, extras);
      case 1:
        return (void)query(from, id, dht::FindNode{node_id(from)}, extras);
      case 2:
        return (void)query(from, id, dht::GetPeers{name().bytes(), (choice & 64) != 0}, extras);
      case 3:
        return (void)query(from, id, dht::Get{node_id(from), {}}, extras);
      default: {
        auto const& wanted = item();
        return (void)query(from, id, dht::Get{wanted.target(), input_.number<std::int8_t>()}, extras);
      }
    }
  }

  // A node that stores: its endpoint, the id that it sends, and its token.
  struct Storer {
    Endpoint endpoint;
    NodeId id;
    bool has_asked = false;     // it has just received a token
    bool may_store = false;     // the token is its own, for this key
    bool is_malformed = false;  // the request is refused with any token
  };
  // Uses the token just received for `key`, or the last one received by any endpoint for any key.
  template <class Query>
  Storer storer(Query const& query_for_token, std::string_view key) {
    Storer who{endpoint(), {}};
    who.id = node_id(who.endpoint);
    if (input_.flag()) {
      auto const answer = query(who.endpoint, who.id, query_for_token);
      who.has_asked = !answer.token.empty();
      if (who.has_asked) grant_ = {who.endpoint, who.id, std::string{key}, answer.token};
    }
    who.may_store = grant_.asker == who.endpoint && grant_.id == who.id && grant_.key == key;
    return who;
  }
  // `count` of stored entries grows only for a valid token, and always for one.
  template <class Query>
  Answer store(Storer const& who, Query const& what, std::uint64_t NodeStats::*count) {
    auto const before = node_->stats().*count;
    auto const answer = query(who.endpoint, who.id, what);
    bool const refused = answer.error == static_cast<std::int64_t>(dht::KrpcCode::protocol);
    if (!who.may_store || who.is_malformed) {
      GRN_CHECK(node_->stats().*count == before);
      GRN_CHECK(!answer.any || answer.error);
    } else if (who.has_asked && answer.any) {
      GRN_CHECK(!refused);
    }
    return answer;
  }

  void announce() {
    auto const key = name();
    auto who = storer(dht::GetPeers{key.bytes()}, key.bytes());
    dht::AnnouncePeer announce;
    announce.info_hash = key.bytes();
    announce.token = grant_.token;
    announce.port = input_.number<std::uint16_t>();
    announce.seed = announce.port % 2 == 1;
    if (auto const implied = input_.below(3); implied > 0) announce.implied_port = implied == 1;
    who.is_malformed = announce.port == 0 && !announce.implied_port.value_or(false);
    (void)store(who, announce, &NodeStats::announces_stored);
  }

  void unannounce() {
    auto const key = name();
    auto who = storer(dht::GetPeers{key.bytes()}, key.bytes());
    dht::UnannouncePeer back;
    back.info_hash = key.bytes();
    back.token = grant_.token;
    back.port = input_.number<std::uint16_t>();
    if (auto const implied = input_.below(3); implied > 0) back.implied_port = implied == 1;
    bool const is_implied = back.implied_port.value_or(false);
    who.is_malformed = back.port == 0 && !is_implied;
    auto const done = store(who, back, &NodeStats::peers_unannounced);
    if (!done.any || done.error || who.endpoint.address.is_loopback())
      return;  // the endpoint of our own users' announcements
    Endpoint const gone{who.endpoint.address, is_implied ? who.endpoint.port : back.port};
    auto const left = query(who.endpoint, who.id, dht::GetPeers{key.bytes()}).values;
    GRN_CHECK(std::ranges::find(left, gone) == left.end());
  }

  void put() {
    auto const& value = item();
    NodeId const target = value.target();
    auto who = storer(dht::Get{target, {}}, target.view());
    auto const how = input_.byte();
    dht::Put put;
    put.token = grant_.token;
    put.v = value.value();
    std::string signature;
    if (auto const& owner = value.owner()) {
      signature = owner->signature.view();
      if ((how & 1) != 0) signature[how / 4] = static_cast<char>(~signature[how / 4]);
      put.k = owner->key.view();
      put.sig = signature;
      put.seq = owner->seq;
      if (!owner->salt.empty()) put.salt = owner->salt;
      if ((how & 2) != 0) put.cas = how / 64;
    }
    bool const is_forged = value.is_mutable() && (how & 1) != 0;
    auto const done = store(who, put, &NodeStats::items_put);
    if (!done.any) return;
    GRN_CHECK(!is_forged || done.error);
    if (done.error) return;
    auto const found = query(who.endpoint, who.id, dht::Get{target, {}});
    GRN_CHECK(!found.any || (found.has_item && found.seq >= value.seq()));
  }

  // An open request, or an id that was never used. The ids of the node's own requests are unknown.
  void cancel() {
    auto const choice = input_.byte();
    if (choice == 255 || waiting_.empty()) {
      node_->cancel(RequestId{std::uint64_t{1} << 40});
    } else {
      auto const id = std::next(waiting_.begin(), choice % static_cast<std::ptrdiff_t>(waiting_.size()));
      node_->cancel(*id);
      waiting_.erase(id);
    }
    drain(nullptr);
  }

  void bootstrap() {
    std::vector<Endpoint> addresses;
    for (auto count = input_.below(4); count > 0; --count) {
      auto const address = endpoint();
      if (is_usable(options_, address)) addresses.push_back(address);
    }
    node_->bootstrap(addresses, now_);
    drain(nullptr);
  }

  // Restarts the node with its saved state.
  void restart() {
    auto const snapshot = node_->snapshot(now_);
    node_.emplace(options_, Random{input_.byte()});
    waiting_.clear();
    queries_.clear();
    grant_ = {};
    ready_count_ = 0;
    node_->restore(snapshot, now_);
    drain(nullptr);
    GRN_CHECK(node_->snapshot(now_).ids.v4 == snapshot.ids.v4 || !options_.id);
    GRN_CHECK(node_->stats().own_items == snapshot.items.size());
    GRN_CHECK(node_->stats().services_kept == snapshot.services.size());
    node_->expire(now_);
    drain(nullptr);
    node_->bootstrap({}, now_);
    drain(nullptr);
  }

  void pass(Duration duration) {
    now_ += duration;
    // A request that ends at once may let the next one start. Otherwise the deadline must move, or the caller
    // would spin.
    int rounds = 0;
    do {
      GRN_CHECK(++rounds <= kRoundCountMax);
      node_->expire(now_);
      drain(nullptr);
    } while (node_->next_deadline() <= now_);
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

  // Polls all outputs. `asker` sent the datagram that caused them.
  void drain(Endpoint const* asker) {
    std::size_t answers = 0;
    while (auto const output = node_->poll_output()) {
      if (auto const* const datagram = std::get_if<Datagram>(&*output)) {
        if (sent(*datagram)) continue;
        ++answers;
        GRN_CHECK(asker && datagram->to == *asker);
        GRN_CHECK(datagram->bytes.size() <= options_.reply_size_max);
      } else {
        std::visit([this](auto const& event) { check(event); }, std::get<Event>(*output));
      }
    }
    GRN_CHECK(answers <= 1);
    check();
  }

  // True for a query; it is remembered.
  bool sent(Datagram const& datagram) {
    GRN_CHECK(is_usable(options_, datagram.to));
    auto const message = dht::parse_message(datagram.bytes, document_);
    GRN_CHECK(message && document_.is_canonical());
    GRN_CHECK(!std::holds_alternative<dht::Refusal>(*message));
    NodeId const& own = node_->id(family_of(datagram.to));
    if (auto const* const query = std::get_if<dht::Query>(&*message)) {
      GRN_CHECK(query->sender == own && query->tid.size() == kTidSize);
      if (queries_.size() == kQueryCountMax) queries_.erase(queries_.begin());
      queries_.push_back({datagram.to, std::string{query->tid}});
      return true;
    }
    answer_.any = true;
    if (auto const* const reply = std::get_if<dht::Reply>(&*message)) {
      GRN_CHECK(reply->sender == own);
      answer_.token = reply->token.value_or("");
      answer_.values = reply->values;
      answer_.has_item = reply->v.has_value();
      answer_.seq = reply->seq.value_or(0);
    } else {
      answer_.error = std::get<dht::ErrorReply>(*message).code;
    }
    return false;
  }

  [[nodiscard]] std::size_t store_count_max() const {
    return options_.service.search.lookup.k * (options_.ipv6 ? 2 : 1);
  }
  void check(LookupDone const& done) {
    GRN_CHECK(waiting_.erase(done.id) == 1);
    GRN_CHECK(done.peers.size() <= options_.service.peer_count_max);
    GRN_CHECK(std::set(done.peers.begin(), done.peers.end()).size() == done.peers.size());
  }
  void check(AnnounceDone const& done) {
    GRN_CHECK(waiting_.erase(done.id) == 1);
    GRN_CHECK(done.stored <= store_count_max());
  }
  void check(UnannounceDone const& done) {
    GRN_CHECK(waiting_.erase(done.id) == 1);
    GRN_CHECK(done.removed <= 3 * store_count_max() + options_.service.holders.holder_count_max);
  }
  void check(GetDone const& done) {
    GRN_CHECK(waiting_.erase(done.id) == 1);
    GRN_CHECK(!done.item || done.item->target() == done.target);
  }
  void check(PutDone const& done) {
    GRN_CHECK(waiting_.erase(done.id) == 1);
    GRN_CHECK(done.stored <= store_count_max());
  }
  void check(Ready const&) { GRN_CHECK(++ready_count_ == 1); }
  template <class Other>
  void check(Other const&) {}
  void check() {
    node_->check();
    auto const stats = node_->stats();
    GRN_CHECK(stats.queries_in_flight <= options_.transactions.count_max);
    GRN_CHECK(stats.names_stored <= 2 * options_.peers.name_count_max);
    GRN_CHECK(stats.items_stored <= options_.items.item_count_max + options_.own_item_count_max);
    GRN_CHECK(stats.services_kept <= options_.keeper.service_count_max);
    GRN_CHECK(stats.lookups_running <= options_.service.search_count_max);
    // The node's own requests are counted too.
    GRN_CHECK(stats.requests_waiting >= waiting_.size());
    GRN_CHECK(stats.requests_waiting <= waiting_.size() + options_.keep_concurrency);
    GRN_CHECK(stats.requests_waiting <= options_.service.request_count_max);
  }

  // Without further answers, every request ends within minutes.
  void settle() {
    auto const limit = now_ + std::chrono::minutes{10};
    while (!waiting_.empty()) {
      auto const next = node_->next_deadline();
      GRN_CHECK(next <= limit);
      pass(std::max(next - now_, Duration{0}));
    }
  }

  fuzz::Input input_;
  NodeOptions options_;
  TimePoint now_{std::chrono::hours{1}};
  std::optional<Node> node_;
  std::set<RequestId> waiting_;
  std::vector<OwnQuery> queries_;
  Grant grant_;  // the last one
  Answer answer_;
  int ready_count_ = 0;
  dht::BencodeDocument document_;
};

}  // namespace
}  // namespace grenache::grape

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  grenache::grape::Script{data, size}.run();
  return 0;
}
