#include "exchange/messages/sync_message.hpp"

#include <algorithm>
#include <utility>

#include "exchange/messages/fields.hpp"
#include <grenache/base/base64.hpp>
#include <grenache/base/check.hpp>

namespace grenache::exchange {

using namespace fields;

namespace {

constexpr std::string_view kPositionDomain = "grenache/exchange/position/1:";
constexpr std::size_t kTagBytes = 6;
constexpr std::size_t kRankBytes = 2;
constexpr std::size_t kSaltDigits = 16;
constexpr std::uint16_t kClosedRank = 0x8000;
constexpr std::uint16_t kSeqMask = 0x7fff;

std::uint64_t read_number(std::string_view bytes) {
  std::uint64_t out = 0;
  for (char const c : bytes) out = out << 8 | static_cast<unsigned char>(c);
  return out;
}

void write_number(std::string& out, std::uint64_t number, std::size_t size) {
  for (std::size_t i = size; i-- > 0;) out += static_cast<char>(number >> (8 * i) & 0xff);
}

// Reads bytes from the front; after too little was left, everything read is 0.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_{bytes} {}

  std::uint64_t number(std::size_t size) {
    if (rest_.size() < size) has_failed_ = true;
    if (has_failed_) return 0;
    auto const out = read_number(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return out;
  }
  [[nodiscard]] bool has_failed() const { return has_failed_; }
  [[nodiscard]] bool is_at_end() const { return !has_failed_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool has_failed_ = false;
};

std::optional<std::string> find_base64(Value const& body, std::string_view name) {
  auto const* const text = body.find_string(name);
  return text ? from_base64(*text) : std::nullopt;
}

std::string digits_of(std::uint64_t number, std::size_t count) {
  std::string bytes;
  write_number(bytes, number, 8);
  return to_hex(bytes).substr(16 - count);
}

std::optional<std::uint64_t> read_digits(std::string_view text) {
  auto const bytes =
      from_hex(std::string(16 - std::min<std::size_t>(text.size(), 16), '0') + std::string{text});
  return bytes && bytes->size() == 8 ? std::optional{read_number(*bytes)} : std::nullopt;
}

constexpr std::size_t shift_of(std::size_t length) { return kPositionBits - 4 * length; }

Result<void> read_endpoint(Value const& body, std::string& out) {
  if (is_missing(body.find("endpoint"))) return {};
  auto const* const endpoint = body.find_string("endpoint");
  if (!endpoint || !is_endpoint(*endpoint)) return MessageErrc::bad_endpoint;
  out = *endpoint;
  return {};
}

Result<void> read_prefixes(Value const& body, ReconcileMessage& out) {
  auto const length = body.find_int("length");
  auto const* const text = body.find_string("prefixes");
  if (!length || *length < 1 || *length > static_cast<std::int64_t>(kPositionDigits) || !text) {
    return MessageErrc::bad_range;
  }
  out.length = static_cast<std::size_t>(*length);
  auto const count = text->size() / out.length;
  if (text->size() % out.length != 0 || count < 1 || count > kPrefixesMax) return MessageErrc::bad_range;
  for (std::size_t i = 0; i < count; ++i) {
    auto const digits = read_digits(std::string_view{*text}.substr(i * out.length, out.length));
    if (!digits) return MessageErrc::bad_range;
    auto const prefix = *digits << shift_of(out.length);
    if (!out.prefixes.empty() && prefix <= out.prefixes.back()) return MessageErrc::bad_range;
    out.prefixes.push_back(prefix);
  }
  return {};
}

/// The bytes of a position that its prefix does not give.
constexpr std::size_t entry_position_bytes(std::size_t length) { return kTagBytes - length / 2; }

bool read_node(Reader& in, OrderPosition prefix, ReconcileMessage const& asked, ReconcileNode& out) {
  auto const kind = in.number(1);
  if (kind > static_cast<std::uint64_t>(ReconcileNode::Kind::children)) return false;
  out.kind = static_cast<ReconcileNode::Kind>(kind);
  if (out.kind == ReconcileNode::Kind::equal) return asked.fingerprint.has_value() && !in.has_failed();
  if (out.kind == ReconcileNode::Kind::children) {
    if (asked.length + asked.expand > kPositionDigits) return false;
    out.children.resize(std::size_t{1} << (4 * asked.expand));
    for (auto& child : out.children) child = in.number(kTagBytes);
    return !in.has_failed();
  }
  auto const count = in.number(1);
  if (count > kEntriesMax) return false;
  auto const size = entry_position_bytes(asked.length);
  auto const known = prefix >> (8 * size) << (8 * size);
  for (std::uint64_t i = 0; i < count && !in.has_failed(); ++i) {
    ReconcileEntry entry;
    entry.position = known | in.number(size);
    entry.rank = static_cast<std::uint16_t>(in.number(kRankBytes));
    entry.tag = in.number(kTagBytes);
    auto const shift = shift_of(asked.length);
    if (entry.position >> shift != prefix >> shift) return false;
    if (!out.entries.empty() && entry.position < out.entries.back().position) return false;
    out.entries.push_back(entry);
  }
  return !in.has_failed();
}

}  // namespace

Sha256 position_hash(std::string_view id, PeerId const& maker) {
  std::string text{kPositionDomain};
  text += maker.view();
  text += id;
  return sha256(text);
}

OrderPosition position_of(std::string_view id, PeerId const& maker) {
  return read_number(position_hash(id, maker).view().substr(0, kTagBytes));
}

VersionId version_of(OrderRecord const& order) {
  GRN_CHECK(order.maker);
  return {position_of(order.id, *order.maker), read_number(order_digest(order).view().substr(0, kTagBytes))};
}

std::uint16_t version_rank(OrderRecord const& order) {
  auto const closed = order.status != OrderStatus::open ? kClosedRank : std::uint16_t{0};
  return static_cast<std::uint16_t>(closed | (static_cast<std::uint64_t>(order.seq) & kSeqMask));
}

bool is_newer_rank(std::uint16_t a, std::uint16_t b) {
  if (((a ^ b) & kClosedRank) != 0) return (a & kClosedRank) != 0;
  auto const ahead = (a - b) & kSeqMask;
  return ahead > 0 && ahead <= kSeqMask / 2;
}

Result<void> fields::read_members(Value const& body, ReconcileMessage& out) {
  if (auto const read = read_endpoint(body, out.endpoint); !read) return read.error();
  auto const* const salt = body.find_string("salt");
  auto const number = salt && salt->size() == kSaltDigits ? read_digits(*salt) : std::nullopt;
  if (!number) return MessageErrc::bad_range;
  out.salt = *number;
  if (is_missing(body.find("length"))) {
    auto const fingerprint = find_base64(body, "fingerprint");
    if (!fingerprint || fingerprint->size() != kTagBytes) return MessageErrc::bad_range;
    out.fingerprint = read_number(*fingerprint);
    out.prefixes = {0};
  } else if (auto const read = read_prefixes(body, out); !read) {
    return read.error();
  }
  auto const expand = body.find_int("expand");
  if (!expand || *expand < 1 || *expand > 2) return MessageErrc::bad_range;
  out.expand = static_cast<std::size_t>(*expand);
  if (out.prefixes.size() << (4 * out.expand) > kChildrenMax) return MessageErrc::bad_range;
  return {};
}

Value to_json(ReconcileMessage const& message) {
  auto out = begin(ReconcileMessage::kType, message.header);
  if (!message.endpoint.empty()) add(out, "endpoint", message.endpoint);
  add(out, "salt", digits_of(message.salt, kSaltDigits));
  if (message.length > 0) {
    std::string prefixes;
    for (auto const prefix : message.prefixes) {
      prefixes += digits_of(prefix >> shift_of(message.length), message.length);
    }
    add(out, "length", std::uint64_t{message.length});
    add(out, "prefixes", std::move(prefixes));
  } else {
    std::string fingerprint;
    write_number(fingerprint, message.fingerprint.value_or(0), kTagBytes);
    add(out, "fingerprint", to_base64(fingerprint));
  }
  add(out, "expand", std::uint64_t{message.expand});
  return out;
}

Value reconcile_answer_to_json(std::span<ReconcileNode const> nodes, std::size_t length) {
  std::string bytes;
  for (auto const& node : nodes) {
    bytes += static_cast<char>(node.kind);
    for (auto const child : node.children) write_number(bytes, child, kTagBytes);
    if (node.kind != ReconcileNode::Kind::entries) continue;
    bytes += static_cast<char>(node.entries.size());
    for (auto const& entry : node.entries) {
      write_number(bytes, entry.position, entry_position_bytes(length));
      write_number(bytes, entry.rank, kRankBytes);
      write_number(bytes, entry.tag, kTagBytes);
    }
  }
  return Value::object({{"type", "ReconcileAnswer"}, {"nodes", to_base64(bytes)}});
}

Result<std::vector<ReconcileNode>> parse_reconcile_answer(Value const& body, ReconcileMessage const& asked) {
  auto const* const type = body.find_string("type");
  auto const bytes = find_base64(body, "nodes");
  if (!type || *type != "ReconcileAnswer" || !bytes) return MessageErrc::bad_answer;
  Reader in{*bytes};
  std::vector<ReconcileNode> out(asked.prefixes.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (!read_node(in, asked.prefixes[i], asked, out[i])) return MessageErrc::bad_answer;
  }
  if (!in.is_at_end()) return MessageErrc::bad_answer;
  return out;
}

Result<void> fields::read_members(Value const& body, InventoryMessage& out) {
  if (auto const read = read_endpoint(body, out.endpoint); !read) return read.error();
  if (!is_missing(body.find("ids"))) {
    auto const bytes = find_base64(body, "ids");
    if (!bytes || bytes->size() % (2 * kTagBytes) != 0 || bytes->size() > 2 * kTagBytes * kInventoryIdsMax) {
      return MessageErrc::bad_range;
    }
    Reader in{*bytes};
    while (!in.is_at_end()) {
      auto const position = in.number(kTagBytes);
      out.ids.push_back({position, in.number(kTagBytes)});
    }
  }
  if (auto const* const orders = body.find("orders"); !is_missing(orders)) {
    auto list = parse_orders(*orders, kInventoryOrdersMax);
    if (!list) return MessageErrc::bad_range;
    out.orders = std::move(list->orders);
    out.dropped = list->dropped;
  }
  return {};
}

Value to_json(InventoryMessage const& message) {
  auto out = begin(InventoryMessage::kType, message.header);
  if (!message.endpoint.empty()) add(out, "endpoint", message.endpoint);
  if (!message.ids.empty()) {
    std::string ids;
    for (auto const& id : message.ids) {
      write_number(ids, id.position, kTagBytes);
      write_number(ids, id.version, kTagBytes);
    }
    add(out, "ids", to_base64(ids));
  }
  if (!message.orders.empty()) {
    Value::Array orders;
    for (auto const& order : message.orders) orders.push_back(to_json(order));
    add(out, "orders", std::move(orders));
  }
  return out;
}

Value to_json(InventoryAnswer const& answer) {
  std::string bits((answer.unknown.size() + 7) / 8, '\0');
  for (std::size_t i = 0; i < answer.unknown.size(); ++i) {
    if (answer.unknown[i]) bits[i / 8] = static_cast<char>(bits[i / 8] | 1 << (i % 8));
  }
  Value::Object out{{"type", "InventoryAnswer"}};
  if (!bits.empty()) add(out, "unknown", to_base64(bits));
  if (answer.refused > 0) add(out, "refused", std::uint64_t{answer.refused});
  return out;
}

Result<InventoryAnswer> parse_inventory_answer(Value const& body, std::size_t id_count) {
  auto const* const type = body.find_string("type");
  if (!type || *type != "InventoryAnswer") return MessageErrc::bad_answer;
  InventoryAnswer out;
  if (id_count > 0) {
    auto const bits = find_base64(body, "unknown");
    if (!bits || bits->size() != (id_count + 7) / 8) return MessageErrc::bad_answer;
    for (std::size_t i = 0; i < id_count; ++i) out.unknown.push_back((*bits)[i / 8] >> (i % 8) & 1);
  }
  if (!is_missing(body.find("refused"))) {
    auto const refused = body.find_int("refused");
    if (!refused || *refused < 0) return MessageErrc::bad_answer;
    out.refused = static_cast<std::size_t>(*refused);
  }
  return out;
}

Result<void> fields::read_members(Value const& body, GetRecordsMessage& out) {
  auto const bytes = find_base64(body, "positions");
  if (!bytes || bytes->empty() || bytes->size() % kTagBytes != 0 || bytes->size() > kTagBytes * kRecordsMax) {
    return MessageErrc::bad_range;
  }
  Reader in{*bytes};
  while (!in.is_at_end()) out.positions.push_back(in.number(kTagBytes));
  return {};
}

Value to_json(GetRecordsMessage const& message) {
  auto out = begin(GetRecordsMessage::kType, message.header);
  std::string positions;
  for (auto const position : message.positions) write_number(positions, position, kTagBytes);
  add(out, "positions", to_base64(positions));
  return out;
}

Value records_answer_to_json(std::vector<Value> orders, std::size_t left) {
  Value::Object out{{"type", "RecordsAnswer"}, {"orders", Value{std::move(orders)}}};
  if (left > 0) add(out, "left", std::uint64_t{left});
  return out;
}

Result<RecordsAnswer> parse_records_answer(Value const& body, std::size_t asked_count) {
  auto const* const type = body.find_string("type");
  auto const* const orders = body.find("orders");
  if (!type || *type != "RecordsAnswer" || !orders) return MessageErrc::bad_answer;
  auto list = parse_orders(*orders, kRecordsMax);
  if (!list) return list.error();
  RecordsAnswer out{*std::move(list), 0};
  if (!is_missing(body.find("left"))) {
    auto const left = body.find_int("left");
    if (!left || *left < 0 || static_cast<std::uint64_t>(*left) >= asked_count)
      return MessageErrc::bad_answer;
    out.left = static_cast<std::size_t>(*left);
  }
  return out;
}

}  // namespace grenache::exchange
