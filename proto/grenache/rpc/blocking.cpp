#include "grenache/rpc/blocking.hpp"

#include <algorithm>
#include <exception>
#include <future>
#include <optional>
#include <thread>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include <grenache/net/hangup.hpp>
#include <grenache/net/local_address.hpp>
#include <grenache/net/termination_signals.hpp>
#include <grenache/rpc/client.hpp>
#include <grenache/rpc/link.hpp>
#include <grenache/rpc/server.hpp>

namespace grenache::rpc {

namespace asio = boost::asio;
using json::Value;
using net::Awaitable;

namespace {

/// An io_context that runs on a thread of its own, and a link on it.
class OwnThread {
 public:
  explicit OwnThread(std::string_view grapes) : bad_grape_{parse(grapes)} {
    if (!bad_grape_) link_.emplace(executor(), options_, Random::from_system());
    thread_ = std::thread{[this] { io_.run(); }};
  }
  ~OwnThread() {
    if (link_) run(link_->stop());
    guard_.reset();
    thread_.join();
  }
  OwnThread(OwnThread const&) = delete;
  OwnThread& operator=(OwnThread const&) = delete;

  /// The error of the grapes' URLs; when set, there is no link.
  [[nodiscard]] std::optional<Failure> const& bad_grape() const { return bad_grape_; }
  [[nodiscard]] Link& link() { return *link_; }
  [[nodiscard]] net::Executor executor() { return io_.get_executor(); }

  /// Runs `task` on the thread and returns its result.
  template <class T>
  T run(Awaitable<T> task) {
    return asio::co_spawn(io_, std::move(task), asio::use_future).get();
  }

 private:
  std::optional<Failure> parse(std::string_view grapes) {
    while (!grapes.empty()) {
      std::string_view const url = grapes.substr(0, grapes.find(','));
      grapes.remove_prefix(std::min(grapes.size(), url.size() + 1));
      auto const grape = parse_grape_url(url);
      if (!grape) return Failure(Errc::grape_unreachable, "not the URL of a grape: " + std::string{url});
      options_.grapes.push_back(*grape);
    }
    if (options_.grapes.empty()) return Failure(Errc::grape_unreachable, "no grape given");
    return std::nullopt;
  }

  Link::Options options_;
  std::optional<Failure> bad_grape_;
  asio::io_context io_{1};
  asio::executor_work_guard<asio::io_context::executor_type> guard_{io_.get_executor()};
  std::optional<Link> link_;
  std::thread thread_;
};

}  // namespace

struct BlockingClient::Impl {
  Impl(std::string_view grapes, ClientOptions options) : thread{grapes} {
    if (!thread.bad_grape()) {
      client.emplace(thread.executor(), thread.link(), std::move(options), Random::from_system());
    }
  }
  ~Impl() {
    if (client) thread.run(client->stop());
  }
  Impl(Impl const&) = delete;
  Impl& operator=(Impl const&) = delete;

  OwnThread thread;
  std::optional<Client> client;
};

BlockingClient::BlockingClient(std::string_view grapes, ClientOptions options)
    : impl_{std::make_unique<Impl>(grapes, std::move(options))} {}
BlockingClient::~BlockingClient() = default;

RpcResult<Value> BlockingClient::request(std::string name, Value payload, RequestOptions options) {
  if (auto const& bad = impl_->thread.bad_grape()) return *bad;
  return impl_->thread.run(impl_->client->request(std::move(name), std::move(payload), options));
}

RpcResult<std::vector<MapEntry>> BlockingClient::map(std::string name, Value payload, MapOptions options) {
  if (auto const& bad = impl_->thread.bad_grape()) return *bad;
  return impl_->thread.run(impl_->client->map(std::move(name), std::move(payload), options));
}

RpcResult<std::vector<std::string>> BlockingClient::lookup(std::string name) {
  if (auto const& bad = impl_->thread.bad_grape()) return *bad;
  return impl_->thread.run(impl_->thread.link().lookup(std::move(name)));
}

struct BlockingServer::Impl {
  Impl(std::string_view grapes, std::string n, Handler handler, Options o)
      : name{std::move(n)}, options{std::move(o)}, thread{grapes} {
    options.server.threads = std::max(1U, options.server.threads);
    auto answer = [handler = std::move(handler)](Request request, Responder const& respond) {
      respond(handler(request));
    };
    server.emplace(thread.executor(), options.server, Server::CallbackHandler{std::move(answer)});
  }
  ~Impl() { stop(); }
  Impl(Impl const&) = delete;
  Impl& operator=(Impl const&) = delete;

  static Awaitable<RpcResult<Endpoint>> start(Impl& self);
  static Awaitable<RpcResult<void>> run(Impl& self);
  static Awaitable<void> stop(Impl& self);
  void stop() {
    if (server) thread.run(stop(*this));
  }

  std::string name;
  Options options;
  OwnThread thread;
  std::optional<Server> server;
};

Awaitable<RpcResult<Endpoint>> BlockingServer::Impl::start(Impl& self) {
  std::string thrown;
  try {
    Endpoint const bind = self.options.bind ? *self.options.bind : Endpoint{net::all_addresses(), 0};
    auto const bound = self.server->listen(bind);
    if (!bound) co_return Failure(Errc::request_generic, "cannot listen: " + bound.error().message());
    self.server->announce(self.thread.link(), self.name);
    auto const ready = co_await self.server->ready(self.options.ready_max);
    if (!ready) co_return ready.error();
    co_return *bound;
  } catch (std::exception const& error) {  // `||` in run() would wait for its other side
    thrown = error.what();
  }
  co_return Failure(Errc::request_generic, "cannot start: " + thrown);
}

Awaitable<RpcResult<void>> BlockingServer::Impl::run(Impl& self) {
  using namespace asio::experimental::awaitable_operators;
  net::TerminationSignals signals{self.thread.executor()};  // first, so that no signal is lost
  auto starting = start(self) || signals.received();
  auto const first = co_await std::move(starting);
  if (first.index() == 0 && !std::get<0>(first)) co_return std::get<0>(first).error();
  co_await signals.received();
  co_return RpcResult<void>{};
}

Awaitable<void> BlockingServer::Impl::stop(Impl& self) {
  (void)co_await self.server->stop(self.options.drain_max);
  self.server.reset();
}

BlockingServer::BlockingServer(std::string_view grapes, std::string name, Handler handler)
    : BlockingServer{grapes, std::move(name), std::move(handler), Options{}} {}
BlockingServer::BlockingServer(std::string_view grapes, std::string name, Handler handler, Options options)
    : impl_{std::make_unique<Impl>(grapes, std::move(name), std::move(handler), std::move(options))} {}
BlockingServer::~BlockingServer() = default;

RpcResult<Endpoint> BlockingServer::start() {
  if (auto const& bad = impl_->thread.bad_grape()) return *bad;
  if (!impl_->server) return Errc::stopped;
  return impl_->thread.run(Impl::start(*impl_));
}

void BlockingServer::stop() { impl_->stop(); }

RpcResult<void> BlockingServer::run() {
  if (auto const& bad = impl_->thread.bad_grape()) return *bad;
  if (!impl_->server) return Errc::stopped;
  net::survive_hangup();
  auto ended = impl_->thread.run(Impl::run(*impl_));
  stop();
  return ended;
}

}  // namespace grenache::rpc
