// Effects of one input: rows to make durable and outputs to release.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "exchange/core/command.hpp"
#include "exchange/core/event.hpp"
#include "exchange/core/trade/reservation.hpp"
#include "exchange/journal/rows.hpp"
#include <grenache/base/random.hpp>
#include <grenache/base/time.hpp>
#include <grenache/json/json.hpp>

namespace grenache::exchange {

/// The time of an input: `steady` measures intervals, `wall` is for what peers read or sign.
struct Now {
  TimePoint steady;
  WallTime wall;
};

/// Identifies a request of another peer until it is answered; chosen by the caller of the core.
using RequestId = std::uint64_t;
/// Identifies a command until it is answered; chosen by the caller of the core.
using CommandId = std::uint64_t;
/// Identifies a call to another peer, or a command to the reservation store, until its answer arrives; chosen
/// by the core.
using CallId = std::uint64_t;

/// The answer to a call.
struct CallAnswer {
  json::Value result;
  std::string error;  // empty: `result` is the answer
};

/// Tasks for the caller of the core. `after` is the position that must be durable first; 0: nothing.
namespace output {

/// Make a batch durable.
struct Save {
  Batch batch;
};
/// Answer a request of another peer; a non-empty `error` is the error of the RPC envelope.
struct Reply {
  Position after = 0;
  RequestId request = 0;
  json::Value result;
  std::string error;
};
/// Send a request to a peer, then call Trader::call_answered().
struct Call {
  Position after = 0;
  CallId call = 0;
  std::string endpoint;  // host:port
  json::Value payload;
  bool is_urgent = false;    // a take or a payment: goes before others
  std::string service = {};  // not empty: to whoever has announced this name, instead of `endpoint`
};
/// Execute a command of the reservation store, then call Trader::store_answered(). In order, but
/// that a Reserve may overtake a Reserve: an earlier command never waits for a later position than this one.
struct Store {
  Position after = 0;
  CallId call = 0;
  store::Command command;
};
/// Verify the signatures of orders, on other threads or at once, then call Trader::verified().
struct Verify {
  Position after = 0;
  std::uint64_t batch = 0;
  std::vector<OrderRecord> orders;
};
/// Look for proof of work, beside the thread of the core and for a bounded time, then call Trader::worked().
struct Work {
  Position after = 0;
  std::uint64_t work = 0;
  Sha256 challenge{};
  std::string id{};  // of the order, as far as it is not replaced
  int bits = 0;
};
/// Report what happened.
struct Notice {
  Position after = 0;
  Event event;
};
/// Complete a command.
struct Answer {
  Position after = 0;
  CommandId command = 0;
  CommandResult result;
};

}  // namespace output

using Output = std::variant<output::Save, output::Reply, output::Call, output::Store, output::Verify,
                            output::Work, output::Notice, output::Answer>;

/// The parts of the core that wait for answers.
enum class Part : std::uint8_t {
  trader,
  peers,
  sync,
  own_orders,
  sales,
  purchases,
  proofs,
  relay_fees,
  credit,
  ledger,
  transits,
  netting
};

/// Who waits for the answer to a call, and what for: `key` is the part's own.
struct CallTag {
  Part part{};
  std::uint64_t key = 0;
};

/// Calls and store commands without an answer.
class CallTable {
 public:
  [[nodiscard]] CallId add(CallTag tag) {
    tags_.emplace(++last_, tag);
    return last_;
  }
  /// Removes the entry; nothing when there is none.
  [[nodiscard]] std::optional<CallTag> remove(CallId call) {
    auto const found = tags_.extract(call);
    return found ? std::optional{found.mapped()} : std::nullopt;
  }
  [[nodiscard]] std::size_t size() const { return tags_.size(); }

 private:
  std::map<CallId, CallTag> tags_;
  CallId last_ = 0;
};

/// The journal positions that outputs wait for.
struct TurnPositions {
  Position last = 0;   // of the last batch
  Position store = 0;  // what the last store command waits for
  /// The store ends with this process, so its commands wait for nothing.
  bool is_store_in_process = false;
};

/// Collects the effects of one input, in order. Parts append to it and never read it back.
///
/// All rows of a turn are one transaction. An output waits until the rows of its turn and of all turns before
/// are durable, unless it is sent with the `_now` variant because it promises nothing. A Reserve of a turn
/// without rows waits only for what earlier store commands wait for: nobody is told of the reservation before
/// its row is durable, and a forgotten one ends by itself.
class Turn {
 public:
  Turn(Now time, Random& source, CallTable& calls) : now{time}, random{source}, calls_{calls} {}
  Turn(Turn const&) = delete;
  Turn& operator=(Turn const&) = delete;

  Now const now;
  Random& random;

  /// Inserts a row, or replaces the one with its kind and key.
  void save(Row row);
  void erase(std::string kind, std::string key);

  void reply(RequestId request, json::Value result);
  void reply_now(RequestId request, json::Value result);
  /// `error` is the error of the RPC envelope.
  void reply_error_now(RequestId request, std::string error);
  CallId call(CallTag tag, std::string endpoint, json::Value payload);
  CallId call_service(CallTag tag, std::string service, json::Value payload);
  CallId call_now(CallTag tag, std::string endpoint, json::Value payload);
  CallId store(CallTag tag, store::Command command);
  void verify(std::uint64_t batch, std::vector<OrderRecord> orders);
  void work(std::uint64_t work, OrderRecord const& order, int bits);
  void answer(CommandId command, CommandResult result);
  void answer_now(CommandId command, CommandResult result);
  void log(Event event);

  /// Appends the Save, if there were rows, and then the other outputs to `out`. `positions` are those after
  /// the turn before, and become those after this one.
  void close(TurnPositions& positions, std::deque<Output>& out) &&;

 private:
  CallTable& calls_;
  std::vector<RowChange> changes_;
  std::vector<Output> outputs_;  // `after` is set by close(), except for 0 of the `_now` variants
};

}  // namespace grenache::exchange
