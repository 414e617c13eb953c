#include "grape/state_saver.hpp"

#include <gtest/gtest.h>

#include "tests/support/run.hpp"
#include "tests/support/temporary_folder.hpp"
#include <grenache/file/private_file.hpp>

namespace grenache::grape {
namespace {

TEST(StateSaver, withoutPeriodAndLimitSavesAtTheStartAndAtTheEnd) {
  boost::asio::io_context io{1};
  test::TemporaryFolder folder;
  int saved = 0;
  StateSaver saver{io.get_executor(), StateFolder::open(folder.path()).value(), Duration::max(),
                   [&] { return std::to_string(++saved); },
                   [](Error const& error) { ADD_FAILURE() << error.message(); }};
  auto test = [&]() -> net::Awaitable<void> {
    saver.start();
    bool const finished = co_await saver.finish(Duration::max());
    EXPECT_TRUE(finished);
  };
  test::run(io, test());
  EXPECT_EQ(read_private_file(saver.folder().file(), 100).value(), "2");
}

}  // namespace
}  // namespace grenache::grape
