// The HTTP API of a grape: announce and look up, as Node's Grape answers.
#pragma once

#include <cstddef>

#include "grape/node_runner.hpp"
#include "proto/json/grape_api.hpp"
#include "proto/net/http_server.hpp"

namespace grenache::grape {

/// Serves /announce and /lookup of one node, with any method. Bodies and errors are those of
/// proto/json/grape_api.hpp; tests/golden/grape-http.json holds what Node's Grape answers.
///
/// Beyond Node: when the node has no room for one more lookup, the answer is the JSON string
/// "ERR_GRAPE_BUSY". /put and /get are answered with ERR_REQ_NOTFOUND.
class HttpApi {
 public:
  struct Options {
    std::size_t body_bytes_max = 8192;
  };

  /// `runner` must outlive the API.
  HttpApi(net::Executor executor, NodeRunner& runner, Options options);

  /// As HttpServer::listen().
  [[nodiscard]] Result<Endpoint> listen(Endpoint const& bind) { return server_.listen(bind); }
  [[nodiscard]] Endpoint local_endpoint() const { return server_.local_endpoint(); }
  /// As HttpServer::stop().
  [[nodiscard]] net::Awaitable<bool> stop(Duration limit) { return server_.stop(limit); }

 private:
  net::Awaitable<net::HttpReply> handle(net::HttpRequest& request);
  net::Awaitable<net::HttpReply> announce(json::GrapeAnnounce announce);
  net::Awaitable<net::HttpReply> lookup(std::string name);

  NodeRunner& runner_;
  net::HttpServer server_;
};

}  // namespace grenache::grape
