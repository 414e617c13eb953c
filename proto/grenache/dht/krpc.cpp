#include "grenache/dht/krpc.hpp"

#include <algorithm>
#include <array>

#include <grenache/base/check.hpp>
#include <grenache/dht/bencode_writer.hpp>

namespace grenache::dht {

std::string_view describe(KrpcErrc code) {
  switch (code) {
    case KrpcErrc::not_bencode:
      return "the datagram is not bencoded";
    case KrpcErrc::not_a_message:
      return "the datagram is not a KRPC message";
    case KrpcErrc::not_a_query:
      return "the query has no method";
    case KrpcErrc::missing_arguments:
      return "the query lacks arguments";
    case KrpcErrc::not_a_reply:
      return "the reply has no body or no node id";
    case KrpcErrc::not_an_error:
      return "the error has no code or text";
  }
  return "unknown KRPC error";
}

NodeId target_of(std::string_view key_bytes) {
  NodeId target;
  std::copy_n(key_bytes.begin(), std::min(key_bytes.size(), NodeId::kSize),
              reinterpret_cast<char*>(target.array().data()));
  return target;
}

namespace {

// Node.js answers with all peers of a name, so libtorrent's 500 tokens would reject replies for large
// services.
constexpr BencodeDocument::Limits kLimits{.depth_max = 10, .token_count_max = 4096};

enum class Missing { allowed, silent, refused };

// One field of a query. For strings the bounds are on the length, for integers on the value.
struct FieldRule {
  std::string_view name;
  std::optional<BencodeType> type;  // nothing: any type
  std::int64_t min = 0;
  std::int64_t max = 0;
  Missing missing = Missing::allowed;
  std::string_view complaint;  // error text for a bad field, and for a missing one that is refused
};

constexpr std::int64_t kAnyMin = INT64_MIN;
constexpr std::int64_t kAnyMax = INT64_MAX;

bool fits(FieldRule const& rule, BencodeValue value) {
  if (!rule.type) return true;
  if (!value.is(*rule.type)) return false;
  std::int64_t size = 0;
  if (rule.type == BencodeType::string) {
    size = static_cast<std::int64_t>(value.as_string()->size());
  } else if (rule.type == BencodeType::integer) {
    size = *value.as_integer();
  }
  return size >= rule.min && size <= rule.max;
}

// The rule that a query breaks, and whether by a missing field.
struct Broken {
  FieldRule const* rule = nullptr;
  bool missing = false;
};
template <std::size_t N>
Broken verify(std::array<FieldRule, N> const& rules, BencodeValue arguments,
              std::array<BencodeValue, N>& fields) {
  for (std::size_t i = 0; i < N; ++i) {
    fields[i] = arguments.dict_find(rules[i].name);
    if (!fields[i]) {
      if (rules[i].missing != Missing::allowed) return {&rules[i], true};
    } else if (!fits(rules[i], fields[i])) {
      return {&rules[i], false};
    }
  }
  return {};
}

constexpr std::string_view kUnannounce = "unannounce_peer";
constexpr auto kString = BencodeType::string;
constexpr auto kInteger = BencodeType::integer;
constexpr auto kKeyMax = static_cast<std::int64_t>(ServiceKey::kSizeMax);
constexpr auto kTokenMax = static_cast<std::int64_t>(kTokenSizeMax);

constexpr std::array<FieldRule, 1> kFindNodeRules{{
    {"target", kString, 20, 20, Missing::refused, "`find_node` missing required `a.target` field"},
}};
constexpr std::array<FieldRule, 1> kGetPeersRules{{
    {"info_hash", kString, 1, kKeyMax, Missing::refused, "`get_peers` missing required `a.info_hash` field"},
}};
constexpr std::array<FieldRule, 4> kAnnounceRules{{
    {"info_hash", kString, 1, kKeyMax, Missing::silent,
     "`announce_peer` missing required `a.info_hash` field"},
    {"token", kString, 0, kTokenMax, Missing::silent, kBadAnnounceToken},
    {"implied_port", kInteger, kAnyMin, kAnyMax, Missing::allowed,
     "`announce_peer` with bad `a.implied_port` field"},
    {"port", kInteger, kAnyMin, kAnyMax, Missing::allowed, "`announce_peer` missing required `a.port` field"},
}};
constexpr std::array<FieldRule, 4> kUnannounceRules{{
    {"info_hash", kString, 1, kKeyMax, Missing::silent, "`unannounce_peer` with bad `a.info_hash` field"},
    {"token", kString, 0, kTokenMax, Missing::silent, kBadAnnounceToken},
    {"implied_port", kInteger, kAnyMin, kAnyMax, Missing::allowed,
     "`unannounce_peer` with bad `a.implied_port` field"},
    {"port", kInteger, kAnyMin, kAnyMax, Missing::allowed, "`unannounce_peer` with bad `a.port` field"},
}};
constexpr std::array<FieldRule, 2> kGetRules{{
    {"target", kString, 20, 20, Missing::refused, "`get` missing required `a.target` field"},
    {"seq", kInteger, kAnyMin, kAnyMax, Missing::allowed, "`get` with bad `a.seq` field"},
}};
// The sizes that BEP 44 limits (v, salt) have their own error codes, which the handler of puts sends.
constexpr std::array<FieldRule, 7> kPutRules{{
    {"v", std::nullopt, 0, 0, Missing::silent, ""},
    {"token", kString, 0, kTokenMax, Missing::refused, kBadPutToken},
    {"k", kString, 32, 32, Missing::allowed, "`put` with bad `a.k` field"},
    {"sig", kString, 64, 64, Missing::allowed, "`put` with bad `a.sig` field"},
    {"salt", kString, 0, kAnyMax, Missing::allowed, "`put` with bad `a.salt` field"},
    {"seq", kInteger, kAnyMin, kAnyMax, Missing::allowed, "`put` with bad `a.seq` field"},
    {"cas", kInteger, kAnyMin, kAnyMax, Missing::allowed, "`put` with bad `a.cas` field"},
}};

// The arguments of a query while it is parsed.
struct Arguments {
  std::string_view tid;
  std::optional<NodeId> sender;
  BencodeValue dict;
  BencodeValue root;

