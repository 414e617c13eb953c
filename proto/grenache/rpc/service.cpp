#include "grenache/rpc/service.hpp"

#include <exception>
#include <utility>

namespace grenache::rpc {

void Responder::operator()(Reply reply) const { state_->answer(std::move(reply)); }

Reply Service::handler_failure() {
  ++handler_failures;
  return Reply::failure("ERR_REQUEST_HANDLER");
}

net::Awaitable<Reply> Service::call(Request& request) {
  Reply reply;
  bool thrown = false;
  try {
    reply = co_await handler(request);
  } catch (std::exception const&) {
    thrown = true;
  }
  if (thrown) reply = handler_failure();
  co_return reply;
}

void Service::call_back(Request request, std::unique_ptr<Responder::State> state) {
  Responder const responder{std::move(state)};
  try {
    callback(std::move(request), responder);
  } catch (std::exception const&) {
    responder(handler_failure());
  }
}

std::string reply_text(json::Value const& rid, Reply const& reply) {
  return reply.error ? json::rpc_error_reply(rid, *reply.error) : json::rpc_reply(rid, reply.result);
}

}  // namespace grenache::rpc
