#include "exchange/messages/relay_fee_message.hpp"

#include <utility>

#include "exchange/messages/fields.hpp"

namespace grenache::exchange {

using namespace fields;

Result<void> fields::read_members(Value const& body, RelayFeeMessage& out) {
  auto const maker = parse_key(body, "maker");
  if (!maker) return maker.error();
  out.maker = *maker;
  return {};
}

Value to_json(RelayFeeMessage const& message) {
  auto out = begin(RelayFeeMessage::kType, message.header);
  add(out, "maker", message.maker.hex());
  return out;
}

}  // namespace grenache::exchange
