// Client: calls Grenache services.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <grenache/base/random.hpp>
#include <grenache/base/time.hpp>
#include <grenache/json/json.hpp>
#include <grenache/net/asio.hpp>
#include <grenache/net/tls.hpp>
#include <grenache/rpc/failover.hpp>
#include <grenache/rpc/link.hpp>
#include <grenache/rpc/rpc_error.hpp>
#include <grenache/rpc/transport.hpp>

namespace grenache::rpc {

/// How to make a request.
struct RequestOptions {
  /// Over everything: the lookup, all attempts, the answer.
  Duration timeout = std::chrono::seconds{10};
  /// How often the request is sent again after a connection was lost that may have delivered it: each time to
  /// another destination, or to the same one when there is only one. The service may have executed it
  /// already, so set this only for requests that are idempotent. A destination that could not be connected
  /// does not count: it has not seen the request, and the next one is asked anyway.
  unsigned retry_count = 0;
  /// Sends the request and asks for the reply in gzip. HTTP and HTTPS; without effect over WebSocket.
  bool compress = false;
};

struct MapOptions {
  Duration timeout = std::chrono::seconds{10};  // for the lookup and all answers together
  std::size_t limit = 0;                        // ask so many of them, by chance; 0: all
  bool compress = false;                        // as RequestOptions::compress
};

struct StreamOptions {
  Duration timeout = std::chrono::seconds{10};  // for the lookup and until the stream is open
  std::optional<std::string> action;            // header `_a`
  std::optional<json::Value> args;              // header `_ar`, as JSON
  /// More headers. Names and values must be valid header text.
  std::vector<std::pair<std::string, std::string>> headers;
};

/// A stream to one instance of a service: bytes go in pieces and come in pieces, also both at one time, as
/// fast as the slower side takes them. It fails with `timeout` when it waits for a minute without a byte
/// either way. Dropping one that has not come to its end drops its connection. Must not outlive the
/// io_context; may outlive its client, and then fails with `stopped`.
class ClientStream {
 public:
  struct State;  // of the .cpp alone

  explicit ClientStream(std::unique_ptr<State> state);
  ClientStream(ClientStream&&) noexcept;
  ClientStream& operator=(ClientStream&&) noexcept;
  ~ClientStream();

  [[nodiscard]] std::string const& destination() const;

  /// Completes when the connection has taken the whole piece, which must live until then. When it fails, the
  /// service may have answered already: read() tells.
  [[nodiscard]] net::Awaitable<RpcResult<void>> write(std::string_view piece);
  /// Nothing more will be written. Once.
  [[nodiscard]] net::Awaitable<RpcResult<void>> finish();
  /// The next bytes, at most 64 KiB; empty at the end. Valid until the next call. An answer with a status
  /// that is not 2xx is request_generic with its text. Who writes much has to read meanwhile, in another
  /// coroutine: a service may answer before it has read everything.
  [[nodiscard]] net::Awaitable<RpcResult<std::string_view>> read();

 private:
  std::unique_ptr<State> state_;
};

/// Calls services that a Link finds, over the one transport in Options. Connections are kept and shared by
/// all requests: over HTTP each carries one request at a time, over WebSocket one for each destination
/// carries all.
///
/// A request goes to a random destination. When that one cannot be connected, another one is asked; after a
/// lost connection only as often as RequestOptions::retry_count allows. The same one is never asked again
/// unless it is the only one; destinations that failed are left for last for a while. Requests in
/// flight fail at once when their connection dies. An answer is final, be it an error: the service's own text
/// comes back as Errc::remote. One thread, that of the executor; the link must outlive the client.
///
/// A coroutine that is cancelled gets `stopped`. Destroying a client fails what is under way with `stopped`;
/// callbacks are still called then, later on the executor.
class Client {
 public:
  struct Options {
    Transport transport = Transport::http;
    /// Of https and wss. Needs `ca` or fingerprints, unless peer_check is `requested`; with a certificate and
    /// a key for services that want one. What is wrong with it fails every request with request_generic.
    net::TlsOptions tls;
    std::size_t request_bytes_max = 8 * 1024 * 1024;    // larger ones are not sent: a Server takes no more
    std::size_t reply_bytes_max = 8 * 1024 * 1024;      // of a reply as sent
    std::size_t expanded_bytes_max = 32 * 1024 * 1024;  // of a gzipped reply once expanded: stops bombs
    std::size_t connections_per_destination_max = 8;    // HTTP; more requests wait
    std::size_t connections_max = 512;                  // to all destinations together, idle ones included
    std::size_t waiting_max = 4096;  // HTTP: requests that wait for a connection; WebSocket: in flight on one
    std::size_t map_parallel_max = 32;             // destinations asked at one time by one map
    Duration idle_max = std::chrono::seconds{30};  // a connection without requests closes after it
    DeadList::Options dead;
  };

  /// What one destination has answered to a map.
  struct MapEntry {
    std::string destination;
    RpcResult<json::Value> reply;
  };
  using RequestCallback = std::function<void(RpcResult<json::Value>)>;
  using MapCallback = std::function<void(RpcResult<std::vector<MapEntry>>)>;

  struct Impl;  // of the .cpp alone

  Client(net::Executor const& executor, Link& link, Options options, Random random);
  ~Client();
  Client(Client const&) = delete;
  Client& operator=(Client const&) = delete;

  /// Requests and maps never go to `destination` ("ip:port"): a peer's own server. Fails with lookup_empty
  /// when it is all that was found.
  void exclude(std::string destination);

  /// Asks one instance of the service `name`. The result; or any Errc.
  [[nodiscard]] net::Awaitable<RpcResult<json::Value>> request(std::string name, json::Value payload,
                                                               RequestOptions options);
  [[nodiscard]] net::Awaitable<RpcResult<json::Value>> request(std::string name, json::Value payload);
  /// The same for those without coroutines: `callback` is called once, on the executor, never from inside.
  void request(std::string name, json::Value payload, RequestOptions options, RequestCallback callback);

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
  void map(std::string name, json::Value payload, MapOptions options, MapCallback callback);

  /// Opens a stream to one instance of `name`, over HTTP or HTTPS; one that cannot be reached is passed over.
  [[nodiscard]] net::Awaitable<RpcResult<ClientStream>> stream(std::string name, StreamOptions options);

  /// Fails what is under way with `stopped`, and later requests too; completes when callbacks were called and
  /// connections are closed. Coroutines that wait for a lookup return when that has ended.
  [[nodiscard]] net::Awaitable<void> stop();

  /// How many connections are open.
  [[nodiscard]] std::size_t connection_count() const;

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace grenache::rpc
