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
#include <grenache/rpc/client_options.hpp>
#include <grenache/rpc/link.hpp>
#include <grenache/rpc/rpc_error.hpp>

namespace grenache::rpc {

struct StreamOptions {
  Duration timeout = std::chrono::seconds{10};  // for the lookup and opening the stream
  std::optional<std::string> action;            // header `_a`
  std::optional<json::Value> args;              // header `_ar`, as JSON
  /// Additional headers. Names and values must be valid header text.
  std::vector<std::pair<std::string, std::string>> headers;
};

/// A stream to one instance of a service: sends and receives bytes in pieces, concurrently, with
/// back-pressure. Fails with `timeout` when it waits for a minute without a byte in either direction. The
/// destructor closes the connection of a stream that has not ended. Must not outlive the io_context; may
/// outlive its client, and then fails with `stopped`.
class ClientStream {
 public:
  struct State;  // private to the .cpp

  explicit ClientStream(std::unique_ptr<State> state);
  ClientStream(ClientStream&&) noexcept;
  ClientStream& operator=(ClientStream&&) noexcept;
  ~ClientStream();

  [[nodiscard]] std::string const& destination() const;

  /// Completes when the connection has accepted the whole piece, which must stay valid until then. If it
  /// fails, the service may have answered already: call read().
  [[nodiscard]] net::Awaitable<RpcResult<void>> write(std::string_view piece);
  /// Ends the request. Call once.
  [[nodiscard]] net::Awaitable<RpcResult<void>> finish();
  /// Returns the next bytes, at most 64 KiB; empty at the end. Valid until the next call. An answer with a
  /// status other than 2xx fails with request_generic and its text. When writing much, read concurrently in
  /// another coroutine: a service may answer before it has read everything.
  [[nodiscard]] net::Awaitable<RpcResult<std::string_view>> read();

 private:
  std::unique_ptr<State> state_;
};

/// Calls services found by a Link, over the transport in Options. Connections are reused: over HTTP each
/// carries one request at a time, over WebSocket one connection per destination carries all requests.
///
/// A request is sent to a random destination. If that one cannot be connected, the client fails over to
/// another one; after a lost connection only as often as RequestOptions::retry_count allows. A destination is
/// tried once per request unless it is the only one; destinations that failed recently are tried last.
/// Requests in flight fail at once when their connection is lost. Every answer is final: an error of the
/// service is returned as Errc::remote. Not thread-safe: use it on the thread of the executor. The link must
/// outlive the client.
///
/// A cancelled coroutine gets `stopped`. The destructor fails running requests with `stopped`; their
/// callbacks are called later on the executor.
class Client {
 public:
  using Options = ClientOptions;
  using MapEntry = rpc::MapEntry;
  using RequestCallback = std::function<void(RpcResult<json::Value>)>;
  using MapCallback = std::function<void(RpcResult<std::vector<MapEntry>>)>;

  struct Impl;  // private to the .cpp

  Client(net::Executor const& executor, Link& link, Options options, Random random);
  ~Client();
  Client(Client const&) = delete;
  Client& operator=(Client const&) = delete;

  /// Excludes `destination` ("ip:port") from requests and maps, for a peer's own server. They fail with
  /// lookup_empty when it is the only one found.
  void exclude(std::string destination);

  /// Calls one instance of the service `name`. Fails with any Errc.
  [[nodiscard]] net::Awaitable<RpcResult<json::Value>> request(std::string name, json::Value payload,
                                                               RequestOptions options);
  [[nodiscard]] net::Awaitable<RpcResult<json::Value>> request(std::string name, json::Value payload);
  /// The same with a callback, which is called once, on the executor, never inside this call.
  void request(std::string name, json::Value payload, RequestOptions options, RequestCallback callback);

  /// Calls the service at `destination` ("host:port"), without a lookup. retry_count is the number of
  /// repetitions to it.
  [[nodiscard]] net::Awaitable<RpcResult<json::Value>> request_to(std::string destination, std::string name,
                                                                  json::Value payload,
                                                                  RequestOptions options);

  /// Calls all instances of `name` concurrently. Returns an entry for each, in the order of the lookup (with
  /// `limit`, in random order); a failed destination affects only its entry. Fails only when the lookup does.
  [[nodiscard]] net::Awaitable<RpcResult<std::vector<MapEntry>>> map(std::string name, json::Value payload,
                                                                     MapOptions options);
  void map(std::string name, json::Value payload, MapOptions options, MapCallback callback);

  /// Opens a stream to one instance of `name`, over HTTP or HTTPS; fails over from instances that cannot be
  /// reached.
  [[nodiscard]] net::Awaitable<RpcResult<ClientStream>> stream(std::string name, StreamOptions options);

  /// Fails running and later requests with `stopped`; completes when all callbacks were called and all
  /// connections are closed. Coroutines that wait for a lookup return when that has ended.
  [[nodiscard]] net::Awaitable<void> stop();

  /// The number of open connections.
  [[nodiscard]] std::size_t connection_count() const;

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace grenache::rpc
