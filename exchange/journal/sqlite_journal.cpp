#include "exchange/journal/sqlite_journal.hpp"

#include <optional>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include <grenache/base/check.hpp>

namespace grenache::exchange {

namespace asio = boost::asio;

/// Members are used on the executor's thread, except `file`, which only the writer's thread uses while `busy`
/// is set.
struct SqliteJournal::Impl : std::enable_shared_from_this<Impl> {
  struct Read {
    RowQuery query;
    std::function<void(std::vector<Row>)> done;
    JournalResult<std::vector<Row>> rows;
  };
  /// One round of the writer: batches in one transaction, then reads.
  struct Round {
    std::vector<Batch> batches;
    std::vector<Read> reads;
    JournalResult<void> outcome;
  };

  Impl(net::Executor const& e, SqliteFile f, Callbacks c)
      : executor{e}, file{std::move(f)}, callbacks{std::move(c)}, durable{file->position()}, last{durable} {}

  void start();
  void finish(Round& round);
  void run(Round& round);

  net::Executor executor;
  std::optional<SqliteFile> file;  // until the journal is destroyed
  Callbacks callbacks;
  Position durable;
  Position last;  // appended
  Round queued;
  std::size_t writing_count = 0;
  bool busy = false;
  bool ended = false;   // failed, or the journal is destroyed
  bool failed = false;  // used like `file`: a round has failed, so none may follow
  asio::thread_pool writer{1};
};

void SqliteJournal::Impl::run(Round& round) {
  round.outcome = file->commit(round.batches);
  failed = !round.outcome;
  if (failed) return;
  for (Read& read : round.reads) {
    read.rows = file->read(read.query);
    if (!read.rows) round.outcome = read.rows.error();
  }
}

void SqliteJournal::Impl::start() {
  if (busy || ended || (queued.batches.empty() && queued.reads.empty())) return;
  busy = true;
  auto const round = std::make_shared<Round>(std::exchange(queued, {}));
  writing_count = round->batches.size();
  asio::post(writer, [self = shared_from_this(), round] {
    self->run(*round);
    asio::post(self->executor, [self, round] { self->finish(*round); });
  });
}

void SqliteJournal::Impl::finish(Round& round) {
  busy = false;
  writing_count = 0;
  if (ended) return;
  if (!round.outcome) {
    ended = true;
    return callbacks.on_failure(round.outcome.error());
  }
  if (!round.batches.empty()) durable = round.batches.back().position;
  start();  // so that the next round is written while the callbacks run
  if (!round.batches.empty()) callbacks.on_durable(durable);
  for (Read& read : round.reads) {
    if (ended) return;
    read.done(std::move(*read.rows));
  }
}

SqliteJournal::SqliteJournal(net::Executor const& executor, SqliteFile file, Callbacks callbacks)
    : impl_{std::make_shared<Impl>(executor, std::move(file), std::move(callbacks))} {}

SqliteJournal::~SqliteJournal() {
  impl_->ended = true;
  impl_->writer.join();
  if (!impl_->failed) impl_->run(impl_->queued);
  impl_->file.reset();  // posted callbacks may keep the rest alive
}

Position SqliteJournal::durable() const { return impl_->durable; }

void SqliteJournal::append(Batch batch) {
  GRN_CHECK(batch.position > impl_->last);
  impl_->last = batch.position;
  impl_->queued.batches.push_back(std::move(batch));
  impl_->start();
}

std::size_t SqliteJournal::queued_count() const {
  return impl_->writing_count + impl_->queued.batches.size();
}

void SqliteJournal::read(RowQuery query, std::function<void(std::vector<Row>)> done) {
  impl_->queued.reads.push_back({std::move(query), std::move(done), {}});
  impl_->start();
}

}  // namespace grenache::exchange
