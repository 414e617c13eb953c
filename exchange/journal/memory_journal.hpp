// A journal that ends with the process: for peers without a data folder, and for tests.
#pragma once

#include <deque>
#include <map>
#include <utility>

#include "exchange/journal/journal.hpp"

namespace grenache::exchange {

/// The rows of applied batches.
class RowTable {
 public:
  void apply(Batch const& batch);
  [[nodiscard]] std::vector<Row> read(RowQuery const& query) const;
  /// All rows, by kind and key.
  [[nodiscard]] std::vector<Row> all() const;

 private:
  std::map<std::pair<std::string, std::string>, std::string> rows_;
};

/// Batches become "durable" when run() is called. table() is the state that a crash before that would leave.
class MemoryJournal final : public Journal {
 public:
  /// `wake` is called when there is something to run(), so that the owner runs it later, not within the call.
  MemoryJournal(Callbacks callbacks, std::function<void()> wake);

  /// Makes up to `count` batches durable, in order, then serves the reads that were asked for.
  void run(std::size_t count = ~std::size_t{0});

  [[nodiscard]] RowTable const& table() const { return table_; }
  [[nodiscard]] Position durable() const override { return durable_; }
  void append(Batch batch) override;
  [[nodiscard]] std::size_t queued_count() const override { return queued_.size(); }
  void read(RowQuery query, std::function<void(std::vector<Row>)> done) override;

 private:
  struct Read {
    Position after;
    RowQuery query;
    std::function<void(std::vector<Row>)> done;
  };

  Callbacks callbacks_;
  std::function<void()> wake_;
  RowTable table_;
  Position durable_ = 0;
  Position last_ = 0;
  std::deque<Batch> queued_;
  std::deque<Read> reads_;
};

}  // namespace grenache::exchange
