#include "exchange/reservation/redis_scripts.hpp"

#include <utility>

#include <grenache/base/crypto.hpp>
#include <grenache/base/hex.hpp>

namespace grenache::exchange {
namespace {

// The parts of the script. KEYS: epoch. ARGV: name of the command, then, as counted below, 1 prefix of all
// keys, 2 epoch that the caller knows, …
//
// Lua's numbers are exact to 2^53, which amounts and times never reach; fences and seqs stay decimal text.
constexpr char kCommon[] = R"lua(
local command = table.remove(ARGV, 1)
local prefix, epoch = ARGV[1], ARGV[2]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function int(number) return string.format('%.0f', number) end

local function greater(a, b)
  if #a ~= #b then return #a > #b and a or b end
  return a > b and a or b
end

-- Of the running server; empty if the user may not ask for it.
local function run_id()
  local info = redis.pcall('INFO', 'server')
  return type(info) == 'string' and string.match(info, 'run_id:(%x+)') or ''
end

-- nil: the data were lost, may lack the last writes, or are not those that the caller has recovered; else the ms
-- until takes are granted.
local function grace()
  local stored = redis.call('HMGET', prefix .. 'epoch', 'id', 'until', 'run')
  if not stored[1] or stored[1] ~= epoch or stored[3] ~= run_id() then return nil end
  return math.max(0, tonumber(stored[2]) - now)
end

local function take_key(order, take_id) return prefix .. 'take:' .. order.id .. '/' .. take_id end

local function remove(order, at)
  local take = table.remove(order.live, at)
  redis.call('DEL', take_key(order, take.id))
  redis.call('ZREM', order.takes, take.id)
  order.used = order.used - take.amount
end

local function read_takes(order)
  order.live, order.used = {}, 0  -- by expiry
  redis.call('ZREMRANGEBYSCORE', order.takes, '-inf', int(now))
  local list = redis.call('ZRANGE', order.takes, 0, -1, 'WITHSCORES')
  for i = 1, #list, 2 do
    local value = redis.call('GET', take_key(order, list[i]))
    if value then
      local amount, fence, at, attempt, taker = string.match(value, '^(%d+) (%d+) (%d+) (%S+) (.*)$')
      order.used = order.used + tonumber(amount)
      order.live[#order.live + 1] = {id = list[i], amount = tonumber(amount), fence = fence, at = at,
        attempt = attempt, taker = taker, expires = tonumber(list[i + 1])}
    else
      redis.call('ZREM', order.takes, list[i])
    end
  end
end

-- The order, merged with what the caller knows: amount, filled, reduced, closed, seq, expiry and spent from
-- ARGV[at] on. Without `at` only a stored order, or nil.
local function read(id, at)
  local order = {id = id, key = prefix .. 'order:' .. id, takes = prefix .. 'takes:' .. id}
  local stored = redis.call('HMGET', order.key, 'amount', 'filled', 'reduced', 'closed', 'seq', 'forget_at',
    'spent')
  if not at and not stored[1] then return nil end
  local function told(offset) return at and ARGV[at + offset] or '0' end
  order.amount = tonumber(stored[1] or told(0))
  order.filled = math.max(tonumber(stored[2] or 0), tonumber(told(1)))
  order.reduced = math.max(tonumber(stored[3] or 0), tonumber(told(2)))
  order.closed = (stored[4] == '1' or told(3) == '1') and '1' or '0'
  order.seq = greater(stored[5] or '0', told(4))
  order.forget_at = math.max(tonumber(stored[6] or 0), math.max(tonumber(told(5)), now) + 86400000)
  order.filled = math.min(order.filled, order.amount)
  order.reduced = math.min(order.reduced, order.amount - order.filled)
  order.spent = math.max(tonumber(stored[7] or 0), tonumber(told(6)), order.filled + order.reduced)
  order.spent = math.min(order.spent, order.amount)
  read_takes(order)
  while order.used > order.amount - order.spent do
    local newest = 1
    for i, take in ipairs(order.live) do
      local other = order.live[newest]
      local is_newer = greater(take.fence, other.fence) == take.fence
      if take.fence == other.fence then is_newer = take.id > other.id end
      if is_newer then newest = i end
    end
    remove(order, newest)
  end
  return order
end

local function write(order)
  redis.call('HSET', order.key, 'amount', int(order.amount), 'filled', int(order.filled),
    'reduced', int(order.reduced), 'closed', order.closed, 'seq', order.seq, 'forget_at', int(order.forget_at),
    'spent', int(order.spent))
  redis.call('PEXPIREAT', order.key, int(order.forget_at))
  redis.call('PEXPIREAT', order.takes, int(order.forget_at))
end

local function next_seq(order)
  if order.seq == '9223372036854775807' then return end
  redis.call('HINCRBY', order.key, 'seq', 1)
  order.seq = redis.call('HGET', order.key, 'seq')
end

local function find(order, take_id)
  for i, take in ipairs(order.live) do
    if take.id == take_id then return i end
  end
end

local function put(order, take_id, amount, fence, at, attempt, taker, life)
  redis.call('SET', take_key(order, take_id),
    amount .. ' ' .. fence .. ' ' .. at .. ' ' .. attempt .. ' ' .. taker, 'PX', life)
  redis.call('ZADD', order.takes, int(now + tonumber(life)), take_id)
  redis.call('PEXPIREAT', order.takes, int(order.forget_at))
end

local function raise_fence(floor)
  if greater(redis.call('GET', prefix .. 'fence') or '0', floor) == floor then
    redis.call('SET', prefix .. 'fence', floor)
  end
end

-- Replies: a status and the totals, then what the status has.
local function reply(order, status, ...)
  return {status, int(order.filled), int(order.reduced), order.closed, order.seq, int(order.spent), ...}
end

local commands = {}
)lua";

// ARGV: … 3 order id, 4-10 order as for read(), 11 take id, 12 taker, 13 wanted, 14 life in ms, 15 attempt,
// 16 live takes per order at most, 17 settled ones, 18 fence that the new one must exceed.
// Replies: granted or repeated with amount, fence, reserved at, life in ms; reason of a refusal with the ms
// to wait; {'lost'}; {'wait', ms}; {'undone'}.
constexpr char kReserve[] = R"lua(
commands.reserve = function()
  local take_id, taker, wanted, life, attempt = ARGV[11], ARGV[12], tonumber(ARGV[13]), ARGV[14], ARGV[15]
  if redis.call('EXISTS', prefix .. 'undone:' .. attempt) == 1 then return {'undone'} end
  local wait = grace()
  if not wait then return {'lost'} end
  if wait > 0 then return {'wait', int(wait)} end
  local order = read(ARGV[3], 4)
  write(order)
  if redis.call('HEXISTS', order.key, 'done:' .. take_id) == 1 then return reply(order, 'gone', '0') end
  local known = order.live[find(order, take_id)]
  if known then
    local left = int(known.expires - now)
    if known.taker ~= taker then return reply(order, 'reserved', left) end
    if known.attempt ~= '-' then  -- two callers hold it, so the first one must not undo it any more
      put(order, take_id, int(known.amount), known.fence, known.at, '-', taker, left)
    end
    return reply(order, 'repeated', int(known.amount), known.fence, known.at, left)
  end

