// Compares our RPC server and client with a recording of grenache-nodejs-http 1.0.2 on Node.js 20,
// rpc_node.json. Its texts are bytes, one per code point.
#include <algorithm>
#include <cctype>
#include <fstream>
#include <map>
#include <sstream>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "tests/support/raw_client.hpp"
#include "tests/support/run.hpp"
#include <grenache/json/json.hpp>
#include <grenache/json/rpc_envelope.hpp>
#include <grenache/net/gzip.hpp>
#include <grenache/net/http_server.hpp>
#include <grenache/rpc/client.hpp>
#include <grenache/rpc/server.hpp>

namespace grenache::rpc {
namespace {

using json::Value;
using net::Awaitable;

Endpoint const kFreePort{IpAddress{127, 0, 0, 1}, 0};
RequestOptions const kDefaults{};

std::string to_bytes(std::string_view utf8) {
  std::string bytes;
  for (std::size_t i = 0; i < utf8.size(); ++i) {
    auto const lead = static_cast<unsigned char>(utf8[i]);
    if (lead < 0x80) {
      bytes += utf8[i];
    } else {
      auto const next = static_cast<unsigned char>(utf8.at(++i));
      bytes += static_cast<char>(((lead & 0x03) << 6) | (next & 0x3f));
    }
  }
  return bytes;
}

std::string from_base64(std::string_view text) {
  std::string_view const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  unsigned bits = 0;
  unsigned bit_count = 0;
  for (char const digit : text) {
    if (digit == '=') break;
    bits = (bits << 6) | static_cast<unsigned>(digits.find(digit));
    bit_count += 6;
    if (bit_count >= 8) {
      bit_count -= 8;
      bytes += static_cast<char>((bits >> bit_count) & 0xff);
    }
  }
  return bytes;
}

/// A parsed message, with chunks joined.
struct Message {
  std::string first_line;
  std::map<std::string, std::string> headers;  // by lower-case name
  std::string body;

  explicit Message(std::string const& text) {
    auto const end = text.find("\r\n\r\n");
    std::istringstream head{text.substr(0, end)};
    body = end == std::string::npos ? "" : text.substr(end + 4);
    std::getline(head, first_line);
    first_line = first_line.substr(0, first_line.find('\r'));
    for (std::string line; std::getline(head, line);) {
      auto const colon = line.find(": ");
      std::string name = line.substr(0, colon);
      std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
      std::string const value = line.substr(colon + 2);
      headers[name] = value.substr(0, value.find('\r'));
    }
    if (headers["transfer-encoding"] == "chunked") join_chunks();
  }
  void join_chunks() {
    std::string joined;
    std::string left = body;
    for (;;) {
      auto const line_end = left.find("\r\n");
      auto const size = std::stoul(left.substr(0, line_end), nullptr, 16);
      if (size == 0) break;
      joined += left.substr(line_end + 2, size);
      left = left.substr(line_end + 2 + size + 2);
    }
    body = joined;
  }
};

Value const& recording() {
  static Value const value = [] {
    std::ifstream file{RPC_VECTORS};
    std::stringstream text;
    text << file.rdbuf();
    return json::parse(text.str()).value();
  }();
  return value;
}

std::string recorded(std::string_view entry, std::string_view member) {
  return to_bytes(*recording().find(entry)->find_string(member));
}

/// The service of the recording. JSON.stringify omits undefined members.
Awaitable<Reply> echo(Request& request) {
  std::string const* const text = request.payload.as_string();
  if (text && *text == "err") co_return Reply::failure("boom");
  if (text && *text == "undef") co_return Reply{};
  Value result = Value::object();
  if (!request.key.empty()) result.set("key", request.key);
  if (!request.payload.is_null()) result.set("payload", request.payload);
  co_return Reply{std::move(result)};
}

struct GoldenRpc : testing::Test {
  boost::asio::io_context io{1};

  std::string ask_server(std::string const& request) {
    std::string reply;
    auto task = [&]() -> Awaitable<void> {
      Server server{io.get_executor(), Server::Options{}, echo};
      Endpoint const at = server.listen(kFreePort).value();
      test::RawClient client{io.get_executor()};
      co_await client.connect(at);
      co_await client.send(request);
      client.shutdown_send();
      reply = co_await client.read_all();
      co_await server.stop(std::chrono::seconds{10});
    };
    test::run(io, task());
    return reply;
  }

