#include "tests/support/in_process_dht.hpp"

#include <algorithm>
#include <stdexcept>

#include <grenache/json/grape_api.hpp>
#include <grenache/net/address.hpp>
#include <grenache/net/async_event.hpp>
#include <grenache/net/steady_clock.hpp>

namespace grenache::test {
namespace {

using boost::asio::ip::udp;

IpAddress const kLoopback{127, 0, 0, 1};
constexpr char kRid[] = "test";
constexpr std::size_t kPeerCountMax = 1000;
constexpr Duration kPoll = std::chrono::milliseconds{1};

template <class T>
T value_of(json::GrapeReply<T> reply) {
  if (!reply.value) throw std::runtime_error{"the grape refused: " + reply.error};
  return std::move(*reply.value);
}

}  // namespace

InProcessDht::InProcessDht(net::Executor executor, Options options)
    : executor_{executor},
      options_{std::move(options)},
      grapes_(options_.grape_count),
      http_{executor, net::HttpClient::Options{}} {
  for (std::size_t i = 0; i < grapes_.size(); ++i) restart(i);
}

InProcessDht::~InProcessDht() = default;

void InProcessDht::restart(std::size_t index) {
  grape::Grape::Options options = options_.grape;
  options.bind = kLoopback;
  options.api_port = grapes_.at(index).api_port->number();
  options.bootstrap.clear();
  auto const runs = [](Place const& place) { return place.grape != nullptr; };
  if (auto const first = std::ranges::find_if(grapes_, runs); first != grapes_.end()) {
    options.bootstrap.push_back({"127.0.0.1", first->grape->dht_endpoint().port});
  }
  auto grape = std::make_unique<grape::Grape>(executor_, std::move(options), log_);
  if (auto const failure = grape->start()) throw std::runtime_error{*failure};
  grapes_[index].grape = std::move(grape);
}

bool InProcessDht::is_ready() const {
  auto const up_count = std::ranges::count_if(grapes_, [](Place const& place) { return bool{place.grape}; });
  return std::ranges::all_of(grapes_, [&](Place const& place) {
    if (!place.grape) return true;
    grape::Node const& node = place.grape->node();
    return node.is_ready() && node.node_count() + 1 >= static_cast<std::size_t>(up_count);
  });
}

net::Awaitable<void> InProcessDht::ready() {
  net::AsyncEvent never{executor_};
  while (!is_ready()) (void)co_await never.wait(net::steady_deadline(kPoll));
}

HostPort InProcessDht::address(std::size_t index) const {
  return {"127.0.0.1", grapes_.at(index).api_port->number()};
}

std::string InProcessDht::url(std::size_t index) const {
  return "http://127.0.0.1:" + std::to_string(address(index).port);
}

std::vector<std::string> InProcessDht::urls() const {
  std::vector<std::string> all;
  for (std::size_t i = 0; i < size(); ++i) all.push_back(url(i));
  return all;
}

net::Awaitable<void> InProcessDht::stop(std::size_t index) {
  Place& place = grapes_.at(index);
  auto const grape = std::move(place.grape);
  if (!grape) co_return;
  Endpoint const dht = grape->dht_endpoint();
  co_await grape->stop();
  place.former_dht_ports.emplace_back(executor_, net::to_asio<udp>(dht));
}

net::Awaitable<void> InProcessDht::stop() {
  co_await http_.stop();
  for (std::size_t i = 0; i < size(); ++i) co_await stop(i);
}

net::Awaitable<std::string> InProcessDht::call(std::size_t through, std::string target, std::string body) {
  net::HttpCall call;
  call.destination = address(through);
  call.target = std::move(target);
  call.body = std::move(body);
  call.repeatable = true;
  auto response = co_await http_.request(std::move(call));
  if (!response) throw std::runtime_error{"the grape does not answer: " + response.error().message()};
  co_return std::move(response->body);
}

net::Awaitable<std::uint32_t> InProcessDht::announce(std::string name, std::uint16_t port,
                                                     std::size_t through) {
  std::string body = json::announce_request(kRid, name, port);
  auto const answer = co_await call(through, "/announce", std::move(body));
  co_return value_of(json::parse_announce_reply(answer));
}

net::Awaitable<std::uint32_t> InProcessDht::unannounce(std::string name, std::uint16_t port,
                                                       std::size_t through) {
  std::string body = json::announce_request(kRid, name, port);
  auto const answer = co_await call(through, "/unannounce", std::move(body));
  co_return value_of(json::parse_announce_reply(answer));
}

net::Awaitable<std::vector<std::string>> InProcessDht::lookup(std::string name, std::size_t through) {
  std::string body = json::lookup_request(kRid, name);
  auto const answer = co_await call(through, "/lookup", std::move(body));
  auto found = value_of(json::parse_lookup_reply(answer, kPeerCountMax));
  std::ranges::sort(found);
  co_return found;
}

}  // namespace grenache::test
