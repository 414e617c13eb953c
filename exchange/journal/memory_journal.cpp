#include "exchange/journal/memory_journal.hpp"

#include <algorithm>

#include <grenache/base/check.hpp>

namespace grenache::exchange {

void RowTable::apply(Batch const& batch) {
  for (RowChange const& change : batch.changes) {
    auto key = std::pair{change.kind, change.key};
    if (change.body) {
      rows_.insert_or_assign(std::move(key), *change.body);
    } else {
      rows_.erase(key);
    }
  }
}

std::vector<Row> RowTable::read(RowQuery const& query) const {
  std::vector<Row> rows;
  for (auto const& [key, body] : rows_) {
    bool const is_wanted =
        key.first == query.kind &&
        (query.newest_first ? query.after.empty() || key.second < query.after : key.second > query.after);
    if (is_wanted) rows.push_back({key.first, key.second, body});
  }
  if (query.newest_first) std::ranges::reverse(rows);
  if (rows.size() > query.count_max) rows.resize(query.count_max);
  return rows;
}

std::vector<Row> RowTable::all() const {
  std::vector<Row> rows;
  for (auto const& [key, body] : rows_) rows.push_back({key.first, key.second, body});
  return rows;
}

MemoryJournal::MemoryJournal(Callbacks callbacks, std::function<void()> wake)
    : callbacks_{std::move(callbacks)}, wake_{std::move(wake)} {}

void MemoryJournal::append(Batch batch) {
  GRN_CHECK(batch.position > last_);
  last_ = batch.position;
  queued_.push_back(std::move(batch));
  wake_();
}

void MemoryJournal::read(RowQuery query, std::function<void(std::vector<Row>)> done) {
  reads_.push_back({last_, std::move(query), std::move(done)});
  wake_();
}

void MemoryJournal::run(std::size_t count) {
  Position const before = durable_;
  for (; count > 0 && !queued_.empty(); --count) {
    table_.apply(queued_.front());
    durable_ = queued_.front().position;
    queued_.pop_front();
  }
  if (durable_ != before) callbacks_.on_durable(durable_);
  while (!reads_.empty() && reads_.front().after <= durable_) {
    Read const read = std::move(reads_.front());
    reads_.pop_front();
    read.done(table_.read(read.query));
  }
}

}  // namespace grenache::exchange
