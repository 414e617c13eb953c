#include "grenache/log/printable.hpp"

#include <string>

#include <gtest/gtest.h>

namespace grenache {
namespace {

TEST(Printable, keepsTextOfAnyLanguage) {
  EXPECT_EQ(printable("Zoë, Łukasz, 王, 🧾 \xef\xb8\x8f"), "Zoë, Łukasz, 王, 🧾 \xef\xb8\x8f");
}

TEST(Printable, replacesControlsOfC0AndC1) {
  EXPECT_EQ(printable(std::string_view{"a\0b\x1b[2J\n\x7f", 9}), "a?b?[2J??");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m"),
            "?31m")
      << "U+009B is CSI";
}

TEST(Printable, replacesBidirectionalMarksAndInvisibleCharacters) {
  EXPECT_EQ(printable("a\xe2\x80\xae"
                      "b\xe2\x81\xa6"
                      "c\xd8\x9c"
                      "d\xe2\x80\x8b"
                      "e\xf3\xa0\x81\x81\xef\xbb\xbf"),
            "a?b?c?d?e??");
}

TEST(Printable, replacesBytesThatAreNotUtf8) {
  EXPECT_EQ(printable("a\x9b"
                      "b\xe2\x80"),
            "a\xef\xbf\xbd"
            "b\xef\xbf\xbd\xef\xbf\xbd");
}

TEST(EscapeInvisible, writesEscapesThatJsonReadersUndo) {
  EXPECT_EQ(escape_invisible("a\xe2\x80\xae\xc2\x9b\xf3\xa0\x81\x81\x7f\n"),
            "a\\u202e\\u009b\\udb40\\udc41\\u007f\n");
}

}  // namespace
}  // namespace grenache
