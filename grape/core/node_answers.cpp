// Answers to queries of other nodes.
#include <algorithm>

#include "grape/core/node.hpp"
#include <grenache/base/check.hpp>

namespace grenache::grape {

using dht::KrpcCode;

namespace {

constexpr std::size_t kValueCountMax = 100;  // as Grape's limit for a lookup
// The largest value, bencoded.
constexpr std::size_t kPutBytesMax = dht::Item::kStringSizeMax + sizeof "1000:" - 1;
// BEP 51. Names that are not 20 bytes long are not info hashes and are never listed.
constexpr std::size_t kSampleCountMax = 20;  // as libtorrent
constexpr Duration kSamplesEvery = std::chrono::minutes{10};
constexpr std::size_t kSampleFieldsSize = 64;  // bytes of interval, num and samples besides the names
constexpr std::string_view kStoreFull = "too many services are stored here";

}  // namespace

void Node::send(Endpoint const& to, std::string bytes) {
  ++stats_.datagrams_out;
  outputs_.emplace_back(Datagram{to, std::move(bytes)});
}

void Node::send_error(Endpoint const& to, std::string_view tid, KrpcCode code, std::string_view text) {
  ++stats_.errors_sent;
  send(to, dht::encode_error(tid, code, text));
}

void Node::reply(Endpoint const& to, dht::Query const& query, dht::ReplyFields fields) {
  // Grape sends no version, so its replies stay as it expects them, without `ip`.
  if (query.has_version) fields.ip = to;
  std::string buffer;
  if (!spare_.empty()) {
    buffer = std::move(spare_.back());
    spare_.pop_back();
  }
  send(to, dht::encode_reply(query.tid, id_for(to), fields, std::move(buffer)));
}

void Node::on(Endpoint const& from, dht::Query const& query, TimePoint now) {
  // Our own query came back, because it was sent to an address of ours. A query with our id that is not ours
  // comes from another node with the same id and is answered, so that it notices: see
  // duplicate_id_answered().
  if (query.sender && is_own(*query.sender) && transactions_.is_open(query.tid)) {
    return drop(DropReason::own_id);
  }
  ++stats_.queries_in;
  std::visit([&](auto const& body) { answer(from, query, body, now); }, query.body);
  if (!query.sender || query.read_only || is_own(*query.sender)) return;
  dht::Contact const node{*query.sender, from};
  // Check the limit first: on_query_from() marks the node as pinged.
  bool const may_ping = transactions_.verify_count() < options_.verify_count_max;
  if (may_ping && table_of(from).on_query_from(node, now)) ping(node, now);
}

void Node::on(Endpoint const& from, dht::Refusal const& refusal, TimePoint) {
  ++stats_.queries_in;
  send_error(from, refusal.tid, refusal.code, refusal.text);
}

void Node::answer(Endpoint const& from, dht::Query const& query, dht::Ping const&, TimePoint) {
  reply(from, query, {});
}

void Node::answer(Endpoint const& from, dht::Query const& query, dht::FindNode const& find, TimePoint) {
  dht::ReplyFields fields;
  add_nodes(fields, from, query, find.target, options_.reply_size_max);
  reply(from, query, fields);
}

void Node::answer(Endpoint const& from, dht::Query const& query, dht::UnknownQuery const& any,
                  TimePoint now) {
  dht::ReplyFields fields;
  std::size_t room = options_.reply_size_max;
  if (any.method == "sample_infohashes") {
    renew_samples(now);
    fields.samples = {samples_, static_cast<std::int64_t>(peers_.name_count()),
                      std::chrono::ceil<std::chrono::seconds>(samples_until_ - now).count()};
    room -= std::min(room, samples_.size() + kSampleFieldsSize);
  }
  add_nodes(fields, from, query, any.target, room);
  reply(from, query, fields);
}

void Node::renew_samples(TimePoint now) {
  if (now < samples_until_) return;
  samples_until_ = now + kSamplesEvery;
  samples_.clear();
  for (std::string_view const name : peers_.sample_names(kSampleCountMax, random_)) samples_ += name;
}

void Node::add_nodes(dht::ReplyFields& fields, Endpoint const& from, dht::Query const& query,
                     NodeId const& target, std::size_t room) {
  std::size_t const overhead = dht::reply_overhead(query.tid.size(), 0);
  room -= std::min(room, overhead);
  Family const own = family_of(from);
  auto const wants = query.want.value_or(dht::Want{own == Family::v4, own == Family::v6});
  for (Family const family : kFamilies) {
    if (!speaks(family) || !(family == Family::v4 ? wants.n4 : wants.n6)) continue;
    std::size_t const size = family == Family::v4 ? dht::kCompactNode4Size : dht::kCompactNode6Size;
    std::string& compact = nodes_[family];
    contacts_.clear();
    compact.clear();
    tables_[family].closest(target, std::min(options_.table.bucket_size, room / size), contacts_);
    for (dht::Contact const& node : contacts_) append_compact(compact, node);
    room -= compact.size();
    (family == Family::v4 ? fields.nodes : fields.nodes6) = compact;
  }
}

void Node::answer(Endpoint const& from, dht::Query const& query, dht::GetPeers const& get, TimePoint now) {
  std::size_t const overhead = dht::reply_overhead(query.tid.size(), Tokens::Token::kSize);
  std::size_t room = options_.reply_size_max - std::min(options_.reply_size_max, overhead);
  Family const family = family_of(from);
  dht::ReplyFields fields;
  std::optional<Scrape> scrape;
  if (get.scrape && room >= dht::kScrapeSize) scrape = peers_.scrape(get.info_hash, family, now);
  if (scrape) {
    // Sent instead of peers and nodes, so that the reply is no larger than others.
    fields.scrape = {scrape->peers.view(), scrape->seeds.view()};
    room -= dht::kScrapeSize;
  }
  std::size_t const value_size = dht::value_size(family == Family::v6);
  std::size_t const value_count_max = std::min(kValueCountMax, room / value_size);

  auto values = peers_.sample(get.info_hash, value_count_max, now, random_, family);
  if (from.address.is_loopback() && values.size() < value_count_max) {
    auto const own = own_.sample(get.info_hash, value_count_max - values.size(), now, random_, family);
    values.insert(values.end(), own.begin(), own.end());
  }
  fields.values = values;
  Tokens::Token token;
  if (peers_.has_room(get.info_hash, from.address)) {
    token = tokens_.make(from, query.sender, get.info_hash);
    fields.token = token.view();
  }
  std::size_t const used =
      values.size() * value_size + Tokens::Token::kSize + (scrape ? dht::kScrapeSize : 0);
  add_nodes(fields, from, query, dht::target_of(get.info_hash),
            options_.reply_size_max - std::min(options_.reply_size_max, used));
  reply(from, query, fields);
}

void Node::answer(Endpoint const& from, dht::Query const& query, dht::AnnouncePeer const& announce,
                  TimePoint now) {
  if (!tokens_.verify(announce.token, from, query.sender, announce.info_hash)) {
    return send_error(from, query.tid, KrpcCode::protocol, dht::kBadAnnounceToken);
  }
  auto const name = dht::ServiceKey::from_bytes(announce.info_hash);
  GRN_CHECK(name.has_value());  // checked by parse_message()
  Endpoint const peer{from.address, announce.implied_port.value_or(false) ? from.port : announce.port};
  if (!peers_.announce(*name, peer, now, std::nullopt, announce.seed)) {
    return send_error(from, query.tid, KrpcCode::server, kStoreFull);
  }
  ++stats_.announces_stored;
  reply(from, query, {});
  log_event(AnnounceStored{*name, peer});
}

void Node::answer(Endpoint const& from, dht::Query const& query, dht::UnannouncePeer const& back, TimePoint) {
  if (!tokens_.verify(back.token, from, query.sender, back.info_hash)) {
    return send_error(from, query.tid, KrpcCode::protocol, dht::kBadAnnounceToken);
  }
  Endpoint const peer{from.address, back.implied_port.value_or(false) ? from.port : back.port};
  if (peers_.remove(back.info_hash, peer)) ++stats_.peers_unannounced;
  // Succeeds also when nothing was stored, since the querier may retry after a lost reply.
  reply(from, query, {});
}

void Node::answer(Endpoint const& from, dht::Query const& query, dht::Get const& get, TimePoint now) {
  dht::ReplyFields fields;
  auto const token = tokens_.make(from, query.sender, get.target.view());
  fields.token = token.view();
  std::size_t used = Tokens::Token::kSize;
  if (dht::Item const* item = find_item(get.target, now)) {
    // BEP 44: a querier that has this sequence number or a newer one gets the number only.
    bool const news = !item->is_mutable() || !get.seq || item->seq() > *get.seq;
    constexpr std::size_t kOwnerSize = 128;  // key, signature and number
    std::size_t const size = item->value().size() + kOwnerSize;
    bool const fits = dht::reply_overhead(query.tid.size(), used) + size <= options_.reply_size_max;
    if (item->is_mutable()) fields.seq = item->seq();
    if (news && fits) {
      used += size;
      fields.v = item->value();
      if (item->owner()) {
        fields.k = item->owner()->key.view();
        fields.sig = item->owner()->signature.view();
      }
    }
  }
  add_nodes(fields, from, query, get.target,
            options_.reply_size_max - std::min(options_.reply_size_max, used));
  reply(from, query, fields);
}

namespace {

KrpcCode code_of(Error const& error) {
  if (error == dht::ItemErrc::value_too_big) return KrpcCode::value_too_big;
  if (error == dht::ItemErrc::salt_too_big) return KrpcCode::salt_too_big;
  if (error == dht::ItemErrc::bad_signature) return KrpcCode::bad_signature;
  if (error == ItemStoreErrc::cas_mismatch) return KrpcCode::cas_mismatch;
  if (error == ItemStoreErrc::sequence_too_low) return KrpcCode::sequence_too_low;
  return KrpcCode::protocol;
}

// Returns the item of a put whose sequence number and signature are valid; `target` is its target.
Result<dht::Item> item_of(dht::Put const& put, ItemStore const& store, NodeId const& target, TimePoint now) {
  if (!put.k && !put.sig) return dht::Item::immutable(put.v);
  if (!put.k || !put.sig || !put.seq) return dht::ItemErrc::incomplete;
  // Before the signature check, which is the most expensive.
  if (auto const allowed = store.may_put(target, *put.seq, put.v, put.cas, now); !allowed) {
    return allowed.error();
  }
  dht::ItemOwner owner{*Ed25519PublicKey::from_bytes(*put.k), *Ed25519Signature::from_bytes(*put.sig),
                       std::string{put.salt.value_or("")}, *put.seq};
  return dht::Item::mutable_of(std::move(owner), put.v);
}

}  // namespace

void Node::answer(Endpoint const& from, dht::Query const& query, dht::Put const& put, TimePoint now) {
  // Check the size before hashing.
  if (put.v.size() > kPutBytesMax) {
    return send_error(from, query.tid, KrpcCode::value_too_big, dht::kValueTooBig);
  }
  if (put.salt && put.salt->size() > dht::Item::kSaltSizeMax) {
    return send_error(from, query.tid, KrpcCode::salt_too_big,
                      make_error_code(dht::ItemErrc::salt_too_big).message());
  }
  NodeId const target = put.k ? dht::item_target(*Ed25519PublicKey::from_bytes(*put.k), put.salt.value_or(""))
                              : dht::item_target(put.v);
  if (!tokens_.verify(put.token, from, query.sender, target.view())) {
    return send_error(from, query.tid, KrpcCode::protocol, dht::kBadPutToken);
  }
  // The store that has the newer item decides.
  bool const own_decides =
      own_items_.find(target, now) != nullptr && find_item(target, now) == own_items_.find(target, now);
  auto item = item_of(put, own_decides ? own_items_ : items_, target, now);
  Error error = item ? Error{} : item.error();
  if (item) {
    // Another node replaced the item that our user put, so it is not republished any more.
    dht::Item const* own = own_items_.find(target, now);
    if (own != nullptr && item->is_mutable() && own->seq() < item->seq()) drop_own_item(target);
    auto const cas = own_decides ? std::nullopt : put.cas;
    auto const stored = items_.put(std::move(*item), cas, from.address, now);
    if (!stored) error = stored.error();
  }
  if (error) {
    bool const big = error == dht::ItemErrc::value_too_big;
    return send_error(from, query.tid, code_of(error),
                      big ? std::string{dht::kValueTooBig} : error.message());
  }
  ++stats_.items_put;
  reply(from, query, {});
}

}  // namespace grenache::grape
