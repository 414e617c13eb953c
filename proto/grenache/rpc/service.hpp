// The part of a Server shared by HTTP and WebSocket: handlers, their answers, counters. For its .cpp files.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <grenache/json/rpc_envelope.hpp>
#include <grenache/net/tls.hpp>
#include <grenache/rpc/server.hpp>

namespace grenache::rpc {

/// Shared by all connections and running requests. Its handlers do not change after listen().
struct Service {
  using Count = std::atomic<std::uint64_t>;

  Server::Options options;
  Server::Handler handler;           // either this
  Server::CallbackHandler callback;  // or this
  Server::StreamHandler stream;      // may be empty
  Count requests = 0;
  Count streams = 0;
  Count not_json = 0;
  Count bad_gr_header = 0;
  Count handler_failures = 0;

  /// Returns the answer of the coroutine handler; ERR_REQUEST_HANDLER if it throws.
  [[nodiscard]] net::Awaitable<Reply> call(Request& request);
  /// Calls the callback handler; answers ERR_REQUEST_HANDLER if it throws.
  void call_back(Request request, std::unique_ptr<Responder::State> state);
  /// Counts a handler that threw or dropped its responder, and returns its answer.
  [[nodiscard]] Reply handler_failure();
};

/// The state shared by all copies of a Responder. Thread-safe.
class Responder::State {
 public:
  /// `deliver` is called once: by the first answer, or by the destructor.
  State(std::shared_ptr<Service> service, std::function<void(Reply)> deliver)
      : service_{std::move(service)}, deliver_{std::move(deliver)} {}
  ~State() {
    if (!answered_) deliver_(service_->handler_failure());
  }
  State(State const&) = delete;
  State& operator=(State const&) = delete;

  void answer(Reply reply) {
    if (answered_.exchange(true)) return;
    auto const deliver = std::move(deliver_);  // released here, not with the last copy
    deliver(std::move(reply));
  }

 private:
  std::shared_ptr<Service> service_;
  std::function<void(Reply)> deliver_;
  std::atomic<bool> answered_ = false;
};

/// The memory of a request until it is answered, with its coroutines and what the transport keeps of it.
[[nodiscard]] std::size_t memory_of(json::RpcRequestEnvelope const& request);

/// `[rid,err,res]`
[[nodiscard]] std::string reply_text(json::Value const& rid, Reply const& reply);

/// A listening socket of one transport, with its connections.
class ServerTransport {
 public:
  virtual ~ServerTransport() = default;
  [[nodiscard]] virtual Result<Endpoint> listen(Endpoint const& bind) = 0;
  [[nodiscard]] virtual Endpoint local_endpoint() const = 0;
  /// As Server::stop().
  [[nodiscard]] virtual net::Awaitable<bool> stop(Duration limit) = 0;
  /// As Server::held_bytes().
  [[nodiscard]] virtual std::size_t held_bytes() const = 0;
  /// Adds the counters of the transport.
  virtual void count(Server::Counters& counters) const = 0;
};

/// `tls` is null for plain TCP.
[[nodiscard]] std::unique_ptr<ServerTransport> make_http_server_transport(
    net::Executor const& executor, std::shared_ptr<Service> service, std::shared_ptr<net::TlsContext> tls);
[[nodiscard]] std::unique_ptr<ServerTransport> make_ws_server_transport(net::Executor const& executor,
                                                                        std::shared_ptr<Service> service,
                                                                        std::shared_ptr<net::TlsContext> tls);

}  // namespace grenache::rpc
