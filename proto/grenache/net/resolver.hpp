// Addresses of host names, for connections.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include <boost/asio/ip/tcp.hpp>

#include <grenache/base/endpoint.hpp>
#include <grenache/base/result.hpp>
#include <grenache/base/time.hpp>
#include <grenache/net/asio.hpp>

namespace grenache::net {

/// Where to connect to, best first.
using TcpEndpoints = std::vector<asio::ip::tcp::endpoint>;

/// Looks up names as the operating system does (getaddrinfo), on threads that nobody waits for: neither a
/// call that has reached its deadline nor the end of the io_context waits for a name server that does not
/// answer. Lookups of one name by one Resolver are shared. Not thread-safe.
class Resolver {
 public:
  /// Called on threads of its own; may block, must not throw, and may outlast the resolver.
  using Lookup = std::function<Result<TcpEndpoints>(HostPort const& host)>;
  /// Of the whole process; more lookups fail with `try_again` at once.
  static constexpr int kLookupsMax = 64;

  explicit Resolver(Executor const& executor);
  Resolver(Executor const& executor, Lookup lookup);
  ~Resolver();
  Resolver(Resolver const&) = delete;
  Resolver& operator=(Resolver const&) = delete;

  /// An IP address is taken as it is. Errors: timed_out at the deadline, operation_aborted after cancel() or
  /// when the coroutine is cancelled, and those of the lookup.
  [[nodiscard]] Awaitable<Result<TcpEndpoints>> resolve(HostPort to, TimePoint deadline);

  /// Ends the calls that wait.
  void cancel();

 private:
  struct State;
  static Awaitable<Result<TcpEndpoints>> resolve(std::shared_ptr<State> state, HostPort to,
                                                 TimePoint deadline);
  std::shared_ptr<State> state_;
};

}  // namespace grenache::net
