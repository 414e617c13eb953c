// What a Client sends its requests with: HTTP or WebSocket. For its .cpp files.
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

/// One request to one destination.
struct Outgoing {
  HostPort to;
  std::string rid;
  std::string text;  // [rid,key,payload]
  TimePoint deadline;
  bool compress = false;
  bool repeatable = false;  // may be sent again on another connection
};

/// How one attempt at one destination has ended.
struct Attempt {
  RpcResult<json::Value> reply = Failure(Errc::request_generic);
  bool answered = false;          // the destination is alive
  bool transport_failed = false;  // it may not be
  bool surely_unseen = false;     // no connection came about: the service has not seen the request
};

/// Connections to all destinations. Its calls and the coroutines under way share ownership of what they need.
class ClientTransport {
 public:
  virtual ~ClientTransport() = default;
  /// Never later than the deadline.
  [[nodiscard]] virtual net::Awaitable<Attempt> send(Outgoing outgoing) = 0;
  /// Streams; fails where the transport has none.
  [[nodiscard]] virtual net::Awaitable<Result<net::HttpStream>> open(net::HttpCall head) = 0;
  /// Fails what is under way with `stopped`, and later calls too; completes when all have ended.
  [[nodiscard]] virtual net::Awaitable<void> stop() = 0;
  [[nodiscard]] virtual std::size_t connection_count() const = 0;
};

[[nodiscard]] std::unique_ptr<ClientTransport> make_http_client_transport(
    net::Executor const& executor, Client::Options const& options, std::shared_ptr<net::TlsContext> tls);
[[nodiscard]] std::unique_ptr<ClientTransport> make_ws_client_transport(net::Executor const& executor,
                                                                        Client::Options const& options,
                                                                        std::shared_ptr<net::TlsContext> tls);

[[nodiscard]] Attempt answered_attempt(RpcResult<json::Value> reply);
/// The attempt that has ended with an error of the transport. `text` says more than the error's message.
[[nodiscard]] Attempt failed_attempt(Error const& error, std::string_view text = {});
/// The attempt whose failure is ours, or final: no other destination would do better.
[[nodiscard]] Attempt final_attempt(Failure failure);
/// What an error of the transport means to the caller.
[[nodiscard]] Failure failure_of(Error const& error, std::string_view text = {});
/// ERR_REQUEST_GENERIC with the beginning of `detail`: a peer may have written it.
[[nodiscard]] Failure generic_failure(std::string_view detail);
[[nodiscard]] RpcResult<json::Value> result_of(json::RpcReplyEnvelope reply);

}  // namespace grenache::rpc
