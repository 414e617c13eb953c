// Runs the coroutines of commands, and announces their services.
#pragma once

#include <optional>
#include <string>

#include <boost/asio/experimental/awaitable_operators.hpp>

#include "tools/grenache/common.hpp"
#include "tools/grenache/peer_options.hpp"
#include <grenache/net/asio.hpp>
#include <grenache/net/termination_signals.hpp>
#include <grenache/rpc/link.hpp>

namespace grenache::client {

/// Runs `command` on an io_context until it has ended.
[[nodiscard]] std::optional<Failure> run(net::Awaitable<std::optional<Failure>> command);

[[nodiscard]] rpc::Link::Options link_options(Common const& common);

/// Prints on stdout that the service runs, and its address: the one that the DHT shows, or `local` if it
/// shows none of ours. Warns on stderr if the DHT shows our port only at addresses where the service does not
/// listen; see rpc::ShownAt.
[[nodiscard]] net::Awaitable<void> print_serving(Common const& common, PeerOptions const& peer,
                                                 rpc::Link& link, Endpoint local);

/// Listens, announces the service, waits until a grape has confirmed it, and prints that. Returns false after
/// a signal. `Service` is an rpc::Server or an rpc::Publisher.
template <class Service>
[[nodiscard]] net::Awaitable<Outcome<bool>> open_service(Service& service, Common const& common,
                                                         PeerOptions const& peer, ListenOptions const& listen,
                                                         rpc::Link& link, net::TerminationSignals& signals) {
  using namespace net::asio::experimental::awaitable_operators;
  auto const listening = service.listen(listen.endpoint());
  if (!listening) {
    co_return Failure{"cannot listen on " + listen.endpoint().to_string() + ": " +
                      listening.error().message()};
  }
  service.announce(link, peer.name);
  auto waiting = service.ready(common.timeout()) || signals.received();
  auto const first = co_await std::move(waiting);
  if (signals.count() > 0) co_return false;
  auto const& ready = std::get<0>(first);
  if (!ready) co_return Failure{explain(ready.error(), peer.name)};
  co_await print_serving(common, peer, link, *listening);
  co_return true;
}

}  // namespace grenache::client
