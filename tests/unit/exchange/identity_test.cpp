#include "exchange/identity.hpp"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/temporary_folder.hpp"

namespace grenache::exchange {
namespace {

namespace fs = std::filesystem;

class IdentityTest : public testing::Test {
 protected:
  static mode_t mode_of(fs::path const& path) {
    struct stat status {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0);
    return status.st_mode & 0777u;
  }

  test::TemporaryFolder temporary_;
  fs::path const folder_ = temporary_.path();
  Random random_{1};
};

TEST_F(IdentityTest, isMadeOnceAndKept) {
  auto const data = folder_ / "data";
  auto const first = load_or_make_identity(data, random_);
  ASSERT_TRUE(first) << first.error();
  auto const second = load_or_make_identity(data, random_);
  ASSERT_TRUE(second) << second.error();
  EXPECT_EQ(first->public_key(), second->public_key());
  auto const other = load_or_make_identity(folder_ / "other", random_);
  ASSERT_TRUE(other);
  EXPECT_NE(first->public_key(), other->public_key());
}

TEST_F(IdentityTest, onlyItsOwnerMayReadIt) {
  ASSERT_TRUE(load_or_make_identity(folder_ / "data", random_));
  EXPECT_EQ(mode_of(folder_ / "data"), 0700u);
  EXPECT_EQ(mode_of(folder_ / "data" / "identity"), 0600u);
  std::size_t files = 0;
  for ([[maybe_unused]] auto const& entry : fs::directory_iterator{folder_ / "data"}) ++files;
  EXPECT_EQ(files, 1u) << "no draft is left behind";

  fs::permissions(folder_ / "data" / "identity", fs::perms::group_read, fs::perm_options::add);
  auto const refused = load_or_make_identity(folder_ / "data", random_);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().find("chmod 600"), std::string::npos) << refused.error();
}

TEST_F(IdentityTest, aDamagedFileIsAnErrorAndStaysAsItIs) {
  for (auto const* const text : {"", "\n", "hello\n", "00\n"}) {
    auto const path = folder_ / "identity";
    fs::remove(path);
    std::ofstream{path} << text;
    fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
    auto const loaded = load_or_make_identity(folder_, random_);
    ASSERT_FALSE(loaded);
    EXPECT_NE(loaded.error().find(path.string()), std::string::npos) << loaded.error();
    EXPECT_EQ(fs::file_size(path), std::string_view{text}.size());
  }
}

TEST_F(IdentityTest, aFolderThatCannotBeMadeIsAnError) {
  auto const loaded = load_or_make_identity(folder_ / "no" / "such", random_);
  ASSERT_FALSE(loaded);
  EXPECT_NE(loaded.error().find("cannot make"), std::string::npos) << loaded.error();
}

}  // namespace
}  // namespace grenache::exchange
