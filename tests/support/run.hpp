// Runs the coroutines of a test on one io_context.
#pragma once

#include <chrono>
#include <exception>
#include <stdexcept>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "tests/support/limit.hpp"
#include <grenache/net/asio.hpp>

namespace grenache::test {

/// Runs `io` until `task` has ended, and rethrows its exception. Throws when it exceeds the limit.
inline void run(boost::asio::io_context& io, net::Awaitable<void> task,
                std::chrono::seconds guard = limit()) {
  bool done = false;
  std::exception_ptr failure;
  boost::asio::co_spawn(io, std::move(task), [&](std::exception_ptr thrown) {
    failure = thrown;
    done = true;
    io.stop();
  });
  io.restart();
  io.run_for(guard);
  if (!done) throw std::runtime_error{"the test exceeded its time limit"};
  if (failure) std::rethrow_exception(failure);
}

}  // namespace grenache::test
