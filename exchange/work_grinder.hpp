// Looks for the proof of work of own orders, beside the io thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <grenache/base/crypto.hpp>
#include <grenache/base/time.hpp>
#include <grenache/net/asio.hpp>

namespace grenache::exchange {

class WorkGrinder {
 public:
  using Done = std::function<void(std::optional<std::string> id)>;

  explicit WorkGrinder(net::Executor const& executor);
  /// Ends what is under way; its `done` never runs.
  ~WorkGrinder();
  WorkGrinder(WorkGrinder const&) = delete;
  WorkGrinder& operator=(WorkGrinder const&) = delete;

  /// Looks for an id with work of `bits`, which begins as `uuid` does, on a thread of its own, for at most
  /// `limit`, then runs `done` on the executor; nothing if none was found. One after the other.
  void find(Sha256 const& challenge, std::string uuid, int bits, Duration limit, Done done);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace grenache::exchange
