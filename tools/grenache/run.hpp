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

/// Runs `command` to its end.
[[nodiscard]] std::optional<Failure> run(net::Awaitable<std::optional<Failure>> command);

[[nodiscard]] rpc::Link::Options link_options(Common const& common);

/// Prints on stdout that `name` is served, and where: at the address that the DHT shows, or at `local` when
/// it shows none of ours. Warns on stderr when all that it shows with our port are addresses where nothing of
/// ours listens, see rpc::ShownAt.
[[nodiscard]] net::Awaitable<void> tell_serving(Common const& common, PeerOptions const& peer,
                                                rpc::Link& link, Endpoint local);

/// Listens, announces, waits until a grape has confirmed it, and tells so. True; or false after a signal.
/// `Service` is an rpc::Server or an rpc::Publisher.
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
  co_await tell_serving(common, peer, link, *listening);
  co_return true;
}

}  // namespace grenache::client
