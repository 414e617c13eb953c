// A fake grape with configurable faults.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <grenache/base/endpoint.hpp>
#include <grenache/net/asio.hpp>
#include <grenache/net/async_event.hpp>
#include <grenache/net/http_server.hpp>

namespace grenache::test {

/// For tests of clients with faulty grapes: it can stop answering, answer with a given error, report bad
/// health or another id, use TLS and a base path like a proxy, and lack /unannounce like Node.js' Grape.
/// Otherwise it is the HTTP API on a map of names, without a DHT; use InProcessDht for a working grape.
/// Listens on a free port of 127.0.0.1 as soon as it is constructed.
class MisbehavingGrape {
 public:
  /// `port` 0 chooses a free one. Routes exist only below `base_path`.
  explicit MisbehavingGrape(net::Executor const& executor, std::uint16_t port = 0,
                            net::HttpServer::Options options = {}, std::string base_path = {});

  [[nodiscard]] HostPort address() const;
  void add(std::string const& name, std::string const& destination);

  /// While held, requests are not answered.
  void hold() { held_ = true; }
  void release();

  std::map<std::string, std::vector<std::string>> services;
  std::string error;   // when set, the body of every answer
  std::string health;  // when set, the status in the answer 503 to GET /health
  std::string id;      // when set, the id in the answer 200 to GET /health; Node.js' Grape has no such page
  std::string run;     // in that answer too
  bool knows_unannounce = true;
  int lookup_count = 0;
  int announce_count = 0;
  int unannounce_count = 0;
  int health_count = 0;
  net::AsyncEvent announced;
  net::AsyncEvent unannounced;

 private:
  net::Awaitable<net::HttpReply> answer(net::HttpRequest& request);
  net::HttpReply reply_to(net::HttpRequest& request);

  std::string base_path_;
  bool held_ = false;
  net::AsyncEvent released_;
  net::HttpServer server_;
};

}  // namespace grenache::test
