#include "grenache/rpc/client_transport.hpp"

#include <boost/asio/error.hpp>

#include <grenache/net/websocket.hpp>

namespace grenache::rpc {

namespace error = boost::asio::error;
using net::HttpClientErrc;
using net::WebSocketErrc;

namespace {

constexpr std::size_t kDetailMax = 300;  // of a peer's text in our messages

}  // namespace

Failure generic_failure(std::string_view detail) {
  return Failure(Errc::request_generic, std::string{detail.substr(0, kDetailMax)});
}

Failure failure_of(Error const& failure, std::string_view text) {
  if (failure == HttpClientErrc::timed_out || failure == WebSocketErrc::timed_out) return Errc::timeout;
  if (failure == HttpClientErrc::stopped || failure == error::operation_aborted) return Errc::stopped;
  if (failure == HttpClientErrc::response_too_large || failure == WebSocketErrc::message_too_large) {
    return Errc::reply_size;
  }
  if (failure == HttpClientErrc::too_many_waiting) return Errc::request_limit;
  return generic_failure(text.empty() ? failure.message() : text);
}

Attempt answered_attempt(RpcResult<json::Value> reply) {
  Attempt attempt;
  attempt.reply = std::move(reply);
  attempt.answered = true;
  return attempt;
}

Attempt failed_attempt(Error const& error, std::string_view text) {
  Attempt attempt;
  Failure failure = failure_of(error, text);
  attempt.transport_failed = failure.code == Errc::request_generic || failure.code == Errc::timeout;
  attempt.surely_unseen = is_never_connected(error);
  attempt.reply = std::move(failure);
  return attempt;
}

Attempt final_attempt(Failure failure) {
  Attempt attempt;
  attempt.reply = std::move(failure);
  return attempt;
}

RpcResult<json::Value> result_of(json::RpcReplyEnvelope reply) {
  if (reply.error) return Failure(Errc::remote, std::move(*reply.error));
  return std::move(reply.result);
}

}  // namespace grenache::rpc
