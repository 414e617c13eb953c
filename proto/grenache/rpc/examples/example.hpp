// Shared setup of the examples.
#pragma once

#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <grenache/base/random.hpp>
#include <grenache/net/asio.hpp>
#include <grenache/rpc/link.hpp>

namespace example {

namespace asio = boost::asio;

/// Reads a file; empty if it cannot be read.
inline std::string read_file(std::string const& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

/// Runs `body(link)` on a new io_context, with a link to `grape`. Returns the exit code of the program, the
/// result of `body`.
template <class Body>
int run(std::string_view grape, Body body) {
  auto const host = grenache::rpc::parse_grape_url(grape);
  if (!host) {
    std::cerr << "not the URL of a grape: " << grape << '\n';
    return 2;
  }
  asio::io_context io{1};
  grenache::rpc::Link::Options options;
  options.grapes = {*host};
  grenache::rpc::Link link{io.get_executor(), options, grenache::Random::from_system()};
  int code = 1;
  asio::co_spawn(io, body(link),
                 [&](std::exception_ptr failure, int result) { code = failure ? 1 : result; });
  io.run();
  return code;
}

/// Returns the argument at `index`, or `otherwise`.
inline std::string argument(int argc, char** argv, int index, std::string otherwise) {
  return argc > index ? argv[index] : std::move(otherwise);
}

}  // namespace example
