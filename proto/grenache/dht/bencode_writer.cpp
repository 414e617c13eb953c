#include "grenache/dht/bencode_writer.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>

namespace grenache::dht {
namespace {

constexpr std::size_t kDigitsMax = std::numeric_limits<std::uint64_t>::digits10 + 2;  // with a sign

}  // namespace

void BencodeWriter::integer(std::int64_t value) {
  char* const begin = room(kDigitsMax + 2);
  *begin = 'i';
  char* const end = std::to_chars(begin + 1, begin + 1 + kDigitsMax, value).ptr;
  *end = 'e';
  size_ += static_cast<std::size_t>(end + 1 - begin);
}

void BencodeWriter::string(std::string_view bytes) {
  char* const begin = room(kDigitsMax + 1 + bytes.size());
  char* end = begin;
  if (bytes.size() < 10) {
    *end++ = static_cast<char>('0' + bytes.size());
  } else {
    end = std::to_chars(begin, begin + kDigitsMax, bytes.size()).ptr;
  }
  *end++ = ':';
  if (!bytes.empty()) std::memcpy(end, bytes.data(), bytes.size());
  size_ += static_cast<std::size_t>(end - begin) + bytes.size();
}

void BencodeWriter::raw(std::string_view encoded) {
  char* const begin = room(encoded.size());
  if (!encoded.empty()) std::memcpy(begin, encoded.data(), encoded.size());
  size_ += encoded.size();
}

std::string BencodeWriter::take() {
  out_.resize(size_);
  size_ = 0;
  return std::move(out_);
}

void BencodeWriter::grow(std::size_t size) {
  out_.resize(std::max({out_.capacity(), 2 * out_.size(), size_ + size}));
}

}  // namespace grenache::dht
