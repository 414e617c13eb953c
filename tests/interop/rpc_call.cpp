// Our RPC client, the counterpart of rpc_call.cjs: each line of stdin is a call, each line of stdout an
// answer. In the result of a map, {"error"} replaces the result of a destination that failed.
#include <boost/asio/experimental/awaitable_operators.hpp>

#include "tests/interop/rpc_program.hpp"
#include <grenache/base/crypto.hpp>
#include <grenache/net/task_group.hpp>
#include <grenache/rpc/client.hpp>

namespace grenache::test {
namespace {

using Answer = rpc::RpcResult<json::Value>;

constexpr Duration kLimit = std::chrono::seconds{60};

net::Awaitable<Answer> call_request(rpc::Client& client, json::Value const& call) {
  rpc::RequestOptions options;
  options.timeout = kLimit;
  options.compress = *call.find("gzip")->as_bool();
  co_return co_await client.request(*call.find_string("name"), *call.find("payload"), options);
}

net::Awaitable<Answer> call_map(rpc::Client& client, json::Value const& call) {
  rpc::MapOptions options;
  options.timeout = kLimit;
  auto const entries = co_await client.map(*call.find_string("name"), *call.find("payload"), options);
  if (!entries) co_return entries.error();
  json::Value::Array all;
  for (auto const& each : *entries) {
    all.push_back(each.reply ? *each.reply : json::Value::object({{"error", each.reply.error().text()}}));
  }
  co_return json::Value{std::move(all)};
}

net::Awaitable<rpc::RpcResult<void>> send_bytes(rpc::ClientStream& stream, std::int64_t count) {
  std::string bytes(static_cast<std::size_t>(count), '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i % 251);
  auto const written = co_await stream.write(bytes);
  if (!written) co_return written.error();
  co_return co_await stream.finish();
}

net::Awaitable<rpc::RpcResult<std::string>> receive_bytes(rpc::ClientStream& stream) {
  std::string all;
  for (;;) {
    auto const piece = co_await stream.read();
    if (!piece) co_return piece.error();
    if (piece->empty()) co_return all;
    all += *piece;
  }
}

net::Awaitable<Answer> call_stream(rpc::Client& client, json::Value const& call) {
  using namespace net::asio::experimental::awaitable_operators;
  rpc::StreamOptions options;
  options.action = *call.find_string("action");
  options.args = *call.find("args");
  options.headers.emplace_back("x-note", *call.find_string("note"));
  auto stream = co_await client.stream(*call.find_string("name"), options);
  if (!stream) co_return stream.error();
  // At the same time, because the service stops reading when its echo is not read.
  auto const [sent, all] = co_await (send_bytes(*stream, *call.find_int("bytes")) && receive_bytes(*stream));
  if (!sent) co_return sent.error();
  if (!all) co_return all.error();
  auto const line = all->find('\n');
  auto const body = std::string_view{*all}.substr(line + 1);
  auto head = json::parse(std::string_view{*all}.substr(0, line));
  co_return json::Value::object({{"head", head ? *head : json::Value{}},
                                 {"bytes", std::uint64_t{body.size()}},
                                 {"sha256", sha256(body).hex()}});
}

net::Awaitable<void> answer_call(rpc::Client& client, json::Value call) {
  auto const& what = *call.find_string("do");
  Answer answer = json::Value{};
  if (what == "map") {
    answer = co_await call_map(client, call);
  } else if (what == "stream") {
    answer = co_await call_stream(client, call);
  } else {
    answer = co_await call_request(client, call);
  }
  auto out = json::Value::object({{"id", *call.find("id")}});
  if (answer) {
    out.set("result", *answer);
  } else {
    out.set("error", answer.error().text());
  }
  report(out);
}

net::Awaitable<int> serve_calls(net::Executor executor, RpcFlags flags) {
  rpc::Link link{executor, link_options(flags), Random::from_system()};
  rpc::Client::Options options;
  options.transport = flags.transport;
  options.tls = flags.tls;
  rpc::Client client{executor, link, options, Random::from_system()};
  net::TaskGroup tasks{executor};
  Lines lines{executor};
  while (auto const line = co_await lines.next()) {
    auto call = json::parse(*line);
    if (call) tasks.spawn(answer_call(client, std::move(*call)));
  }
  co_await client.stop();
  co_await tasks.drained(kLimit);
  co_await link.stop();
  co_return 0;
}

}  // namespace
}  // namespace grenache::test

int main(int argc, char** argv) {
  return grenache::test::run_rpc_program(argc, argv, false, grenache::test::serve_calls);
}
