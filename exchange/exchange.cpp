#include "exchange/exchange.hpp"

#include <algorithm>
#include <map>
#include <thread>
#include <type_traits>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "exchange/discovery.hpp"
#include "exchange/event_log.hpp"
#include "exchange/history.hpp"
#include "exchange/index_reader.hpp"
#include "exchange/journal/memory_journal.hpp"
#include "exchange/journal/release_gate.hpp"
#include "exchange/journal/sqlite_journal.hpp"
#include "exchange/nip69_file.hpp"
#include "exchange/part_options.hpp"
#include "exchange/peer_calls.hpp"
#include "exchange/pending_commands.hpp"
#include "exchange/pending_requests.hpp"
#include "exchange/reservation_service.hpp"
#include "exchange/signature_verifier.hpp"
#include "exchange/work_grinder.hpp"
#include <grenache/net/async_event.hpp>
#include <grenache/net/steady_clock.hpp>
#include <grenache/net/task_group.hpp>
#include <grenache/rpc/client.hpp>
#include <grenache/rpc/link.hpp>
#include <grenache/rpc/server.hpp>

namespace grenache::exchange {

namespace asio = boost::asio;
using net::Awaitable;

namespace {

constexpr char const* kStopped = "ERR_STOPPED";
constexpr char const* kNotReady = "ERR_NOT_READY";
constexpr char const* kOverloaded = "ERR_OVERLOADED";
/// Requests are refused while so many batches wait for the disk.
constexpr std::size_t kQueuedBatchesMax = 10'000;
/// Between looks whether Redis has lost its data; a few for each grace.
constexpr Duration kWorkLimit = std::chrono::minutes{1};
constexpr Duration kRedisCheckInterval = std::chrono::seconds{7};
/// The clocks are looked at again after this, in case the wall clock was set.
constexpr Duration kSleepMax = std::chrono::seconds{30};
/// How long after an input the deadlines are looked at: finding the next one costs more than most inputs.
constexpr Duration kLookAfter = std::chrono::milliseconds{20};

/// Answers a request that comes after the peer.
Awaitable<rpc::Reply> refuse() { co_return rpc::Reply::failure(kStopped); }

result::Failure starting_failure() {
  return {result::FailureCode::unavailable, "the peer is starting", "try again in a moment"};
}

Now time_now() { return {net::steady_now(), net::wall_now()}; }

}  // namespace

struct Exchange::Impl {
  /// Expires with the object.
  using Alive = std::weak_ptr<bool>;

  Impl(net::Executor e, Options o, SecretKey const& key, Random random, std::optional<SqliteFile> file,
       Log const& l);
  ~Impl() { alive.reset(); }
  Impl(Impl const&) = delete;
  Impl& operator=(Impl const&) = delete;

  void make_journal(std::optional<SqliteFile> file);
  [[nodiscard]] std::optional<std::string> restore();

  template <class Input>
  void feed(Input input);
  void pump();
  void dispatch(Output& output);
  void release_durable(Position position);
  void run(output::Reply& reply) { requests.answer(reply); }
  void run(output::Call& call);
  void run(output::Store& store);
  void run(output::Verify& wanted);
  void run(output::Work& wanted);
  void run(output::Answer& answer);
  void run(output::Notice& notice);
  void publish(Event const& event);
  void notify(Event const& event);
  void set_timer(TimePoint time);

  void execute(Command command, PendingCommands::Done done);
  void end_command(CommandId id, CommandResult result);
  void import_orders(CommandId id, std::string const& path);
  void show_receipt(CommandId id, std::string const& payment);

  // These and the callbacks may outlive this object. What they await owns what it uses; after it they look at
  // `alive` before they touch a member.
  Awaitable<rpc::Reply> serve(rpc::Request& request, Alive alive);
  Awaitable<void> keep_time(Alive alive);
  Awaitable<void> check_redis(Alive alive);
  Awaitable<void> discover(Alive alive);
  Awaitable<std::optional<std::string>> start();
  Awaitable<bool> stop();

