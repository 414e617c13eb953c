// Runs a DHT node: a UDP socket, a timer and name resolution around the core in grape/core.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "grape/core/bootstrap_names.hpp"
#include "grape/core/node.hpp"
#include "grape/detached_calls.hpp"
#include "grape/status.hpp"
#include "grape/udp_socket.hpp"
#include <grenache/log/log.hpp>
#include <grenache/net/asio.hpp>
#include <grenache/net/async_event.hpp>
#include <grenache/net/deadline.hpp>
#include <grenache/net/task_group.hpp>

namespace grenache::grape {

/// The addresses of a host. Called on threads of its own, possibly several at a time, and may block; it must
/// not throw, and may still run when the runner has gone.
using NameLookup = std::function<Result<std::vector<IpAddress>>(std::string const& host)>;
/// As the operating system resolves names (getaddrinfo).
[[nodiscard]] Result<std::vector<IpAddress>> system_name_lookup(std::string const& host);

/// A Node on a UDP socket. Everything happens on the one thread of the executor. It may be destroyed at any
/// time: requests that still wait then end with operation_aborted when they are cancelled.
class NodeRunner {
 public:
  NodeRunner(net::Executor executor, Log const& log, NameLookup name_lookup = system_name_lookup);
  ~NodeRunner();
  NodeRunner(NodeRunner const&) = delete;
  NodeRunner& operator=(NodeRunner const&) = delete;

  /// Binds the socket (port 0 takes a free one; `::` speaks both IPv4 and IPv6), makes the node and begins to
  /// answer. Once. Errors are the system's.
  [[nodiscard]] Result<Endpoint> listen(Endpoint const& bind, NodeOptions options);

  /// What to remember over a restart, and to go on from; the latter between listen() and bootstrap().
  [[nodiscard]] Snapshot snapshot() const;
  void restore(Snapshot const& snapshot);

  /// Joins the network through these. Names are resolved until they have an address, and again whenever the
  /// node is alone or none of their addresses answers; the rest continues meanwhile. See BootstrapNames.
  void bootstrap(std::vector<HostPort> addresses);

  /// The peers that serve `name`, at most 100. The error tells that too many lookups are running.
  [[nodiscard]] net::Awaitable<Result<std::vector<Endpoint>>> lookup(dht::ServiceKey name);
  /// Announces `port` of this host; returns how many other nodes stored it. The node keeps it alive from now
  /// on, as long as it is asked again within the life of an announcement.
  [[nodiscard]] net::Awaitable<Result<std::size_t>> announce(dht::ServiceKey name, std::uint16_t port);
  /// Takes it back; returns how many other nodes said that they have forgotten it.
  [[nodiscard]] net::Awaitable<Result<std::size_t>> unannounce(dht::ServiceKey name, std::uint16_t port);
  /// An item, or none; see Node::start_get.
  [[nodiscard]] net::Awaitable<Result<GetDone>> get(NodeId target, std::string salt);
  /// Stores an item and publishes it again every hour; see Node::start_put.
  [[nodiscard]] net::Awaitable<Result<PutDone>> put(dht::Item item, std::optional<std::int64_t> cas);

  /// After listen().
  [[nodiscard]] Node const& node() const { return *node_; }
  /// When a lookup of a user last found a peer; nothing when none has.
  [[nodiscard]] std::optional<TimePoint> last_found() const { return last_found_; }
  [[nodiscard]] SocketCounters const& socket_counters() const { return socket_->counters(); }

  /// Closes the socket; does not wait for names that are being resolved. Lookups and announcements that still
  /// wait must be cancelled by their callers.
  [[nodiscard]] net::Awaitable<void> stop();

 private:
  template <class Done>
  struct Waiter {
    explicit Waiter(net::Executor const& executor) : changed{executor} {}
    std::optional<Done> done;
    net::AsyncEvent changed;
  };
  template <class Done>
  using Waiters = std::map<RequestId, Waiter<Done>*>;
  /// What the coroutines of the callers share with the runner, which may be gone before them.
  struct Requests {
    NodeRunner* runner = nullptr;  // null: gone
    std::tuple<Waiters<LookupDone>, Waiters<AnnounceDone>, Waiters<UnannounceDone>, Waiters<GetDone>,
               Waiters<PutDone>>
        waiters;
  };

  static net::Awaitable<void> receive_loop(std::shared_ptr<Requests> shared,
                                           std::shared_ptr<UdpSocket> socket);
  /// Takes the datagrams that wait, within a limit.
  void receive();
  void resolve_names();
  void resolved(std::size_t number, Result<std::vector<IpAddress>> const& addresses);
  template <class Done>
  net::Awaitable<Result<Done>> outcome_of(Result<RequestId> id);
  template <class Done>
  static net::Awaitable<Result<Done>> await_outcome(std::shared_ptr<Requests> shared, net::Executor executor,
                                                    RequestId id);
  template <class Done>
  void finish(Done const& done);
  void on_deadline();
  /// Tells what the node has to tell, and queues what it wants to send.
  void drain();
  /// The same, sends it, and sets the deadline.
  void flush();
  void log_event(Event const& event);

  net::Executor executor_;
  Log const& log_;
  NameLookup name_lookup_;
  std::shared_ptr<UdpSocket> socket_;
  std::optional<Node> node_;
  std::optional<net::Deadline>
      deadline_;  // ends with stop(): a timer that waits would keep the io_context running
  net::TaskGroup tasks_;
  std::shared_ptr<Requests> requests_;
  Random random_;
  BootstrapNames names_{BootstrapNames::Options{}};
  std::vector<Endpoint> numeric_;  // bootstrap addresses that are no names
  bool has_joined_ = false;        // the node has heard of a bootstrap address, or that there is none so far
  std::optional<DetachedCalls> resolutions_;  // until stop()
  std::optional<TimePoint> last_found_;
  /// Who is being answered, and which of our addresses was asked.
  std::optional<UdpSocket::Received> asked_;
};

}  // namespace grenache::grape
