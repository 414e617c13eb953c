// Limits the total bytes held by the connections of one worker.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <utility>

namespace grenache::net {

/// Bounds the requests held by all connections together, since limits per connection would add up to more
/// than the memory. When it is full, connections are not read until others have been answered
/// (back-pressure). Replies are counted, so they delay requests, but are not bounded here, because a reply is
/// already in memory when it is counted: delaying or dropping it would free nothing that its handler could
/// not have avoided. Handlers bound the size of a reply, the connection count their number, and WebSocket's
/// write_queue_bytes_max those of a session.
///
/// A request counts its text until it is parsed, then what was parsed from it, until it is answered.
///
/// Two rules prevent a deadlock of a full budget. Small amounts are free; they are bounded by the number of
/// connections. And one connection at a time may exceed the budget until it holds no more than that, so that
/// one can always finish; it is bounded by the limits of one request. So requests hold at most `bytes_max`,
/// plus one request, plus kFreeBytes and one read per connection. Not thread-safe, except for used().
class ByteBudget {
 public:
  static constexpr std::size_t kFreeBytes = 64 * 1024;

  /// `on_room` is called when bytes are released while the budget is full.
  ByteBudget(std::size_t bytes_max, std::function<void()> on_room)
      : bytes_max_{bytes_max}, on_room_{std::move(on_room)} {}
  ByteBudget(ByteBudget const&) = delete;
  ByteBudget& operator=(ByteBudget const&) = delete;

  /// The bytes held by one connection. Must not outlive the budget.
  class Share {
   public:
    explicit Share(ByteBudget& budget) : budget_{budget} {}
    ~Share() { set(0); }
    Share(Share const&) = delete;
    Share& operator=(Share const&) = delete;

    void set(std::size_t bytes) {
      std::size_t const counted = bytes > kFreeBytes ? bytes : 0;
      bool const ends = counted == 0 && budget_.favoured_ == this;
      if (counted != counted_ || ends) budget_.change(*this, counted);
    }
    /// Returns whether it may hold more than kFreeBytes now. If not, ask again after `on_room`.
    [[nodiscard]] bool may_grow() { return budget_.may_grow(*this); }

   private:
    friend class ByteBudget;
    ByteBudget& budget_;
    std::size_t counted_ = 0;
  };

  /// From any thread.
  [[nodiscard]] std::size_t used() const { return used_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool is_full() const { return used() >= bytes_max_; }

 private:
  void change(Share& share, std::size_t counted) {
    bool const was_full = is_full();
    used_.store(used() + counted - share.counted_, std::memory_order_relaxed);
    bool const ended = counted == 0 && favoured_ == &share;
    if (ended) favoured_ = nullptr;
    share.counted_ = counted;
    if (was_full && (ended || !is_full())) on_room_();
  }
  [[nodiscard]] bool may_grow(Share& share) {
    if (!is_full()) return true;
    if (!favoured_) favoured_ = &share;
    return favoured_ == &share;
  }

  std::size_t bytes_max_;
  std::function<void()> on_room_;
  std::atomic<std::size_t> used_{0};
  Share* favoured_ = nullptr;  // may exceed the budget
};

}  // namespace grenache::net
