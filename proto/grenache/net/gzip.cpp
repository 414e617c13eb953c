#include "grenache/net/gzip.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include <zlib.h>

#include <grenache/base/check.hpp>

namespace grenache::net {

namespace {

constexpr int kGzipWindow = 15 + 16;  // the largest window, with a gzip header

/// Passes the next part of the input to zlib, which counts in 32 bits.
void feed(z_stream& stream, std::string_view& left) {
  if (stream.avail_in > 0) return;
  std::size_t const part = std::min<std::size_t>(left.size(), std::numeric_limits<uInt>::max());
  // zlib does not write to its input, though the field is not const.
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<Bytef const*>(left.data()));
  stream.avail_in = static_cast<uInt>(part);
  left.remove_prefix(part);
}

struct Inflater {
  Inflater() { GRN_CHECK(inflateInit2(&stream, kGzipWindow) == Z_OK); }
  ~Inflater() { inflateEnd(&stream); }
  Inflater(Inflater const&) = delete;
  Inflater& operator=(Inflater const&) = delete;
  z_stream stream{};
};

}  // namespace

std::string_view describe(GzipErrc code) {
  switch (code) {
    case GzipErrc::invalid:
      return "not gzip";
    case GzipErrc::too_large:
      return "expands beyond the limit";
  }
  return "unknown gzip error";
}

std::string gzip(std::string_view bytes) {
  z_stream stream{};
  GRN_CHECK(deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) ==
            Z_OK);
  std::string out;
  std::array<char, 16 * 1024> part;
  int status = Z_OK;
  while (status != Z_STREAM_END) {
    feed(stream, bytes);
    stream.next_out = reinterpret_cast<Bytef*>(part.data());
    stream.avail_out = part.size();
    status = deflate(&stream, bytes.empty() ? Z_FINISH : Z_NO_FLUSH);
    GRN_CHECK(status == Z_OK || status == Z_STREAM_END || status == Z_BUF_ERROR);
    out.append(part.data(), part.size() - stream.avail_out);
  }
  deflateEnd(&stream);
  return out;
}

Result<std::string> gunzip(std::string_view bytes, std::size_t expanded_bytes_max) {
  Inflater inflater;
  z_stream& stream = inflater.stream;
  std::string out;
  std::array<char, 16 * 1024> part;
  for (;;) {
    feed(stream, bytes);
    stream.next_out = reinterpret_cast<Bytef*>(part.data());
    stream.avail_out = part.size();
    int const status = inflate(&stream, Z_NO_FLUSH);
    std::size_t const produced = part.size() - stream.avail_out;
    if (status != Z_OK && status != Z_STREAM_END) return GzipErrc::invalid;
    if (produced > expanded_bytes_max - out.size()) return GzipErrc::too_large;
    out.append(part.data(), produced);
    if (status == Z_STREAM_END) {
      feed(stream, bytes);
      bool const another = stream.avail_in >= 2 && stream.next_in[0] == 0x1f && stream.next_in[1] == 0x8b;
      if (!another) return out;
      if (inflateReset(&stream) != Z_OK) return GzipErrc::invalid;
    }
  }
}

}  // namespace grenache::net