  /// Returns our client's request and its result for the answer. `answer` creates body and status from the
  /// rid.
  using Answer = std::function<net::HttpReply(std::string const& rid)>;
  struct Exchange {
    std::string first_line;
    std::map<std::string, std::string> headers;
    std::string body;
    RpcResult<Value> result;
  };
  Exchange ask_with_client(Value const& payload, RequestOptions const& options, Answer const& answer) {
    Exchange exchange;
    auto handle = [&](net::HttpRequest& request) -> Awaitable<net::HttpReply> {
      exchange.first_line = std::string{request.method} + ' ' + std::string{request.target};
      for (char const* const name : {"grc-compress", "content-type"}) {
        if (request.has_header(name)) exchange.headers[name] = request.header(name);
      }
      exchange.body = request.body;
      auto const expanded = net::gunzip(request.body, 10'000);
      if (expanded) exchange.body = *expanded;
      net::HttpReply reply = answer(*json::parse(exchange.body)->at(0)->as_string());
      co_return reply;
    };
    auto task = [&]() -> Awaitable<void> {
      net::HttpServer server{io.get_executor(), net::HttpServer::Options{}, handle};
      Endpoint const at = server.listen(kFreePort).value();
      Link::Options link_options;
      link_options.grapes.resize(1);
      Link link{io.get_executor(), link_options, Random{1}};
      Client client{io.get_executor(), link, Client::Options{}, Random{1}};
      exchange.result = co_await client.request_to(at.to_string(), "svc", payload, options);
      co_await client.stop();
      co_await server.stop(std::chrono::seconds{10});
    };
    test::run(io, task());
    return exchange;
  }
};

net::HttpReply plain(std::string body, unsigned status = 200) {
  net::HttpReply reply;
  reply.status = status;
  reply.body = std::move(body);
  return reply;
}

net::HttpReply okay(std::string const& rid) {
  return plain(json::rpc_reply(rid, Value::object({{"ok", 1}})));
}

TEST_F(GoldenRpc, theServerAnswersAsNodes) {
  for (char const* const entry :
       {"server_ok", "server_err", "server_undef", "server_object", "server_array1", "server_otherpath",
        "server_gr_header", "server_gr_bad", "server_gzip_flag_plain_body", "server_number"}) {
    Message const expected{recorded(entry, "response")};
    Message const actual{ask_server(recorded(entry, "request"))};
    EXPECT_EQ(actual.first_line, expected.first_line) << entry;
    if (std::string_view{entry} == "server_gzip_flag_plain_body") {
      EXPECT_EQ(net::gunzip(actual.body, 1000).value(), net::gunzip(expected.body, 1000).value());
    } else {
      EXPECT_EQ(actual.body, expected.body) << entry;
    }
    EXPECT_FALSE(actual.headers.contains("content-type")) << entry;
  }
}

TEST_F(GoldenRpc, theServerAnswersAtOnceWhereNodesIsSilent) {
  for (char const* const entry : {"server_garbage", "server_get", "server_null"}) {
    EXPECT_EQ(recorded(entry, "response"), "");
    Message const actual{ask_server(recorded(entry, "request"))};
    EXPECT_EQ(actual.first_line, "HTTP/1.1 400 Bad Request") << entry;
    EXPECT_EQ(actual.body, R"([null, "ERR_REQUEST_PARSE", null])") << entry;
  }
}

TEST_F(GoldenRpc, theServerUnderstandsNodesClient) {
  for (char const* const entry : {"client_plain_object", "client_string", "client_null"}) {
    std::string const request = recorded(entry, "request_head_and_body");
    Message const reply{ask_server(request)};
    auto const sent = json::parse(Message{request}.body).value();
    auto const answered = json::parse_rpc_reply(reply.body);
    ASSERT_TRUE(answered) << entry;
    EXPECT_EQ(answered->rid, *sent.at(0));
    Value const* const payload = answered->result.find("payload");
    EXPECT_EQ(payload ? *payload : Value{}, *sent.at(2));
  }
  Message const zipped{ask_server(from_base64(recorded("client_gzip", "request_base64")))};
  auto const text = net::gunzip(zipped.body, 1000);
  ASSERT_TRUE(text);
  EXPECT_EQ(json::parse_rpc_reply(*text)->result,
            Value::object({{"key", "svc"}, {"payload", Value::object({{"hello", "world"}})}}));
}

TEST_F(GoldenRpc, theClientSendsWhatNodesDoes) {
  std::map<std::string, Value> const payloads{{"client_plain_object", Value::object({{"hello", "world"}})},
                                              {"client_string", "hi \xe2\x98\x83"},
                                              {"client_null", Value{}},
                                              {"client_undefined", Value{}}};
  for (auto const& [entry, payload] : payloads) {
    Message const expected{recorded(entry, "request_head_and_body")};
    Exchange const actual = ask_with_client(payload, kDefaults, okay);
    EXPECT_EQ(actual.first_line + " HTTP/1.1", expected.first_line);
    EXPECT_EQ(actual.headers.at("grc-compress"), expected.headers.at("grc-compress"));
    EXPECT_EQ(actual.headers.at("content-type"), expected.headers.at("content-type"));
    // Everything except the rid, which has the same form: ["xxxxxxxx-xxxx-4xxx-xxxx-xxxxxxxxxxxx",
    EXPECT_EQ(actual.body.size(), expected.body.size()) << entry;
    EXPECT_EQ(actual.body.substr(38), expected.body.substr(38)) << entry;
    ASSERT_TRUE(actual.result);
    EXPECT_EQ(*actual.result, *recording().find(entry)->find("callback")->at(1));
  }
}

TEST_F(GoldenRpc, theClientSendsGzipAsNodesDoes) {
  Message const expected{from_base64(recorded("client_gzip", "request_base64"))};
  RequestOptions options;
  options.compress = true;
  Exchange const actual =
      ask_with_client(Value::object({{"hello", "world"}}), options, [](std::string const& rid) {
        net::HttpReply reply = okay(rid);
        reply.body = net::gzip(reply.body);
        return reply;
      });
  EXPECT_EQ(actual.headers.at("grc-compress"), expected.headers.at("grc-compress"));
  EXPECT_FALSE(actual.headers.contains("content-type"));
  EXPECT_EQ(actual.body.substr(38), net::gunzip(expected.body, 1000)->substr(38));
  ASSERT_TRUE(actual.result);
  EXPECT_EQ(*actual.result, Value::object({{"ok", 1}}));
}

TEST_F(GoldenRpc, theClientReportsWhatNodesDoes) {
  std::map<std::string, Answer> const answers{
      {"client_reply_err_string",
       [](std::string const& rid) { return plain(json::rpc_error_reply(rid, "boom")); }},
      {"client_reply_notjson", [](std::string const&) { return plain("not json"); }},
      {"client_reply_empty", [](std::string const&) { return plain(""); }},
      {"client_reply_status500", [](std::string const&) { return plain("fail", 500); }},
  };
  for (auto const& [entry, answer] : answers) {
    Exchange const actual = ask_with_client(Value{}, kDefaults, answer);
    ASSERT_FALSE(actual.result) << entry;
    EXPECT_EQ(actual.result.error().text(), *recording().find(entry)->find("callback")->at(0)->as_string());
  }
  auto const array_of_two = [](std::string const& rid) { return plain("[\"" + rid + "\",null]"); };
  Exchange const short_one = ask_with_client(Value{}, kDefaults, array_of_two);
  ASSERT_TRUE(short_one.result);
  EXPECT_TRUE(short_one.result->is_null());
  // Node.js never reports an answer with another rid; ours reports it at once.
  auto const another = [](std::string const&) { return okay("another"); };
  Exchange const wrong_rid = ask_with_client(Value{}, kDefaults, another);
  ASSERT_FALSE(wrong_rid.result);
  EXPECT_EQ(wrong_rid.result.error().code, Errc::reply_empty);
  auto const not_zipped = [](std::string const& rid) { return okay(rid); };
  RequestOptions compressed;
  compressed.compress = true;
  Exchange const bad_zip = ask_with_client(Value{}, compressed, not_zipped);
  ASSERT_FALSE(bad_zip.result);
  EXPECT_EQ(bad_zip.result.error().code, Errc::reply_encoding_compression);
}

}  // namespace
}  // namespace grenache::rpc
