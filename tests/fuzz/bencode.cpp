// Decodes arbitrary bytes as a bencoded value: its views lie inside the input, and it encodes to the same
// bytes.
#include <optional>
#include <string>

#include "tests/fuzz/input.hpp"
#include <grenache/base/check.hpp>
#include <grenache/dht/bencode.hpp>
#include <grenache/dht/bencode_writer.hpp>

namespace grenache::dht {
namespace {

// Walks a value, checks that it lies inside its parent, and encodes it again.
class Walk {
 public:
  BencodeWriter writer;
  std::size_t count = 0;
  bool sorted = true;

  void visit(BencodeValue value, std::string_view around, std::size_t depth) {
    GRN_CHECK(value && depth <= BencodeDocument::kDepthMax);
    auto const raw = value.raw();
    GRN_CHECK(is_inside(raw, around) && !raw.empty());
    ++count;
    auto const integer = value.as_integer();
    auto const string = value.as_string();
    switch (value.type()) {
      case BencodeType::integer:
        GRN_CHECK(integer && !string && !value.first());
        return writer.integer(*integer);
      case BencodeType::string:
        GRN_CHECK(string && !integer && !value.first() && is_inside(*string, raw));
        return writer.string(*string);
      case BencodeType::list:
        GRN_CHECK(!string && !integer && !value.dict_find(""));
        writer.begin_list();
        for (auto item = value.first(); item; item = item.next_in(value)) visit(item, raw, depth + 1);
        return writer.end();
      case BencodeType::dict:
        GRN_CHECK(!string && !integer);
        writer.begin_dict();
        visit_members(value, raw, depth);
        return writer.end();
    }
  }

 private:
  static bool is_inside(std::string_view part, std::string_view whole) {
    return part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size();
  }

  void visit_members(BencodeValue dict, std::string_view raw, std::size_t depth) {
    std::optional<std::string_view> last;
    for (auto key = dict.first(); key;) {
      auto const name = key.as_string();
      GRN_CHECK(name);
      if (last && *last >= *name) sorted = false;
      last = name;
      visit(key, raw, depth + 1);
      auto const value = key.next_in(dict);
      visit(value, raw, depth + 1);
      auto const found = dict.dict_find(*name);
      GRN_CHECK(found && found.raw().data() <= value.raw().data());
      key = value.next_in(dict);
    }
  }
};

void run(std::string_view input) {
  BencodeDocument document;
  BencodeDocument wide;
  bool const fits = document.decode(input).has_value();
  bool const is_bencode =
      wide.decode(input, {.depth_max = BencodeDocument::kDepthMax, .token_count_max = 1 << 14}).has_value();
  GRN_CHECK(bool{document.root()} == fits && bool{wide.root()} == is_bencode);
  // The limits decide whether a value is accepted, but do not change it.
  GRN_CHECK(!fits || (is_bencode && document.token_count() == wide.token_count()));
  if (!is_bencode) return;

  Walk walk;
  walk.visit(wide.root(), input, 0);
  GRN_CHECK(walk.count == wide.token_count());
  GRN_CHECK(walk.sorted == wide.is_canonical());
  GRN_CHECK(walk.writer.view() == input);
}

}  // namespace
}  // namespace grenache::dht

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  grenache::dht::run(grenache::fuzz::as_text(data, size));
  return 0;
}