  [[nodiscard]] Refusal refuse(std::string_view text) const { return {tid, KrpcCode::protocol, text}; }
  [[nodiscard]] Result<Message> broken(Broken const& what) const {
    if (what.missing && what.rule->missing == Missing::silent) return KrpcErrc::missing_arguments;
    return Message{refuse(what.rule->complaint)};
  }
  template <class Body>
  [[nodiscard]] Result<Message> query(Body body) const {
    Query made;
    made.tid = tid;
    made.sender = sender;
    made.body = std::move(body);
    made.want = want();
    made.read_only = root.dict_find("ro").as_integer().value_or(0) == 1;
    made.has_version = root.dict_find("v").is(BencodeType::string);
    return Message{std::move(made)};
  }
  [[nodiscard]] bool has_flag(std::string_view name) const { return dict.dict_find(name).as_integer() == 1; }
  // Unknown values are ignored, as BEP 32 requires.
  [[nodiscard]] std::optional<Want> want() const {
    BencodeValue const list = dict.dict_find("want");
    if (!list.is(BencodeType::list)) return std::nullopt;
    Want want;
    for (BencodeValue item = list.first(); item; item = item.next_in(list)) {
      want.n4 |= item.as_string() == "n4";
      want.n6 |= item.as_string() == "n6";
    }
    return want;
  }
};

Result<Message> parse_find_node(Arguments const& arguments) {
  std::array<BencodeValue, 1> fields;
  if (auto const what = verify(kFindNodeRules, arguments.dict, fields); what.rule) {
    return arguments.broken(what);
  }
  return arguments.query(FindNode{*NodeId::from_bytes(*fields[0].as_string())});
}

Result<Message> parse_get_peers(Arguments const& arguments) {
  std::array<BencodeValue, 1> fields;
  if (auto const what = verify(kGetPeersRules, arguments.dict, fields); what.rule) {
    return arguments.broken(what);
  }
  return arguments.query(GetPeers{*fields[0].as_string(), arguments.has_flag("scrape")});
}

// announce_peer and unannounce_peer have the same arguments.
template <class Body>
Result<Message> parse_announce(std::array<FieldRule, 4> const& rules, Arguments const& arguments) {
  std::array<BencodeValue, 4> fields;
  if (auto const what = verify(rules, arguments.dict, fields); what.rule) return arguments.broken(what);
  Body announce;
  announce.info_hash = *fields[0].as_string();
  announce.token = *fields[1].as_string();
  if (fields[2]) announce.implied_port = *fields[2].as_integer() != 0;
  auto const port = fields[3].as_integer();
  // Node.js drops announcements without a valid port silently.
  if (!announce.implied_port.value_or(false) && (!port || *port < 1 || *port > 65535)) {
    return KrpcErrc::missing_arguments;
  }
  if (port && *port >= 0 && *port <= 65535) announce.port = static_cast<std::uint16_t>(*port);
  if constexpr (requires { announce.seed; }) announce.seed = arguments.has_flag("seed");
  return arguments.query(announce);
}

Result<Message> parse_get(Arguments const& arguments) {
  std::array<BencodeValue, 2> fields;
  if (auto const what = verify(kGetRules, arguments.dict, fields); what.rule) return arguments.broken(what);
  return arguments.query(Get{*NodeId::from_bytes(*fields[0].as_string()), fields[1].as_integer()});
}

Result<Message> parse_put(Arguments const& arguments) {
  std::array<BencodeValue, 7> fields;
  if (auto const what = verify(kPutRules, arguments.dict, fields); what.rule) return arguments.broken(what);
  Put put;
  put.v = fields[0].raw();
  put.token = *fields[1].as_string();
  put.k = fields[2].as_string();
  put.sig = fields[3].as_string();
  put.salt = fields[4].as_string();
  put.seq = fields[5].as_integer();
  put.cas = fields[6].as_integer();
  return arguments.query(put);
}

Result<Message> parse_unknown(Arguments const& arguments, std::string_view method) {
  if (auto const target = arguments.dict.dict_find("target").as_string()) {
    if (auto const id = NodeId::from_bytes(*target)) return arguments.query(UnknownQuery{method, *id});
  }
  if (auto const key = arguments.dict.dict_find("info_hash").as_string(); key && ServiceKey::is_valid(*key)) {
    return arguments.query(UnknownQuery{method, target_of(*key)});
  }
  return KrpcErrc::missing_arguments;
}

Result<Message> parse_query(std::string_view tid, BencodeValue root) {
  auto const method = root.dict_find("q").as_string();
  if (!method) return KrpcErrc::not_a_query;
  Arguments arguments{tid, std::nullopt, root.dict_find("a"), root};
  if (!arguments.dict.is(BencodeType::dict)) return KrpcErrc::missing_arguments;
  if (BencodeValue const id = arguments.dict.dict_find("id")) {
    if (!id.is(BencodeType::string)) return Message{arguments.refuse("query with bad `a.id` field")};
    arguments.sender = NodeId::from_bytes(*id.as_string());
  }
  if (*method == "ping") return arguments.query(Ping{});
  if (*method == "find_node") return parse_find_node(arguments);
  if (*method == "get_peers") return parse_get_peers(arguments);
  if (*method == "announce_peer") return parse_announce<AnnouncePeer>(kAnnounceRules, arguments);
  if (*method == kUnannounce) return parse_announce<UnannouncePeer>(kUnannounceRules, arguments);
  if (*method == "get") return parse_get(arguments);
  if (*method == "put") return parse_put(arguments);
  return parse_unknown(arguments, *method);
}

Result<Message> parse_reply(std::string_view tid, BencodeValue root) {
  BencodeValue const body = root.dict_find("r");
  auto const id = body.dict_find("id").as_string();
  auto const sender = id ? NodeId::from_bytes(*id) : std::nullopt;
  if (!sender) return KrpcErrc::not_a_reply;
  Reply reply;
  reply.tid = tid;
  reply.sender = *sender;
  if (auto const ip = root.dict_find("ip").as_string()) reply.ip = read_compact_peer(*ip);
  // Invalid fields of a reply are omitted; the others are still useful.
  if (auto const nodes = body.dict_find("nodes").as_string()) {
    reply.nodes = CompactNodes::from_bytes(*nodes).value_or(CompactNodes{});
  }
  if (auto const nodes = body.dict_find("nodes6").as_string()) {
    reply.nodes6 = CompactNodes::from_bytes(*nodes, kCompactNode6Size).value_or(CompactNodes{});
  }
  reply.token = body.dict_find("token").as_string();
  if (reply.token && reply.token->size() > kTokenSizeMax) reply.token.reset();
  BencodeValue const values = body.dict_find("values");
  reply.has_values = values.is(BencodeType::list);
  for (BencodeValue value = reply.has_values ? values.first() : BencodeValue{}; value;
       value = value.next_in(values)) {
    auto const bytes = value.as_string();
    if (auto const peer = bytes ? read_compact_peer(*bytes) : std::nullopt) reply.values.push_back(*peer);
  }
  if (BencodeValue const v = body.dict_find("v")) reply.v = v.raw();
  reply.k = body.dict_find("k").as_string();
  reply.sig = body.dict_find("sig").as_string();
  reply.seq = body.dict_find("seq").as_integer();
  return Message{std::move(reply)};
}

Result<Message> parse_error(std::string_view tid, BencodeValue root) {
  BencodeValue const body = root.dict_find("e");
  if (!body.is(BencodeType::list)) return KrpcErrc::not_an_error;
  BencodeValue const code = body.first();
  auto const number = code.as_integer();
  auto const text = code.next_in(body).as_string();
  if (!number || !text) return KrpcErrc::not_an_error;
  return Message{ErrorReply{tid, *number, *text}};
}

}  // namespace

Result<MessageHead> parse_head(std::string_view datagram, BencodeDocument& document) {
  if (!document.decode(datagram, kLimits)) return KrpcErrc::not_bencode;
  BencodeValue const root = document.root();
  auto const tid = root.dict_find("t").as_string();
  auto const kind = root.dict_find("y").as_string();
  if (!tid || tid->size() > kTidSizeMax || !kind || kind->size() != 1) return KrpcErrc::not_a_message;
  return MessageHead{kind->front(), *tid};
}

Result<Message> parse_body(MessageHead const& head, BencodeDocument const& document) {
  switch (head.kind) {
    case 'q':
      return parse_query(head.tid, document.root());
    case 'r':
      return parse_reply(head.tid, document.root());
    case 'e':
      return parse_error(head.tid, document.root());
    default:
      return KrpcErrc::not_a_message;
  }
}

Result<Message> parse_message(std::string_view datagram, BencodeDocument& document) {
  auto const head = parse_head(datagram, document);
  if (!head) return head.error();
  return parse_body(*head, document);
}

namespace {

BencodeWriter begin_query(std::size_t reserve) {
  std::string out;
  out.reserve(reserve);
  BencodeWriter writer{std::move(out)};
  writer.begin_dict();
  writer.string("a");
  writer.begin_dict();
  return writer;
}

std::string end_query(BencodeWriter& writer, std::string_view tid, std::string_view method,
                      QueryExtras const& extras) {
  writer.end();
  writer.string("q", method);
  if (extras.read_only) writer.integer("ro", 1);
  writer.string("t", tid);
  if (!extras.version.empty()) writer.string("v", extras.version);
  writer.string("y", "q");
  writer.end();
  return writer.take();
}

void optional_integer(BencodeWriter& writer, std::string_view key, std::optional<std::int64_t> value) {
  if (value) writer.integer(key, *value);
}

void optional_want(BencodeWriter& writer, QueryExtras const& extras) {
  if (!extras.want) return;
  writer.string("want");
  writer.begin_list();
  if (extras.want->n4) writer.string("n4");
  if (extras.want->n6) writer.string("n6");
  writer.end();
}

void optional_string(BencodeWriter& writer, std::string_view key, std::optional<std::string_view> value) {
  if (value) writer.string(key, *value);
}

}  // namespace

std::string encode_query(std::string_view tid, NodeId const& sender, Ping const&, QueryExtras const& extras) {
  auto writer = begin_query(64 + tid.size());
  writer.string("id", sender.view());
  return end_query(writer, tid, "ping", extras);
}

std::string encode_query(std::string_view tid, NodeId const& sender, FindNode const& query,
                         QueryExtras const& extras) {
  auto writer = begin_query(112 + tid.size());
  writer.string("id", sender.view());
  writer.string("target", query.target.view());
  optional_want(writer, extras);
  return end_query(writer, tid, "find_node", extras);
}

std::string encode_query(std::string_view tid, NodeId const& sender, GetPeers const& query,
                         QueryExtras const& extras) {
  auto writer = begin_query(96 + tid.size() + query.info_hash.size());
  writer.string("id", sender.view());
  writer.string("info_hash", query.info_hash);
  if (query.scrape) writer.integer("scrape", 1);
  optional_want(writer, extras);
  return end_query(writer, tid, "get_peers", extras);
}

namespace {

template <class Body>
std::string encode_announce(std::string_view tid, NodeId const& sender, Body const& query,
                            std::string_view method, QueryExtras const& extras) {
  auto writer = begin_query(160 + tid.size() + query.info_hash.size() + query.token.size());
  writer.string("id", sender.view());
  if (query.implied_port) writer.integer("implied_port", *query.implied_port ? 1 : 0);
  writer.string("info_hash", query.info_hash);
  writer.integer("port", query.port);
  if constexpr (requires { query.seed; }) {
    if (query.seed) writer.integer("seed", 1);
  }
  writer.string("token", query.token);
  return end_query(writer, tid, method, extras);
}

}  // namespace

std::string encode_query(std::string_view tid, NodeId const& sender, AnnouncePeer const& query,
                         QueryExtras const& extras) {
  return encode_announce(tid, sender, query, "announce_peer", extras);
}

std::string encode_query(std::string_view tid, NodeId const& sender, UnannouncePeer const& query,
                         QueryExtras const& extras) {
  return encode_announce(tid, sender, query, kUnannounce, extras);
}

std::string encode_query(std::string_view tid, NodeId const& sender, Get const& query,
                         QueryExtras const& extras) {
  auto writer = begin_query(112 + tid.size());
  writer.string("id", sender.view());
  optional_integer(writer, "seq", query.seq);
  writer.string("target", query.target.view());
  optional_want(writer, extras);
  return end_query(writer, tid, "get", extras);
}

std::string encode_query(std::string_view tid, NodeId const& sender, Put const& query,
                         QueryExtras const& extras) {
  auto writer = begin_query(256 + tid.size() + query.v.size());
  optional_integer(writer, "cas", query.cas);
  writer.string("id", sender.view());
  optional_string(writer, "k", query.k);
  optional_string(writer, "salt", query.salt);
  optional_integer(writer, "seq", query.seq);
  optional_string(writer, "sig", query.sig);
  writer.string("token", query.token);
  writer.string("v");
  writer.raw(query.v);
  return end_query(writer, tid, "put", extras);
}

std::size_t reply_overhead(std::size_t tid_size, std::size_t token_size) {
  // d2:ip18:<ip>1:rd2:id20:<id>5:nodes999:6:nodes6999:5:token999:<token>6:valuesleet999:<tid>1:y1:re
  return 130 + tid_size + token_size;
}

std::string encode_reply(std::string_view tid, NodeId const& sender, ReplyFields const& fields,
                         std::string buffer) {
  buffer.clear();
  buffer.reserve(reply_overhead(tid.size(), fields.token.size()) + fields.nodes.size() +
                 fields.nodes6.size() + 21 * fields.values.size() + fields.v.size() + fields.sig.size() +
                 (fields.scrape ? kScrapeSize : 0));
  BencodeWriter writer{std::move(buffer)};
  writer.begin_dict();
  if (fields.ip) {
    std::string ip;
    append_compact(ip, *fields.ip);
    writer.string("ip", ip);
  }
  writer.string("r");
  writer.begin_dict();
  if (fields.scrape) {
    writer.string("BFpe", fields.scrape->peers);
    writer.string("BFsd", fields.scrape->seeds);
  }
  writer.string("id", sender.view());
  if (fields.samples) writer.integer("interval", fields.samples->interval);
  if (!fields.k.empty()) writer.string("k", fields.k);
  if (!fields.nodes.empty()) writer.string("nodes", fields.nodes);
  if (!fields.nodes6.empty()) writer.string("nodes6", fields.nodes6);
  if (fields.samples) {
    writer.integer("num", fields.samples->num);
    writer.string("samples", fields.samples->info_hashes);
  }
  optional_integer(writer, "seq", fields.seq);
  if (!fields.sig.empty()) writer.string("sig", fields.sig);
  if (!fields.token.empty()) writer.string("token", fields.token);
  if (!fields.v.empty()) {
    writer.string("v");
    writer.raw(fields.v);
  }
  if (!fields.values.empty()) {
    writer.string("values");
    writer.begin_list();
    std::string peer;
    for (Endpoint const& value : fields.values) {
      peer.clear();
      append_compact(peer, value);
      writer.string(peer);
    }
    writer.end();
  }
  writer.end();
  writer.string("t", tid);
  writer.string("y", "r");
  writer.end();
  return writer.take();
}

std::string encode_error(std::string_view tid, KrpcCode code, std::string_view text) {
  BencodeWriter writer;
  writer.begin_dict();
  writer.string("e");
  writer.begin_list();
  writer.integer(static_cast<std::int64_t>(code));
  writer.string(text);
  writer.end();
  writer.string("t", tid);
  writer.string("y", "e");
  writer.end();
  return writer.take();
}

}  // namespace grenache::dht
