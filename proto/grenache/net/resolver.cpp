#include "grenache/net/resolver.hpp"

#include <atomic>
#include <cstdint>
#include <exception>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>

#include <grenache/net/address.hpp>
#include <grenache/net/async_event.hpp>
#include <grenache/net/detached_calls.hpp>

namespace grenache::net {

using asio::ip::tcp;

namespace {

std::atomic<int> lookup_count{0};

Result<TcpEndpoints> system_lookup(HostPort const& host) try {
  // With a resolver of the caller's io_context, the destructor of that would wait for running lookups.
  asio::io_context context{1};
  tcp::resolver resolver{context};
  Error error;
  auto const found = resolver.resolve(host.host, std::to_string(host.port), error);
  if (error) return error;
  TcpEndpoints endpoints;
  for (auto const& entry : found) endpoints.push_back(entry.endpoint());
  return endpoints;
} catch (std::exception const&) {  // nothing could catch it on a detached thread
  return Error{asio::error::no_memory};
}

}  // namespace

struct Resolver::State {
  using Outcome = std::optional<Result<TcpEndpoints>>;

  State(Executor const& executor, Lookup l)
      : lookup{std::move(l)}, changed{executor}, calls{std::in_place, executor} {}

  std::shared_ptr<Outcome> begin(HostPort const& host);

  Lookup lookup;
  AsyncEvent changed;  // notified when a lookup has ended, or all are cancelled
  std::map<std::string, std::shared_ptr<Outcome>> under_way;  // by host_text()
  std::uint64_t cancel_count = 0;
  std::optional<DetachedCalls>
      calls;  // ends with the Resolver: a coroutine may keep the rest until ~io_context
};

/// Returns the outcome of the running lookup of `host`, or of a new one; empty until it has ended.
std::shared_ptr<Resolver::State::Outcome> Resolver::State::begin(HostPort const& host) {
  std::string const key = host_text(host);
  if (auto const known = under_way.find(key); known != under_way.end()) return known->second;
  auto outcome = std::make_shared<Outcome>();
  if (!calls) {
    outcome->emplace(Error{asio::error::operation_aborted});
    return outcome;
  }
  auto look_up = [call = lookup, host] {
    auto found = call(host);
    --lookup_count;
    return found;
  };
  auto done = [this, key, outcome](Result<TcpEndpoints> const& found) {
    under_way.erase(key);
    outcome->emplace(found);
    changed.notify_all();
  };
  bool started = false;
  if (++lookup_count <= kLookupsMax) {
    try {
      under_way.emplace(key, outcome);
      started = calls->run(std::move(look_up), std::move(done));
    } catch (std::exception const&) {  // no memory
      started = false;
    }
  }
  if (started) return outcome;
  --lookup_count;
  under_way.erase(key);
  outcome->emplace(Error{asio::error::try_again});
  return outcome;
}

Resolver::Resolver(Executor const& executor) : Resolver{executor, system_lookup} {}
Resolver::Resolver(Executor const& executor, Lookup lookup)
    : state_{std::make_shared<State>(executor, std::move(lookup))} {}
Resolver::~Resolver() {
  cancel();
  state_->calls.reset();
}

Awaitable<Result<TcpEndpoints>> Resolver::resolve(HostPort to, TimePoint deadline) {
  return resolve(state_, std::move(to), deadline);
}

Awaitable<Result<TcpEndpoints>> Resolver::resolve(std::shared_ptr<State> state, HostPort to,
                                                  TimePoint deadline) {
  if (auto const address = IpAddress::parse(to.host)) {
    TcpEndpoints only{{to_asio(*address), to.port}};
    co_return only;
  }
  auto const outcome = state->begin(to);
  std::uint64_t const cancel_count = state->cancel_count;
  while (!*outcome) {
    Wake const wake = co_await state->changed.wait(deadline);
    bool const cancelled = wake == Wake::cancelled || state->cancel_count != cancel_count;
    if (cancelled) co_return Error{asio::error::operation_aborted};
    if (wake == Wake::timed_out) co_return Error{asio::error::timed_out};
  }
  co_return **outcome;
}

void Resolver::cancel() {
  ++state_->cancel_count;
  state_->changed.notify_all();
}

}  // namespace grenache::net
