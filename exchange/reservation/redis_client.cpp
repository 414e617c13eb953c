#include "exchange/reservation/redis_client.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>

#include <grenache/base/endpoint.hpp>
#include <grenache/net/asio.hpp>
#include <grenache/net/rethrow.hpp>
#include <grenache/net/steady_clock.hpp>

namespace grenache::exchange {
namespace asio = boost::asio;

std::string_view describe(RedisErrc code) {
  switch (code) {
    case RedisErrc::not_connected:
      return "not connected to Redis";
    case RedisErrc::timed_out:
      return "Redis did not answer in time";
    case RedisErrc::refused_by_server:
      return "Redis answered with an error";
    case RedisErrc::stopped:
      return "the Redis client was stopped";
  }
  return "unknown Redis error";
}

std::optional<RedisUrl> RedisUrl::parse(std::string_view text) {
  constexpr std::string_view kScheme = "redis://";
  if (!text.starts_with(kScheme)) return std::nullopt;
  text.remove_prefix(kScheme.size());
  RedisUrl url;
  if (auto const at = text.rfind('@'); at != std::string_view::npos) {
    std::string_view const user = text.substr(0, at);
    auto const colon = user.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    url.password = user.substr(colon + 1);
    text.remove_prefix(at + 1);
  }
  auto const number = [](std::string_view digits, auto& out) {
    auto const [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
    return error == std::errc{} && end == digits.data() + digits.size();
  };
  if (auto const slash = text.find('/'); slash != std::string_view::npos) {
    std::string_view const database = text.substr(slash + 1);
    if (!database.empty() && (!number(database, url.database) || url.database < 0)) return std::nullopt;
    text = text.substr(0, slash);
  }
  // Brackets enclose an IPv6 address; the port follows a colon after them, or the only colon.
  auto const bracket = text.rfind(']');
  auto const colon = text.rfind(':');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    if (!number(text.substr(colon + 1), url.port) || url.port == 0) return std::nullopt;
    text = text.substr(0, colon);
  }
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  if (text.empty()) return std::nullopt;
  url.host = text;
  return url;
}

std::string RedisUrl::to_string() const {
  std::string const name = host.find(':') == std::string::npos ? host : '[' + host + ']';
  return "redis://" + name + ':' + std::to_string(port) + '/' + std::to_string(database);
}

namespace {

RedisReply convert(redisReply const& raw) {
  RedisReply reply;
  switch (raw.type) {
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
    case REDIS_REPLY_ERROR:
      reply.type = RedisReply::Type::string;
      reply.text.assign(raw.str, static_cast<std::size_t>(raw.len));
      break;
    case REDIS_REPLY_INTEGER:
      reply.type = RedisReply::Type::integer;
      reply.integer = raw.integer;
      break;
    case REDIS_REPLY_ARRAY:
      reply.type = RedisReply::Type::array;
      for (std::size_t i = 0; i < raw.elements; ++i) reply.items.push_back(convert(*raw.element[i]));
      break;
    default:
      break;
  }
  return reply;
}

// Waits for the socket of hiredis with Asio. hiredis owns the context and closes the descriptor; its cleanup
// hook ends this object.
class SocketWatch : public std::enable_shared_from_this<SocketWatch> {
 public:
  static void attach(redisAsyncContext* context, asio::any_io_executor const& executor) {
    auto watch = std::make_shared<SocketWatch>(context, executor);
    context->ev.data = new std::shared_ptr<SocketWatch>{watch};
    context->ev.addRead = [](void* data) { of(data).want(of(data).read_); };
    context->ev.delRead = [](void* data) { of(data).read_.wanted = false; };
    context->ev.addWrite = [](void* data) { of(data).want(of(data).write_); };
    context->ev.delWrite = [](void* data) { of(data).write_.wanted = false; };
    context->ev.cleanup = [](void* data) {
      of(data).detach();
      delete static_cast<std::shared_ptr<SocketWatch>*>(data);
    };
  }

  SocketWatch(redisAsyncContext* context, asio::any_io_executor const& executor)
      : context_{context}, socket_{executor, context->c.fd} {}

 private:
  struct Direction {
    asio::posix::stream_descriptor::wait_type kind;
    void (*handle)(redisAsyncContext*);
    bool wanted = false;
    bool waiting = false;
  };

  static SocketWatch& of(void* data) { return **static_cast<std::shared_ptr<SocketWatch>*>(data); }

  void want(Direction& direction) {
    direction.wanted = true;
    if (direction.waiting) return;
    direction.waiting = true;
    socket_.async_wait(direction.kind, [self = shared_from_this(), &direction](Error error) {
      direction.waiting = false;
      if (error || !self->context_ || !direction.wanted) return;
      direction.handle(self->context_);  // may free the context
      if (self->context_ && direction.wanted) self->want(direction);
    });
  }

  void detach() {
    context_ = nullptr;
    socket_.release();  // cancels the waits; hiredis closes the descriptor
  }

