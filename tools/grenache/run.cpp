#include "tools/grenache/run.hpp"

#include <exception>
#include <iostream>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/udp.hpp>

#include <grenache/net/address.hpp>

namespace grenache::client {

std::optional<Failure> run(net::Awaitable<std::optional<Failure>> command) {
  boost::asio::io_context io{1};
  std::optional<Failure> failure;
  std::exception_ptr thrown;
  auto const done = [&](std::exception_ptr error, std::optional<Failure> result) {
    thrown = error;
    failure = std::move(result);
    io.stop();
  };
  boost::asio::co_spawn(io, std::move(command), done);
  io.run();
  if (thrown) std::rethrow_exception(thrown);
  return failure;
}

rpc::Link::Options link_options(Common const& common) {
  rpc::Link::Options out;
  out.grapes = common.grape_urls();
  return out;
}

namespace {

/// Whether a listener on `bind` is reached at `shown`: the same address, or any of this host's.
bool listens_at(IpAddress const& bind, IpAddress const& shown) {
  if (!bind.is_unspecified()) return bind == shown;
  if (shown.is_v6() && !bind.is_v6()) return false;
  // Only addresses of this host can be bound.
  boost::asio::io_context io{1};
  boost::asio::ip::udp::socket probe{io};
  auto const endpoint = net::to_asio<boost::asio::ip::udp>(Endpoint{shown, 0});
  boost::system::error_code error;
  probe.open(endpoint.protocol(), error);
  if (!error) probe.bind(endpoint, error);
  return !error;
}

}  // namespace

net::Awaitable<void> tell_serving(Common const& common, PeerOptions const& peer, rpc::Link& link,
                                  Endpoint local) {
  std::string address = local.to_string();
  std::string foreign;
  auto const found = co_await link.lookup(peer.name);
  std::vector<std::string> const shown = found ? *found : std::vector<std::string>{};
  for (std::string const& each : shown) {
    auto const endpoint = Endpoint::parse(each);
    if (!endpoint || endpoint->port != local.port) continue;
    if (listens_at(local.address, endpoint->address)) {
      address = each;
      foreign.clear();
      break;
    }
    foreign = each;
  }
  if (!foreign.empty()) {
    std::cerr << "grenache: warning: the DHT shows this service at " << foreign
              << ", where it does not listen; announce through a grape on the same host\n";
  }
  if (common.json) {
    print(json::Value::object(
        {{"event", "serving"}, {"name", peer.name}, {"address", address}, {"transport", peer.transport}}));
  } else {
    std::cout << "serving " << peer.name << " at " << address << " over " << peer.transport << '\n';
  }
  std::cout.flush();
}

}  // namespace grenache::client