  local left = order.amount - order.spent
  if order.closed == '1' then return reply(order, 'closed', '0') end
  if wanted > left then return reply(order, 'amount', '0') end
  for _, take in ipairs(order.live) do
    if take.taker == taker then return reply(order, 'taker_has_one', int(take.expires - now)) end
  end
  if redis.call('HLEN', order.key) - 7 >= tonumber(ARGV[17]) then return reply(order, 'too_many_takes', '0') end
  if #order.live >= tonumber(ARGV[16]) then
    return reply(order, 'too_many_takes', int(order.live[1].expires - now))
  end
  local free = left - order.used
  if wanted > free then
    for _, take in ipairs(order.live) do
      free = free + take.amount
      if wanted <= free then return reply(order, 'reserved', int(take.expires - now)) end
    end
  end

  raise_fence(ARGV[18])
  redis.call('INCR', prefix .. 'fence')
  local fence = redis.call('GET', prefix .. 'fence')
  put(order, take_id, ARGV[13], fence, int(now), attempt, taker, life)
  return reply(order, 'granted', ARGV[13], fence, int(now), life)
end
)lua";

// ARGV: … 3 order id, 4-10 order, 11 take id, 12 fence. Replies: settled with amount, gone, lost, wait.
constexpr char kSettle[] = R"lua(
commands.settle = function()
  local take_id, fence = ARGV[11], ARGV[12]
  local wait = grace()
  if not wait then return {'lost'} end
  local order = read(ARGV[3], 4)
  write(order)
  local done = redis.call('HGET', order.key, 'done:' .. take_id)
  if done then
    local amount, settled = string.match(done, '^(%d+) (%d+)$')
    if settled ~= fence then return reply(order, 'gone', '0') end
    return reply(order, 'settled', amount)
  end
  -- What processes that have not recovered yet have sold is counted first: their totals and a sale made
  -- meanwhile could not be added up. And one of them may have granted this take.
  if wait > 0 then return {'wait', int(wait)} end
  local at = find(order, take_id)
  if at and order.live[at].fence == fence then
    local amount = order.live[at].amount
    redis.call('HSET', order.key, 'done:' .. take_id, int(amount) .. ' ' .. fence)
    order.filled = order.filled + amount
    order.spent = order.spent + amount
    write(order)
    next_seq(order)
    remove(order, at)
    return reply(order, 'settled', int(amount))
  end
  return reply(order, 'gone', '0')
