// The HTTP API of a grape, compatible with Node.js' Grape, and pages for operators.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>

#include "grape/node_runner.hpp"
#include "grape/page_cache.hpp"
#include "grape/status.hpp"
#include <grenache/json/grape_api.hpp>
#include <grenache/json/grape_items.hpp>
#include <grenache/net/http_server.hpp>
#include <grenache/net/web_access.hpp>

namespace grenache::grape {

/// Serves /announce, /lookup, /put and /get of one node, with any method. Bodies and errors are specified in
/// proto/grenache/json/grape_api.hpp and grape_items.hpp; tests/golden/grape-http.json holds answers recorded
/// from Node.js' Grape.
///
/// Differences from Node.js' Grape: /unannounce, with the body of /announce, removes a service; the answer is
/// the number of other nodes that removed it. When too many requests are waiting, the answer is the JSON
/// string "ERR_GRAPE_BUSY". The answer to a put that other nodes refuse is the text of their error. GET and
/// HEAD without a body, which are errors in Node.js, return pages: /health (200 or 503, JSON), /metrics
/// (Prometheus) and / (HTML), with any query and with or without a final slash, and 404 for other paths; the
/// routes above answer them like Node.js. Targets may be in absolute form.
class HttpApi {
 public:
  struct Options {
    std::size_t body_bytes_max = 8192;  // Grape: check_maxPayloadSize
    bool strict = false;                // answer errors with 4xx or 5xx and a JSON object
    net::WebAccess web_access;          // requests from other web pages are refused with 403
  };

  /// `runner` and everything that `status` uses must outlive the API.
  HttpApi(net::Executor const& executor, NodeRunner& runner, Options options, std::function<Status()> status);

  /// As HttpServer::listen().
  [[nodiscard]] Result<Endpoint> listen(Endpoint const& bind) { return server_.listen(bind); }
  [[nodiscard]] Endpoint local_endpoint() const { return server_.local_endpoint(); }
  /// As HttpServer::stop().
  [[nodiscard]] net::Awaitable<bool> stop(Duration limit) { return server_.stop(limit); }

  [[nodiscard]] net::HttpServer::Counters const& counters() const { return server_.counters(); }
  [[nodiscard]] std::size_t connection_count() const { return server_.connection_count(); }

 private:
  net::Awaitable<net::HttpReply> handle(net::HttpRequest& request);
  net::Awaitable<net::HttpReply> announce(json::GrapeAnnounce announce);
  net::Awaitable<net::HttpReply> unannounce(json::GrapeAnnounce announce);
  net::Awaitable<net::HttpReply> lookup(std::string name);
  net::Awaitable<net::HttpReply> get(json::GrapeGet get);
  net::Awaitable<net::HttpReply> put(json::GrapePut put);
  net::Awaitable<net::HttpReply> dispatch(json::GrapeRequest const& request);
  [[nodiscard]] std::optional<net::HttpReply> page(net::HttpRequest const& request);
  [[nodiscard]] net::HttpReply refuse(Error const& error) const;
  [[nodiscard]] net::HttpReply refuse(json::GrapeErrc code) const;
  [[nodiscard]] net::HttpReply refuse(PutRefusal const& refusal) const;

  NodeRunner& runner_;
  bool strict_;
  std::function<Status()> status_;
  PageCache metrics_;
  PageCache start_page_;
  net::HttpServer server_;
};

}  // namespace grenache::grape
