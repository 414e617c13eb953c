// The transports of a Client: HTTP and WebSocket. For its .cpp files.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include <grenache/base/endpoint.hpp>
#include <grenache/json/json.hpp>
#include <grenache/json/rpc_envelope.hpp>
#include <grenache/net/http_client.hpp>
#include <grenache/net/tls.hpp>
#include <grenache/rpc/client.hpp>

namespace grenache::rpc {

/// A request to one destination.
struct Outgoing {
  HostPort to;
  std::string rid;
  std::string text;  // [rid,key,payload]
  TimePoint deadline;
  bool compress = false;
  bool repeatable = false;  // may be repeated on another connection
};

/// The outcome of one attempt at a destination.
struct Attempt {
  RpcResult<json::Value> reply = Failure(Errc::request_generic);
  bool answered = false;          // the destination is alive
  bool transport_failed = false;  // the destination may be dead
  bool surely_unseen = false;     // not connected, so the service has not seen the request
};

/// Connections to all destinations. Running coroutines share ownership of the state that they need.
class ClientTransport {
 public:
  virtual ~ClientTransport() = default;
  /// Completes before the deadline.
  [[nodiscard]] virtual net::Awaitable<Attempt> send(Outgoing outgoing) = 0;
  /// Opens a stream; fails if the transport has none.
  [[nodiscard]] virtual net::Awaitable<Result<net::HttpStream>> open(net::HttpCall head) = 0;
  /// Fails running and later calls with `stopped`; completes when all have ended.
  [[nodiscard]] virtual net::Awaitable<void> stop() = 0;
  [[nodiscard]] virtual std::size_t connection_count() const = 0;
};

[[nodiscard]] std::unique_ptr<ClientTransport> make_http_client_transport(
    net::Executor const& executor, Client::Options const& options, std::shared_ptr<net::TlsContext> tls);
[[nodiscard]] std::unique_ptr<ClientTransport> make_ws_client_transport(net::Executor const& executor,
                                                                        Client::Options const& options,
                                                                        std::shared_ptr<net::TlsContext> tls);

[[nodiscard]] Attempt answered_attempt(RpcResult<json::Value> reply);
/// An attempt that failed in the transport. `text` replaces the error's message.
[[nodiscard]] Attempt failed_attempt(Error const& error, std::string_view text = {});
/// An attempt that failed for a reason which is the same for all destinations.
[[nodiscard]] Attempt final_attempt(Failure failure);
/// Maps an error of the transport to a Failure.
[[nodiscard]] Failure failure_of(Error const& error, std::string_view text = {});
/// ERR_REQUEST_GENERIC with the beginning of `detail`, which may come from a peer.
[[nodiscard]] Failure generic_failure(std::string_view detail);
[[nodiscard]] RpcResult<json::Value> result_of(json::RpcReplyEnvelope reply);

}  // namespace grenache::rpc
