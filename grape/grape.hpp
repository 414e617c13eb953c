// A grape: a DHT node with its HTTP API.
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

/// Runs on the thread of its executor, which must be a single one. Can be embedded in any program, and
/// destroyed at any time.
class Grape {
 public:
  struct Options {
    std::optional<IpAddress> bind;      // address of both sockets; none: all IPv4 addresses
    std::optional<IpAddress> api_bind;  // address of the HTTP API; none: as `bind`
    std::uint16_t dht_port = 0;         // UDP; 0 chooses a free one
    std::uint16_t api_port = 0;         // TCP; 0 chooses a free one
    std::vector<HostPort> bootstrap;    // grapes to join
    HttpApi::Options api;
    NodeOptions node;
    std::filesystem::path state_folder;  // empty: no state is kept over a restart
    /// Interval of saves: a crash loses at most the changes of this time. Together with the longest gap
    /// between two announcements of Link (180 s) it does not exceed Keeper's owner_patience, so no live
    /// service is unannounced after a crash.
    Duration save_every = std::chrono::minutes{1};
    Duration last_save_max = std::chrono::seconds{5};  // limit of stop() for the last save
    NameLookup name_lookup = system_name_lookup;       // resolves bootstrap hosts
  };

  /// `log` must outlive the grape.
  Grape(net::Executor executor, Options options, Log const& log);
  Grape(Grape const&) = delete;
  Grape& operator=(Grape const&) = delete;

  /// Binds both ports, restores the state and joins the network. On failure, returns a message for the
  /// operator. Call once.
  [[nodiscard]] std::optional<std::string> start();

  /// After start().
  [[nodiscard]] Endpoint dht_endpoint() const { return dht_; }
  [[nodiscard]] Endpoint api_endpoint() const { return api_.local_endpoint(); }
  [[nodiscard]] Node const& node() const { return runner_.node(); }
  /// Returns a snapshot of the current state.
  [[nodiscard]] Status status() const;

  /// Finishes running requests for at most half a second, saves the state for at most last_save_max if
  /// start() succeeded, and closes all sockets. Does not wait for a hanging disk or name resolution beyond
  /// that.
  [[nodiscard]] net::Awaitable<void> stop();

 private:
  [[nodiscard]] std::optional<std::string> open_state();
  void restore_state();
  void warn_not_saved(std::string const& reason);

  net::Executor executor_;
  Options options_;
  Log const& log_;
  std::string run_;  // see Status::run
  NodeRunner runner_;
  HttpApi api_;
  Endpoint dht_;
  TimePoint started_;
  std::optional<StateSaver> saver_;
  bool is_restored_ = false;  // start() succeeded, so the node has the content of the state file
};

}  // namespace grenache::grape
