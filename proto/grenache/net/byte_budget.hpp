// How many bytes the connections of one worker hold together.
#pragma once

#include <cstddef>
#include <functional>
#include <utility>

namespace grenache::net {

/// Bounds the requests that all connections hold, where limits per connection would add up to more than any
/// machine has. Over it connections are read no further until others have been answered, which slows their
/// peers down (back-pressure). Replies count too, and so hold up requests; they are not bounded here, because
/// a reply is in memory already when the budget learns of it: making it wait or throwing it away would free
/// nothing that its handler could not have spared. Handlers bound the size of one reply, the connection count
/// that of all, and WebSocket's write_queue_bytes_max those of one session.
///
/// Two rules keep a full budget from stopping everything. Small bodies are free: the connection count bounds
/// them. And one connection at a time may go on over the budget, so that there is always one that ends; it is
/// bounded by the limits of one request. So of requests at most `bytes_max`, one more, and kFreeBytes and one
/// read for each connection are held. One thread.
class ByteBudget {
 public:
  static constexpr std::size_t kFreeBytes = 64 * 1024;

  /// `on_room` is called when bytes were given back while the budget was full.
  ByteBudget(std::size_t bytes_max, std::function<void()> on_room)
      : bytes_max_{bytes_max}, on_room_{std::move(on_room)} {}
  ByteBudget(ByteBudget const&) = delete;
  ByteBudget& operator=(ByteBudget const&) = delete;

  /// What one connection holds. Must not outlive the budget.
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
    /// Whether it may take more than kFreeBytes now. When not, it is to be asked again after `on_room`.
    [[nodiscard]] bool may_grow() { return budget_.may_grow(*this); }

   private:
    friend class ByteBudget;
    ByteBudget& budget_;
    std::size_t counted_ = 0;
  };

  [[nodiscard]] std::size_t used() const { return used_; }
  [[nodiscard]] bool is_full() const { return used_ >= bytes_max_; }

 private:
  void change(Share& share, std::size_t counted) {
    bool const was_full = is_full();
    used_ += counted;
    used_ -= share.counted_;
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
  std::size_t used_ = 0;
  Share* favoured_ = nullptr;  // goes on over the budget
};

}  // namespace grenache::net
