#include <stdexcept>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <grenache/net/asio.hpp>
#include <grenache/net/rethrow.hpp>

namespace grenache::net {
namespace {

Awaitable<void> fail() {
  throw std::runtime_error{"a bug"};
  co_return;
}

TEST(Rethrow, anExceptionOfACoroutineLeavesRun) {
  asio::io_context io{1};
  asio::co_spawn(io, fail(), kRethrow);
  EXPECT_THROW(io.run(), std::runtime_error);
}

}  // namespace
}  // namespace grenache::net
