#include "proto/dht/bencode_writer.hpp"

#include <charconv>

namespace grenache::dht {
namespace {

void append(std::string& out, std::int64_t value) {
  char digits[24];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

}  // namespace

void BencodeWriter::integer(std::int64_t value) {
  out_ += 'i';
  append(out_, value);
  out_ += 'e';
}

void BencodeWriter::string(std::string_view bytes) {
  append(out_, static_cast<std::int64_t>(bytes.size()));
  out_ += ':';
  out_ += bytes;
}

}  // namespace grenache::dht
