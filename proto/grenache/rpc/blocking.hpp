// A service and a client for scripts and tests: calls that return when they are done.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <grenache/rpc/client.hpp>
#include <grenache/rpc/server.hpp>

namespace grenache::rpc {

/// A Link and a Client with a thread of their own. Calls may come from several threads at a time; each
/// returns within its timeout.
class BlockingClient {
 public:
  struct Impl;  // of the .cpp alone

  /// `grapes`: "http://host:port", or several with commas between them. What is wrong with it fails every
  /// call with grape_unreachable.
  explicit BlockingClient(std::string_view grapes, Client::Options options = {});
  /// Nobody may be in a call any more.
  ~BlockingClient();
  BlockingClient(BlockingClient const&) = delete;
  BlockingClient& operator=(BlockingClient const&) = delete;

  /// As Client::request, Client::map and Link::lookup.
  [[nodiscard]] RpcResult<json::Value> request(std::string name, json::Value payload,
                                               RequestOptions options = {});
  [[nodiscard]] RpcResult<std::vector<Client::MapEntry>> map(std::string name, json::Value payload,
                                                             MapOptions options = {});
  [[nodiscard]] RpcResult<std::vector<std::string>> lookup(std::string name);

 private:
  std::unique_ptr<Impl> impl_;
};

/// A Link and a Server with threads of their own: one for the link, and Server::Options::threads, at least
/// one, that the handler may block.
class BlockingServer {
 public:
  struct Options {
    Server::Options server;
    Endpoint bind{IpAddress{0, 0, 0, 0}, 0};        // port 0 takes a free one
    Duration ready_max = std::chrono::seconds{10};  // until a grape has confirmed the announcement
    Duration drain_max = std::chrono::seconds{10};  // for what has begun when it is stopped
  };
  /// Called on as many threads at a time as there are. One that throws is answered ERR_REQUEST_HANDLER.
  using Handler = std::function<Reply(Request& request)>;

  struct Impl;  // of the .cpp alone

  /// `grapes` as for BlockingClient; `name` is that of the service.
  BlockingServer(std::string_view grapes, std::string name, Handler handler);
  BlockingServer(std::string_view grapes, std::string name, Handler handler, Options options);
  /// Stops.
  ~BlockingServer();
  BlockingServer(BlockingServer const&) = delete;
  BlockingServer& operator=(BlockingServer const&) = delete;

  /// Listens, announces, and returns where, once a grape has confirmed it. Once.
  [[nodiscard]] RpcResult<Endpoint> start();
  /// No more announcements; answers what has begun.
  void stop();
  /// start(), and stop() when the process gets SIGINT or SIGTERM.
  [[nodiscard]] RpcResult<void> run();

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace grenache::rpc