  redisAsyncContext* context_;
  asio::posix::stream_descriptor socket_;
  Direction read_{asio::posix::stream_descriptor::wait_read, redisAsyncHandleRead};
  Direction write_{asio::posix::stream_descriptor::wait_write, redisAsyncHandleWrite};
};

}  // namespace

class RedisClient::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(asio::any_io_executor const& executor, Options options)
      : executor_{executor},
        options_{std::move(options)},
        resolver_(make_resolver(executor, options_.name_lookup)),
        retry_timer_{executor},
        connect_timer_{executor} {}

  void start(std::function<void()> on_connected, std::function<void(std::string const&)> on_lost) {
    on_connected_ = std::move(on_connected);
    on_lost_ = std::move(on_lost);
    begin_attempt();
  }

  void command(std::vector<std::string> words, Done done) {
    if (!ready_ || stopped_ || pending_count_ >= options_.pending_max) {
      Error const error = stopped_ ? RedisErrc::stopped : RedisErrc::not_connected;
      asio::post(executor_, [done = std::move(done), error] { done(error); });
      return;
    }
    send(words, std::move(done));
  }

  void reconnect() {
    if (!ready_) return;  // an attempt is already running
    ready_ = false;
    redisAsyncFree(std::exchange(context_, nullptr));
    lost("connection dropped");
  }

  void stop() {
    if (stopped_) return;
    stopped_ = true;
    ready_ = false;
    resolver_.cancel();
    retry_timer_.cancel();
    connect_timer_.cancel();
    if (context_) redisAsyncFree(std::exchange(context_, nullptr));
    on_connected_ = nullptr;
    on_lost_ = nullptr;
  }

  bool connected() const { return ready_; }
  std::string const& last_error() const { return last_error_; }

 private:
  struct Pending {
    Pending(std::shared_ptr<Impl> client, Done callback)
        : owner{std::move(client)}, done{std::move(callback)}, timer{owner->executor_} {}
    std::shared_ptr<Impl> owner;
    Done done;  // empty after timed_out
    asio::steady_timer timer;
  };

  static Impl& of(redisAsyncContext const* context) { return *static_cast<Impl*>(context->data); }

  static net::Resolver make_resolver(asio::any_io_executor const& executor,
                                     net::Resolver::Lookup const& lookup) {
    if (lookup) return net::Resolver{executor, lookup};
    return net::Resolver{executor};
  }

  void begin_attempt() {
    give_up_at_ = net::steady_deadline(options_.connect_timeout);
    asio::co_spawn(executor_, resolve(shared_from_this()), net::kRethrow);
  }

  // hiredis would block while resolving names, so it is given only numeric addresses.
  static net::Awaitable<void> resolve(std::shared_ptr<Impl> self) {
    (void)co_await asio::post(self->executor_, net::kTuple);  // the owner is not called back inside start()
    if (self->stopped_) co_return;
    HostPort const server{self->options_.url.host, self->options_.url.port};
    auto found = co_await self->resolver_.resolve(server, self->give_up_at_);
    if (self->stopped_) co_return;
    if (found) self->untried_ = std::move(*found);
    std::string const reason = found ? "no address" : found.error().message();
    self->connect_next("cannot resolve " + server.host + ": " + reason);
  }

  /// Connects to the next address, which gets an equal share of the time that is left. Without one the
  /// attempt has failed, with the reason of the last address.
  void connect_next(std::string const& failure) {
    connect_timer_.cancel();
    ++connection_;
    if (untried_.empty()) return lost(failure);
    auto const count = static_cast<std::int64_t>(untried_.size());
    Duration const share = (give_up_at_ - net::steady_now()) / count;
    auto const address = untried_.front();
    untried_.erase(untried_.begin());
    connect(address, share);
  }

  void connect(asio::ip::tcp::endpoint const& at, Duration limit) {
    auto* context = redisAsyncConnect(at.address().to_string().c_str(), at.port());
    if (!context) return connect_next("out of memory");
    if (context->err) {
      std::string const text = context->errstr;
      redisAsyncFree(context);
      return connect_next(text);
    }
    context_ = context;
    context->data = this;
    SocketWatch::attach(context, executor_);
    redisAsyncSetConnectCallback(
        context, [](redisAsyncContext const* made, int status) { of(made).on_connect(made, status); });
    redisAsyncSetDisconnectCallback(context,
                                    [](redisAsyncContext const* gone, int) { of(gone).on_disconnect(gone); });
    connect_timer_.expires_after(limit);
    connect_timer_.async_wait([self = shared_from_this(), connection = connection_](Error error) {
      if (error || self->stopped_ || self->ready_ || self->connection_ != connection) return;
      if (self->context_) redisAsyncFree(std::exchange(self->context_, nullptr));
      self->connect_next("no answer to the connection attempt");
    });
  }

  // hiredis frees the context after a failed connect and after a disconnect.
  void on_connect(redisAsyncContext const* context, int status) {
    if (context != context_) return;
    if (status != REDIS_OK) {
      std::string const text = context->errstr;
      context_ = nullptr;
      return connect_next(text);
    }
    hello();
  }

  void on_disconnect(redisAsyncContext const* context) {
    if (context != context_) return;
    std::string const text = *context->errstr ? context->errstr : "closed by Redis";
    context_ = nullptr;
    if (ready_) return lost(text);
    connect_next(text);
  }

