// Announces a peer in the DHT and looks the others up.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "exchange/messages/order_record.hpp"
#include <grenache/base/endpoint.hpp>
#include <grenache/base/time.hpp>
#include <grenache/log/log.hpp>
#include <grenache/net/asio.hpp>
#include <grenache/rpc/grape_url.hpp>
#include <grenache/rpc/link.hpp>
#include <grenache/rpc/server.hpp>

namespace grenache::exchange {

/// The service name of the peers with orders of `side`: "exchange:BTC/USD:sell".
[[nodiscard]] std::string market_name(std::string const& service, Side side);

/// Finds the endpoints of a service, again and again, and the address at which the DHT shows our own.
/// A lookup returns at most 100 peers, and in a large network most of them may offer nothing. So a peer with
/// orders of a side is announced by market_name() too, and those names are looked up now and then.
class Discovery {
 public:
  struct Options {
    std::vector<rpc::GrapeUrl> grapes;
    std::string service;
    Duration poll_interval{};         // between lookups
    Duration start_limit{};           // of start(), for the grape and for the announcement
    bool takes_shown_address = true;  // false: the advertised host was configured
    bool requires_own_address = false;
  };
  struct Callbacks {
    std::function<void(std::vector<std::string> const&)> on_found;  // after each lookup that succeeded
    /// Whether we have live orders of a side; asked by poll() before each lookup.
    std::function<bool(Side)> has_orders;
    /// The DHT shows us at this endpoint.
    std::function<void(std::string const&)> on_own_endpoint;
    /// A grape answers, or none does; `text` says which, or why and what to do. Called when it changes, by
    /// start_patiently() and poll().
    std::function<void(bool answers, std::string const& text)> on_state;
    /// Something that a person should know, and that was logged.
    std::function<void(std::string const& text)> on_warning;
  };

  /// `link`, `server` and `log` must outlive the object. Its coroutines may outlive it: they end then, and
  /// call nothing back.
  Discovery(net::Executor executor, rpc::Link& link, rpc::Server& server, Log const& log, Options options,
            Callbacks callbacks);
  ~Discovery();
  Discovery(Discovery const&) = delete;
  Discovery& operator=(Discovery const&) = delete;

  /// Waits for a grape, announces the server, and finds its own address. Completes with nothing, or with a
  /// message for the operator.
  [[nodiscard]] net::Awaitable<std::optional<std::string>> start();
  /// As start(), but waits for a grape for ever, and reports after a second what is missing. Ends when it is
  /// cancelled.
  [[nodiscard]] net::Awaitable<void> start_patiently();
  /// Looks up, and announces what we offer, until stop() or cancellation.
  [[nodiscard]] net::Awaitable<void> poll();
  /// Makes the coroutines end as soon as what they wait for ends.
  void stop();

  [[nodiscard]] bool has_polled() const;
  /// "http://… answers", or why no grape does.
  [[nodiscard]] std::string const& state() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace grenache::exchange
