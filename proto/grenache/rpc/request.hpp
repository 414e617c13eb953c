// What a service is asked and what it answers.
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

/// One request, whole. A plain value: it may be moved and outlive its connection.
struct Request {
  json::Value rid;      // as sent; a UUID as a rule
  std::string key;      // the name of the service that the caller looked up; empty when none was sent
  json::Value payload;  // null when none was sent
  std::string action;   // header `_a` of HTTP; empty when none was sent
  json::Value args;     // header `_ar` of HTTP; null when none was sent, or what is not JSON
  Transport transport = Transport::http;
  Endpoint peer;                                    // of the TCP connection
  std::optional<net::PeerCertificate> certificate;  // of the caller, over TLS, when it showed one
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

/// The right to answer one request: now or later, from any thread, by whichever copy comes first. What comes
/// after the first answer is ignored, and so is an answer to a caller that has gone. When the last copy goes
/// without an answer, the caller gets ERR_REQUEST_HANDLER.
class Responder {
 public:
  class State;  // of the library alone
  explicit Responder(std::shared_ptr<State> state) : state_{std::move(state)} {}

  void operator()(Reply reply) const;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace grenache::rpc
