// A blocking service and client, for scripts, tests and small programs.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <grenache/base/endpoint.hpp>
#include <grenache/base/time.hpp>
#include <grenache/json/json.hpp>
#include <grenache/rpc/client_options.hpp>
#include <grenache/rpc/request.hpp>
#include <grenache/rpc/rpc_error.hpp>
#include <grenache/rpc/server_options.hpp>

namespace grenache::rpc {

/// A Link and a Client with their own thread. Thread-safe; each call returns within its timeout.
class BlockingClient {
 public:
  struct Impl;  // private to the .cpp

  /// `grapes` is "http://host:port", or several separated by commas. If it is invalid, every call fails with
  /// grape_unreachable.
  explicit BlockingClient(std::string_view grapes, ClientOptions options = {});
  /// No call may be running.
  ~BlockingClient();
  BlockingClient(BlockingClient const&) = delete;
  BlockingClient& operator=(BlockingClient const&) = delete;

  /// As Client::request, Client::map and Link::lookup.
  [[nodiscard]] RpcResult<json::Value> request(std::string name, json::Value payload,
                                               RequestOptions options = {});
  [[nodiscard]] RpcResult<std::vector<MapEntry>> map(std::string name, json::Value payload,
                                                     MapOptions options = {});
  [[nodiscard]] RpcResult<std::vector<std::string>> lookup(std::string name);

 private:
  std::unique_ptr<Impl> impl_;
};

/// A Link and a Server with their own threads: one for the link, and ServerOptions::threads, at least one,
/// for handlers, which may block.
class BlockingServer {
 public:
  struct Options {
    ServerOptions server;
    /// Port 0 chooses a free one. Nothing: a free port of all addresses, IPv4 and IPv6.
    std::optional<Endpoint> bind;
    Duration ready_max = std::chrono::seconds{10};  // limit for the confirmation of the announcement
    Duration drain_max = std::chrono::seconds{10};  // limit for requests in progress when it is stopped
  };
  /// Called on all threads concurrently. If it throws, the answer is ERR_REQUEST_HANDLER.
  using Handler = std::function<Reply(Request& request)>;

  struct Impl;  // private to the .cpp

  /// `grapes` as for BlockingClient; `name` is the name of the service.
  BlockingServer(std::string_view grapes, std::string name, Handler handler);
  BlockingServer(std::string_view grapes, std::string name, Handler handler, Options options);
  /// Stops.
  ~BlockingServer();
  BlockingServer(BlockingServer const&) = delete;
  BlockingServer& operator=(BlockingServer const&) = delete;

  /// Listens and announces; returns the local address once a grape has confirmed it. Call once.
  [[nodiscard]] RpcResult<Endpoint> start();
  /// Ends the announcements and answers requests in progress.
  void stop();
  /// Calls start(), and stop() on SIGINT or SIGTERM. From then on SIGHUP, which a program gets when its
  /// terminal is closed, does not end the process, unless the program has its own handler.
  [[nodiscard]] RpcResult<void> run();

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace grenache::rpc
