#include "exchange/core/turn.hpp"

#include <utility>

#include "exchange/messages/order_work.hpp"

namespace grenache::exchange {
namespace {

// Marks an output that waits for the rows of its turn; close() replaces it.
constexpr Position kThisTurn = ~Position{0};

}  // namespace

void Turn::save(Row row) {
  changes_.push_back({std::move(row.kind), std::move(row.key), std::move(row.body)});
}

void Turn::erase(std::string kind, std::string key) {
  changes_.push_back({std::move(kind), std::move(key), std::nullopt});
}

void Turn::reply(RequestId request, json::Value result) {
  outputs_.emplace_back(output::Reply{kThisTurn, request, std::move(result), {}});
}

void Turn::reply_now(RequestId request, json::Value result) {
  outputs_.emplace_back(output::Reply{0, request, std::move(result), {}});
}

void Turn::reply_error_now(RequestId request, std::string error) {
  outputs_.emplace_back(output::Reply{0, request, {}, std::move(error)});
}

CallId Turn::call(CallTag tag, std::string endpoint, json::Value payload) {
  auto const id = calls_.add(tag);
  bool const is_urgent =
      tag.part == Part::purchases || tag.part == Part::credit || tag.part == Part::transits;
  outputs_.emplace_back(output::Call{kThisTurn, id, std::move(endpoint), std::move(payload), is_urgent, {}});
  return id;
}

CallId Turn::call_service(CallTag tag, std::string service, json::Value payload) {
  auto const id = calls_.add(tag);
  outputs_.emplace_back(output::Call{kThisTurn, id, {}, std::move(payload), true, std::move(service)});
  return id;
}

CallId Turn::call_now(CallTag tag, std::string endpoint, json::Value payload) {
  auto const id = calls_.add(tag);
  outputs_.emplace_back(output::Call{0, id, std::move(endpoint), std::move(payload), false, {}});
  return id;
}

CallId Turn::store(CallTag tag, store::Command command) {
  auto const id = calls_.add(tag);
  outputs_.emplace_back(output::Store{kThisTurn, id, std::move(command)});
  return id;
}

void Turn::verify(std::uint64_t batch, std::vector<OrderRecord> orders) {
  outputs_.emplace_back(output::Verify{0, batch, std::move(orders)});
}

void Turn::work(std::uint64_t work, OrderRecord const& order, int bits) {
  outputs_.emplace_back(output::Work{0, work, work_challenge(order), order.id, bits});
}

void Turn::answer(CommandId command, CommandResult result) {
  outputs_.emplace_back(output::Answer{kThisTurn, command, std::move(result)});
}

void Turn::answer_now(CommandId command, CommandResult result) {
  outputs_.emplace_back(output::Answer{0, command, std::move(result)});
}

void Turn::log(Event event) { outputs_.emplace_back(output::Notice{kThisTurn, std::move(event)}); }

void Turn::close(TurnPositions& positions, std::deque<Output>& out) && {
  bool const has_rows = !changes_.empty();
  if (has_rows) out.emplace_back(output::Save{{++positions.last, std::move(changes_)}});
  for (auto& each : outputs_) {
    if (auto* const store = std::get_if<output::Store>(&each)) {
      bool const is_lease = !has_rows && std::holds_alternative<store::Reserve>(store->command);
      if (!is_lease && !positions.is_store_in_process) positions.store = positions.last;
      store->after = positions.store;
    }
    std::visit(
        [&](auto& kind) {
          if constexpr (requires { kind.after; }) {
            if (kind.after == kThisTurn) kind.after = positions.last;
          }
        },
        each);
    out.push_back(std::move(each));
  }
}

}  // namespace grenache::exchange
