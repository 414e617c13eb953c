// A grape: a DHT node and its HTTP API, as one object to start and stop.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "grape/http_api.hpp"
#include "grape/node_runner.hpp"
#include "grape/state_saver.hpp"
#include "grape/status.hpp"
#include <grenache/base/endpoint.hpp>
#include <grenache/log/log.hpp>
#include <grenache/net/asio.hpp>

namespace grenache::grape {

/// Runs on the one thread of its executor; can be embedded in any program, and destroyed at any time.
class Grape {
 public:
  struct Options {
    std::optional<IpAddress> bind;      // of both sockets; none: all IPv4 addresses
    std::optional<IpAddress> api_bind;  // of the HTTP API; none: as `bind`
    std::uint16_t dht_port = 0;         // UDP; 0 takes a free one
    std::uint16_t api_port = 0;         // TCP; 0 takes a free one
    std::vector<HostPort> bootstrap;    // grapes to join
    HttpApi::Options api;
    NodeOptions node;
    std::filesystem::path state_folder;  // empty: nothing is remembered over a restart
    /// A crash forgets no more than this. With the longest gap between two announcements of Link (180 s) it
    /// stays within the patience with the owner of a service, so that a crash takes no live service back.
    Duration save_every = std::chrono::minutes{1};
    Duration last_save_max = std::chrono::seconds{5};  // stop() waits no longer for the disk
    NameLookup name_lookup = system_name_lookup;       // of bootstrap hosts
  };

  /// `log` must outlive the grape, which stays where it is.
  Grape(net::Executor executor, Options options, Log const& log);
  Grape(Grape const&) = delete;
  Grape& operator=(Grape const&) = delete;

  /// Binds both ports, restores the state and joins the network. Returns why it cannot, in words for an
  /// operator. Once.
  [[nodiscard]] std::optional<std::string> start();

  /// After start().
  [[nodiscard]] Endpoint dht_endpoint() const { return dht_; }
  [[nodiscard]] Endpoint api_endpoint() const { return api_.local_endpoint(); }
  [[nodiscard]] Node const& node() const { return runner_.node(); }
  /// How it is now.
  [[nodiscard]] Status status() const;

  /// Answers what has been asked, for at most half a second, saves the state if start() has succeeded, and
  /// closes everything. Ends in time even when the disk or the resolution of a name hangs.
  [[nodiscard]] net::Awaitable<void> stop();

 private:
  [[nodiscard]] std::optional<std::string> open_state();
  void restore_state();
  void warn_not_saved(std::string const& reason);

  net::Executor executor_;
  Options options_;
  Log const& log_;
  NodeRunner runner_;
  HttpApi api_;
  Endpoint dht_;
  TimePoint started_;
  std::optional<StateSaver> saver_;
  bool is_restored_ = false;  // start() has succeeded: the node knows what the state file holds
};

}  // namespace grenache::grape
