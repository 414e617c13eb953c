// Sends "hello" in a stream and prints the answer; like examples/rpc_client_stream.js of
// grenache-nodejs-http.
//
//   rpc_client_stream [GRAPE]
#include <grenache/rpc/client.hpp>
#include <grenache/rpc/examples/example.hpp>

namespace {

namespace json = grenache::json;
namespace rpc = grenache::rpc;
using example::asio::awaitable;

// Writes little, so it may write everything before it reads. To write much, read at the same time in another
// coroutine.
awaitable<rpc::RpcResult<std::string>> talk(rpc::Client& client) {
  rpc::StreamOptions options;
  options.action = "uploadNewPublicStream";
  options.args = json::Value::object({{"foo", "bar"}});
  options.headers.emplace_back("content-type", "application/pdf");
  auto stream = co_await client.stream("rpc_stream", options);
  if (!stream) co_return stream.error();
  auto const written = co_await stream->write("hello");
  if (!written) co_return written.error();
  auto const finished = co_await stream->finish();
  if (!finished) co_return finished.error();
  std::string answer;
  for (;;) {
    auto const piece = co_await stream->read();
    if (!piece) co_return piece.error();
    if (piece->empty()) co_return answer;
    answer += *piece;
  }
}

awaitable<int> call(rpc::Link& link) {
  auto const executor = co_await example::asio::this_coro::executor;
  rpc::Client::Options const options;
  rpc::Client client{executor, link, options, grenache::Random::from_system()};
  auto const answer = co_await talk(client);
  std::cout << (answer ? "response " + *answer : answer.error().text()) << '\n';
  co_await client.stop();
  co_await link.stop();
  co_return answer ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  return example::run(example::argument(argc, argv, 1, "http://127.0.0.1:30001"), call);
}
