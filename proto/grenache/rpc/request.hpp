// Requests to a service and its replies.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <grenache/base/endpoint.hpp>
#include <grenache/json/json.hpp>
#include <grenache/net/tls.hpp>
#include <grenache/rpc/transport.hpp>

namespace grenache::rpc {

/// A complete request. A plain value, which may be moved and may outlive its connection.
struct Request {
  json::Value rid;      // as sent; usually a UUID
  std::string key;      // the service name used by the caller; empty if none was sent
  json::Value payload;  // null if none was sent
  std::string action;   // HTTP header `_a`; empty if none was sent
  json::Value args;     // HTTP header `_ar`; null if none was sent or it is not JSON
  Transport transport = Transport::http;
  Endpoint peer;                                    // of the TCP connection
  std::optional<net::PeerCertificate> certificate;  // of the caller, with TLS, if it sent one
};

/// A result or an error text.
struct Reply {
  json::Value result;
  std::optional<std::string> error;

  Reply() = default;
  Reply(json::Value value) : result{std::move(value)} {}
  [[nodiscard]] static Reply failure(std::string text) {
    Reply reply;
    reply.error = std::move(text);
    return reply;
  }
};

/// Answers one request, now or later, from any thread. Copies share the request: the first answer is sent,
/// later ones are ignored, and so is an answer to a disconnected caller. If the last copy is destroyed
/// without an answer, the caller gets ERR_REQUEST_HANDLER.
class Responder {
 public:
  class State;  // private to the library
  explicit Responder(std::shared_ptr<State> state) : state_{std::move(state)} {}

  void operator()(Reply reply) const;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace grenache::rpc
