// Parses arbitrary bytes as the HTTP requests of a connection, received in pieces.
//
// The parser is configured and fed as in proto/grenache/net/http_server_connection.cpp. The input is: limits;
// number and positions of the cuts; the bytes of the connection.
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "tests/fuzz/input.hpp"
#include <grenache/base/check.hpp>
#include <grenache/net/http_server.hpp>
#include <grenache/net/http_wire.hpp>

namespace grenache::net {
namespace {

using Parser = http::request_parser<http::string_body>;

constexpr std::size_t kRequestCountMax = 200;

struct Limits {
  std::size_t header_bytes_max = HttpServer::Options{}.header_bytes_max;
  std::size_t body_bytes_max = HttpServer::Options{}.body_bytes_max;
  std::size_t read_bytes_max = 16 * 1024;
  [[nodiscard]] std::size_t buffer_bytes_max() const { return header_bytes_max + 4 * read_bytes_max; }
};

struct Request {
  std::string method;
  std::string target;
  std::string body;
  std::vector<std::string> fields;
  bool keep_alive = false;
  friend bool operator==(Request const&, Request const&) = default;
};

enum class End { open, long_header, closed };

/// The result of a connection: its requests, and its state after the last byte.
struct Outcome {
  std::vector<Request> requests;
  End end = End::open;
};

// Compares the requests only: when and why the last one is refused may differ, since a header at the limit
// passes only if its first line arrived alone.
bool agree(Outcome const& a, Outcome const& b) {
  if (a.end != End::long_header && b.end != End::long_header) return a.requests == b.requests;
  auto const [left, right] = std::ranges::mismatch(a.requests, b.requests);
  return left == a.requests.end() || right == b.requests.end();
}

bool is_plain(std::string_view text) {
  return std::ranges::none_of(text, [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
}

Request read(Parser& parser, Limits const& limits) {
  auto& message = parser.get();
  Request request;
  request.method = std::string{std::string_view{message.method_string()}};
  request.target = std::string{std::string_view{message.target()}};
  request.keep_alive = message.keep_alive();
  request.body = std::move(message.body());
  std::size_t size = request.method.size() + request.target.size();
  for (auto const& field : message) {
    std::string_view const name{field.name_string()};
    std::string_view const value{field.value()};
    size += name.size() + value.size();
    GRN_CHECK(!name.empty() && is_plain(name) && is_plain(value));
    request.fields.push_back(std::string{name} + ':' + std::string{value});
  }
  // The parser counts the first line separately, and trailers not at all: they must fit the buffer.
  GRN_CHECK(size <= 2 * limits.header_bytes_max + limits.buffer_bytes_max());
  GRN_CHECK(request.body.size() <= limits.body_bytes_max);
  GRN_CHECK(!request.method.empty() && !request.target.empty());
  GRN_CHECK(is_plain(request.method) && is_plain(request.target));
  GRN_CHECK(std::ranges::none_of(request.target, [](char c) { return c == ' '; }));
  // With two indications of its length, a proxy could see another end of the request (request smuggling).
  bool const has_encoding = message.count(http::field::transfer_encoding) > 0;
  GRN_CHECK(!has_encoding || message.count(http::field::content_length) == 0);
  return request;
}

class Connection {
 public:
  explicit Connection(Limits const& limits) : limits_{limits}, buffer_{limits.buffer_bytes_max()} { begin(); }

  void receive(std::string_view bytes) {
    while (!bytes.empty() && outcome_.end == End::open) {
      auto const room = std::min(limits_.read_bytes_max, buffer_.max_size() - buffer_.size());
      if (room == 0) return (void)(outcome_.end = End::closed);
      auto const piece = bytes.substr(0, room);
      bytes.remove_prefix(piece.size());
      auto const place = buffer_.prepare(piece.size());
      std::ranges::copy(piece, static_cast<char*>(place.data()));
      buffer_.commit(piece.size());
      while (outcome_.end == End::open && buffer_.size() > 0 && step()) {
      }
    }
  }
  [[nodiscard]] Outcome const& outcome() const { return outcome_; }

 private:
  void skip_empty_lines() {
    auto const* const bytes = static_cast<char const*>(buffer_.data().data());
    std::size_t size = 0;
    while (size < buffer_.size() && (bytes[size] == '\r' || bytes[size] == '\n')) ++size;
    buffer_.consume(size);
  }
  void begin() {
    parser_.emplace();
    feed_ = {};
    begun_ = false;
    parser_->header_limit(static_cast<std::uint32_t>(limits_.header_bytes_max));
    parser_->body_limit(limits_.body_bytes_max);
    parser_->eager(true);
  }
  // Returns true when a request ended here and another may follow.
  bool step() {
    if (!begun_) skip_empty_lines();
    if (buffer_.size() == 0) return false;
    begun_ = true;
    Error error;
    auto const used = feed_(*parser_, buffer_.data(), error);
    GRN_CHECK(used <= buffer_.size());
    buffer_.consume(used);
    if (error && error != http::error::need_more) {
      outcome_.end = error == http::error::header_limit ? End::long_header : End::closed;
      return false;
    }
    if (parser_->is_header_done() && !is_acceptable()) {
      outcome_.end = End::closed;
      return false;
    }
    if (!parser_->is_done()) return false;
    outcome_.requests.push_back(read(*parser_, limits_));
    bool const more = outcome_.requests.back().keep_alive && outcome_.requests.size() < kRequestCountMax;
    if (!more) outcome_.end = End::closed;
    begin();
    return more;
  }

  // Exactly one Host, and no transfer encoding except chunked, because the parser treats an unknown encoding
  // as none.
  [[nodiscard]] bool is_acceptable() const {
    auto const& message = parser_->get();
    auto const hosts = message.count(http::field::host);
    if (hosts > 1 || (hosts == 0 && message.version() >= 11)) return false;
    auto const encodings = message.count(http::field::transfer_encoding);
    if (encodings == 0) return true;
    return encodings == 1 && parser_->chunked() && message.version() >= 11 &&
           boost::beast::iequals(message[http::field::transfer_encoding], "chunked");
  }

  Limits limits_;
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  Feed feed_;
  bool begun_ = false;  // the request has content besides empty lines
  Outcome outcome_;
};

Outcome in_pieces(std::string_view bytes, std::vector<std::size_t> const& sizes, Limits const& limits) {
  Connection connection{limits};
  for (std::size_t const size : sizes) {
    auto const piece = bytes.substr(0, size);
    bytes.remove_prefix(piece.size());
    connection.receive(piece);
  }
  connection.receive(bytes);
  return connection.outcome();
}

}  // namespace
}  // namespace grenache::net

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using namespace grenache::net;
  grenache::fuzz::Input input{data, size};
  Limits limits;
  if (input.flag()) limits = {256, 64, 48};
  std::vector<std::size_t> cuts(input.below(16));
  for (auto& cut : cuts) cut = input.byte();
  auto const bytes = input.rest();
  auto const whole = in_pieces(bytes, {}, limits);
  GRN_CHECK(agree(in_pieces(bytes, cuts, limits), whole));
  GRN_CHECK(agree(in_pieces(bytes, std::vector<std::size_t>(bytes.size(), 1), limits), whole));
  return 0;
}
