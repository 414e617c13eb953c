#include "tools/grenache/run.hpp"

#include <exception>
#include <iostream>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

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

net::Awaitable<void> tell_serving(Common const& common, PeerOptions const& peer, rpc::Link& link,
                                  Endpoint local) {
  std::string address = local.to_string();
  std::string const ending = ":" + std::to_string(local.port);
  std::vector<std::string> ours;
  auto const found = co_await link.lookup(peer.name);
  if (found) {
    for (std::string const& each : *found) {
      if (each.ends_with(ending)) ours.push_back(each);
    }
  }
  if (ours.size() == 1) address = ours.front();
  if (common.json) {
    print(json::Value::object(
        {{"event", "serving"}, {"name", peer.name}, {"address", address}, {"transport", peer.transport}}));
  } else {
    std::cout << "serving " << peer.name << " at " << address << " over " << peer.transport << '\n';
  }
  std::cout.flush();
}

}  // namespace grenache::client
