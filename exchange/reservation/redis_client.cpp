#include "exchange/reservation/redis_client.hpp"

#include <algorithm>
#include <deque>
#include <optional>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <grenache/net/deadline.hpp>
#include <grenache/net/rethrow.hpp>
#include <grenache/net/steady_clock.hpp>

namespace grenache::exchange {
namespace asio = boost::asio;

std::string_view describe(RedisErrc code) {
  switch (code) {
    case RedisErrc::not_connected:
      return "not connected to Redis";
    case RedisErrc::connection_lost:
      return "the connection to Redis was lost";
    case RedisErrc::timed_out:
      return "Redis did not answer in time";
    case RedisErrc::refused_by_server:
      return "Redis answered with an error";
    case RedisErrc::not_executed:
      return "another server is responsible";
    case RedisErrc::stopped:
      return "the Redis client was stopped";
  }
  return "unknown Redis error";
}

namespace {

constexpr std::size_t kTextSizeMax = 300;

// A text of the server for an operator. A server that does not know AUTH may repeat its words.
std::string clean(std::string text, RedisUrl const& url) {
  for (auto const* secret : {&url.password, &url.user}) {
    if (!secret->empty() && text.find(*secret) != std::string::npos) text.resize(text.find(' '));
    if (!secret->empty() && text.find(*secret) != std::string::npos) text = "an error";
  }
  if (text.size() > kTextSizeMax) text.resize(kTextSizeMax);
  std::ranges::replace_if(
      text, [](char c) { return c < ' ' || c > '~'; }, '?');
  return text;
}

// Where "MOVED 3999 10.0.0.1:6381" points.
std::optional<HostPort> moved_to(std::string_view error) {
  if (!error.starts_with("MOVED ")) return std::nullopt;
  return HostPort::parse(error.substr(error.rfind(' ') + 1));
}

// Before Redis 7 the error of a script has it in its middle.
bool is_read_only(std::string_view error) { return error.find("READONLY ") != std::string_view::npos; }

}  // namespace

class RedisClient::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(net::Executor executor, Options options)
      : executor_{std::move(executor)},
        options_{std::move(options)},
        resolver_(make_resolver(executor_, options_.name_lookup)),
        retry_timer_{executor_},
        command_limit_{executor_, [this] { fail_late_commands(); }} {}

  void start(std::function<void()> on_connected, std::function<void(std::string const&)> on_lost) {
    on_connected_ = std::move(on_connected);
    on_lost_ = std::move(on_lost);
    begin_attempt();
  }

  void command(std::vector<std::string> words, Done done) {
    if (!ready_ || stopped_ || pending_.size() >= options_.pending_max) {
      Error const error = stopped_ ? RedisErrc::stopped : RedisErrc::not_connected;
      return answer_later(std::move(done), error);
    }
    bool const is_first = pending_.empty() || !pending_.back().done;  // of those that were not failed yet
    pending_.push_back({std::move(done), net::steady_deadline(options_.command_timeout)});
    if (is_first) command_limit_.set(pending_.back().deadline);
    connection_->send(words);
  }

  void post(std::function<void()> work) { asio::post(executor_, std::move(work)); }

  void reconnect() {
    if (ready_) lost("connection dropped");
  }

  void stop() {
    if (stopped_) return;
    stopped_ = true;
    resolver_.cancel();
    retry_timer_.cancel();
    disconnect(RedisErrc::stopped);
    on_connected_ = nullptr;
    on_lost_ = nullptr;
  }

  bool connected() const { return ready_; }
  std::string const& last_error() const { return last_error_; }

 private:
  using ConnectionPtr = std::shared_ptr<RedisConnection>;
  /// What came of one address or server: a connection that is ready for commands, or why there is none.
  struct Attempt {
    ConnectionPtr connection;
    std::string reason;
    bool was_refused = false;  // by a server that answered: its other addresses are not tried
  };
  struct Pending {
    Done done;  // empty after timed_out
    TimePoint deadline;
  };

