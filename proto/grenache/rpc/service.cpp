#include "grenache/rpc/service.hpp"

#include <exception>
#include <utility>

#include <grenache/json/memory_bytes.hpp>

namespace grenache::rpc {

void Responder::operator()(Reply reply) const { state_->answer(std::move(reply)); }

namespace {

constexpr std::size_t kRequestBytes =
    4096;  // of a request in progress with its certificate, besides its values

Reply failure_reply() { return Reply::failure("ERR_REQUEST_HANDLER"); }

}  // namespace

Reply Service::handler_failure() {
  ++handler_failures;
  return failure_reply();
}

net::Awaitable<Reply> Service::call(Request& request) {
  Reply reply;
  bool thrown = false;
  try {
    reply = co_await handler(request);
  } catch (...) {
    thrown = true;
  }
  if (!thrown) co_return reply;
  // A handler that was cancelled has not failed: its caller disconnected, or the server stops.
  auto const cancellation = co_await boost::asio::this_coro::cancellation_state;
  if (cancellation.cancelled() != boost::asio::cancellation_type::none) co_return failure_reply();
  co_return handler_failure();
}

void Service::call_back(Request request, std::unique_ptr<Responder::State> state) {
  Responder const responder{std::move(state)};
  try {
    callback(std::move(request), responder);
  } catch (...) {
    responder(handler_failure());
  }
}

std::size_t memory_of(json::RpcRequestEnvelope const& request) {
  // The rid is kept for the reply too: the handler may move from its request.
  return kRequestBytes + request.key.capacity() + 2 * json::memory_bytes(request.rid) +
         json::memory_bytes(request.payload);
}

std::string reply_text(json::Value const& rid, Reply const& reply) {
  return reply.error ? json::rpc_error_reply(rid, *reply.error) : json::rpc_reply(rid, reply.result);
}

}  // namespace grenache::rpc
