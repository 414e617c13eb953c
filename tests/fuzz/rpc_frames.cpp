// Decompresses arbitrary bytes as an RPC body, within its limit, and parses it as server and client do.
#include <string>

#include "tests/fuzz/input.hpp"
#include <grenache/base/check.hpp>
#include <grenache/json/rpc_envelope.hpp>
#include <grenache/net/gzip.hpp>

namespace grenache::net {
namespace {

void run(std::uint8_t const* data, std::size_t size) {
  fuzz::Input input{data, size};
  std::size_t const limit = std::size_t{1} << input.below(21);
  bool const is_plain = input.flag();
  auto const bytes = input.rest();
  // Every body that can be sent can be received.
  auto const packed = is_plain ? gzip(bytes) : std::string{bytes};
  auto const body = gunzip(packed, limit);
  if (!body) {
    GRN_CHECK(body.error() == GzipErrc::invalid || body.error() == GzipErrc::too_large);
    if (is_plain) GRN_CHECK(body.error() == GzipErrc::too_large && bytes.size() > limit);
    return;
  }
  GRN_CHECK(body->size() <= limit);
  if (is_plain) GRN_CHECK(*body == bytes);
  GRN_CHECK(gunzip(packed, body->size()).has_value());
  if (!body->empty()) GRN_CHECK(gunzip(packed, body->size() - 1).error() == GzipErrc::too_large);
  // A truncated body is an error, so that a part is never used as the whole payload. Bytes after the gzip
  // member may be dropped.
  if (is_plain) GRN_CHECK(!gunzip(std::string_view{packed}.substr(0, packed.size() - 1), limit));

  if (auto const request = json::parse_rpc_request(*body)) {
    auto const again = gunzip(gzip(json::rpc_reply(request->rid, request->payload)), std::size_t{1} << 26);
    GRN_CHECK(again);
    auto const reply = json::parse_rpc_reply(*again);
    GRN_CHECK(reply && reply->result == request->payload);
  }
}

}  // namespace
}  // namespace grenache::net

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  grenache::net::run(data, size);
  return 0;
}
