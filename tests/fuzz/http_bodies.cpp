// Parses arbitrary bytes as bodies of a grape's HTTP API and of RPC, on either side.
#include <set>
#include <string>
#include <variant>

#include "tests/fuzz/input.hpp"
#include <grenache/base/check.hpp>
#include <grenache/json/grape_api.hpp>
#include <grenache/json/rpc_envelope.hpp>

namespace grenache::json {
namespace {

constexpr std::size_t kPeerCountMax = 5;
constexpr char const* kTargets[] = {"/lookup", "/announce", "/put", "/get", "/nope", ""};

bool same(GrapeRequest const& a, Result<GrapeRequest> const& b) {
  return b && a.route == b->route && a.data == b->data;
}

void read_grape_request(std::string_view target, std::string_view body) {
  auto const request = parse_grape_request(target, body);
  if (!request) {
    GRN_CHECK(!error_answer(static_cast<GrapeErrc>(request.error().value())).body.empty());
    return;
  }
  if (auto const name = parse_lookup_data(request->data)) {
    GRN_CHECK(!name->empty() && name->size() <= kServiceNameMax);
    GRN_CHECK(same(*request, parse_grape_request(target, lookup_request("r", *name))));
  }
  if (auto const announce = parse_announce_data(request->data)) {
    auto const again = parse_grape_request(target, announce_request("r", announce->name, announce->port));
    GRN_CHECK(again);
    auto const data = parse_announce_data(again->data);
    GRN_CHECK(data && data->name == announce->name && data->port == announce->port);
  }
}

void read_grape_reply(std::string_view body) {
  auto const peers = parse_lookup_reply(body, kPeerCountMax);
  GRN_CHECK(peers.value.has_value() == peers.error.empty());
  if (peers.value) {
    GRN_CHECK(peers.value->size() <= kPeerCountMax);
    GRN_CHECK(std::set(peers.value->begin(), peers.value->end()).size() == peers.value->size());
    std::vector<Endpoint> numeric;
    std::vector<std::string> texts;
    for (auto const& peer : *peers.value) {
      auto const host_port = HostPort::parse(peer);
      GRN_CHECK(host_port && host_port->port != 0 && !host_port->host.empty());
      GRN_CHECK(std::ranges::all_of(peer, [](char c) { return c > ' ' && c < 127; }));
      auto const endpoint = Endpoint::parse(peer);
      if (!endpoint) continue;
      GRN_CHECK(endpoint->port == host_port->port && Endpoint::parse(endpoint->to_string()) == endpoint);
      if (std::ranges::find(numeric, *endpoint) != numeric.end()) continue;
      numeric.push_back(*endpoint);
      texts.push_back(endpoint->to_string());
    }
    GRN_CHECK(parse_lookup_reply(lookup_answer(numeric), kPeerCountMax).value == texts);
  }
  auto const count = parse_announce_reply(body);
  GRN_CHECK(count.value.has_value() == count.error.empty());
  if (count.value) GRN_CHECK(parse_announce_reply(announce_answer(*count.value)).value == count.value);
}

void read_rpc(std::string_view header, std::string_view body) {
  if (auto request = parse_rpc_request(body)) {
    auto const reply = parse_rpc_reply(rpc_reply(request->rid, request->payload));
    GRN_CHECK(reply && reply->rid == request->rid && !reply->error && reply->result == request->payload);
    auto const failure = parse_rpc_reply(rpc_error_reply(request->rid, request->key));
    GRN_CHECK(failure && failure->rid == request->rid && failure->error == request->key);
    auto const again = parse_rpc_request(rpc_request("r", request->key, to_text(request->payload)));
    GRN_CHECK(again && again->rid == Value{"r"} && again->key == request->key &&
              again->payload == request->payload);
    auto const before = request->key;
    if (!apply_gr_header(header, *request)) GRN_CHECK(request->key == before);
  }
  if (auto const reply = parse_rpc_reply(body)) {
    auto const text =
        reply->error ? rpc_error_reply(reply->rid, *reply->error) : rpc_reply(reply->rid, reply->result);
    auto const again = parse_rpc_reply(text);
    GRN_CHECK(again && again->rid == reply->rid && again->error == reply->error);
    GRN_CHECK(reply->error || again->result == reply->result);
  }
}

}  // namespace
}  // namespace grenache::json

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using namespace grenache::json;
  grenache::fuzz::Input input{data, size};
  auto const* const target = kTargets[input.below(std::size(kTargets))];
  auto const header = input.short_text();
  auto const body = input.rest();
  read_grape_request(target, body);
  read_grape_reply(body);
  read_rpc(header, body);
  return 0;
}
