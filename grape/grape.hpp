// A grape: a DHT node and its HTTP API, as one object to start and stop.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/thread_pool.hpp>

#include "grape/http_api.hpp"
#include "grape/node_runner.hpp"
#include "grape/state.hpp"
#include "grape/status.hpp"
#include <grenache/base/endpoint.hpp>
#include <grenache/log/log.hpp>
#include <grenache/net/asio.hpp>
#include <grenache/net/async_event.hpp>
#include <grenache/net/task_group.hpp>

namespace grenache::grape {

/// Runs on the one thread of its executor; can be embedded in any program.
class Grape {
 public:
  struct Options {
    std::optional<IpAddress> bind;    // of both sockets; none: all IPv4 addresses
    std::uint16_t dht_port = 0;       // UDP; 0 takes a free one
    std::uint16_t api_port = 0;       // TCP; 0 takes a free one
    std::vector<HostPort> bootstrap;  // grapes to join
    HttpApi::Options api;
    NodeOptions node;
    std::filesystem::path state_folder;             // empty: nothing is remembered over a restart
    Duration save_every = std::chrono::minutes{5};  // a crash forgets no more than this
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

  /// Answers what has been asked, for at most half a second, closes everything, and saves the state.
  [[nodiscard]] net::Awaitable<void> stop();

 private:
  [[nodiscard]] std::optional<std::string> open_state();
  void restore_state();
  void tell_save_failure(Error const& error);
  net::Awaitable<void> save_loop();

  Options options_;
  Log const& log_;
  NodeRunner runner_;
  HttpApi api_;
  Endpoint dht_;
  TimePoint started_;
  net::TaskGroup tasks_;
  net::AsyncEvent halt_;
  bool stopping_ = false;
  std::optional<StateFolder> state_;
  std::optional<boost::asio::thread_pool> disk_;  // one thread: fsync takes its time
};

}  // namespace grenache::grape
