#include "exchange/messages/equivocation_message.hpp"

#include <utility>

#include "exchange/messages/fields.hpp"

namespace grenache::exchange {

using namespace fields;

Result<void> fields::read_members(Value const& body, EquivocationMessage& out) {
  auto const read = [&body](char const* name, OrderRecord& order) -> Result<void> {
    auto const* const member = body.find(name);
    auto message =
        member ? parse_answer<AddOrderMessage>(*member) : Result<AddOrderMessage>{MessageErrc::bad_proof};
    if (!message) return message.error();
    order = std::move(message->order);
    return {};
  };
  if (auto const first = read("first", out.first); !first) return first.error();
  if (auto const second = read("second", out.second); !second) return second.error();
  if (!contradict(out.first, out.second)) return MessageErrc::bad_proof;
  return {};
}

Value to_json(EquivocationMessage const& message) {
  auto out = begin(EquivocationMessage::kType, message.header);
  add(out, "first", to_json(message.first));
  add(out, "second", to_json(message.second));
  return out;
}

}  // namespace grenache::exchange
