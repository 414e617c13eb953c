#include "exchange/ledger/ledger_service.hpp"

#include <exception>
#include <utility>
#include <variant>

#include "exchange/discovery.hpp"
#include "exchange/journal/release_gate.hpp"
#include "exchange/journal/sqlite_journal.hpp"
#include "exchange/messages/refusal.hpp"
#include "exchange/pending_requests.hpp"
#include <grenache/net/steady_clock.hpp>
#include <grenache/net/task_group.hpp>
#include <grenache/rpc/link.hpp>
#include <grenache/rpc/server.hpp>

namespace grenache::exchange {

using net::Awaitable;

namespace {

/// Requests are refused while so many batches wait for the disk.
constexpr std::size_t kQueuedBatchesMax = 10'000;
constexpr Duration kStartLimit = std::chrono::seconds{10};
/// A clock that is behind the ledger's time by more than this is reported.
constexpr std::chrono::minutes kClockSkewMax{1};

rpc::Reply unavailable(char const* reason) {
  return rpc::Reply::failure(
      to_error_text({RefusalCode::unavailable, reason, std::chrono::milliseconds{1'000}}));
}

Awaitable<rpc::Reply> refuse_request() { co_return unavailable("the ledger is stopping"); }

rpc::Link::Options ledger_link_options(LedgerService::Options const& options) {
  rpc::Link::Options out;
  out.grapes = options.grapes;
  out.tls = options.grape_tls;
  out.announce_interval = options.announce_interval;
  return out;
}

rpc::Server::Options ledger_server_options() {
  rpc::Server::Options out;
  out.body_bytes_max = kRequestBytesMax;
  out.expanded_bytes_max = kRequestBytesMax;
  return out;
}

Discovery::Options ledger_discovery_options(LedgerService::Options const& options) {
  Discovery::Options out;
  out.grapes = options.grapes;
  out.service = options.service;
  out.start_limit = kStartLimit;
  return out;
}

Ledger::Options ledger_core_options(LedgerService::Options const& options, Position position) {
  auto out = options.ledger;
  out.position = position;
  return out;
}

Now clock_now() { return {net::steady_now(), net::wall_now()}; }

}  // namespace

struct LedgerService::Impl {
  /// Expires with the object.
  using Alive = std::weak_ptr<bool>;

  Impl(net::Executor e, Options o, SecretKey const& key, Random random, SqliteFile file, Log const& l);
  ~Impl() { alive.reset(); }
  Impl(Impl const&) = delete;
  Impl& operator=(Impl const&) = delete;

  [[nodiscard]] std::optional<std::string> restore();
  template <class Input>
  void feed(Input input);
  void fail(std::string const& why);
  void run(LedgerOutput output);
  void release(Position position);
  void deliver(output::Reply& reply) { requests.answer(reply); }
  void deliver(LedgerNotice const& notice);
  // May outlive this object; see Exchange::Impl.
  Awaitable<rpc::Reply> serve(rpc::Request& request, Alive here);
  Awaitable<void> announce(Alive here);
  Awaitable<std::optional<std::string>> start();
  Awaitable<bool> stop();

  std::shared_ptr<bool> alive = std::make_shared<bool>(true);
  net::Executor executor;
  Options options;
  Log const& log;
  std::optional<JournalResult<std::vector<Row>>> restored;
  bool is_new;  // the journal
  Ledger core;
  rpc::Link link;
  rpc::Server server;
  Discovery discovery;
  ReleaseGate<std::variant<output::Reply, LedgerNotice>> gate;
  SqliteJournal journal;
  net::TaskGroup tasks;
  PendingRequests requests;
  bool is_restored = false;
};

LedgerService::Impl::Impl(net::Executor e, Options o, SecretKey const& key, Random random, SqliteFile file,
                          Log const& l)
    : executor{e},
      options{std::move(o)},
      log{l},
      restored{file.read_all(Ledger::row_kinds())},
      is_new{file.position() == 0},
      core{ledger_core_options(options, file.position()), key},
      link{executor, ledger_link_options(options), random.fork()},
      server{executor, ledger_server_options(),
             [this, here = Alive{alive}](rpc::Request& request) {
               return here.expired() ? refuse_request() : serve(request, here);
             }},
      discovery{executor,
                link,
                server,
                log,
                ledger_discovery_options(options),
                {[](std::vector<std::string> const&) {}, [](Side) { return false; },
                 [this](std::string const& own) {
                   log.info("advertised", {{"endpoint", own}});
                 },
                 [this](bool answers, std::string const& text) {
                   log.write(answers ? LogLevel::info : LogLevel::warn, "grape", {{"text", text}});
                 },
                 [](std::string const&) {}}},
      gate{file.position()},
      journal{executor, std::move(file),
              Journal::Callbacks{[this, here = Alive{alive}](Position position) {
                                   if (!here.expired()) release(position);
                                 },
                                 [this, here = Alive{alive}](std::string const& why) {
                                   if (!here.expired()) fail("the journal cannot be written: " + why);
                                 }}},
      tasks{executor},
      requests{executor} {}

void LedgerService::Impl::fail(std::string const& why) {
  log.error("failed", {{"reason", why}});
  if (options.on_failure) options.on_failure(why);
}

std::optional<std::string> LedgerService::Impl::restore() {
  auto const rows = std::exchange(restored, std::nullopt);
  if (!*rows) return rows->error();
  bool has_state = false;
  for (auto const& row : **rows) {
    has_state = has_state || row.kind == Ledger::kStateKind;
    if (!core.restore(row)) return "the journal has a row that cannot be read: " + row.kind + " " + row.key;
  }
  if (!has_state && !is_new) {
    return "the data folder belongs to a trading peer; give the ledger one of its own with --data-dir";
  }
  if (!core.check()) return "the journal is damaged: the sum of the balances is not what it was";
  if (core.time() - net::wall_now() > kClockSkewMax) {
    log.warn("clock", {{"text",
                        "the clock is behind the ledger's time, which stands still until the clock "
                        "has passed it; check the clock"},
                       {"ledger_time_ms", to_unix_ms(core.time())}});
  }
  is_restored = true;
  return std::nullopt;
}

template <class Input>
void LedgerService::Impl::feed(Input input) {
  try {
    input(clock_now());
    while (auto output = core.poll_output()) run(std::move(*output));
  } catch (std::exception const& error) {
    // Rows of a request may be missing.
    fail(std::string{"a request could not be finished: "} + error.what());
    throw;
  }
}

void LedgerService::Impl::run(LedgerOutput output) {
  if (auto* const save = std::get_if<output::Save>(&output)) return journal.append(std::move(save->batch));
  auto const hold = [this](auto& waiting) {
    auto released = gate.add(waiting.after, std::move(waiting));
    if (released) std::visit([this](auto& each) { deliver(each); }, *released);
  };
  if (auto* const reply = std::get_if<output::Reply>(&output)) return hold(*reply);
  if (auto* const notice = std::get_if<LedgerNotice>(&output)) return hold(*notice);
  auto& wanted = std::get<LedgerRead>(output);
  journal.read(std::move(wanted.query),
               [this, here = Alive{alive}, read = wanted.read](std::vector<Row> const& rows) {
                 if (!here.expired()) feed([&](Now now) { core.rows_read(read, rows, now); });
               });
}

void LedgerService::Impl::release(Position position) {
  gate.set_durable(position);
  while (auto released = gate.next()) std::visit([this](auto& each) { deliver(each); }, *released);
}

void LedgerService::Impl::deliver(LedgerNotice const& notice) {
  if (auto const* const opened = std::get_if<LedgerAccount>(&notice.what)) {
    log.info("account_opened",
             {{"name", opened->name}, {"key", opened->key.hex()}, {"balance", opened->balance.to_text()}});
  } else if (auto const* const made = std::get_if<PaidTransfer>(&notice.what)) {
    log.debug("transfer", {{"seq", made->paid.seq},
                           {"id", made->transfer.id},
                           {"from", made->transfer.from.hex()},
                           {"to", made->transfer.to.hex()},
                           {"amount", made->transfer.amount.to_text()}});
  } else {
    log.warn("accounts_deleted", {{"count", std::get<AccountsDeleted>(notice.what).count}});
  }
}

Awaitable<rpc::Reply> LedgerService::Impl::serve(rpc::Request& request, Alive here) {
  if (!is_restored) co_return unavailable("the ledger is starting");
  if (journal.queued_count() > kQueuedBatchesMax)
    co_return unavailable("too many transfers wait for the disk");
  auto const pending = requests.add();
  feed([&](Now now) { core.receive(pending->id, request.peer.address, std::move(request.payload), now); });
  while (!pending->reply) {
    auto const wake = co_await pending->event.wait();
    if (here.expired()) co_return unavailable("the ledger is stopping");
    if (wake == net::Wake::cancelled) break;
  }
  requests.erase(*pending);
  if (!pending->reply) co_return unavailable("the ledger is stopping");
  co_return std::move(*pending->reply);
}

Awaitable<void> LedgerService::Impl::announce(Alive here) {
  if (here.expired()) co_return;
  co_await discovery.start_patiently();
}

Awaitable<std::optional<std::string>> LedgerService::Impl::start() {
  auto failure = restore();
  if (failure) co_return failure;
  Endpoint const wanted{options.bind, options.port};
  auto const listening = server.listen(wanted);
  if (!listening) {
    co_return "cannot listen on TCP " + wanted.to_string() + ": " + listening.error().message();
  }
  log.info("ready", {{"port", int{listening->port}},
                     {"ledger_id", core.id().hex()},
                     {"name", options.ledger.name},
                     {"service", options.service},
                     {"accounts", std::uint64_t{core.accounts().size()}},
                     {"total", core.accounts().total().to_text()},
                     {"transfers", core.seq()}});
  if (!options.grapes.empty()) tasks.spawn(announce(alive));
  co_return std::nullopt;
}

Awaitable<bool> LedgerService::Impl::stop() {
  (void)co_await server.stop(std::chrono::milliseconds{500});
  discovery.stop();
  tasks.cancel(boost::asio::cancellation_type::terminal);
  co_await link.stop();
  co_return co_await tasks.drained(std::chrono::seconds{1});
}

LedgerService::LedgerService(net::Executor executor, Options options, SecretKey const& key, Random random,
                             SqliteFile journal, Log const& log)
    : impl_{std::make_unique<Impl>(std::move(executor), std::move(options), key, std::move(random),
                                   std::move(journal), log)} {}
LedgerService::~LedgerService() = default;

Awaitable<std::optional<std::string>> LedgerService::start() { return impl_->start(); }
Awaitable<bool> LedgerService::stop() { return impl_->stop(); }

Ledger const& LedgerService::ledger() const { return impl_->core; }
std::uint16_t LedgerService::port() const { return impl_->server.local_endpoint().port; }

}  // namespace grenache::exchange
