// Implementation of HttpClient: connection pools. For .cpp files of proto/grenache/net.
#pragma once

#include <cerrno>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <sys/socket.h>

#include <grenache/net/address.hpp>
#include <grenache/net/async_event.hpp>
#include <grenache/net/deadline.hpp>
#include <grenache/net/http_client.hpp>
#include <grenache/net/http_wire.hpp>
#include <grenache/net/resolver.hpp>
#include <grenache/net/stream.hpp>

namespace grenache::net {

/// Returns whether method, target and headers are valid, so that nothing can be injected through them.
[[nodiscard]] bool is_valid(HttpCall const& call, std::string const& host);
/// Returns the head of a request, without Content-Length or Transfer-Encoding.
[[nodiscard]] std::string head_of(HttpCall const& call, std::string const& host);
/// The server's keep-alive timeout, minus a second for the round trip.
[[nodiscard]] Duration server_idle_max(std::string_view keep_alive);

struct HttpClient::Impl : std::enable_shared_from_this<Impl> {
  struct Connection;
  struct UnderWay;
  struct Lease;
  struct Waiter;
  using Connections = std::list<Connection*>;

  struct Pool {
    std::size_t open = 0;                         // leases and idle connections
    std::list<std::unique_ptr<Connection>> idle;  // most recently used last
    std::list<Waiter*> waiters;                   // FIFO
    bool is_starved = false;                      // in `starved`, at `place`
    std::list<Pool*>::iterator place;
  };

  Impl(Executor const& e, Options o) : executor{e}, options{o}, resolver{e}, changed{e} {}

  [[nodiscard]] bool has_room() const { return open < options.connections_max || !idle_order.empty(); }
  bool acquire_slot(std::string const& host);
  void release_slot(std::string const& host);
  void keep(std::unique_ptr<Connection> connection);
  void drop_idle(Connection& connection);
  std::unique_ptr<Connection> take_idle(std::string const& host);
  void update(Pool& pool);
  void forget_if_empty(std::string const& host);
  void serve_waiters();
  void shut_down();

  static Awaitable<Result<HttpResponse>> request(std::shared_ptr<Impl> self, HttpCall call);
  static Awaitable<Result<HttpStream>> open_stream(std::shared_ptr<Impl> self, HttpCall head);
  static Awaitable<Result<HttpResponse>> perform(std::shared_ptr<Impl> self, HttpCall const& call);
  static Awaitable<Error> begin_stream(std::shared_ptr<Impl> self, HttpCall const& call,
                                       std::optional<Lease>& lease);
  static Awaitable<Error> acquire(std::shared_ptr<Impl> self, std::string const& host, TimePoint deadline,
                                  std::optional<Lease>& out);
  static Awaitable<Error> resolve(std::shared_ptr<Impl> self, HostPort const& to, TimePoint deadline,
                                  TcpEndpoints& out);
  static Awaitable<Error> connect(std::shared_ptr<Impl> self, HostPort const& to, TimePoint deadline,
                                  Connection& connection);
  static Awaitable<Error> handshake(std::shared_ptr<Impl> self, Connection& connection);
  static Awaitable<void> stop(std::shared_ptr<Impl> self);

  Executor executor;
  Options options;
  Resolver resolver;
  AsyncEvent changed;  // notified when a call has ended, or the client stops
  std::map<std::string, Pool> pools;
  Connections idle_order;  // of all pools; longest idle first
  Connections active;
  std::list<Pool*> starved;  // pools whose waiters wait only for connections_max
  std::size_t waiting = 0;
  std::size_t open = 0;
  std::size_t under_way = 0;
  Counters counters;
  bool stopping = false;
};

/// A running call; stop() waits for it.
struct HttpClient::Impl::UnderWay {
  explicit UnderWay(Impl& i) : impl{i} { ++impl.under_way; }
  ~UnderWay() {
    if (--impl.under_way == 0) impl.changed.notify_all();
  }
  UnderWay(UnderWay const&) = delete;
  UnderWay& operator=(UnderWay const&) = delete;

  Impl& impl;
};

/// A connection, either leased to a call or idle in its pool.
struct HttpClient::Impl::Connection {
  Connection(Impl& i, std::string h)
      : impl{i},
        host{std::move(h)},
        stream{Stream::Socket{i.executor}, i.options.tls, host},
        deadline{i.executor, [this] { expire(); }},
        buffer{i.options.header_bytes_max + kPieceBytes} {
    place = impl.active.insert(impl.active.end(), this);
  }
  ~Connection() { (is_idle ? impl.idle_order : impl.active).erase(place); }
  Connection(Connection const&) = delete;
  Connection& operator=(Connection const&) = delete;

  void expire() {
    if (is_idle) return impl.drop_idle(*this);
    timed_out = true;
    close();
  }
  void close() { stream.close(); }
  void set_idle(bool now_idle) {
    Connections& to = now_idle ? impl.idle_order : impl.active;
    to.splice(to.end(), is_idle ? impl.idle_order : impl.active, place);
    is_idle = now_idle;
  }
  /// False when the server has closed it, or has sent unsolicited bytes.
  [[nodiscard]] bool is_usable() {
    char byte;
    auto const size = ::recv(stream.socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return size < 0 && errno == EAGAIN;
  }
  /// Maps the `error` of an operation to the error of the call.
  [[nodiscard]] Error reason(Error const& error) const {
    if (timed_out) return HttpClientErrc::timed_out;
    if (impl.stopping) return HttpClientErrc::stopped;
    bool const cut = is_end_of_stream(error);
    return cut ? make_error_code(HttpClientErrc::connection_lost) : error;
  }

  Awaitable<Result<HttpResponse>> exchange(HttpCall const& call, std::string const& head);
  Awaitable<Result<HttpResponse>> read_response(bool head_only);
  /// Sets how long the connection may be reused after a response.
  template <class Parser>
  void update_idle_max(Parser const& parser) {
    idle_max = Duration::zero();
    if (!parser.keep_alive() || buffer.size() > 0) return;
    idle_max = std::min(impl.options.idle_max, server_idle_max(parser.get()[http::field::keep_alive]));
  }

  Impl& impl;
  std::string host;
  Stream stream;
  Deadline deadline;
  boost::beast::flat_buffer buffer;
  std::string joined;  // for TLS
  Connections::iterator place;
  Duration idle_max{};  // how long it may be reused after the last response; 0: not at all
  bool is_idle = false;
  bool timed_out = false;
  bool answered = false;  // a byte of the current response has arrived
};

/// A slot for one connection to a host, and the connection once it is open. The destructor returns the slot.
struct HttpClient::Impl::Lease {
  Lease(std::shared_ptr<Impl> i, std::string h, std::unique_ptr<Connection> c)
      : impl{std::move(i)}, host{std::move(h)}, connection{std::move(c)} {}
  Lease(Lease&&) = default;
  Lease& operator=(Lease&&) = delete;
  ~Lease() {
    if (!impl) return;
    if (connection && connection->idle_max > Duration::zero() && !impl->stopping) {
      impl->keep(std::move(connection));
    } else {
      connection.reset();
      impl->release_slot(host);
    }
    impl->serve_waiters();
  }

  std::shared_ptr<Impl> impl;
  std::string host;
  std::unique_ptr<Connection> connection;
};

}  // namespace grenache::net
