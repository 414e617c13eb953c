#include "grenache/json/memory_bytes.hpp"

namespace grenache::json {

namespace {

constexpr std::size_t kAllocationBytes = 16;  // of the allocator, per allocation

std::size_t heap_bytes(std::string const& text) {
  static std::size_t const inside = std::string{}.capacity();
  return text.capacity() > inside ? text.capacity() + kAllocationBytes : 0;
}

}  // namespace

// Recursion is bounded by the depth of the value: ParseLimits bounds parsed values.
std::size_t memory_bytes(Value const& value) {
  std::size_t bytes = 0;
  if (auto const* text = value.as_string()) {
    bytes = heap_bytes(*text);
  } else if (auto const* number = value.number_text()) {
    bytes = heap_bytes(*number);
  } else if (auto const* array = value.as_array()) {
    if (array->capacity() > 0) bytes = array->capacity() * sizeof(Value) + kAllocationBytes;
    for (Value const& item : *array) bytes += memory_bytes(item);
  } else if (auto const* object = value.as_object()) {
    if (object->capacity() > 0) bytes = object->capacity() * sizeof(Value::Member) + kAllocationBytes;
    for (auto const& [name, member] : *object) bytes += heap_bytes(name) + memory_bytes(member);
  }
  return bytes;
}

}  // namespace grenache::json
