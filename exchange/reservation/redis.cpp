#include "exchange/reservation/redis.hpp"

#include <algorithm>
#include <utility>

#include <grenache/base/check.hpp>
#include <grenache/base/hex.hpp>

namespace grenache::exchange {
namespace {

using std::chrono::milliseconds;

// KEYS: index, fence, take, undone. ARGV: prefix of the take keys, take id, taker, amount, available, life in
// ms, attempt id. Returns {status, …}: granted|repeated with amount, fence, reserved_at, life; or a refusal
// with the ms to wait.
constexpr char kReserve[] = R"lua(
local index, fence_key, take_key, undone_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local prefix, take_id, taker, attempt = ARGV[1], ARGV[2], ARGV[3], ARGV[7]
local amount, available, life = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
if redis.call('EXISTS', undone_key) == 1 then return {'undone', 0} end

local live, used, held = {}, 0, nil
for _, id in ipairs(redis.call('ZRANGE', index, 0, -1)) do
  local value = redis.call('GET', prefix .. id)
  local ttl = redis.call('PTTL', prefix .. id)
  if value and ttl > 0 then
    local sat, fence, at, _, who = string.match(value, '^(%d+) (%d+) (%d+) (%S+) (.*)$')
    if id == take_id then
      if who ~= taker then return {'reserved', ttl} end
      return {'repeated', sat, fence, at, ttl}
    end
    if who == taker then held = ttl end
    used = used + tonumber(sat)
    live[#live + 1] = {ttl, tonumber(sat)}
  else
    redis.call('ZREM', index, id)
  end
end
if held then return {'taker_has_one', held} end
if amount > available then return {'reserved', 0} end
local missing = used - (available - amount)
if missing > 0 then
  table.sort(live, function(a, b) return a[1] < b[1] end)
  for _, entry in ipairs(live) do
    missing = missing - entry[2]
    if missing <= 0 then return {'reserved', entry[1]} end
  end
end

local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local fence = redis.call('INCR', fence_key)
redis.call('SET', take_key, ARGV[4] .. ' ' .. fence .. ' ' .. now .. ' ' .. attempt .. ' ' .. taker, 'PX', life)
redis.call('ZADD', index, now, take_id)
redis.call('PEXPIRE', index, math.max(life, redis.call('PTTL', index)))
return {'granted', ARGV[4], tostring(fence), now, life}
)lua";

// KEYS: index, take. ARGV: take id, fence. Returns 1 when the reservation was released.
constexpr char kRelease[] = R"lua(
local value = redis.call('GET', KEYS[2])
if not value or string.match(value, '^%d+ (%d+) ') ~= ARGV[2] then return 0 end
redis.call('DEL', KEYS[2])
redis.call('ZREM', KEYS[1], ARGV[1])
return 1
)lua";

// KEYS: index, take, undone. ARGV: take id, attempt id, life of the mark in ms. Returns 1 when a reservation
// was undone.
constexpr char kUndo[] = R"lua(
redis.call('SET', KEYS[3], '1', 'PX', ARGV[3])
local value = redis.call('GET', KEYS[2])
if not value or string.match(value, '^%d+ %d+ %d+ (%S+) ') ~= ARGV[2] then return 0 end
redis.call('DEL', KEYS[2])
redis.call('ZREM', KEYS[1], ARGV[1])
return 1
)lua";

// How long an undo mark must outlive the reserve command it cancels, which may still sit in a socket buffer.
constexpr char kUndoneLifeMs[] = "120000";

std::int64_t number(RedisReply const& reply) {
  return reply.type == RedisReply::Type::integer ? reply.integer
                                                 : std::strtoll(reply.text.c_str(), nullptr, 10);
}

ReserveOutcome outcome_of(RedisReply const& reply, std::string const& take_id) {
  auto const& items = reply.items;
  ReservationRefusal refusal{ReservationErrc::unavailable, {}};
  if (items.size() < 2) return refusal;
  std::string const& word = items[0].text;
  if ((word == "granted" || word == "repeated") && items.size() == 5) {
    return Reservation{take_id,
                       number(items[1]),
                       number(items[2]),
                       from_unix_ms(number(items[3])),
                       milliseconds{number(items[4])},
                       word == "repeated"};
  }
  refusal.retry_after = milliseconds{number(items[1])};
  if (word == "reserved") refusal.reason = ReservationErrc::reserved;
  if (word == "taker_has_one") refusal.reason = ReservationErrc::taker_has_one;
  return refusal;
}

}  // namespace

