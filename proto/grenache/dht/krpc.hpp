// KRPC (BEP 5) as Grape speaks it: datagrams to typed messages and back.
//
// Every query is checked against a table of its fields before anybody sees it, so that no handler meets a
// missing field or one of another type. Grape differs from mainline in one point: `info_hash` is the raw name
// of a service, of any length.
//
// Views in messages point into the datagram that was parsed; it and the BencodeDocument must outlive them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <grenache/base/endpoint.hpp>
#include <grenache/base/ids.hpp>
#include <grenache/base/result.hpp>
#include <grenache/dht/bencode.hpp>
#include <grenache/dht/compact.hpp>

namespace grenache::dht {

/// The name of a service as it goes over the wire in `info_hash`: 1 to 1024 raw bytes.
class ServiceKey {
 public:
  /// Longer names would not leave room for anything else in a datagram.
  static constexpr std::size_t kSizeMax = 1024;

  [[nodiscard]] static constexpr bool is_valid(std::string_view bytes) {
    return !bytes.empty() && bytes.size() <= kSizeMax;
  }
  /// Nothing unless `bytes` has a valid length.
  [[nodiscard]] static std::optional<ServiceKey> from_bytes(std::string_view bytes) {
    if (!is_valid(bytes)) return std::nullopt;
    return ServiceKey{std::string{bytes}};
  }

  [[nodiscard]] std::string const& bytes() const { return bytes_; }
  friend auto operator<=>(ServiceKey const&, ServiceKey const&) = default;

