#include "exchange/signature_verifier.hpp"

#include <algorithm>
#include <atomic>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

namespace grenache::exchange {

namespace asio = boost::asio;

struct SignatureVerifier::Impl {
  Impl(net::Executor const& e, std::size_t thread_count) : executor{e}, threads{thread_count} {}

  net::Executor executor;
  std::atomic<bool> is_stopped{false};
  asio::thread_pool threads;
};

SignatureVerifier::SignatureVerifier(net::Executor const& executor, std::size_t thread_count)
    : impl_{std::make_shared<Impl>(executor, std::max<std::size_t>(thread_count, 1))} {}

SignatureVerifier::~SignatureVerifier() {
  impl_->is_stopped = true;
  impl_->threads.stop();
  impl_->threads.join();
}

void SignatureVerifier::run(std::function<std::function<void()>()> work) {
  // A weak pointer, since a thread must not be the one that ends the threads.
  asio::post(impl_->threads, [here = std::weak_ptr{impl_}, work = std::move(work)] {
    auto const impl = here.lock();
    if (!impl || impl->is_stopped) return;
    asio::post(impl->executor, [here, done = work()] {
      auto const still = here.lock();
      if (still && !still->is_stopped) done();
    });
  });
}

void SignatureVerifier::verify(std::vector<OrderRecord> orders, Done done) {
  run([orders = std::move(orders), done = std::move(done)] {
    std::vector<bool> valid;
    valid.reserve(orders.size());
    for (auto const& order : orders) valid.push_back(verify_order(order));
    return [valid = std::move(valid), done] { done(valid); };
  });
}

}  // namespace grenache::exchange