  void hello() {
    if (!options_.url.password.empty())
      send({"AUTH", options_.url.password}, [](Result<RedisReply> const&) {});
    // Its answer also shows that AUTH was accepted, and that a server answers on the open port.
    send({"SELECT", std::to_string(options_.url.database)},
         [self = shared_from_this(), connection = connection_](Result<RedisReply> const& reply) {
           if (self->stopped_ || !self->context_ || self->connection_ != connection) return;
           if (!reply) {
             redisAsyncFree(std::exchange(self->context_, nullptr));
             if (reply.error() == RedisErrc::refused_by_server) return self->lost(self->last_error_);
             return self->connect_next(reply.error().message());
           }
           self->connect_timer_.cancel();
           self->untried_.clear();
           self->ready_ = true;
           self->retry_delay_ = kRetryMin;
           if (auto const notify = self->on_connected_) notify();
         });
  }

  void lost(std::string const& reason) {
    ready_ = false;
    connect_timer_.cancel();
    untried_.clear();
    if (stopped_) return;
    last_error_ = reason;
    retry_timer_.expires_after(retry_delay_);
    retry_delay_ = std::min(retry_delay_ * 2, kRetryMax);
    retry_timer_.async_wait([self = shared_from_this()](Error error) {
      if (!error && !self->stopped_ && !self->context_) self->begin_attempt();
    });
    if (auto const notify = on_lost_) notify(reason);
  }

  void send(std::vector<std::string> const& words, Done done) {
    auto const pending = std::make_shared<Pending>(shared_from_this(), std::move(done));
    std::vector<char const*> texts;
    std::vector<std::size_t> sizes;
    for (auto const& word : words) {
      texts.push_back(word.data());
      sizes.push_back(word.size());
    }
    ++pending_count_;
    auto* const handle = new std::shared_ptr<Pending>{pending};
    int const status = redisAsyncCommandArgv(
        context_,
        [](redisAsyncContext*, void* reply, void* data) {
          std::unique_ptr<std::shared_ptr<Pending>> const owned{static_cast<std::shared_ptr<Pending>*>(data)};
          (*owned)->owner->answer(**owned, static_cast<redisReply const*>(reply));
        },
        handle, static_cast<int>(words.size()), texts.data(), sizes.data());
    if (status != REDIS_OK) {
      delete handle;
      return answer(*pending, nullptr);
    }
    pending->timer.expires_after(options_.command_timeout);
    pending->timer.async_wait([weak = std::weak_ptr<Pending>{pending}](Error error) {
      auto const waiting = weak.lock();
      if (error || !waiting || !waiting->done) return;
      std::exchange(waiting->done, nullptr)(RedisErrc::timed_out);
    });
  }

  void answer(Pending& pending, redisReply const* reply) {
    --pending_count_;
    pending.timer.cancel();
    if (!pending.done) return;
    Done done = std::exchange(pending.done, nullptr);
    if (!reply) {  // may be called inside stop() and command(), so post it
      Error const error = stopped_ ? RedisErrc::stopped : RedisErrc::not_connected;
      asio::post(executor_, [done = std::move(done), error] { done(error); });
    } else if (reply->type == REDIS_REPLY_ERROR) {
      last_error_.assign(reply->str, static_cast<std::size_t>(reply->len));
      done(RedisErrc::refused_by_server);
    } else {
      done(convert(*reply));
    }
  }

  static constexpr std::chrono::milliseconds kRetryMin{50};
  static constexpr std::chrono::milliseconds kRetryMax{2'000};

  asio::any_io_executor executor_;
  Options options_;
  net::Resolver resolver_;
  asio::steady_timer retry_timer_;
  asio::steady_timer connect_timer_;
  redisAsyncContext* context_ = nullptr;
  TimePoint give_up_at_;          // of the attempt to connect
  net::TcpEndpoints untried_;     // addresses of the attempt to connect
  std::uint64_t connection_ = 0;  // counts contexts, so that late callbacks of a former one are noticed
  std::function<void()> on_connected_;
  std::function<void(std::string const&)> on_lost_;
  std::chrono::milliseconds retry_delay_ = kRetryMin;
  std::string last_error_;
  std::size_t pending_count_ = 0;
  bool ready_ = false;
  bool stopped_ = false;
};

RedisClient::RedisClient(asio::any_io_executor executor, Options options)
    : impl_{std::make_shared<Impl>(std::move(executor), std::move(options))} {}
RedisClient::~RedisClient() { impl_->stop(); }
void RedisClient::start(std::function<void()> on_connected, std::function<void(std::string const&)> on_lost) {
  impl_->start(std::move(on_connected), std::move(on_lost));
}
bool RedisClient::connected() const { return impl_->connected(); }
void RedisClient::command(std::vector<std::string> words, Done done) {
  impl_->command(std::move(words), std::move(done));
}
void RedisClient::reconnect() { impl_->reconnect(); }
std::string const& RedisClient::last_error() const { return impl_->last_error(); }
void RedisClient::stop() { impl_->stop(); }

}  // namespace grenache::exchange
