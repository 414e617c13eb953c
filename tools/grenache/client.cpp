#include "tools/grenache/client.hpp"

#include <optional>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <grenache/json/grape_api.hpp>
#include <grenache/net/http_client.hpp>
#include <grenache/net/rethrow.hpp>

namespace grenache::client {
namespace {

net::Awaitable<Outcome<net::HttpResponse>> ask_one(rpc::GrapeUrl const& url, net::TlsOptions const& tls,
                                                   net::HttpCall call) {
  auto const executor = co_await net::asio::this_coro::executor;
  net::HttpClient::Options options;
  if (url.uses_tls) {
    auto context = net::TlsContext::make_client(tls);
    if (!context) co_return Failure{context.error().message()};
    options.tls = std::move(*context);
  }
  auto const context = options.tls;
  net::HttpClient http{executor, std::move(options)};
  call.destination = url.at;
  call.target.insert(0, url.base_path);
  auto response = co_await http.request(std::move(call));
  co_await http.stop();
  if (response) co_return std::move(*response);
  co_return Failure{context ? context->explain(response.error(), url.at) : response.error().message()};
}

net::Awaitable<void> ask_all(Grapes const& grapes, net::HttpCall call,
                             std::optional<Outcome<std::string>>& answer) {
  for (rpc::GrapeUrl const& url : grapes.urls) {
    auto response = co_await ask_one(url, grapes.tls, call);
    if (response && !json::is_grape_answer(response->status, response->body)) {
      answer.emplace(Failure{url.to_string() + " answers, but is not a grape (" +
                             std::to_string(response->status) + ")"});
      continue;
    }
    if (response) {
      answer.emplace(boost::system::in_place_value, std::move(response->body));
      break;
    }
    answer.emplace(Failure{"no grape at " + url.to_string() + ": " + response.error().reason});
  }
}

}  // namespace

Outcome<std::string> ask(Grapes const& grapes, std::string const& target, std::string const& body) {
  boost::asio::io_context io{1};
  net::HttpCall call;
  call.target = target;
  call.body = body;
  call.timeout = grapes.timeout;
  call.repeatable = true;
  std::optional<Outcome<std::string>> answer;
  boost::asio::co_spawn(io, ask_all(grapes, std::move(call), answer), net::kRethrow);
  io.run();
  return std::move(*answer);
}

}  // namespace grenache::client
