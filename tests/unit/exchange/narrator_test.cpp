#include "exchange/console/narrator.hpp"

#include <sstream>

#include <gtest/gtest.h>

namespace grenache::exchange {
namespace {

TEST(Narrator, textIsOneLineOfEachStep) {
  std::ostringstream out;
  Narrator narrator{out, Narrator::Form::text, false};
  narrator.step("ping", "Bob", "answers", {{"us", 5}});
  narrator.note("poll", "Alice", "waits");
  narrator.failure("nothing works");
  EXPECT_EQ(out.str(), "✓ Bob    answers\n· Alice  waits\n") << "failures are the caller's, on stderr";
}

TEST(Narrator, jsonIsOneObjectOfEachStep) {
  std::ostringstream out;
  Narrator narrator{out, Narrator::Form::json, false};
  narrator.step("ping", "Bob", "answers", {{"us", 5}});
  narrator.failure("nothing works");
  EXPECT_EQ(out.str(),
            "{\"step\":\"ping\",\"ok\":true,\"who\":\"Bob\",\"text\":\"answers\",\"us\":5}\n"
            "{\"step\":\"failed\",\"ok\":false,\"text\":\"nothing works\"}\n");
}

TEST(Narrator, passesNoControlCharactersOfOthersToATerminal) {
  std::ostringstream out;
  Narrator narrator{out, Narrator::Form::text, false};
  narrator.step("ping", "Mal\x1b[2J", "one\ntwo\r");
  EXPECT_EQ(out.str(), "✓ Mal?[2J one?two?\n");
}

TEST(Narrator, coloursOnlyWhenTold) {
  std::ostringstream out;
  Narrator narrator{out, Narrator::Form::text, true};
  narrator.step("ping", "Bob", "answers");
  EXPECT_NE(out.str().find("\x1b[32m"), std::string::npos);
}

}  // namespace
}  // namespace grenache::exchange
