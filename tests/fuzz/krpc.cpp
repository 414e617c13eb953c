// Parses arbitrary bytes as a KRPC datagram: a parsed message can be encoded and parses to the same.
#include <string>
#include <variant>

#include "tests/fuzz/input.hpp"
#include <grenache/base/check.hpp>
#include <grenache/base/hex.hpp>
#include <grenache/dht/krpc.hpp>

namespace grenache::dht {
namespace {

void note(std::string& out, std::string_view name, std::string_view bytes) {
  out.append(name).append("=").append(to_hex(bytes)).append(" ");
}
void note(std::string& out, std::string_view name, std::optional<std::string_view> bytes) {
  if (bytes) note(out, name, *bytes);
}
void note(std::string& out, std::string_view name, std::optional<std::int64_t> number) {
  if (number) out.append(name).append("=").append(std::to_string(*number)).append(" ");
}

// The whole content of a message, as one line.
struct Describe {
  std::string out;

  void operator()(Ping const&) { out += "ping "; }
  void operator()(FindNode const& query) { note(out, "find_node", query.target.view()); }
  void operator()(GetPeers const& query) {
    GRN_CHECK(ServiceKey::is_valid(query.info_hash));
    note(out, "get_peers", query.info_hash);
  }
  void operator()(AnnouncePeer const& query) { describe_announce("announce_peer", query); }
  void operator()(UnannouncePeer const& query) { describe_announce("unannounce_peer", query); }
  template <class Announce>
  void describe_announce(std::string_view method, Announce const& query) {
    GRN_CHECK(ServiceKey::is_valid(query.info_hash) && query.token.size() <= kTokenSizeMax);
    GRN_CHECK(query.port != 0 || query.implied_port.value_or(false));
    note(out, method, query.info_hash);
    note(out, "port", std::optional<std::int64_t>{query.port});
    if (query.implied_port) out += *query.implied_port ? "implied " : "explicit ";
    note(out, "token", query.token);
  }
  void operator()(Get const& query) {
    note(out, "get", query.target.view());
    note(out, "seq", query.seq);
  }
  void operator()(Put const& query) {
    note(out, "put", query.v);
    note(out, "token", query.token);
    note(out, "k", query.k), note(out, "sig", query.sig), note(out, "salt", query.salt);
    note(out, "seq", query.seq), note(out, "cas", query.cas);
  }
  void operator()(UnknownQuery const& query) { note(out, "unknown", query.target.view()); }

  void operator()(Query const& query) {
    out += "query ";
    note(out, "t", query.tid);
    if (query.sender) note(out, "id", query.sender->view());
    std::visit(*this, query.body);
  }
  void operator()(Reply const& reply) {
    out += "reply ";
    note(out, "t", reply.tid);
    note(out, "id", reply.sender.view());
    for (auto const& nodes : {reply.nodes, reply.nodes6}) {
      for (std::size_t i = 0; i < nodes.size(); ++i) {
        if (auto const node = nodes.at(i)) out += node->endpoint.to_string() + " ";
      }
      note(out, "nodes", nodes.view());
    }
    for (auto const& peer : reply.values) {
      GRN_CHECK(peer.port != 0);
      out += peer.to_string() + " ";
    }
    // The encoder omits empty fields.
    note(out, "token", reply.token.value_or("")), note(out, "v", reply.v.value_or(""));
    note(out, "k", reply.k.value_or("")), note(out, "sig", reply.sig.value_or(""));
    note(out, "seq", reply.seq);
  }
  void operator()(ErrorReply const& error) {
    out += "error ";
    note(out, "t", error.tid);
    note(out, "code", std::optional{error.code});
    note(out, "text", error.text);
  }
  void operator()(Refusal const& refusal) {
    auto const code = static_cast<std::int64_t>(refusal.code);
    (*this)(ErrorReply{refusal.tid, code, refusal.text});
  }
};

std::string describe_message(Message const& message) {
  Describe describe;
  std::visit(describe, message);
  return describe.out;
}

// Returns nothing for messages without an encoder: a query without a sender or of an unknown method, and an
// unknown error code.
struct Encode {
  std::string operator()(Query const& query) const {
    if (!query.sender) return {};
    return std::visit(
        [&](auto const& body) -> std::string {
          if constexpr (std::is_same_v<std::decay_t<decltype(body)>, UnknownQuery>) {
            return {};
          } else {
            return encode_query(query.tid, *query.sender, body, {});
          }
        },
        query.body);
  }
  std::string operator()(Reply const& reply) const {
    ReplyFields fields;
    fields.nodes = reply.nodes.view();
    fields.nodes6 = reply.nodes6.view();
    fields.token = reply.token.value_or("");
    fields.values = reply.values;
    fields.v = reply.v.value_or("");
    fields.k = reply.k.value_or("");
    fields.sig = reply.sig.value_or("");
    fields.seq = reply.seq;
    auto out = encode_reply(reply.tid, reply.sender, fields);
    bool const is_plain = !reply.v && !reply.k && !reply.sig && !reply.seq && reply.nodes6.empty();
    bool const is_v4 = std::ranges::none_of(reply.values, [](auto const& at) { return at.address.is_v6(); });
    GRN_CHECK(!is_plain || !is_v4 ||
              out.size() <= reply_overhead(reply.tid.size(), fields.token.size()) + fields.nodes.size() +
                                8 * reply.values.size());
    return out;
  }
  std::string operator()(ErrorReply const& error) const {
    if (error.code != static_cast<std::int32_t>(error.code)) return {};
    return encode_error(error.tid, static_cast<KrpcCode>(error.code), error.text);
  }
  std::string operator()(Refusal const& refusal) const {
    return encode_error(refusal.tid, refusal.code, refusal.text);
  }
};

void run(std::string_view input) {
  BencodeDocument document;
  auto const message = parse_message(input, document);
  if (!message) return;
  auto const said = describe_message(*message);
  auto const written = std::visit(Encode{}, *message);
  if (written.empty()) return;
  BencodeDocument again;
  auto const read = parse_message(written, again);
  GRN_CHECK(read);
  GRN_CHECK(describe_message(*read) == said);
  GRN_CHECK(std::visit(Encode{}, *read) == written);
}

}  // namespace
}  // namespace grenache::dht

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  grenache::dht::run(grenache::fuzz::as_text(data, size));
  return 0;
}
