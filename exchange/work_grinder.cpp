#include "exchange/work_grinder.hpp"

#include <atomic>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

#include "exchange/messages/order_work.hpp"
#include <grenache/net/steady_clock.hpp>

namespace grenache::exchange {

namespace asio = boost::asio;

struct WorkGrinder::Impl {
  explicit Impl(net::Executor const& e) : executor{e} {}

  /// In slices, so that it ends soon when it is stopped.
  std::optional<std::string> find(Sha256 const& challenge, std::string const& uuid, int bits,
                                  Duration limit) const {
    constexpr std::int64_t kSlice = 100'000;
    auto const deadline = net::steady_deadline(limit);
    for (std::int64_t first = 1; first <= kWorkMax && !is_stopped; first += kSlice) {
      auto id = find_work(challenge, uuid, bits, first, kSlice);
      if (id || net::steady_now() >= deadline) return id;
    }
    return std::nullopt;
  }

  net::Executor executor;
  std::atomic<bool> is_stopped{false};
  asio::thread_pool thread{1};
};

WorkGrinder::WorkGrinder(net::Executor const& executor) : impl_{std::make_shared<Impl>(executor)} {}

WorkGrinder::~WorkGrinder() {
  impl_->is_stopped = true;
  impl_->thread.stop();
  impl_->thread.join();
}

void WorkGrinder::find(Sha256 const& challenge, std::string uuid, int bits, Duration limit, Done done) {
  // A weak pointer, since the thread must not be the one that ends itself.
  asio::post(impl_->thread, [here = std::weak_ptr{impl_}, challenge, uuid = std::move(uuid), bits, limit,
                             done = std::move(done)]() mutable {
    auto const impl = here.lock();
    if (!impl || impl->is_stopped) return;
    auto id = impl->find(challenge, uuid, bits, limit);
    asio::post(impl->executor, [here, id = std::move(id), done = std::move(done)] {
      auto const still = here.lock();
      if (still && !still->is_stopped) done(id);
    });
  });
}

}  // namespace grenache::exchange
