// Implementation shared by HTTP server and client. For .cpp files of proto/grenache/net.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>

#include <grenache/net/deadline.hpp>
#include <grenache/net/http_headers.hpp>
#include <grenache/net/stream.hpp>

namespace grenache::net {

namespace http = boost::beast::http;

inline constexpr std::size_t kReadBytes = 16 * 1024;   // per read, of complete messages
inline constexpr std::size_t kPieceBytes = 64 * 1024;  // per read, of streams
/// A piece that fills one TLS record together with its chunk header and end.
inline constexpr std::size_t kTlsPieceBytes = kReadBytes - 16;

/// Passes bytes to a Beast parser. Once the parser has seen the first line of the end of a chunked body ("0",
/// two line ends), it asserts that it sees all of it; so a possible end is held back until it is complete.
class Feed {
 public:
  /// Returns the number of bytes used. The error may be need_more.
  template <class Parser>
  std::size_t operator()(Parser& parser, asio::const_buffer const& bytes, Error& error) {
    if (stalled_ && parser.is_header_done() && parser.chunked() && is_part_of_end(bytes)) {
      error = http::error::need_more;
      return 0;
    }
    std::size_t const used = parser.put(bytes, error);
    stalled_ = error == http::error::need_more;
    return used;
  }

 private:
  static bool is_part_of_end(asio::const_buffer const& bytes) {
    std::string_view text{static_cast<char const*>(bytes.data()), bytes.size()};
    if (text.starts_with("\r\n")) text.remove_prefix(2);  // of the previous chunk
    return text.size() < 5 && text.starts_with('0');
  }

  bool stalled_ = false;  // the parser needs more than it was passed last
};

/// A Beast body that is not stored: the parser exposes each piece in place.
struct PieceBody {
  struct value_type {
    std::string_view piece;
  };
  class reader {
   public:
    template <bool is_request, class Fields>
    reader(http::header<is_request, Fields>&, value_type& value) : value_{value} {}
    void init(boost::optional<std::uint64_t> const&, Error& error) { error = {}; }
    template <class Buffers>
    std::size_t put(Buffers const& buffers, Error& error) {
      asio::const_buffer const first = *asio::buffer_sequence_begin(buffers);
      value_.piece = {static_cast<char const*>(first.data()), first.size()};
      error = {};
      return first.size();
    }
    void finish(Error& error) { error = {}; }

   private:
    value_type& value_;
  };
};

/// Consumes `buffer` up to the next piece of a body and returns the piece; empty when more bytes are needed,
/// or at the end of the message. Valid until the buffer is filled again. The parser must not be eager.
template <class Parser>
std::string_view next_piece(Feed& feed, Parser& parser, boost::beast::flat_buffer& buffer, Error& error) {
  std::string_view& piece = parser.get().body().piece;
  piece = {};
  while (piece.empty() && buffer.size() > 0 && !parser.is_done()) {
    std::size_t const used = feed(parser, buffer.data(), error);
    buffer.consume(used);
    if (error == http::error::need_more) {
      error = {};
      if (used == 0) break;
    }
    if (error) break;
  }
  return piece;
}

/// Returns how many bytes may be read into `buffer`; 0 when it is full without a complete header.
inline std::size_t room(boost::beast::flat_buffer const& buffer, std::size_t wanted) {
  return std::min(wanted, buffer.max_size() - buffer.size());
}

/// Writes all buffers, for TCP as one gathered write. TLS would write a record and a packet per buffer, so
/// buffers that fit one record are joined first. The buffers and `joined` must stay valid until it completes.
inline auto write_all(Stream& stream, std::array<asio::const_buffer, 3> buffers, std::string& joined) {
  if (stream.is_tls() && asio::buffer_size(buffers) <= kReadBytes) {
    joined.clear();
    for (asio::const_buffer const& each : buffers) {
      joined.append(static_cast<char const*>(each.data()), each.size());
    }
    buffers = {asio::buffer(joined), asio::const_buffer{}, asio::const_buffer{}};
  }
  return asio::async_write(stream, buffers, kTuple);
}

/// Writes the pieces of a body.
class PieceWriter {
 public:
  explicit PieceWriter(bool chunked) : chunked_{chunked} {}

  [[nodiscard]] bool chunked() const { return chunked_; }

  /// Writes `piece`, which must not be empty; calls `progress` whenever a part is written.
  template <class Progress>
  Awaitable<Error> write(Stream& stream, std::string_view piece, Progress& progress) {
    std::size_t const part_bytes = stream.is_tls() ? kTlsPieceBytes : kPieceBytes;
    while (!piece.empty()) {
      std::string_view const part = piece.substr(0, part_bytes);
      piece.remove_prefix(part.size());
      auto const [error, size] = co_await write_all(stream, framed(part), joined_);
      if (error) co_return error;
      progress();
    }
    co_return Error{};
  }

  /// Writes the end of the body.
  Awaitable<Error> finish(Stream& stream) {
    if (!chunked_) co_return Error{};
    std::string_view const end = "0\r\n\r\n";
    auto const [error, size] = co_await asio::async_write(stream, asio::buffer(end), kTuple);
    co_return error;
  }

 private:
  std::array<asio::const_buffer, 3> framed(std::string_view part) {
    if (!chunked_) return {asio::buffer(part), asio::const_buffer{}, asio::const_buffer{}};
    auto const [end, error] = std::to_chars(head_.data(), head_.data() + head_.size() - 2, part.size(), 16);
    end[0] = '\r';
    end[1] = '\n';
    auto const head_size = static_cast<std::size_t>(end + 2 - head_.data());
    return {asio::buffer(head_.data(), head_size), asio::buffer(part), asio::buffer("\r\n", 2)};
  }

  bool chunked_;
  std::array<char, 12> head_{};
  std::string joined_;
};

/// Returns whether the headers are valid, so that nothing can be injected through them.
[[nodiscard]] inline bool is_valid(HttpHeaders const& headers) {
  constexpr std::string_view kLineEnds{"\r\n\0", 3};
  constexpr std::string_view kNotInNames{"\r\n\0: \t", 6};
  for (auto const& [name, value] : headers) {
    if (name.empty() || name.find_first_of(kNotInNames) != std::string::npos) return false;
    if (value.find_first_of(kLineEnds) != std::string::npos) return false;
  }
  return true;
}

/// Returns whether `text` is valid in a request line, as a token or a target.
[[nodiscard]] inline bool is_valid_word(std::string_view text) {
  return !text.empty() && std::ranges::none_of(text, [](unsigned char c) { return c <= ' ' || c == 0x7f; });
}

inline void append_headers(std::string& out, HttpHeaders const& headers) {
  for (auto const& [name, value] : headers) out.append("\r\n").append(name).append(": ").append(value);
}

/// An idle deadline of the two directions of a stream: active while any waits, extended by every byte.
class IdleWatch {
 public:
  IdleWatch(Deadline& deadline, Duration limit) : deadline_{deadline}, limit_{limit} {}

  class Wait {
   public:
    explicit Wait(IdleWatch& watch) : watch_{watch} {
      ++watch_.waiting_;
      watch_.moved();
    }
    ~Wait() {
      --watch_.waiting_;
      watch_.moved();
    }
    Wait(Wait const&) = delete;
    Wait& operator=(Wait const&) = delete;

   private:
    IdleWatch& watch_;
  };

  /// A byte was sent or received.
  void moved() {
    if (waiting_ == 0) return deadline_.clear();
    deadline_.set(steady_deadline(limit_));
  }

 private:
  Deadline& deadline_;
  Duration limit_;
  int waiting_ = 0;
};

}  // namespace grenache::net
