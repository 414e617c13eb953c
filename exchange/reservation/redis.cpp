#include "exchange/reservation/redis.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <utility>

#include "exchange/reservation/redis_scripts.hpp"
#include <grenache/base/check.hpp>
#include <grenache/base/hex.hpp>

namespace grenache::exchange {
namespace {

using std::chrono::milliseconds;
using store::RefusalReason;
using store::Refused;
using Words = std::vector<std::string>;

// How long an undo mark must outlive the reserve command it cancels, which may still sit in a socket buffer.
constexpr char kUndoneLifeMs[] = "120000";
// Orders and takes in one part of a Recover.
constexpr std::size_t kRecoverPart = 200;
// Undos that are sent again after a command that Redis answered.
constexpr int kUndoRetries = 8;
// The end of the year 9999: later times would overflow in Redis.
constexpr std::int64_t kTimeMax = 253'402'300'799'000;

std::string text(Satoshi amount) { return std::to_string(std::max<std::int64_t>(amount.units(), 0)); }

void append(Words& out, KnownOrder const& order) {
  out.insert(out.end(),
             {order.id, text(order.amount), text(order.totals.filled), text(order.totals.reduced),
              order.totals.closed ? "1" : "0", std::to_string(std::max<std::int64_t>(order.totals.seq, 0)),
              std::to_string(std::clamp<std::int64_t>(to_unix_ms(order.expires), 0, kTimeMax)),
              text(order.totals.spent)});
}

void append(Words& out, store::Recover::Take const& take) {
  Reservation const& told = take.reservation;
  out.insert(out.end(),
             {take.order_id, told.take_id, told.taker, text(told.amount), std::to_string(told.fence),
              std::to_string(std::max<std::int64_t>(to_unix_ms(told.reserved_at), 0)),
              std::to_string(std::max<std::int64_t>(told.life.count(), 0))});
}

std::int64_t number(RedisReply const& reply) { return std::strtoll(reply.text.c_str(), nullptr, 10); }

/// A reply of a script.
struct ScriptReply {
  std::string status;  // empty: malformed
  OrderTotals totals;
  std::vector<RedisReply> rest;  // what follows the totals

  explicit ScriptReply(RedisReply const& reply) {
    auto const& items = reply.items;
    if (items.empty()) return;
    status = items.front().text;
    auto const totals_end = std::min<std::size_t>(items.size(), has_totals() ? 6 : 1);
    if (totals_end == 6) {
      totals = {Satoshi{number(items[1])}, Satoshi{number(items[2])}, items[3].text == "1", number(items[4]),
                Satoshi{number(items[5])}};
    }
    rest.assign(items.begin() + static_cast<std::ptrdiff_t>(totals_end), items.end());
  }
  [[nodiscard]] bool has_totals() const {
    return status != "lost" && status != "wait" && status != "undone" && status != "done";
  }
  [[nodiscard]] bool is(std::string_view name, std::size_t rest_size) const {
    return status == name && rest.size() == rest_size;
  }
};

Refused unavailable(milliseconds retry_after = {}) { return {RefusalReason::unavailable, retry_after, {}}; }

Refused refusal_of(ScriptReply const& reply) {
  if (reply.rest.size() != 1) return unavailable();
  milliseconds const wait{number(reply.rest.front())};
  if (reply.status == "wait") return unavailable(wait);
  constexpr std::pair<std::string_view, RefusalReason> kReasons[] = {
      {"reserved", RefusalReason::reserved},
      {"taker_has_one", RefusalReason::taker_has_one},
      {"too_many_takes", RefusalReason::too_many_takes},
      {"amount", RefusalReason::amount},
      {"closed", RefusalReason::closed},
      {"gone", RefusalReason::gone},
  };
  for (auto const& [name, reason] : kReasons)
    if (reply.status == name) return {reason, wait, reply.totals};
  return unavailable();
}

store::Answer answer_to_reserve(ScriptReply const& reply, store::Reserve const& command) {
  bool const repeated = reply.is("repeated", 4);
  if (!repeated && !reply.is("granted", 4)) return refusal_of(reply);
  auto const& rest = reply.rest;
  Reservation const reservation{command.take_id,
                                command.taker,
                                Satoshi{number(rest[0])},
                                number(rest[1]),
                                from_unix_ms(number(rest[2])),
                                milliseconds{number(rest[3])}};
  return store::Granted{reservation, repeated, reply.totals};
}

}  // namespace

struct RedisReservations::Impl : std::enable_shared_from_this<Impl> {
  struct Undo {
    std::string order_id;
    std::string take_id;
    std::string attempt;
    bool is_sent = false;
  };
  /// A Recover whose parts have not all been answered.
  struct Recovery {
    std::size_t part_count = 0;  // not answered
    bool has_failed = false;
    Done done;
  };
  using OnReply = std::function<void(ScriptReply const&)>;

