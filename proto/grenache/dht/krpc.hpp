// Parses and encodes KRPC messages (BEP 5), compatible with Grape.
//
// The parser checks every query against a table of its fields, so handlers never see a missing field or one
// of the wrong type. Grape differs from mainline in one point: `info_hash` is the raw name of a service, of
// any length.
//
// Views in messages point into the parsed datagram; it and the BencodeDocument must outlive them.
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

/// The name of a service, sent in `info_hash`: 1 to 1024 raw bytes.
class ServiceKey {
 public:
  /// Longer names would leave no room for other fields in a datagram.
  static constexpr std::size_t kSizeMax = 1024;

  [[nodiscard]] static constexpr bool is_valid(std::string_view bytes) {
    return !bytes.empty() && bytes.size() <= kSizeMax;
  }
  /// Returns nothing unless `bytes` has a valid length.
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

/// Maps the key of a service to the id space: its first 20 bytes, with short names padded with zeros.
///
/// Node.js' k-bucket computes the XOR over the common prefix and counts missing bytes as 255, so that nodes
/// tie beyond a short name. Distances to this target order nodes as k-bucket does, and break its ties in the
/// same way on every node, so that announcements and lookups reach the same nodes.
[[nodiscard]] NodeId target_of(std::string_view key_bytes);

enum class KrpcErrc {
  not_bencode = 1,    // the bytes are not one bencoded value within the limits
  not_a_message,      // not a dictionary, or `t` or `y` is missing or invalid
  not_a_query,        // `y` is q, but `q` is missing or invalid
  missing_arguments,  // `a` is missing, or a field without which Node.js sends no answer
  not_a_reply,        // `r` is missing, or has no node id of 20 bytes
  not_an_error,       // `e` is not a list of code and text
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

/// Maximum size of a transaction id; Grape sends 2 bytes and echoes any.
inline constexpr std::size_t kTidSizeMax = 256;
/// Maximum size of a token; Grape sends 20 bytes.
inline constexpr std::size_t kTokenSizeMax = 256;

struct Ping {};
struct FindNode {
  NodeId target;
};
struct GetPeers {
  std::string_view info_hash;  // ServiceKey::is_valid
  bool scrape = false;         // BEP 33: the sender requests ReplyFields::scrape
};
struct AnnouncePeer {
  std::string_view info_hash;  // ServiceKey::is_valid
  std::uint16_t port = 0;      // 1 to 65535, or anything with implied_port
  std::optional<bool> implied_port;
  std::string_view token;
  bool seed = false;  // BEP 33: the peer is a seed
};
/// Removes a peer stored by announce_peer: an extension, with the same arguments. Other implementations
/// ignore it, or answer it as a find_node.
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
/// An unknown method with a target: answered as find_node, for forward compatibility.
struct UnknownQuery {
  std::string_view method;
  NodeId target;
};

/// The address families of nodes that a querier wants (BEP 32).
struct Want {
  bool n4 = false;
  bool n6 = false;
};

struct Query {
  std::string_view tid;
  /// Nothing if the id is missing or short. Such a query is answered, as by Node.js, but its sender is not
  /// added to a routing table.
  std::optional<NodeId> sender;
  std::variant<Ping, FindNode, GetPeers, AnnouncePeer, UnannouncePeer, Get, Put, UnknownQuery> body;
  std::optional<Want> want;
  bool read_only = false;    // BEP 43: the sender answers no queries
  bool has_version = false;  // the sender sent `v`; Grape never does
};

struct Reply {
  std::string_view tid;
  NodeId sender;
  std::optional<Endpoint> ip;  // our address as seen by the sender (BEP 42)
  CompactNodes nodes;
  CompactNodes nodes6;
  std::optional<std::string_view> token;
  bool has_values = false;
  std::vector<Endpoint> values;       // invalid entries are omitted
  std::optional<std::string_view> v;  // bencoded; with k, sig and seq, a BEP 44 item
  std::optional<std::string_view> k;
  std::optional<std::string_view> sig;
  std::optional<std::int64_t> seq;
};

struct ErrorReply {
  std::string_view tid;
  std::int64_t code = 0;
  std::string_view text;
};

/// An invalid query that is answered with an error: send encode_error() of it.
struct Refusal {
  std::string_view tid;
  KrpcCode code = KrpcCode::protocol;
  std::string_view text;  // static storage
};

using Message = std::variant<Query, Reply, ErrorReply, Refusal>;

/// Parses one datagram. On an error, drop it without an answer.
///
/// A query with a field of the wrong type or size becomes a Refusal with code 203 and the text of Node.js
/// (most of them crash Node.js); so does a missing field where Node.js answers. Where Node.js does not
/// answer, the result is an error. Unsorted keys are accepted, as by Node.js. Reuses the memory of
/// `document`.
[[nodiscard]] Result<Message> parse_message(std::string_view datagram, BencodeDocument& document);

/// The fields that all messages have.
struct MessageHead {
  char kind = 0;  // 'q', 'r' or 'e'
  std::string_view tid;
};
/// The two steps of parse_message(), so that the body of a reply that matches no query need not be parsed.
/// `document` must be unchanged between them.
[[nodiscard]] Result<MessageHead> parse_head(std::string_view datagram, BencodeDocument& document);
[[nodiscard]] Result<Message> parse_body(MessageHead const& head, BencodeDocument const& document);

/// Optional fields of queries besides their arguments. Grape sends none of them.
struct QueryExtras {
  std::optional<Want> want;  // for find_node, get_peers and get
  bool read_only = false;
  std::string_view version;  // at most 4 bytes, as BEP 20 suggests; empty for none
};

/// Encode a query canonically; `tid` is copied unchanged.
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

/// The fields of `r` besides the id; empty members are omitted.
struct ReplyFields {
  std::optional<Endpoint> ip;  // address of the querier (BEP 42)
  std::string_view nodes;      // compact
  std::string_view nodes6;     // compact
  std::string_view token;
  std::span<Endpoint const> values;
  std::string_view v;  // bencoded
  std::string_view k;
  std::string_view sig;
  std::optional<std::int64_t> seq;
  /// BEP 51: concatenated info hashes, the total number stored, and the seconds for which the sample stays
  /// the same.
  struct Samples {
    std::string_view info_hashes;
    std::int64_t num = 0;
    std::int64_t interval = 0;
  };
  std::optional<Samples> samples;
  /// BEP 33: Bloom filters of 256 bytes each.
  struct Scrape {
    std::string_view peers;  // peers that are not seeds
    std::string_view seeds;
  };
  std::optional<Scrape> scrape;
};
/// Encodes a reply, reusing the memory of `buffer`, whose content is overwritten.
[[nodiscard]] std::string encode_reply(std::string_view tid, NodeId const& sender, ReplyFields const& fields,
                                       std::string buffer = {});
/// Bytes that encode_reply() adds to `values` (value_size() each), `nodes`, `nodes6` and an item; for
/// bounding replies.
[[nodiscard]] std::size_t reply_overhead(std::size_t tid_size, std::size_t token_size);
/// Additional bytes for ReplyFields::scrape.
inline constexpr std::size_t kScrapeSize = 2 * (256 + sizeof "4:BFpe256:" - 1);
[[nodiscard]] constexpr std::size_t value_size(bool v6) {
  return v6 ? 3 + kCompactPeer6Size : 2 + kCompactPeer4Size;
}

[[nodiscard]] std::string encode_error(std::string_view tid, KrpcCode code, std::string_view text);

/// Texts of errors that are not detected by the parser; those of Node.js.
inline constexpr std::string_view kBadAnnounceToken = "cannot `announce_peer` with bad token";
inline constexpr std::string_view kBadPutToken = "cannot `put` with bad token";
inline constexpr std::string_view kValueTooBig = "data payload too large";

}  // namespace grenache::dht

GRN_ERROR_CODE_ENUM(grenache::dht::KrpcErrc);
