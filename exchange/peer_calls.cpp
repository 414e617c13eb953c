#include "exchange/peer_calls.hpp"

#include <utility>

namespace grenache::exchange {

namespace asio = boost::asio;
using net::Awaitable;

// Calls own it, since they may outlive the PeerCalls.
struct PeerCalls::State : std::enable_shared_from_this<State> {
  State(net::Executor const& executor, rpc::Client& c, Options o, Done d)
      : client{c}, options{std::move(o)}, done{std::move(d)}, tasks{executor} {}

  void start_next() {
    start_some(urgent, 2 * options.count_max);
    start_some(waiting, options.count_max);
  }

  void start_some(std::deque<output::Call>& calls, std::size_t count_max) {
    while (!calls.empty() && running_count < count_max && !is_stopped) {
      ++running_count;
      auto call = std::move(calls.front());
      calls.pop_front();
      tasks.spawn(run(shared_from_this(), std::move(call)));
    }
  }

  static Awaitable<rpc::RpcResult<json::Value>> send(State& self, output::Call& call,
                                                     rpc::RequestOptions const& request) {
    if (!call.service.empty()) {
      return self.client.request(std::move(call.service), std::move(call.payload), request);
    }
    return self.client.request_to(std::move(call.endpoint), self.options.service, std::move(call.payload),
                                  request);
  }

  static Awaitable<void> run(std::shared_ptr<State> self, output::Call call) {
    if (self->is_stopped) co_return;
    rpc::RequestOptions request;
    request.timeout = self->options.timeout;
    request.retry_count = 1;  // messages may be repeated: orders have a seq, takes an id
    auto reply = co_await send(*self, call, request);
    --self->running_count;
    if (self->is_stopped) co_return;
    CallAnswer answer;
    if (reply) {
      answer.result = std::move(*reply);
    } else {
      answer.error = reply.error().text();
      if (answer.error.empty()) answer.error = "the peer has answered with an error";
    }
    self->done(call.call, std::move(answer));
    self->start_next();
  }

  rpc::Client& client;
  Options options;
  Done done;
  net::TaskGroup tasks;
  std::deque<output::Call> urgent;
  std::deque<output::Call> waiting;
  std::size_t running_count = 0;
  bool is_stopped = false;
};

PeerCalls::PeerCalls(net::Executor const& executor, rpc::Client& client, Options options, Done done)
    : state_{std::make_shared<State>(executor, client, std::move(options), std::move(done))} {}

PeerCalls::~PeerCalls() { state_->is_stopped = true; }

void PeerCalls::start(output::Call call) {
  (call.is_urgent ? state_->urgent : state_->waiting).push_back(std::move(call));
  state_->start_next();
}

Awaitable<bool> PeerCalls::stop(Duration limit) {
  auto const state = state_;
  state->is_stopped = true;
  state->tasks.cancel(asio::cancellation_type::terminal);
  co_return co_await state->tasks.drained(limit);
}

}  // namespace grenache::exchange