  static net::Resolver make_resolver(net::Executor const& executor, net::Resolver::Lookup const& lookup) {
    if (lookup) return net::Resolver{executor, lookup};
    return net::Resolver{executor};
  }
  void answer_later(Done done, Error error) {
    asio::post(executor_, [done = std::move(done), error] { done(error); });
  }

  // Connecting

  void begin_attempt() { asio::co_spawn(executor_, attempt(shared_from_this()), net::kRethrow); }

  static net::Awaitable<void> attempt(std::shared_ptr<Impl> self) {
    (void)co_await asio::post(self->executor_, net::kTuple);  // the owner is not called back inside start()
    if (self->stopped_) co_return;
    TimePoint const give_up_at = net::steady_deadline(self->options_.connect_timeout);
    auto const result = co_await self->open(give_up_at);
    if (self->stopped_) co_return;
    if (result.connection) {
      self->begin(result.connection);
    } else {
      self->lost(result.reason);
    }
  }

  net::Awaitable<Attempt> open(TimePoint give_up_at) {
    RedisUrl const& url = options_.url;
    if (url.kind == RedisUrl::Kind::tls && !tls_) {
      net::TlsOptions tls;
      tls.ca = options_.tls_ca;
      tls.system_ca = options_.tls_ca.empty();
      auto made = net::TlsContext::make_client(tls);
      if (!made) {
        Attempt failed;
        failed.reason = "TLS: " + made.error().message();
        co_return failed;
      }
      tls_ = std::move(*made);
    }
    if (moved_to_) {
      HostPort const target = *std::exchange(moved_to_, std::nullopt);
      co_return co_await open_server(target, give_up_at);
    }
    if (url.kind == RedisUrl::Kind::sentinel) co_return co_await open_master(give_up_at);
    if (url.kind != RedisUrl::Kind::unix_socket)
      co_return co_await open_server(url.servers.front(), give_up_at);
    RedisAddress const address{url.path};
    HostPort const nowhere;
    co_return co_await open_address(address, nowhere, give_up_at);
  }

  net::Awaitable<Attempt> open_master(TimePoint give_up_at) {
    Attempt last;
    auto& sentinels = options_.url.servers;
    for (std::size_t i = 0; i < sentinels.size() && !stopped_; ++i) {
      Duration const left = give_up_at - net::steady_now();
      Duration const share = left / static_cast<std::int64_t>(sentinels.size() - i);
      TimePoint const end = net::steady_deadline(share);
      HostPort const sentinel = sentinels[i];
      std::optional<HostPort> master;
      last.reason = co_await ask_sentinel(sentinel, net::steady_deadline(share / 2), master);
      if (!master || stopped_) continue;
      last = co_await open_server(*master, end);
      if (!last.connection) continue;
      std::rotate(sentinels.begin(), sentinels.begin() + static_cast<std::ptrdiff_t>(i),
                  sentinels.begin() + static_cast<std::ptrdiff_t>(i + 1));
      break;
    }
    co_return last;
  }

  /// Sets `master`, or returns why it could not.
  net::Awaitable<std::string> ask_sentinel(HostPort sentinel, TimePoint end,
                                           std::optional<HostPort>& master) {
    std::string const name = "sentinel " + to_text(sentinel);
    auto const addresses = co_await resolver_.resolve(sentinel, end);
    if (!addresses || addresses->empty()) co_return "cannot resolve " + name;
    std::string reason = name + " does not answer";
    for (auto const& address : *addresses) {
      if (stopped_) break;
      auto const connection = make_connection(RedisAddress{address}, sentinel, nullptr);
      connection->set_deadline(end);
      auto const error = co_await connection->connect();
      if (error) {
        reason = name + ": " + error.message();
        continue;
      }
      std::vector<std::string> question{"SENTINEL", "get-master-addr-by-name", options_.url.master};
      auto const reply = co_await connection->request(std::move(question));
      connection->close();
      if (!reply) {
        reason = name + ": " + reply.error().message();
      } else if (reply->items.size() == 2) {
        std::string const& host = reply->items[0].text;
        bool const is_v6 = host.find(':') != std::string::npos;
        master = HostPort::parse((is_v6 ? '[' + host + ']' : host) + ':' + reply->items[1].text);
        reason = name + " answered with a malformed address";
        break;
      } else {
        bool const is_error = reply->type == RedisReply::Type::error;
        reason = name + (is_error ? ": " + clean(reply->text, options_.url) : " does not know the master");
        break;
      }
    }
    co_return reason;
  }

