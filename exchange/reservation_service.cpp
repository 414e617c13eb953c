#include "exchange/reservation_service.hpp"

#include <utility>

#include <boost/asio/post.hpp>

#include "exchange/reservation/embedded.hpp"
#include <grenache/net/steady_clock.hpp>

namespace grenache::exchange {

namespace asio = boost::asio;
using net::Awaitable;

ReservationService::ReservationService(net::Executor executor, Options options, Random random,
                                       Callbacks callbacks, Log const& log)
    : executor_{std::move(executor)},
      options_{std::move(options)},
      callbacks_{std::move(callbacks)},
      log_{log},
      changed_{executor_} {
  if (!options_.redis) {
    store_ = std::make_unique<EmbeddedReservations>(EmbeddedReservations::Environment{
        net::steady_now, net::wall_now,
        [e = executor_](std::function<void()> task) { asio::post(e, std::move(task)); }});
    return;
  }
  RedisClient::Options client_options;
  client_options.url = *options_.redis;
  client_ = std::make_unique<RedisClient>(executor_, client_options);
  RedisReservations::Options store_options;
  store_options.maker = options_.maker;
  store_options.is_new_maker = options_.is_new_identity;
  store_options.grace = options_.grace;
  store_options.on_data_lost = callbacks_.on_data_lost;
  auto redis_store = std::make_unique<RedisReservations>(*client_, std::move(random), store_options);
  redis_store_ = redis_store.get();
  store_ = std::move(redis_store);
}

ReservationService::~ReservationService() = default;

Awaitable<std::optional<std::string>> ReservationService::start() {
  if (!client_) co_return std::nullopt;
  client_->start(
      [this] {
        redis_store_->connected();
        failure_.clear();
        log_.debug("redis_connected", {{"redis", options_.redis->to_string()}});
        changed_.notify_all();
      },
      [this](std::string const& reason) {
        if (failure_.empty()) callbacks_.on_lost(reason);
        failure_ = reason;
        log_.warn("redis_lost", {{"redis", options_.redis->to_string()}, {"reason", reason}});
        changed_.notify_all();
      });
  while (!client_->connected() && failure_.empty()) {
    auto const wake = co_await changed_.wait();
    if (wake == net::Wake::cancelled) co_return "stopped";
  }
  if (client_->connected()) co_return std::nullopt;
  co_return "Redis is not reachable at " + options_.redis->to_string() + ": " + failure_;
}

void ReservationService::stop() {
  if (client_) client_->stop();
}

void ReservationService::execute(store::Command command, ReservationStore::Done done) {
  store_->execute(std::move(command), std::move(done));
}

std::string ReservationService::state() const {
  if (!client_) return "in this process";
  auto const state = client_->connected() ? " is connected" : " is not reachable: " + failure_;
  return options_.redis->to_string() + state;
}

Awaitable<Result<RedisReservations::Shown>> ReservationService::show(std::string order_id,
                                                                     std::string take_id) {
  if (!redis_store_) co_return make_error_code(RedisErrc::not_connected);
  auto const event = std::make_shared<net::AsyncEvent>(executor_);
  auto const answer = std::make_shared<std::optional<Result<RedisReservations::Shown>>>();
  redis_store_->show(order_id, take_id, [event, answer](Result<RedisReservations::Shown> shown) {
    *answer = std::move(shown);
    event->notify_all();
  });
  while (!*answer) {
    auto const wake = co_await event->wait();
    if (wake == net::Wake::cancelled) co_return make_error_code(RedisErrc::stopped);
  }
  co_return **answer;
}

}  // namespace grenache::exchange
