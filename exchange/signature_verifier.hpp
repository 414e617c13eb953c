// Verifies the signatures of orders on all cores.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "exchange/messages/order_record.hpp"
#include <grenache/net/asio.hpp>

namespace grenache::exchange {

class SignatureVerifier {
 public:
  /// `valid` tells for each order of the batch whether its maker has signed it.
  using Done = std::function<void(std::vector<bool> valid)>;

  /// Has `thread_count` threads, at least one.
  SignatureVerifier(net::Executor const& executor, std::size_t thread_count);
  /// Waits for the batches that threads have begun; the `done` of all others never runs.
  ~SignatureVerifier();
  SignatureVerifier(SignatureVerifier const&) = delete;
  SignatureVerifier& operator=(SignatureVerifier const&) = delete;

  /// Verifies a batch on one of the threads, then runs `done` on the executor, unless this object is gone by
  /// then. Batches may end in another order.
  void verify(std::vector<OrderRecord> orders, Done done);
  /// Runs `work` on one of the threads, then what it returns on the executor, unless this object is gone by
  /// then.
  void run(std::function<std::function<void()>()> work);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace grenache::exchange
