#include "exchange/control/data_dir.hpp"

#include <map>

#include <gtest/gtest.h>

namespace grenache::exchange {
namespace {

using namespace std::string_literals;

Environment with(std::map<std::string, std::string> values) {
  return [values = std::move(values)](char const* variable) -> char const* {
    auto const found = values.find(variable);
    return found == values.end() ? nullptr : found->second.c_str();
  };
}

TEST(DataDir, isBelowXdgDataHome) {
  auto const environment = with({{"XDG_DATA_HOME", "/data"}, {"HOME", "/home/a"}});
  EXPECT_EQ(*default_data_dir("alice", environment), "/data/grenache/exchange/alice");
  EXPECT_EQ(*default_data_dir("", environment), "/data/grenache/exchange/default");
}

TEST(DataDir, isBelowHomeWithoutAnAbsoluteXdgDataHome) {
  EXPECT_EQ(*default_data_dir("", with({{"HOME", "/home/a"}})),
            "/home/a/.local/share/grenache/exchange/default");
  EXPECT_EQ(*default_data_dir("", with({{"XDG_DATA_HOME", "data"}, {"HOME", "/home/a"}})),
            "/home/a/.local/share/grenache/exchange/default");
}

TEST(DataDir, ofAnAccountWithoutAHomeMustBeNamed) {
  auto const none = default_data_dir("", with({}));
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().find("--data-dir"), std::string::npos);
  EXPECT_EQ(*select_data_dir("client1", "", with({})), "client1") << "a given folder is used as it is";
}

TEST(DataDir, ofANameStaysBelowTheFolderOfAllPeers) {
  for (auto const& name : {".."s, "."s, "a/b"s, "/etc"s, "a\nb"s, std::string(256, 'a')}) {
    EXPECT_FALSE(default_data_dir(name, with({{"HOME", "/home/a"}}))) << name;
  }
  EXPECT_TRUE(default_data_dir("Zoë B.", with({{"HOME", "/home/a"}})));
}

}  // namespace
}  // namespace grenache::exchange
