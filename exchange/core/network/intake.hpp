// Orders of other peers whose signatures are being verified.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "exchange/core/turn.hpp"
#include "exchange/messages/message.hpp"
#include <grenache/base/endpoint.hpp>

namespace grenache::exchange {

/// Collects orders into batches for output::Verify, so that the caller can verify them on other threads: a
/// signature costs about 50 us, and a large book would stop the peer for seconds. A version that several
/// peers send at once is verified once.
class Intake {
 public:
  struct Options {
    std::size_t batch_size_max = 64;       // orders; about 3 ms of one thread
    std::size_t batch_count_max = 32;      // being verified; further orders wait
    std::size_t order_count_max = 20'000;  // waiting and being verified; about 1 KB each
    std::size_t origin_count_max = 64;     // senders of one version that are remembered
  };
  /// Where an order came from.
  struct Origin {
    RequestId request = 0;               // to answer; 0: none
    PayloadForm form{};                  // of the answer
    std::string endpoint{};              // of the peer; empty if it is unknown
    std::optional<IpAddress> address{};  // from which a request brought it
    std::uint64_t read = 0;              // of what was read from a peer; chosen by the caller
  };
  struct Verified {
    OrderRecord order;
    bool is_valid = false;
    std::vector<Origin> origins;
  };

  explicit Intake(Options options) : options_{options} {}
  Intake(Intake const&) = delete;
  Intake& operator=(Intake const&) = delete;

  /// Queues a signed order. False when too many are being verified, or too many senders wait for this one.
  [[nodiscard]] bool add(OrderRecord order, Origin origin);
  /// Sends as much of the queue to be verified as may be. At the end of a turn.
  void send(Turn& turn);
  /// Takes the orders of a batch, in the order in which they were added; `valid` tells for each whether its
  /// signature is. Nothing for an unknown batch.
  [[nodiscard]] std::vector<Verified> on_verified(std::uint64_t batch, std::vector<bool> const& valid);
  /// Removes and returns the orders that wait in the queue and that came only with what was read from the
  /// peer at `endpoint`. They were not verified. Linear.
  [[nodiscard]] std::vector<Verified> drop_read_from(std::string_view endpoint);
  /// The number of orders that wait or are being verified.
  [[nodiscard]] std::size_t size() const { return pending_.size(); }

 private:
  // Another signature of the same digest may be invalid, so it is verified too.
  struct Version {
    Sha256 digest;
    Signature signature;
    friend auto operator<=>(Version const&, Version const&) = default;
  };
  struct Pending {
    OrderRecord order;
    std::vector<Origin> origins;
  };

  Options options_;
  std::map<Version, Pending> pending_;
  std::deque<Version> queued_;
  std::map<std::uint64_t, std::vector<Version>> batches_;
  std::uint64_t last_batch_ = 0;
};

}  // namespace grenache::exchange