  /// Tries all addresses of a server.
  net::Awaitable<Attempt> open_server(HostPort server, TimePoint give_up_at) {
    Attempt last;
    auto const addresses = co_await resolver_.resolve(server, give_up_at);
    if (!addresses || addresses->empty()) {
      std::string const reason = addresses ? "no address" : addresses.error().message();
      last.reason = "cannot resolve " + server.host + ": " + reason;
      co_return last;
    }
    auto left = static_cast<std::int64_t>(addresses->size());
    for (auto const& address : *addresses) {
      if (stopped_) break;
      Duration const share = (give_up_at - net::steady_now()) / left--;
      RedisAddress const target{address};
      last = co_await open_address(target, server, net::steady_deadline(share));
      if (last.connection || last.was_refused) break;
    }
    co_return last;
  }

  net::Awaitable<Attempt> open_address(RedisAddress address, HostPort server, TimePoint end) {
    Attempt result;
    auto const connection = make_connection(address, server, tls_);
    connection->set_deadline(end);
    auto const error = co_await connection->connect();
    if (error) {
      result.reason = tls_ ? tls_->explain(error, server) : error.message();
      co_return result;
    }
    result.reason = co_await log_in(*connection, result.was_refused);
    if (result.reason.empty() && !stopped_) {
      connection->set_deadline(TimePoint::max());
      result.connection = connection;
    } else {
      connection->close();
    }
    co_return result;
  }

  ConnectionPtr make_connection(RedisAddress const& address, HostPort const& server,
                                std::shared_ptr<net::TlsContext> const& tls) {
    auto made = std::make_shared<RedisConnection>(executor_, address, tls, to_text(server));
    connection_ = made;  // stop() closes it
    return made;
  }

  /// Returns why the connection cannot be used; empty: it can.
  net::Awaitable<std::string> log_in(RedisConnection& connection, bool& was_refused) {
    RedisUrl const& url = options_.url;
    std::vector<std::vector<std::string>> commands;
    if (!url.password.empty()) {
      commands.push_back({"AUTH"});
      if (!url.user.empty()) commands.back().push_back(url.user);
      commands.back().push_back(url.password);
    }
    commands.push_back({"SELECT", std::to_string(url.database)});
    for (auto const& command : commands) {
      auto const reply = co_await connection.request(command);
      if (!reply) co_return reply.error().message();
      was_refused = reply->type == RedisReply::Type::error;
      if (was_refused) co_return clean(reply->text, url);
    }
    std::vector<std::string> const role_command{"ROLE"};
    auto const role = co_await connection.request(role_command);
    if (!role) co_return role.error().message();
    was_refused = role->type == RedisReply::Type::error && role->text.starts_with("LOADING");
    if (was_refused) co_return clean(role->text, url);
    bool const is_master = role->items.empty() || role->items.front().text == "master";
    was_refused = !is_master;
    std::string const reason = is_master ? "" : "the server is not a master";
    co_return reason;
  }

  void begin(ConnectionPtr const& connection) {
    ready_ = true;
    is_silent_ = false;
    connection->start(
        [this](RedisReply reply) { on_reply(std::move(reply)); },
        [this](Error error) { lost(error == asio::error::eof ? "closed by Redis" : error.message()); });
    if (auto const notify = on_connected_) notify();
  }

  // Ends the connection and the commands that wait for it.
  void disconnect(Error error) {
    ready_ = false;
    command_limit_.clear();
    if (auto const connection = std::exchange(connection_, nullptr)) connection->close();
    for (auto& pending : std::exchange(pending_, {}))
      if (pending.done) answer_later(std::move(pending.done), error);
  }