RedisReservations::RedisReservations(RedisClient& client, Random random, Options options)
    : client_{client}, random_{std::move(random)}, options_{std::move(options)} {}

std::string RedisReservations::key(std::string_view kind, std::string_view rest) const {
  std::string out = "grenache:exchange:{" + options_.maker + "}:";
  out += kind;
  if (!rest.empty()) {
    out += ':';
    out += rest;
  }
  return out;
}

std::string RedisReservations::take_key(std::string_view order_id, std::string_view take_id) const {
  std::string rest{order_id};
  rest += '/';
  rest += take_id;
  return key("take", rest);
}

void RedisReservations::reserve(ReserveRequest request, std::function<void(ReserveOutcome)> done) {
  GRN_CHECK(request.amount_sat > 0);
  std::string const attempt_id = to_hex(random_.bytes(16));
  std::string const take = take_key(request.order_id, request.take_id);
  std::string const prefix = take.substr(0, take.size() - request.take_id.size());
  Attempt attempt{request.order_id, request.take_id};
  client_.command(
      {"EVAL", kReserve, "4", key("order", request.order_id), key("fence", ""), take,
       key("undone", attempt_id), prefix, request.take_id, request.taker, std::to_string(request.amount_sat),
       std::to_string(request.available_sat), std::to_string(request.life.count()), attempt_id},
      [this, alive = std::weak_ptr<bool>{alive_}, attempt_id, attempt = std::move(attempt),
       done = std::move(done)](Result<RedisReply> const& reply) {
        if (reply) return done(outcome_of(*reply, attempt.take_id));
        // Redis may have reserved nevertheless, or may still execute the command.
        if (!alive.expired()) undo(attempt_id, attempt);
        done(ReservationRefusal{ReservationErrc::unavailable, {}});
      });
}

void RedisReservations::release(std::string order_id, std::string take_id, std::int64_t fence,
                                std::function<void(Result<bool>)> done) {
  client_.command({"EVAL", kRelease, "2", key("order", order_id), take_key(order_id, take_id), take_id,
                   std::to_string(fence)},
                  [done = std::move(done)](Result<RedisReply> const& reply) {
                    if (!reply) return done(ReservationErrc::unavailable);
                    done(reply->integer == 1);
                  });
}

void RedisReservations::undo(std::string const& attempt_id, Attempt attempt) {
  if (undos_.size() >= options_.undo_max) undos_.erase(undos_.begin());
  auto const added = undos_.emplace(attempt_id, std::move(attempt)).first;
  if (client_.connected()) send_undo(attempt_id, added->second);
}

void RedisReservations::send_undo(std::string const& attempt_id, Attempt const& attempt) {
  client_.command(
      {"EVAL", kUndo, "3", key("order", attempt.order_id), take_key(attempt.order_id, attempt.take_id),
       key("undone", attempt_id), attempt.take_id, attempt_id, kUndoneLifeMs},
      [this, alive = std::weak_ptr<bool>{alive_}, attempt_id](Result<RedisReply> const& reply) {
        if (alive.expired()) return;
        if (reply) {
          undos_.erase(attempt_id);
        } else if (reply.error() == RedisErrc::timed_out) {
          client_.reconnect();  // two timeouts in a row: replace the connection
        }
      });
}

void RedisReservations::connected() {
  for (auto const& [attempt_id, attempt] : undos_) send_undo(attempt_id, attempt);
}

void RedisReservations::show(std::string const& order_id, std::string const& take_id,
                             std::function<void(Result<Shown>)> done) {
  std::string const take = take_key(order_id, take_id);
  client_.command({"PTTL", take}, [take, done = std::move(done)](Result<RedisReply> const& reply) {
    if (!reply) return done(reply.error());
    done(Shown{take, milliseconds{std::max<std::int64_t>(reply->integer, 0)}});
  });
}

}  // namespace grenache::exchange
