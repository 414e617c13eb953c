#include "tools/grenache/client.hpp"

#include <optional>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

#include <grenache/net/http_client.hpp>

namespace grenache::client {
namespace {

net::Awaitable<void> ask_all(net::HttpClient& http, Grapes const& grapes, net::HttpCall call,
                             std::optional<Outcome<std::string>>& answer) {
  for (HostPort const& address : grapes.addresses) {
    call.destination = address;
    net::HttpCall attempt = call;
    auto response = co_await http.request(std::move(attempt));
    if (response) {
      answer.emplace(boost::system::in_place_value, std::move(response->body));
      break;
    }
    answer.emplace(Failure{"no grape at " + address.host + ":" + std::to_string(address.port) + ": " +
                           response.error().message()});
  }
  co_await http.stop();
}

}  // namespace

Outcome<std::string> ask(Grapes const& grapes, std::string const& target, std::string const& body) {
  boost::asio::io_context io{1};
  net::HttpClient http{io.get_executor(), {}};
  net::HttpCall call;
  call.target = target;
  call.body = body;
  call.timeout = grapes.timeout;
  call.repeatable = true;
  std::optional<Outcome<std::string>> answer;
  boost::asio::co_spawn(io, ask_all(http, grapes, std::move(call), answer), boost::asio::detached);
  io.run();
  return std::move(*answer);
}

}  // namespace grenache::client
