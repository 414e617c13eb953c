// Client: calls Grenache services over HTTP.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proto/base/random.hpp"
#include "proto/base/time.hpp"
#include "proto/json/json.hpp"
#include "proto/net/asio.hpp"
#include "proto/rpc/failover.hpp"
#include "proto/rpc/link.hpp"
#include "proto/rpc/rpc_error.hpp"

namespace grenache::rpc {

/// How to make a request.
struct RequestOptions {
  /// Over everything: the lookup, all attempts, the answer.
  Duration timeout = std::chrono::seconds{10};
  /// How many more destinations are asked when the transport fails after the request may have arrived. A
  /// destination that could not even be connected does not count: the next one is asked anyway.
  unsigned retry_count = 1;
  /// Sends the request and asks for the reply in gzip.
  bool compress = false;
};

struct MapOptions {
  Duration timeout = std::chrono::seconds{10};  // for the lookup and all answers together
  std::size_t limit = 0;                        // ask so many of them, by chance; 0: all
  bool compress = false;
};

/// Calls services that a Link finds. Connections are kept and shared by all requests.
///
/// A request goes to a random destination. When the transport fails, another one is asked, never the same
/// again unless it is the only one; destinations that failed are left for last for a while. An answer is
/// final, be it an error: the service's own text comes back as Errc::remote. One thread; the link must
/// outlive the client's requests.
class Client {
 public:
  struct Options {
    std::size_t reply_bytes_max = 8 * 1024 * 1024;      // of a reply as sent
    std::size_t expanded_bytes_max = 32 * 1024 * 1024;  // of a gzipped reply once expanded: stops bombs
    std::size_t connections_per_destination_max = 8;
    std::size_t map_parallel_max = 32;  // destinations asked at one time by one map
    DeadList::Options dead;
  };

  /// What one destination has answered to a map.
  struct MapEntry {
    std::string destination;
    RpcResult<json::Value> reply;
  };

  struct Impl;  // of the .cpp alone

  Client(net::Executor const& executor, Link& link, Options options, Random random);
  ~Client();
  Client(Client const&) = delete;
  Client& operator=(Client const&) = delete;

  /// Requests and maps never go to `destination` ("ip:port"): a peer's own server. Fails with lookup_empty
  /// when it is all that was found.
  void exclude(std::string destination);

  /// Asks one instance of the service `name`. The result, or lookup_empty, grape_unreachable, grape_refused,
  /// timeout, request_generic, reply_empty, reply_encoding_compression, remote, stopped.
  [[nodiscard]] net::Awaitable<RpcResult<json::Value>> request(std::string name, json::Value payload,
                                                               RequestOptions options);
  [[nodiscard]] net::Awaitable<RpcResult<json::Value>> request(std::string name, json::Value payload);

  /// Asks the one at `destination` ("host:port"), without a lookup. retry_count is the number of repetitions
  /// there.
  [[nodiscard]] net::Awaitable<RpcResult<json::Value>> request_to(std::string destination, std::string name,
                                                                  json::Value payload,
                                                                  RequestOptions options);

  /// Asks all instances of `name`, side by side. An entry for each, in the order of the lookup (of those that
  /// `limit` has left, in random order); one that is dead fails alone. Fails as a whole only when the lookup
  /// does.
  [[nodiscard]] net::Awaitable<RpcResult<std::vector<MapEntry>>> map(std::string name, json::Value payload,
                                                                     MapOptions options);

  /// Fails requests under way with `stopped`, and later ones too; completes when the last has returned.
  [[nodiscard]] net::Awaitable<void> stop();

  /// How many TCP connections are open.
  [[nodiscard]] std::size_t connection_count() const;

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace grenache::rpc
