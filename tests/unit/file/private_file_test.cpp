#include <atomic>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/temporary_folder.hpp"
#include <grenache/file/private_file.hpp>

namespace grenache {
namespace {

namespace errc = boost::system::errc;

struct PrivateFile : testing::Test {
  unsigned mode() const {
    struct stat status {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0);
    return status.st_mode & 0777u;
  }
  std::size_t file_count() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator{folder.path()}, {}));
  }

  test::TemporaryFolder folder;
  std::filesystem::path path = folder.path() / "file";
};

TEST_F(PrivateFile, isReplacedWholeAndForItsOwnerAlone) {
  std::string const large(300'000, 'x');
  for (auto* const write : {replace_private_file, save_private_file}) {
    for (std::string const& bytes : {std::string{"one"}, large, std::string{}}) {
      ASSERT_TRUE(write(path, bytes));
      EXPECT_EQ(read_private_file(path, 1'000'000).value(), bytes);
      EXPECT_EQ(mode(), 0600u);
      EXPECT_EQ(file_count(), 1u) << "nothing is left behind";
    }
  }
}

TEST_F(PrivateFile, aSaveReplacesWhatACrashLeftBehind) {
  std::ofstream{path.string() + ".new"} << "half";
  ::chmod((path.string() + ".new").c_str(), 0644);
  ASSERT_TRUE(save_private_file(path, "whole"));
  EXPECT_EQ(read_private_file(path, 100).value(), "whole");
  EXPECT_EQ(mode(), 0600u);
  EXPECT_EQ(file_count(), 1u);
}

TEST_F(PrivateFile, writersAtTheSameTimeDoNotMix) {
  constexpr std::size_t kWriters = 4;
  constexpr std::size_t kSize = 50'000;
  std::atomic<int> failures = 0;
  {
    std::vector<std::jthread> writers;
    for (std::size_t i = 0; i < kWriters; ++i) {
      writers.emplace_back([&, bytes = std::string(kSize, static_cast<char>('a' + i))] {
        for (int round = 0; round < 10; ++round) {
          if (!replace_private_file(path, bytes)) ++failures;
          auto const found = read_private_file(path, kSize);
          if (!found || found->size() != kSize ||
              found->find_first_not_of(found->front()) != std::string::npos)
            ++failures;
        }
      });
    }
  }
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(file_count(), 1u) << "nothing is left behind";
}

TEST_F(PrivateFile, isNotCreatedOverAnother) {
  ASSERT_TRUE(create_private_file(path, "one"));
  EXPECT_EQ(mode(), 0600u);
  EXPECT_EQ(create_private_file(path, "two").error(), errc::file_exists);
  EXPECT_EQ(read_private_file(path, 100).value(), "one");
}

TEST_F(PrivateFile, isNotReadWhenOthersMayOrWhenItIsTooLarge) {
  EXPECT_EQ(read_private_file(path, 100).error(), errc::no_such_file_or_directory);
  ASSERT_TRUE(create_private_file(path, "123"));
  EXPECT_EQ(read_private_file(path, 2).error(), errc::file_too_large);
  ::chmod(path.c_str(), 0640);
  EXPECT_EQ(read_private_file(path, 100).error(), errc::permission_denied);
}

TEST_F(PrivateFile, failsWithTheSystemsReason) {
  EXPECT_EQ(replace_private_file(folder.path() / "no" / "file", "x").error(),
            errc::no_such_file_or_directory);
  EXPECT_EQ(create_private_file(folder.path() / "no" / "file", "x").error(), errc::no_such_file_or_directory);
}

TEST_F(PrivateFile, aLockIsHeldOnceAndGoneWithItsObject) {
  {
    auto const held = FileLock::take(path);
    ASSERT_TRUE(held);
    EXPECT_EQ(FileLock::take(path).error(), errc::resource_unavailable_try_again);
  }
  EXPECT_TRUE(FileLock::take(path));
}

}  // namespace
}  // namespace grenache