  std::shared_ptr<bool> alive = std::make_shared<bool>(true);
  net::Executor executor;
  Options options;
  Log const& log;
  std::optional<SqliteFile> file;  // until the journal owns it
  JournalResult<std::vector<Row>> restored;
  Trader core;
  rpc::Link link;
  rpc::Client client;
  rpc::Server server;
  Discovery discovery;
  IndexReader index_reader;
  PeerCalls calls;
  ReservationService reservations;
  SignatureVerifier verifier;
  WorkGrinder grinder;
  std::unique_ptr<Journal> journal;
  ReleaseGate<Output> gate;
  net::TaskGroup tasks;
  asio::steady_timer timer;
  TimePoint timer_at = TimePoint::max();
  net::AsyncEvent changed;  // after each batch of outputs
  PendingRequests requests;
  PendingCommands commands;
  std::map<ListenerId, Listener> listeners;
  ListenerId last_listener = 0;
  bool is_pumping = false;
  bool is_stopped = false;
  bool is_restored = false;
};

namespace {

/// Reads the rows that the core restores.
JournalResult<std::vector<Row>> read_rows(std::optional<SqliteFile>& file) {
  if (!file) return std::vector<Row>{};
  return file->read_all(Trader::row_kinds());
}

}  // namespace

Exchange::Impl::Impl(net::Executor e, Options o, SecretKey const& key, Random random,
                     std::optional<SqliteFile> f, Log const& l)
    : executor{e},
      options{std::move(o)},
      log{l},
      file{std::move(f)},
      restored{read_rows(file)},
      core{trader_options(options, file ? file->position() : 0), key, random.fork()},
      link{executor, link_options(options), random.fork()},
      client{executor, link, client_options(), random.fork()},
      server{executor, server_options(options),
             [this, here = Alive{alive}](rpc::Request& request) {
               return here.expired() ? refuse() : serve(request, here);
             }},
      discovery{executor,
                link,
                server,
                log,
                discovery_options(options),
                {[this](std::vector<std::string> const& found) {
                   feed([&](Now now) { core.endpoints_found(found, ContactSource::dht, now); });
                 },
                 [this](Side side) { return core.has_orders(side, net::wall_now()); },
                 [this](std::string const& own) {
                   feed([&](Now now) { core.endpoint_changed(own, now); });
                   log.info("advertised", {{"endpoint", own}});
                 },
                 [this](bool answers, std::string const& text) {
                   publish(event::GrapeChanged{answers, text});
                 },
                 [this](std::string const& text) { notify(event::Warning{text}); }}},
      index_reader{executor, index_reader_options(options), random.fork(),
                   [this, here = Alive{alive}](IndexUpdate const& update) {
                     if (!here.expired()) feed([&](Now now) { core.index_updated(update, now); });
                   },
                   log},
      calls{executor,
            client,
            {options.service, options.call_timeout},
            [this](CallId call, CallAnswer answer) {
              feed([&](Now now) { core.call_answered(call, std::move(answer), now); });
            }},
      reservations{executor,
                   {options.redis, core.id().hex(), options.is_new_identity, options.redis_grace},
                   random.fork(),
                   {[this, here = Alive{alive}] {
                      if (here.expired() || !is_restored) return;
                      log.warn("redis_data_lost", {{"redis", options.redis->to_string()}});
                      feed([&](Now now) { core.store_lost(now); });
                    },
                    [this](std::string const& reason) {
                      notify(event::Warning{"Redis is not reachable: " + reason});
                    }},
                   log},
      verifier{executor, std::thread::hardware_concurrency()},
      grinder{executor},
      gate{file ? file->position() : 0},
      tasks{executor},
      timer{executor},
      changed{executor},
      requests{executor} {
  make_journal(std::move(file));
}

void Exchange::Impl::make_journal(std::optional<SqliteFile> opened) {
  Journal::Callbacks callbacks{[this, here = Alive{alive}](Position position) {
                                 if (!here.expired()) release_durable(position);
                               },
                               [this, here = Alive{alive}](std::string const& why) {
                                 if (here.expired()) return;
                                 log.error("journal_failed", {{"reason", why}});
                                 if (options.on_journal_failure) options.on_journal_failure(why);
                               }};
  if (opened) {
    journal = std::make_unique<SqliteJournal>(executor, *std::move(opened), std::move(callbacks));
    return;
  }
  journal = std::make_unique<MemoryJournal>(std::move(callbacks), [this, here = Alive{alive}] {
    asio::post(executor, [this, here] {
      if (!here.expired()) static_cast<MemoryJournal&>(*journal).run();
    });
  });
}

/// Gives the core the rows of earlier runs.
std::optional<std::string> Exchange::Impl::restore() {
  if (!restored) return restored.error();
  for (auto const& row : *restored) {
    if (!core.restore(row)) return "the journal has a row that cannot be read: " + row.kind + " " + row.key;
  }
  *restored = {};
  if (options.redis && core.needs_unshared_store(net::wall_now())) {
    return "there are pegged orders or open orders of one-cancels-other groups, which --redis does not "
           "support; start without it and cancel them first";
  }
  feed([&](Now now) { core.start(now); });
  is_restored = true;
  return std::nullopt;
}

// Inputs and outputs of the core

template <class Input>
void Exchange::Impl::feed(Input input) {
  input(time_now());
  pump();
  set_timer(net::steady_deadline(kLookAfter));
}

void Exchange::Impl::pump() {
  if (is_pumping) return;
  is_pumping = true;
  try {
    while (auto out = core.poll_output()) dispatch(*out);
  } catch (...) {
    is_pumping = false;  // out of memory; the next input goes on
    throw;
  }
  is_pumping = false;
  changed.notify_all();
}

void Exchange::Impl::dispatch(Output& output) {
  if (auto* const save = std::get_if<output::Save>(&output)) return journal->append(std::move(save->batch));
  auto const after = std::visit(
      [](auto const& each) -> Position {
        if constexpr (requires { each.after; }) return each.after;
        return 0;
      },
      output);
  auto released = gate.add(after, std::move(output));
  if (!released) return;
  std::visit(
      [this](auto& each) {
        if constexpr (requires { each.after; }) run(each);
      },
      *released);
}

void Exchange::Impl::release_durable(Position position) {
  gate.set_durable(position);
  while (auto released = gate.next()) {
    std::visit(
        [this](auto& each) {
          if constexpr (requires { each.after; }) run(each);
        },
        *released);
  }
  changed.notify_all();
}

void Exchange::Impl::run(output::Call& call) { calls.start(std::move(call)); }

void Exchange::Impl::run(output::Store& wanted) {
  auto const call = wanted.call;
  reservations.execute(std::move(wanted.command),
                       [this, here = Alive{alive}, call](store::Answer const& answer) {
                         if (here.expired()) return;
                         feed([&](Now now) { core.store_answered(call, answer, now); });
                       });
}

void Exchange::Impl::run(output::Verify& wanted) {
  verifier.verify(std::move(wanted.orders), [this, batch = wanted.batch](std::vector<bool> const& valid) {
    feed([&](Now now) { core.verified(batch, valid, now); });
  });
}

void Exchange::Impl::run(output::Work& wanted) {
  grinder.find(wanted.challenge, std::move(wanted.id), wanted.bits, kWorkLimit,
               [this, work = wanted.work](std::optional<std::string> found) {
                 feed([&](Now now) { core.worked(work, std::move(found), now); });
               });
}

void Exchange::Impl::run(output::Answer& answer) { end_command(answer.command, std::move(answer.result)); }

void Exchange::Impl::run(output::Notice& notice) { publish(notice.event); }

void Exchange::Impl::publish(Event const& event) {
  log_event(log, event);
  notify(event);
}

/// For what has a line of its own in the log.
void Exchange::Impl::notify(Event const& event) {
  for (auto const& [id, listener] : listeners) listener(event);
}

// Commands

void Exchange::Impl::end_command(CommandId id, CommandResult result) {
  if (auto* const status = std::get_if<result::StatusView>(&result)) {
    status->data_dir = options.data_dir;
    status->grape = options.grapes.empty() ? "none" : discovery.state();
    status->reservations = reservations.state();
  }
  commands.answer(id, std::move(result));
}

void Exchange::Impl::execute(Command command, PendingCommands::Done done) {
  if (is_stopped || !is_restored) {
    result::Failure const failure = is_stopped ? PendingCommands::stopped() : starting_failure();
    return asio::post(executor, [done = std::move(done), failure] { done(failure); });
  }
  auto const id = commands.add(std::move(done));
  auto const on_history = [this, here = Alive{alive}, id](result::History history) {
    if (!here.expired()) end_command(id, std::move(history));
  };
  std::visit(
      [&](auto& each) {
        using Kind = std::remove_cvref_t<decltype(each)>;
        if constexpr (std::is_same_v<Kind, command::ListTrades>) {
          list_trades(*journal, each, on_history);
        } else if constexpr (std::is_same_v<Kind, command::Explain>) {
          auto const match = core.describe_match(each.id, time_now());
          explain(*journal, each, match, on_history);
        } else if constexpr (std::is_same_v<Kind, command::ListPayments>) {
          list_payments(*journal, each, on_history);
        } else if constexpr (std::is_same_v<Kind, command::ShowReceipt>) {
          show_receipt(id, each.id);
        } else if constexpr (std::is_same_v<Kind, command::ImportOrders>) {
          import_orders(id, each.file);
        } else {
          asio::post(executor, [this, here = Alive{alive}, id, wanted = TraderCommand{std::move(each)}] {
            if (here.expired()) return;
            feed([&](Now now) { core.execute(id, wanted, now); });
          });
        }
      },
      command);
}

void Exchange::Impl::import_orders(CommandId id, std::string const& path) {
  verifier.run([this, here = Alive{alive}, id, path] {
    return [this, here, id, read = read_nip69_file(path)] {
      if (here.expired()) return;
      if (!read) return end_command(id, read.error());
      feed([&](Now now) { core.execute(id, *read, now); });
    };
  });
}

void Exchange::Impl::show_receipt(CommandId id, std::string const& payment) {
  find_payment(*journal, payment, [this, here = Alive{alive}, id](PaymentRows rows) {
    if (here.expired()) return;
    using result::Failure;
    using result::FailureCode;
    if (rows.is_ambiguous) {
      return end_command(
          id, Failure{FailureCode::ambiguous, "several payments begin with this id", "give more of the id"});
    }
    if (!rows.payment)
      return end_command(id, Failure{FailureCode::not_found, "there is no such payment", "see: payments"});
    auto receipt = rows.version ? core.credit().receipt_of(*rows.payment, *rows.version) : std::nullopt;
    if (!receipt) return end_command(id, Failure{FailureCode::not_found, "this payment has no receipt", {}});
    end_command(id, result::Receipt{*std::move(receipt)});
  });
}

// Time

/// Makes keep_time() look at the deadlines at `time`, unless it does before.
void Exchange::Impl::set_timer(TimePoint time) {
  if (is_stopped || time >= timer_at) return;
  timer_at = time;
  timer.expires_at(net::to_steady(time));  // wakes keep_time(), which waits again
}

Awaitable<void> Exchange::Impl::keep_time(Alive here) {
  while (!here.expired() && !is_stopped) {
    auto const [error] = co_await timer.async_wait(net::kTuple);
    if (here.expired() || is_stopped) co_return;
    if (error) {
      // Either cancelled, or set to another time.
      auto const state = co_await asio::this_coro::cancellation_state;
      if (state.cancelled() != asio::cancellation_type::none) co_return;
      continue;
    }
    timer_at = TimePoint::max();
    core.expire(time_now());
    pump();
    auto const now = time_now();
    auto const next = std::max(core.next_deadline(now), later_by(now.steady, std::chrono::milliseconds{1}));
    set_timer(std::min(next, later_by(now.steady, kSleepMax)));
  }
}

// Coroutines

Awaitable<rpc::Reply> Exchange::Impl::serve(rpc::Request& request, Alive here) {
  // Before that it would not know its own orders.
  if (!is_restored) co_return rpc::Reply::failure(kNotReady);
  if (journal->queued_count() > kQueuedBatchesMax) co_return rpc::Reply::failure(kOverloaded);
  auto const pending = requests.add();
  feed([&](Now now) { core.receive(pending->id, request.peer.address, std::move(request.payload), now); });
  while (!pending->reply) {
    auto const wake = co_await pending->event.wait();
    if (here.expired()) co_return rpc::Reply::failure(kStopped);
    if (wake == net::Wake::cancelled) break;
  }
  requests.erase(*pending);
  if (!pending->reply) co_return rpc::Reply::failure(kStopped);
  co_return std::move(*pending->reply);
}

Awaitable<void> Exchange::Impl::check_redis(Alive here) {
  if (here.expired()) co_return;
  asio::steady_timer pause{executor};
  while (!here.expired() && !is_stopped) {
    pause.expires_after(kRedisCheckInterval);
    auto const [error] = co_await pause.async_wait(net::kTuple);
    if (error || here.expired() || is_stopped) co_return;
    reservations.check();
  }
}

Awaitable<void> Exchange::Impl::discover(Alive here) {
  if (here.expired()) co_return;
  auto starting = discovery.start_patiently();
  co_await std::move(starting);
  if (here.expired() || tasks.stopping()) co_return;
  co_await discovery.poll();
}

Awaitable<std::optional<std::string>> Exchange::Impl::start() {
  Endpoint const wanted{options.bind, options.port};
  auto const listening = server.listen(wanted);
  if (!listening) {
    co_return "cannot listen on TCP " + wanted.to_string() + ": " + listening.error().message();
  }
  core.set_endpoint(first_endpoint(options, listening->port));
  log.info("listening", {{"port", int{listening->port}}, {"peer_id", core.id().hex()}});
  auto no_store = co_await reservations.start();
  if (no_store) co_return no_store;
  auto failure = restore();
  if (failure) co_return failure;
  tasks.spawn(keep_time(alive));
  if (options.redis) tasks.spawn(check_redis(alive));
  if (!options.indexes.empty()) tasks.spawn(index_reader.run());
  feed([&](Now now) { core.endpoints_found(options.connect, ContactSource::connect, now); });
  if (options.requires_grape) {
    auto not_found = co_await discovery.start();
    if (not_found) co_return not_found;
    tasks.spawn(discovery.poll());
    auto const limit = net::steady_deadline(options.start_limit);
    while (!discovery.has_polled() || !core.is_synced()) {
      auto const wake = co_await changed.wait(limit);
      if (wake == net::Wake::cancelled) co_return "stopped";
      if (wake == net::Wake::timed_out) break;
    }
  } else if (!options.grapes.empty()) {
    tasks.spawn(discover(alive));
  }
  log.info("ready", {{"port", int{listening->port}},
                     {"peer_id", core.id().hex()},
                     {"name", options.trader.name},
                     {"peers", std::uint64_t{core.peers().met().size()}},
                     {"orders", std::uint64_t{core.book().size()}}});
  co_return std::nullopt;
}

Awaitable<bool> Exchange::Impl::stop() {
  (void)co_await server.stop(std::chrono::milliseconds{500});
  is_stopped = true;
  timer.cancel();
  discovery.stop();
  index_reader.stop();
  (void)co_await calls.stop(std::chrono::seconds{1});
  co_await client.stop();
  tasks.cancel(asio::cancellation_type::terminal);
  co_await link.stop();
  reservations.stop();
  commands.stop();
  co_return co_await tasks.drained(std::chrono::seconds{1});
}

Exchange::Exchange(net::Executor executor, Options options, SecretKey const& key, Random random,
                   std::optional<SqliteFile> journal, Log const& log)
    : impl_{std::make_unique<Impl>(std::move(executor), std::move(options), key, std::move(random),
                                   std::move(journal), log)} {}
Exchange::~Exchange() = default;

Awaitable<std::optional<std::string>> Exchange::start() { return impl_->start(); }
Awaitable<bool> Exchange::stop() { return impl_->stop(); }

Trader const& Exchange::trader() const { return impl_->core; }
std::string const& Exchange::name() const { return impl_->options.trader.name; }
std::uint16_t Exchange::port() const { return impl_->server.local_endpoint().port; }

void Exchange::execute(Command command, std::function<void(CommandResult)> done) {
  impl_->execute(std::move(command), std::move(done));
}

Awaitable<CommandResult> Exchange::execute(Command command) {
  auto const answer = std::make_shared<std::optional<CommandResult>>();
  auto const event = std::make_shared<net::AsyncEvent>(impl_->executor);
  execute(std::move(command), [answer, event](CommandResult result) {
    *answer = std::move(result);
    event->notify_all();
  });
  while (!*answer) {
    auto const wake = co_await event->wait();
    if (wake == net::Wake::cancelled) break;
  }
  if (!*answer) co_return result::Failure{result::FailureCode::stopped, "stopped", {}};
  co_return **answer;
}

Exchange::ListenerId Exchange::subscribe(Listener listener) {
  impl_->listeners.emplace(++impl_->last_listener, std::move(listener));
  return impl_->last_listener;
}

void Exchange::unsubscribe(ListenerId id) { impl_->listeners.erase(id); }

Awaitable<bool> Exchange::wait_until(std::function<bool()> condition, TimePoint deadline) {
  while (!condition()) {
    auto const wake = co_await impl_->changed.wait(deadline);
    if (wake != net::Wake::notified) co_return condition();
  }
  co_return true;
}

Awaitable<Result<RedisReservations::Shown>> Exchange::show_reservation(std::string order_id,
                                                                       std::string take_id, PeerId taker) {
  return impl_->reservations.show(std::move(order_id), store_take_id(take_id, taker.hex()));
}

}  // namespace grenache::exchange
