#include "exchange/locked_identity.hpp"

#include <array>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "exchange/identity.hpp"
#include "tests/support/temporary_folder.hpp"
#include <grenache/json/json.hpp>

namespace grenache::exchange {
namespace {

namespace fs = std::filesystem;

class LockedIdentityTest : public testing::Test {
 protected:
  Result<SecretKey> open(std::string_view password) {
    return load_or_create_locked_identity(path_, password, random_);
  }
  Error error_of(std::string_view password) { return open(password).error(); }
  std::string text() const {
    std::ifstream file{path_};
    return {std::istreambuf_iterator{file}, {}};
  }
  void write(std::string_view text) const {
    std::ofstream{path_} << text;
    fs::permissions(path_, fs::perms::owner_read | fs::perms::owner_write);
  }
  /// The file with other members, and the checksum that belongs to them.
  void write_changed(std::initializer_list<json::Value::Member> members) const {
    auto body = *json::parse(text());
    body.as_object()->pop_back();
    for (auto const& [name, value] : members) body.set(name, value);
    body.set("checksum", sha256(json::to_text(body)).hex());
    write(json::to_text(body) + "\n");
  }

  test::TemporaryFolder temporary_;
  fs::path const path_ = temporary_.path() / "identity";
  Random random_{1};
};

TEST_F(LockedIdentityTest, isMadeOnceAndOpensWithItsPasswordAlone) {
  auto const made = open("correct horse");
  ASSERT_TRUE(made) << made.error();
  auto const first = text();
  EXPECT_EQ(error_of("correct hors"), LockedIdentityErrc::wrong_password);
  auto const opened = open("correct horse");
  ASSERT_TRUE(opened) << opened.error();
  EXPECT_EQ(opened->public_key(), made->public_key());
  EXPECT_EQ(text(), first) << "never changed";
  EXPECT_EQ(first.find(to_hex(made->view())), std::string::npos);
}

TEST_F(LockedIdentityTest, onlyItsOwnerMayReadIt) {
  ASSERT_TRUE(open("a"));
  struct stat status {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  auto const files = std::distance(fs::directory_iterator{temporary_.path()}, fs::directory_iterator{});
  EXPECT_EQ(files, 1) << "no draft is left behind";
  fs::permissions(path_, fs::perms::group_read, fs::perm_options::add);
  EXPECT_EQ(error_of("a"), LockedIdentityErrc::not_private);
}

TEST_F(LockedIdentityTest, theFormatIsThatOfVersion1) {
  ASSERT_TRUE(open("password"));
  EXPECT_EQ(text(),
            R"({"version":1,"kdf":"scrypt","n":32768,"r":8,"p":1,"salt":"29eb63d0a17a5b999b52da22be4023eb",)"
            R"("cipher":"aes-256-gcm","nonce":"07620a54f6fa6ad8737b71eb",)"
            R"("ciphertext":"92ec09d808d5151b1d3fabdd8ebf5c082ea9429888317e47c1675044603fac0b)"
            R"(f01b9b5fccbaa8271b205ed454d5e314",)"
            R"("checksum":"6bc77f72d59db74e7a95c7139bf501ac37241303d4c25e6ba658c970029b7098"})"
            "\n");
}

TEST_F(LockedIdentityTest, twoFilesOfOnePasswordHaveNothingInCommon) {
  ASSERT_TRUE(open("a"));
  auto const first = *json::parse(text());
  fs::remove(path_);
  ASSERT_TRUE(open("a"));
  auto const second = *json::parse(text());
  for (auto const* const name : {"salt", "nonce", "ciphertext"}) {
    EXPECT_NE(*first.find_string(name), *second.find_string(name));
  }
}

TEST_F(LockedIdentityTest, aChangedByteIsDamageAndNotAWrongPassword) {
  ASSERT_TRUE(open("a"));
  auto const whole = text();
  for (std::size_t i = 0; i < whole.size(); ++i) {
    auto changed = whole;
    auto const is_letter = std::isalpha(static_cast<unsigned char>(whole[i])) != 0;
    changed[i] = static_cast<char>(whole[i] ^ (is_letter ? 0x20 : 0x01));  // the other case of a letter
    write(changed);
    auto const error = error_of("a");
    bool const is_version = whole.substr(0, i).ends_with(R"({"version":)");
    EXPECT_TRUE(error == LockedIdentityErrc::damaged ||
                (is_version && error == LockedIdentityErrc::unsupported))
        << i << ": " << error;
  }
  for (std::size_t const size : {std::size_t{0}, std::size_t{1}, whole.size() / 2, whole.size() - 1}) {
    write(whole.substr(0, size));
    EXPECT_EQ(error_of("a"), LockedIdentityErrc::damaged) << size;
  }
  write(whole + "\n");
  EXPECT_EQ(error_of("a"), LockedIdentityErrc::damaged);
  write(std::string(1'000'000, '['));
  EXPECT_EQ(error_of("a"), LockedIdentityErrc::damaged);
  EXPECT_EQ(fs::file_size(path_), 1'000'000U) << "stays as it is";
}

TEST_F(LockedIdentityTest, theTagCoversWhatTheChecksumCannotProtect) {
  ASSERT_TRUE(open("a"));
  auto const whole = text();
  auto const members = *json::parse(whole);
  for (auto const* const name : {"salt", "nonce", "ciphertext"}) {
    auto hex = *members.find_string(name);
    hex[0] = hex[0] == '0' ? '1' : '0';
    write(whole);
    write_changed({{name, hex}});
    EXPECT_EQ(error_of("a"), LockedIdentityErrc::wrong_password) << name;
  }
  write(whole);
  write_changed({{"n", 65'536}});
  EXPECT_EQ(error_of("a"), LockedIdentityErrc::wrong_password);
}

TEST_F(LockedIdentityTest, parametersThatCostTooMuchAreRefused) {
  ASSERT_TRUE(open("a"));
  auto const whole = text();
  using Value = json::Value;
  for (auto const& member : std::initializer_list<Value::Member>{{"n", std::int64_t{1} << 40},
                                                                 {"n", 1 << 19},
                                                                 {"n", 40'000},
                                                                 {"n", 0},
                                                                 {"n", -32'768},
                                                                 {"n", 2},
                                                                 {"r", 1 << 30},
                                                                 {"r", 0},
                                                                 {"p", 1 << 30},
                                                                 {"p", 0},
                                                                 {"p", -1},
                                                                 {"n", INT64_MIN},
                                                                 {"r", INT64_MAX},
                                                                 {"version", 2},
                                                                 {"version", INT64_MAX}}) {
    write(whole);
    write_changed({member});
    EXPECT_EQ(error_of("a"), LockedIdentityErrc::unsupported)
        << member.first << ' ' << *member.second.number_text();
  }
}

TEST_F(LockedIdentityTest, aKeyWithoutPasswordIsToldFromADamagedFile) {
  ASSERT_TRUE(load_or_make_identity(temporary_.path(), random_));
  EXPECT_EQ(error_of("a"), LockedIdentityErrc::not_locked);
}

TEST_F(LockedIdentityTest, anEmptyPasswordIsRefusedAndMakesNothing) {
  EXPECT_EQ(error_of(""), LockedIdentityErrc::empty_password);
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(LockedIdentityTest, whatCannotBeReadOrMadeIsAnErrorOfTheSystem) {
  fs::create_directory(path_);
  fs::permissions(path_, fs::perms::owner_all);
  EXPECT_EQ(error_of("a"), boost::system::errc::is_a_directory);
  auto const made = load_or_create_locked_identity(temporary_.path() / "no" / "such", "a", random_);
  EXPECT_EQ(made.error(), boost::system::errc::no_such_file_or_directory);
}

TEST_F(LockedIdentityTest, ofSeveralAtOnceOneMakesItAndAllLoadIt) {
  std::array<std::optional<PeerId>, 4> ids;
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    threads.emplace_back([this, i, &ids] {
      Random random{i};
      auto const key = load_or_create_locked_identity(path_, "a", random);
      if (key) ids[i] = key->public_key();
    });
  }
  threads.clear();
  for (auto const& id : ids) EXPECT_TRUE(id && id == ids[0]);
}

}  // namespace
}  // namespace grenache::exchange
