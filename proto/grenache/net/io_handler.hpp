// A type-erased completion handler of a read or write.
#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/recycling_allocator.hpp>

#include <grenache/base/result.hpp>
#include <grenache/net/asio.hpp>

namespace grenache::net {

/// Functions with this parameter are compiled once, instead of for every handler type of Asio, Beast and
/// OpenSSL, which took minutes. Keeps the handler's executor and cancellation slot. Unlike
/// asio::any_completion_handler it completes in place when the executor is that of the socket, without
/// counting work. Move-only; called once.
class IoHandler {
 public:
  using executor_type = Executor;
  using cancellation_slot_type = asio::cancellation_slot;

  template <class Handler, class = std::enable_if_t<!std::is_same_v<std::decay_t<Handler>, IoHandler>>>
  IoHandler(Handler&& handler, Executor const& fallback)
      : executor_{asio::get_associated_executor(handler, fallback)},
        slot_{asio::get_associated_cancellation_slot(handler)},
        handler_{make<std::decay_t<Handler>>(std::forward<Handler>(handler))} {}

  [[nodiscard]] executor_type get_executor() const noexcept { return executor_; }
  [[nodiscard]] cancellation_slot_type get_cancellation_slot() const noexcept { return slot_; }

  void operator()(Error error, std::size_t size) { handler_.release()->complete(error, size); }

 private:
  /// Allocated from memory that Asio reuses for the next operation of the thread.
  class Erased {
   public:
    Erased() = default;
    Erased(Erased const&) = delete;
    Erased& operator=(Erased const&) = delete;
    /// Frees itself before the call, so that the handler can start the next operation in the same memory.
    virtual void complete(Error error, std::size_t size) = 0;
    virtual void destroy() = 0;

   protected:
    ~Erased() = default;
  };
  template <class Handler>
  class Typed final : public Erased {
   public:
    explicit Typed(Handler handler) : handler_{std::move(handler)} {}

    void complete(Error error, std::size_t size) override {
      Handler handler{std::move(handler_)};
      destroy();
      std::move(handler)(error, size);
    }
    void destroy() override {
      asio::recycling_allocator<Typed> memory;
      std::destroy_at(this);
      memory.deallocate(this, 1);
    }

   private:
    Handler handler_;
  };
  struct Destroy {
    void operator()(Erased* erased) const { erased->destroy(); }
  };
  using Pointer = std::unique_ptr<Erased, Destroy>;

  template <class Handler>
  static Pointer make(Handler handler) {
    asio::recycling_allocator<Typed<Handler>> memory;
    auto* const place = memory.allocate(1);
    try {
      return Pointer{std::construct_at(place, std::move(handler))};
    } catch (...) {
      memory.deallocate(place, 1);
      throw;
    }
  }

  Executor executor_;
  cancellation_slot_type slot_;
  Pointer handler_;
};

}  // namespace grenache::net