  Impl(RedisClient& c, Random r, Options o) : client{c}, random{std::move(r)}, options{std::move(o)} {}

  void execute(store::Command command, Done done) {
    if (recovery) {
      if (held.size() >= options.held_max) return refuse_later(std::move(done));
      held.emplace_back(std::move(command), std::move(done));
      return;
    }
    bool const may_run = !epoch.empty() || std::holds_alternative<store::Recover>(command);
    if (stopped || !may_run) return refuse_later(std::move(done));
    std::visit([&](auto& each) { run(std::move(each), std::move(done)); }, command);
  }

  void run(store::Reserve command, Done done);
  void run(store::Settle command, Done done);
  void run(store::Release command, Done done);
  void run(store::Update command, Done done);
  void run(store::Recover command, Done done);
  void call(char const* command, Words const& arguments, RedisClient::Done done);
  void call(char const* command, Words const& arguments, Done const& done, OnReply on_reply);
  void on_part(std::string const& new_epoch, bool is_good);
  void data_lost();
  void undo(store::Reserve const& command, std::string attempt);
  void send_undo(std::uint64_t number);
  void retry_undos();
  void connected();
  void check();
  void refuse_later(Done done) {
    if (stopped) return done(unavailable());  // by a callback, not by execute()
    client.post([self = shared_from_this(), done = std::move(done)] {
      done(unavailable());
      bool const needs_recover = !self->stopped && self->client.connected() && self->epoch.empty();
      if (needs_recover) self->data_lost();
    });
  }

  [[nodiscard]] std::string key(std::string_view rest) const {
    return "grenache:exchange:{" + options.maker + "}:" + std::string{rest};
  }

