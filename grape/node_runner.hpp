// Runs a DHT node: connects the core in grape/core to a UDP socket, a timer and name resolution.
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
#include "grape/status.hpp"
#include "grape/udp_socket.hpp"
#include <grenache/log/log.hpp>
#include <grenache/net/asio.hpp>
#include <grenache/net/async_event.hpp>
#include <grenache/net/deadline.hpp>
#include <grenache/net/detached_calls.hpp>
#include <grenache/net/task_group.hpp>

namespace grenache::grape {

/// Resolves a host name. Called on new threads, possibly several at a time, and may block; it must not throw,
/// and may still run after the runner is destroyed.
using NameLookup = std::function<Result<std::vector<IpAddress>>(std::string const& host)>;
/// Resolves with the operating system (getaddrinfo).
[[nodiscard]] Result<std::vector<IpAddress>> system_name_lookup(std::string const& host);

/// A Node on a UDP socket. Not thread-safe: everything runs on the single thread of the executor. May be
/// destroyed at any time; requests that still wait end with operation_aborted when they are cancelled.
class NodeRunner {
 public:
  NodeRunner(net::Executor executor, Log const& log, NameLookup name_lookup = system_name_lookup);
  ~NodeRunner();
  NodeRunner(NodeRunner const&) = delete;
  NodeRunner& operator=(NodeRunner const&) = delete;

  /// Binds the socket (port 0 chooses a free one; `::` serves both IPv4 and IPv6), creates the node and
  /// starts to answer. Call once. Fails with system errors.
  [[nodiscard]] Result<Endpoint> listen(Endpoint const& bind, NodeOptions options);

  /// Saves and restores the state over a restart; see Node. Call restore() between listen() and bootstrap().
  [[nodiscard]] Snapshot snapshot() const;
  void restore(Snapshot const& snapshot);

  /// Joins the network through these addresses. Names are resolved in the background until they have an
  /// address, and again whenever the routing table is empty or none of their addresses answers; see
  /// BootstrapNames.
  void bootstrap(std::vector<HostPort> addresses);

  /// Returns the peers that serve `name`, at most 100. Fails with too_many_requests.
  [[nodiscard]] net::Awaitable<Result<std::vector<Endpoint>>> lookup(dht::ServiceKey name);
  /// Announces `port` of this host; returns how many other nodes stored it. The node re-announces it as long
  /// as the call is repeated within the lifetime of an announcement.
  [[nodiscard]] net::Awaitable<Result<std::size_t>> announce(dht::ServiceKey name, std::uint16_t port);
  /// Removes an announcement; returns how many other nodes confirmed it.
  [[nodiscard]] net::Awaitable<Result<std::size_t>> unannounce(dht::ServiceKey name, std::uint16_t port);
  /// Looks up an item; see Node::start_get.
  [[nodiscard]] net::Awaitable<Result<GetDone>> get(NodeId target, std::string salt);
  /// Stores an item and republishes it every hour; see Node::start_put.
  [[nodiscard]] net::Awaitable<Result<PutDone>> put(dht::Item item, std::optional<std::int64_t> cas);

  /// After listen().
  [[nodiscard]] Node const& node() const { return *node_; }
  /// When a user's lookup last found a peer; nothing when none has.
  [[nodiscard]] std::optional<TimePoint> last_found() const { return last_found_; }
  [[nodiscard]] SocketCounters const& socket_counters() const { return socket_->counters(); }

  /// Closes the socket; does not wait for running name resolutions. Callers must cancel requests that still
  /// wait.
  [[nodiscard]] net::Awaitable<void> stop();

 private:
  template <class Done>
  struct Waiter {
    std::optional<Done> done;
    std::optional<net::AsyncEvent> changed;  // only if the outcome is not known at once
  };
  template <class Done>
  using Waiters = std::map<RequestId, Waiter<Done>*>;
  /// Registers a waiter as long as this object exists.
  template <class Done>
  struct Registration {
    Registration(Waiters<Done>& all, RequestId request, Waiter<Done>& waiter) : waiters{all}, id{request} {
      waiters.emplace(id, &waiter);
    }
    ~Registration() { waiters.erase(id); }
    Registration(Registration const&) = delete;
    Registration& operator=(Registration const&) = delete;

    Waiters<Done>& waiters;
    RequestId id;
  };
  /// State shared by the runner and the callers' coroutines, which may outlive it.
  struct Requests {
    NodeRunner* runner = nullptr;  // null: destroyed
    std::tuple<Waiters<LookupDone>, Waiters<AnnounceDone>, Waiters<UnannounceDone>, Waiters<GetDone>,
               Waiters<PutDone>>
        waiters;
  };

  static net::Awaitable<void> receive_loop(std::shared_ptr<Requests> shared,
                                           std::shared_ptr<UdpSocket> socket);
  /// Processes waiting datagrams, up to kBatchesInARow batches.
  void receive();
  void resolve_names();
  void resolved(std::size_t number, Result<std::vector<IpAddress>> const& addresses);
  template <class Done>
  net::Awaitable<Result<Done>> outcome_of(Result<RequestId> id);
  template <class Done>
  static net::Awaitable<Result<Done>> await_outcome(std::shared_ptr<Requests> shared, net::Executor executor,
                                                    Result<RequestId> id);
  /// Moves from `done`.
  template <class Done>
  void finish(Done& done);
  void on_deadline();
  /// Handles the node's events and queues its datagrams.
  void drain();
  /// Drains, sends the queued datagrams and sets the deadline.
  void flush();
  void handle(Event&& event);

  net::Executor executor_;
  Log const& log_;
  NameLookup name_lookup_;
  std::shared_ptr<UdpSocket> socket_;
  std::optional<Node> node_;
  std::optional<net::Deadline> deadline_;  // until stop(): a pending timer would keep the io_context running
  net::TaskGroup tasks_;
  std::shared_ptr<Requests> requests_;
  Random random_;
  BootstrapNames names_{BootstrapNames::Options{}};
  std::vector<Endpoint> numeric_;                  // bootstrap addresses given as numbers
  bool has_joined_ = false;                        // Node::bootstrap() was called
  std::optional<net::DetachedCalls> resolutions_;  // until stop()
  std::optional<TimePoint> last_found_;
  /// The datagram being processed: a reply to it is sent from the address that received it.
  std::optional<UdpSocket::Received> asked_;
};

}  // namespace grenache::grape