 private:
  explicit ServiceKey(std::string bytes) : bytes_{std::move(bytes)} {}
  std::string bytes_;
};

/// Where the key of a service lies among the node ids: its first 20 bytes, short names filled with zeros.
///
/// Node's k-bucket takes the XOR over the common prefix and counts missing bytes as 255, so that beyond a
/// short name all nodes tie. Distances to this point order nodes as k-bucket does and break its ties the same
/// way on every node, so that announcer and asker end at the same ones.
[[nodiscard]] NodeId target_of(std::string_view key_bytes);

enum class KrpcErrc {
  not_bencode = 1,    // the bytes are no bencoded value, or beyond the limits
  not_a_message,      // no dictionary, or no usable `t` or `y`
  not_a_query,        // `y` is q without a usable `q`
  missing_arguments,  // a query without `a`, or lacking a field whose absence Node meets with silence
  not_a_reply,        // `r` is missing or has no node id of 20 bytes
  not_an_error,       // `e` is no list of code and text
};
[[nodiscard]] std::string_view describe(KrpcErrc code);
constexpr char const* category_name(KrpcErrc) { return "grenache.krpc"; }
inline Error make_error_code(KrpcErrc code) { return make_enum_error(code); }

/// Error codes on the wire (BEP 5, BEP 44).
enum class KrpcCode : std::int32_t {
  generic = 201,
  server = 202,
  protocol = 203,
  method_unknown = 204,
  value_too_big = 205,
  bad_signature = 206,
  salt_too_big = 207,
  cas_mismatch = 301,
  sequence_too_low = 302,
};

/// Longest transaction id that is read; Grape sends 2 bytes and echoes any.
inline constexpr std::size_t kTidSizeMax = 256;
/// Longest token that is read; Grape sends 20 bytes.
inline constexpr std::size_t kTokenSizeMax = 256;

struct Ping {};
struct FindNode {
  NodeId target;
};
struct GetPeers {
  std::string_view info_hash;  // ServiceKey::is_valid
  bool scrape = false;         // BEP 33: the sender asks for ReplyFields::scrape
};
struct AnnouncePeer {
  std::string_view info_hash;  // ServiceKey::is_valid
  std::uint16_t port = 0;      // 1 to 65535, or anything with implied_port
  std::optional<bool> implied_port;
  std::string_view token;
  bool seed = false;  // BEP 33: the peer has all of it
};
/// Takes back an announce_peer: a query of our own, with the same arguments. Nodes of other makes do not know
/// it and are silent, or answer it as a find_node.
struct UnannouncePeer {
  std::string_view info_hash;  // ServiceKey::is_valid
  std::uint16_t port = 0;      // 1 to 65535, or anything with implied_port
  std::optional<bool> implied_port;
  std::string_view token;
};
/// BEP 44 get.
struct Get {
  NodeId target;
  std::optional<std::int64_t> seq;
};
/// BEP 44 put; mutable when `k` is set.
struct Put {
  std::string_view token;
  std::string_view v;  // bencoded
  std::optional<std::string_view> k;
  std::optional<std::string_view> sig;
  std::optional<std::string_view> salt;
  std::optional<std::int64_t> seq;
  std::optional<std::int64_t> cas;
};
/// A method that is not known here but names a place to look: answered as find_node, for methods to come.
struct UnknownQuery {
  std::string_view method;
  NodeId target;
};

/// Which nodes an asker wants (BEP 32).
struct Want {
  bool n4 = false;
  bool n6 = false;
};

struct Query {
  std::string_view tid;
  /// Node answers queries whose sender gave no or a short id, and so do we; such a sender enters no table.
  std::optional<NodeId> sender;
  std::variant<Ping, FindNode, GetPeers, AnnouncePeer, UnannouncePeer, Get, Put, UnknownQuery> body;
  std::optional<Want> want;
  bool read_only = false;    // BEP 43: the sender answers no queries
  bool has_version = false;  // the sender says what it is: no Grape does
};

struct Reply {
  std::string_view tid;
  NodeId sender;
  std::optional<Endpoint> ip;  // how the sender sees us (BEP 42)
  CompactNodes nodes;
  CompactNodes nodes6;
  std::optional<std::string_view> token;
  bool has_values = false;
  std::vector<Endpoint> values;       // entries that are no peer are left out
  std::optional<std::string_view> v;  // bencoded; with k, sig and seq of a BEP 44 item
  std::optional<std::string_view> k;
  std::optional<std::string_view> sig;
  std::optional<std::int64_t> seq;
};

struct ErrorReply {
  std::string_view tid;
  std::int64_t code = 0;
  std::string_view text;
};

/// A query that breaks the rules in a way that gets an answer: send encode_error() of it.
struct Refusal {
  std::string_view tid;
  KrpcCode code = KrpcCode::protocol;
  std::string_view text;  // static
};

using Message = std::variant<Query, Reply, ErrorReply, Refusal>;

/// Reads one datagram. An error means: drop it without an answer.
///
/// Queries with a field of the wrong type or size become a Refusal with code 203 and Node's words (Node
/// itself dies of most of them); so do missing fields where Node answers. Where Node is silent, so are we.
/// Unsorted keys are accepted, as Node does. Uses the memory of `document` again.
[[nodiscard]] Result<Message> parse_message(std::string_view datagram, BencodeDocument& document);

/// What every message begins with to its reader.
struct MessageHead {
  char kind = 0;  // 'q', 'r' or 'e'
  std::string_view tid;
};
/// The two steps of parse_message(): who gets a reply that belongs to no query need not read its body.
/// `document` must be unchanged between them.
[[nodiscard]] Result<MessageHead> parse_head(std::string_view datagram, BencodeDocument& document);
[[nodiscard]] Result<Message> parse_body(MessageHead const& head, BencodeDocument const& document);

/// What queries may carry beside their arguments. Grape sends none of it.
struct QueryExtras {
  std::optional<Want> want;  // of find_node, get_peers and get
  bool read_only = false;
  std::string_view version;  // no more than 4 bytes, as BEP 20 suggests; empty for none
};

/// Canonical encodings. `tid` is echoed as it is.
[[nodiscard]] std::string encode_query(std::string_view tid, NodeId const& sender, Ping const& query,
                                       QueryExtras const& extras = {});
[[nodiscard]] std::string encode_query(std::string_view tid, NodeId const& sender, FindNode const& query,
                                       QueryExtras const& extras = {});
[[nodiscard]] std::string encode_query(std::string_view tid, NodeId const& sender, GetPeers const& query,
                                       QueryExtras const& extras = {});
[[nodiscard]] std::string encode_query(std::string_view tid, NodeId const& sender, AnnouncePeer const& query,
                                       QueryExtras const& extras = {});
[[nodiscard]] std::string encode_query(std::string_view tid, NodeId const& sender,
                                       UnannouncePeer const& query, QueryExtras const& extras = {});
[[nodiscard]] std::string encode_query(std::string_view tid, NodeId const& sender, Get const& query,
                                       QueryExtras const& extras = {});
[[nodiscard]] std::string encode_query(std::string_view tid, NodeId const& sender, Put const& query,
                                       QueryExtras const& extras = {});

/// What goes into `r` beside the id; empty members are left out.
struct ReplyFields {
  std::optional<Endpoint> ip;  // of the asker (BEP 42)
  std::string_view nodes;      // compact
  std::string_view nodes6;     // compact
  std::string_view token;
  std::span<Endpoint const> values;
  std::string_view v;  // bencoded
  std::string_view k;
  std::string_view sig;
  std::optional<std::int64_t> seq;
  /// BEP 51: info hashes one after the other, of how many, and for how many seconds they stay the same.
  struct Samples {
    std::string_view info_hashes;
    std::int64_t num = 0;
    std::int64_t interval = 0;
  };
  std::optional<Samples> samples;
  /// BEP 33: Bloom filters of 256 bytes each.
  struct Scrape {
    std::string_view peers;  // those that are no seeds
    std::string_view seeds;
  };
  std::optional<Scrape> scrape;
};
/// `buffer` lends its memory; what it holds is lost.
[[nodiscard]] std::string encode_reply(std::string_view tid, NodeId const& sender, ReplyFields const& fields,
                                       std::string buffer = {});
/// Bytes that encode_reply() needs beyond the content of `values` (value_size() each), `nodes` and `nodes6`
/// and an item; for bounding replies.
[[nodiscard]] std::size_t reply_overhead(std::size_t tid_size, std::size_t token_size);
/// What ReplyFields::scrape needs beyond that.
inline constexpr std::size_t kScrapeSize = 2 * (256 + sizeof "4:BFpe256:" - 1);
[[nodiscard]] constexpr std::size_t value_size(bool v6) {
  return v6 ? 3 + kCompactPeer6Size : 2 + kCompactPeer4Size;
}

[[nodiscard]] std::string encode_error(std::string_view tid, KrpcCode code, std::string_view text);

/// Texts of errors that need more knowledge than the datagram; the words are Node's.
inline constexpr std::string_view kBadAnnounceToken = "cannot `announce_peer` with bad token";
inline constexpr std::string_view kBadPutToken = "cannot `put` with bad token";
inline constexpr std::string_view kValueTooBig = "data payload too large";

}  // namespace grenache::dht

GRN_ERROR_CODE_ENUM(grenache::dht::KrpcErrc);
