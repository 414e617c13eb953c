#include "tools/grenache/run.hpp"

#include <exception>
#include <iostream>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <grenache/net/local_address.hpp>
#include <grenache/rpc/shown_at.hpp>

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
  out.tls = common.grape_tls;
  return out;
}

net::Awaitable<void> print_serving(Common const& common, PeerOptions const& peer, rpc::Link& link,
                                   Endpoint local) {
  auto const found = co_await link.lookup(peer.name);
  auto const shown =
      rpc::shown_at(found ? *found : std::vector<std::string>{}, local,
                    rpc::may_be_here(common.grape_urls(), net::is_of_this_host), net::is_of_this_host);
  std::string const address = shown.here.value_or(local).to_string();
  if (!shown.here && !shown.elsewhere.empty()) {
    std::cerr << "grenache: warning: the DHT shows this service at " << shown.elsewhere.back().to_string()
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