end
)lua";

// ARGV: … 3 order id, 4 take id, 5 fence. Replies: done, lost.
constexpr char kRelease[] = R"lua(
commands.release = function()
  if not grace() then return {'lost'} end
  local order = {id = ARGV[3], takes = prefix .. 'takes:' .. ARGV[3]}
  local value = redis.call('GET', take_key(order, ARGV[4]))
  if value and string.match(value, '^%d+ (%d+) ') == ARGV[5] then
    redis.call('DEL', take_key(order, ARGV[4]))
    redis.call('ZREM', order.takes, ARGV[4])
  end
  return {'done'}
end
)lua";

// ARGV: … 3 order id, 4-10 order, 11 amount to withdraw, 12 1 to close. Replies: updated, lost, wait.
constexpr char kUpdate[] = R"lua(
commands.update = function()
  local by = tonumber(ARGV[11])
  local wait = grace()
  if not wait then return {'lost'} end
  -- What other processes have reserved may not have been restored yet.
  if wait > 0 and by > 0 then return {'wait', int(wait)} end
  local order = read(ARGV[3], 4)
  local free = order.amount - order.spent - order.used
  local target = math.min(tonumber(ARGV[6]), order.amount) + by
  local reduced = math.max(order.reduced, math.min(target, order.reduced + free))
  order.spent = order.spent + reduced - order.reduced
  order.reduced = reduced
  if ARGV[12] == '1' then order.closed = '1' end
  write(order)
  next_seq(order)
  return reply(order, 'updated')
end
)lua";