  RedisClient& client;  // not used when `stopped`
  Random random;
  Options options;
  std::shared_ptr<RedisScriptRunner> runner =
      std::make_shared<RedisScriptRunner>(client, reservation_script(), key("epoch"));
  std::string epoch;  // of the data that this process has recovered; empty: none
  bool has_recovered = false;
  bool loss_told = false;  // on_data_lost was called, and no Recover was executed since
  std::int64_t fence = 0;  // the greatest one known
  std::optional<Recovery> recovery;
  std::deque<std::pair<store::Command, Done>> held;  // until the end of the recovery
  std::map<std::uint64_t, Undo> undos;               // not confirmed; the oldest first
  std::uint64_t last_undo = 0;
  bool stopped = false;
};

void RedisReservations::Impl::call(char const* command, Words const& arguments, RedisClient::Done done) {
  Words words{command, key(""), epoch};
  words.insert(words.end(), arguments.begin(), arguments.end());
  runner->run(std::move(words), std::move(done));
}

/// Answers `unavailable` when there was no reply.
void RedisReservations::Impl::call(char const* command, Words const& arguments, Done const& done,
                                   OnReply on_reply) {
  call(command, arguments,
       [self = shared_from_this(), done, on_reply = std::move(on_reply)](Result<RedisReply> const& reply) {
         if (!reply) return done(unavailable());
         ScriptReply const read{*reply};
         on_reply(read);
         if (read.status == "lost") return self->data_lost();
         self->retry_undos();
       });
}

void RedisReservations::Impl::run(store::Reserve command, Done done) {
  GRN_CHECK(command.wanted > Satoshi{0});
  if (!command.rivals.empty()) return refuse_later(std::move(done));
  std::string attempt = to_hex(random.bytes(16));
  Words words;
  append(words, command.order);
  words.insert(words.end(),
               {command.take_id, command.taker, text(command.wanted), std::to_string(command.life.count()),
                attempt, std::to_string(options.live_takes_per_order_max),
                std::to_string(options.settled_takes_per_order_max), std::to_string(fence)});
  call("reserve", words,
       [self = shared_from_this(), command = std::move(command), attempt = std::move(attempt),
        done = std::move(done)](Result<RedisReply> const& reply) {
         if (!reply) {
           // Otherwise Redis may have reserved, or may still execute the command.
           bool const was_sent =
               reply.error() != RedisErrc::not_connected && reply.error() != RedisErrc::not_executed;
           if (was_sent) self->undo(command, attempt);
           return done(unavailable());
         }
         ScriptReply const read{*reply};
         auto const answer = answer_to_reserve(read, command);
         if (auto const* granted = std::get_if<store::Granted>(&answer))
           self->fence = std::max(self->fence, granted->reservation.fence);
         done(answer);
         if (read.status == "lost") return self->data_lost();
         self->retry_undos();
       });
}

void RedisReservations::Impl::run(store::Settle command, Done done) {
  Words words;
  append(words, command.order);
  words.insert(words.end(), {command.take_id, std::to_string(command.fence)});
  call("settle", words, done, [done](ScriptReply const& reply) {
    if (!reply.is("settled", 1)) return done(refusal_of(reply));
    done(store::Settled{Satoshi{number(reply.rest.front())}, reply.totals});
  });
}

void RedisReservations::Impl::run(store::Release command, Done done) {
  Words const words{command.order_id, command.take_id, std::to_string(command.fence)};
  call("release", words, done, [done](ScriptReply const& reply) {
    if (!reply.is("done", 0)) return done(unavailable());
    done(store::Done{});
  });
}

void RedisReservations::Impl::run(store::Update command, Done done) {
  Words words;
  append(words, command.order);
  words.insert(words.end(), {text(command.reduce_by), command.close ? "1" : "0"});
  call("update", words, done, [done](ScriptReply const& reply) {
    if (!reply.is("updated", 0)) return done(refusal_of(reply));
    done(store::Updated{reply.totals});
  });
}

void RedisReservations::Impl::run(store::Recover command, Done done) {
  std::string const mark = to_hex(random.bytes(16));
  std::string const new_epoch = to_hex(random.bytes(16));
  fence = std::max(fence, command.fence);
  for (auto const& take : command.takes) fence = std::max(fence, take.reservation.fence);
  std::size_t const count = command.orders.size() + command.takes.size();
  std::size_t const part_count = count / kRecoverPart + 1;
  milliseconds const grace = options.is_new_maker && !has_recovered ? milliseconds{0} : options.grace;
  recovery = Recovery{part_count, false, std::move(done)};
  for (std::size_t part = 0; part < part_count; ++part) {
    std::size_t const begin = part * kRecoverPart;
    std::size_t const end = std::min(begin + kRecoverPart, count);
    std::size_t const orders_end = std::clamp(command.orders.size(), begin, end);
    bool const is_last = part + 1 == part_count;
    Words words{mark,
                part == 0 ? "1" : "0",
                is_last ? "1" : "0",
                std::to_string(fence),
                new_epoch,
                std::to_string(grace.count()),
                std::to_string(orders_end - begin)};
    for (std::size_t i = begin; i < orders_end; ++i) append(words, command.orders[i]);
    for (std::size_t i = orders_end; i < end; ++i) append(words, command.takes[i - command.orders.size()]);
    call("recover", words, [self = shared_from_this()](Result<RedisReply> const& reply) {
      bool is_good = false;
      std::string stored_epoch;
      if (reply) {
        ScriptReply const read{*reply};
        is_good = read.is("done", 1);
        if (is_good) stored_epoch = read.rest.front().text;
      }
      self->on_part(stored_epoch, is_good);
    });
  }
}

void RedisReservations::Impl::on_part(std::string const& new_epoch, bool is_good) {
  if (!is_good) recovery->has_failed = true;
  if (--recovery->part_count > 0) return;
  auto const finished = std::exchange(recovery, std::nullopt);
  bool const has_succeeded = !finished->has_failed && !new_epoch.empty();
  if (has_succeeded) epoch = new_epoch;
  has_recovered = has_recovered || has_succeeded;
  loss_told = false;
  for (auto& [command, done] : std::exchange(held, {})) execute(std::move(command), std::move(done));
  if (has_succeeded) {
    finished->done(store::Done{});
  } else {
    finished->done(unavailable());
  }
}

void RedisReservations::Impl::data_lost() {
  if (stopped || recovery || std::exchange(loss_told, true)) return;
  epoch.clear();
  if (options.on_data_lost) options.on_data_lost();
}

void RedisReservations::Impl::undo(store::Reserve const& command, std::string attempt) {
  if (stopped) return;
  if (undos.size() >= options.undo_max && !undos.empty()) undos.erase(undos.begin());
  undos.emplace(++last_undo, Undo{command.order.id, command.take_id, std::move(attempt)});
  if (client.connected()) send_undo(last_undo);
}

void RedisReservations::Impl::send_undo(std::uint64_t number) {
  auto& undo = undos.at(number);
  undo.is_sent = true;
  Words const words{undo.order_id, undo.take_id, undo.attempt, kUndoneLifeMs};
  call("undo", words, [self = shared_from_this(), number](Result<RedisReply> const& reply) {
    if (self->stopped) return;
    auto const found = self->undos.find(number);
    if (found == self->undos.end()) return;
    if (reply) {
      self->undos.erase(found);
      return;
    }
    found->second.is_sent = false;
  });
}

// An undo that Redis refused (because it was loading, say) is sent again when it answers.
void RedisReservations::Impl::retry_undos() {
  if (stopped) return;
  int sent = 0;
  for (auto const& [number, undo] : undos) {
    if (sent == kUndoRetries) break;
    if (undo.is_sent) continue;
    send_undo(number);
    ++sent;
  }
}

void RedisReservations::Impl::connected() {
  for (auto const& [number, undo] : undos) send_undo(number);
  loss_told = false;
  check();
}

void RedisReservations::Impl::check() {
  if (stopped) return;
  client.command({"HGET", key("epoch"), "id"}, [self = shared_from_this()](Result<RedisReply> const& reply) {
    if (!reply) return;
    bool const is_known = !self->epoch.empty() && reply->text == self->epoch;
    if (!is_known) self->data_lost();
  });
}

RedisReservations::RedisReservations(RedisClient& client, Random random, Options options)
    : impl_{std::make_shared<Impl>(client, std::move(random), std::move(options))} {}

RedisReservations::~RedisReservations() {
  impl_->stopped = true;
  impl_->runner->stop();
}

void RedisReservations::execute(store::Command command, Done done) {
  impl_->execute(std::move(command), std::move(done));
}
void RedisReservations::connected() { impl_->connected(); }
void RedisReservations::check() { impl_->check(); }
std::size_t RedisReservations::undo_count() const { return impl_->undos.size(); }

void RedisReservations::show(std::string const& order_id, std::string const& take_id,
                             std::function<void(Result<Shown>)> done) {
  std::string const take = impl_->key("take:" + order_id + '/' + take_id);
  impl_->client.command({"PTTL", take}, [take, done = std::move(done)](Result<RedisReply> const& reply) {
    if (!reply) return done(reply.error());
    done(Shown{take, milliseconds{std::max<std::int64_t>(reply->integer, 0)}});
  });
}

}  // namespace grenache::exchange