  void lost(std::string const& reason) {
    disconnect(RedisErrc::connection_lost);
    last_error_ = clean(reason, options_.url);
    retry_timer_.expires_after(retry_delay_);
    retry_delay_ = std::min(retry_delay_ * 2, kRetryMax);
    retry_timer_.async_wait([self = shared_from_this()](Error error) {
      if (!error && !self->stopped_) self->begin_attempt();
    });
    if (auto const notify = on_lost_) notify(last_error_);
  }

  // Commands

  void on_reply(RedisReply reply) {
    if (pending_.empty()) return lost("Redis sent a reply without a command");
    is_silent_ = false;
    auto const keep_alive = shared_from_this();
    Done const done = std::move(pending_.front().done);
    pending_.pop_front();
    watch_first();
    if (reply.type != RedisReply::Type::error) {
      retry_delay_ = kRetryMin;
      if (done) done(std::move(reply));
      return;
    }
    last_error_ = clean(reply.text, options_.url);
    auto const target = moved_to(reply.text);
    bool const leaves = target || is_read_only(reply.text);
    Error const error = leaves ? RedisErrc::not_executed : RedisErrc::refused_by_server;
    if (done) done(error);
    if (!leaves || !ready_) return;
    moved_to_ = target;
    lost(target ? "moved to " + to_text(*target) : "the server is not a master any longer");
  }

  /// Sets the limit of the first command that was not failed yet.
  void watch_first() {
    auto const first =
        std::ranges::find_if(pending_, [](Pending const& each) { return each.done != nullptr; });
    if (first == pending_.end()) return command_limit_.clear();
    command_limit_.set(first->deadline);
  }

  void fail_late_commands() {
    auto const keep_alive = shared_from_this();
    TimePoint const now = net::steady_now();
    std::vector<Done> late;
    for (auto& pending : pending_) {
      if (pending.deadline > now) break;
      if (pending.done) late.push_back(std::exchange(pending.done, nullptr));
    }
    watch_first();
    bool const was_silent = !late.empty() && std::exchange(is_silent_, true);
    for (auto const& done : late) done(RedisErrc::timed_out);
    if (was_silent && ready_) lost("Redis does not answer");
  }

  static constexpr std::chrono::milliseconds kRetryMin{50};
  static constexpr std::chrono::milliseconds kRetryMax{2'000};

  net::Executor executor_;
  Options options_;
  net::Resolver resolver_;
  asio::steady_timer retry_timer_;
  net::Deadline command_limit_;
  std::shared_ptr<net::TlsContext> tls_;
  ConnectionPtr connection_;  // also while it is being made
  std::optional<HostPort> moved_to_;
  std::function<void()> on_connected_;
  std::function<void(std::string const&)> on_lost_;
  std::chrono::milliseconds retry_delay_ = kRetryMin;
  std::string last_error_;
  std::deque<Pending> pending_;  // in the order of the commands
  bool ready_ = false;
  bool is_silent_ = false;  // commands have timed out since the last reply
  bool stopped_ = false;
};

RedisClient::RedisClient(net::Executor executor, Options options)
    : impl_{std::make_shared<Impl>(std::move(executor), std::move(options))} {}
RedisClient::~RedisClient() { impl_->stop(); }
void RedisClient::start(std::function<void()> on_connected, std::function<void(std::string const&)> on_lost) {
  impl_->start(std::move(on_connected), std::move(on_lost));
}
bool RedisClient::connected() const { return impl_->connected(); }
void RedisClient::command(std::vector<std::string> words, Done done) {
  impl_->command(std::move(words), std::move(done));
}
void RedisClient::post(std::function<void()> work) { impl_->post(std::move(work)); }
void RedisClient::reconnect() { impl_->reconnect(); }
std::string const& RedisClient::last_error() const { return impl_->last_error(); }
void RedisClient::stop() { impl_->stop(); }

}  // namespace grenache::exchange