// A large Recover is sent in parts, which share a mark; the last one makes the data valid.
// ARGV: … 3 mark, 4 1 in the first part, 5 1 in the last one, 6 fence, 7 new epoch, 8 grace in ms, 9 number n
// of orders; n times 8: id and order as for read(); then takes of 7: order id, take id, taker, amount, fence,
// reserved at, life in ms. Replies: done with the epoch in the last part, lost.
constexpr char kRecover[] = R"lua(
commands.recover = function()
  local mark = prefix .. 'recovering:' .. ARGV[3]
  if ARGV[4] == '1' then
    redis.call('SET', mark, '1', 'PX', 60000)
  elseif redis.call('EXISTS', mark) == 0 then
    return {'lost'}
  end
  raise_fence(ARGV[6])
  local at = 10
  for _ = 1, tonumber(ARGV[9]) do
    write(read(ARGV[at], at + 1))
    at = at + 8
  end

  local function restore(order_id, take_id, taker, amount, fence, reserved_at, life)
    raise_fence(fence)
    local order = read(order_id)
    if not order or redis.call('HEXISTS', order.key, 'done:' .. take_id) == 1 then return end
    if tonumber(amount) <= 0 or tonumber(life) <= 0 then return end
    local known = find(order, take_id)
    if known then
      if greater(order.live[known].fence, fence) == order.live[known].fence then return end
      remove(order, known)
    end
    if tonumber(amount) > order.amount - order.spent - order.used then return end
    put(order, take_id, amount, fence, reserved_at, '-', taker, life)
  end
  while at < #ARGV do
    restore(unpack(ARGV, at, at + 6))
    at = at + 7
  end

  if ARGV[5] ~= '1' then return {'done', ''} end
  redis.call('DEL', mark)
  local stored, run = redis.call('HMGET', prefix .. 'epoch', 'id', 'run'), run_id()
  if not stored[1] or stored[2] ~= run then
    redis.call('HSET', prefix .. 'epoch', 'id', ARGV[7], 'until', int(now + tonumber(ARGV[8])), 'run', run)
    -- Other processes may have fences that nobody tells: the clock is ahead of all of them.
    if tonumber(ARGV[8]) > 0 then raise_fence(int(now)) end
  end
  return {'done', redis.call('HGET', prefix .. 'epoch', 'id')}
end
)lua";

// ARGV: … 3 order id, 4 take id, 5 attempt, 6 life of the mark in ms. Replies: done.
constexpr char kUndo[] = R"lua(
commands.undo = function()
  redis.call('SET', prefix .. 'undone:' .. ARGV[5], '1', 'PX', ARGV[6])
  local order = {id = ARGV[3], takes = prefix .. 'takes:' .. ARGV[3]}
  local value = redis.call('GET', take_key(order, ARGV[4]))
  if value and string.match(value, '^%d+ %d+ %d+ (%S+) ') == ARGV[5] then
    redis.call('DEL', take_key(order, ARGV[4]))
    redis.call('ZREM', order.takes, ARGV[4])
  end
  return {'done'}
end
)lua";

constexpr char kDispatch[] = R"lua(
return commands[command]()
)lua";

RedisScript make_script() {
  std::string text;
  for (auto const* part : {kCommon, kReserve, kSettle, kRelease, kUpdate, kRecover, kUndo, kDispatch})
    text += part;
  std::string const digest = to_hex(sha1(text).view());
  return {std::move(text), digest};
}

}  // namespace

RedisScript const& reservation_script() {
  static RedisScript const script = make_script();
  return script;
}

void RedisScriptRunner::run(std::vector<std::string> arguments, RedisClient::Done done) {
  Call call{std::move(arguments), std::move(done)};
  if (!waiting_.empty()) {
    waiting_.push_back(std::move(call));
  } else {
    send(std::move(call), true);
  }
}

void RedisScriptRunner::send(Call call, bool by_sha) {
  std::vector<std::string> words{by_sha ? "EVALSHA" : "EVAL", by_sha ? script_.sha1 : script_.text, "1",
                                 key_};
  words.insert(words.end(), call.arguments.begin(), call.arguments.end());
  ++in_flight_;
  client_.command(std::move(words), [self = shared_from_this(), call = std::move(call)](
                                        Result<RedisReply> const& reply) { self->answer(call, reply); });
}

void RedisScriptRunner::answer(Call call, Result<RedisReply> const& reply) {
  --in_flight_;
  bool const is_unknown = !stopped_ && !reply && reply.error() == RedisErrc::refused_by_server &&
                          client_.last_error().starts_with("NOSCRIPT");
  if (is_unknown) {
    waiting_.push_back(std::move(call));
  } else {
    call.done(reply);
  }
  if (in_flight_ > 0 || waiting_.empty()) return;
  bool by_sha = false;  // the first call loads the script for the others
  for (auto& each : std::exchange(waiting_, {})) {
    if (stopped_) {
      each.done(RedisErrc::stopped);
    } else {
      send(std::move(each), std::exchange(by_sha, true));
    }
  }
}

}  // namespace grenache::exchange
