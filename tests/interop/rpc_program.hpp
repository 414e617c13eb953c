// Shared by the programs that use our peer library: flags, stdin, reports, termination.
#pragma once

#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <optional>
#include <string>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/read_until.hpp>
#include <unistd.h>

#include <grenache/json/json.hpp>
#include <grenache/log/command_line.hpp>
#include <grenache/net/asio.hpp>
#include <grenache/net/termination_signals.hpp>
#include <grenache/net/tls.hpp>
#include <grenache/rpc/link.hpp>
#include <grenache/rpc/transport.hpp>

namespace grenache::test {

struct RpcFlags {
  rpc::GrapeUrl grape;
  std::string name;
  rpc::Transport transport = rpc::Transport::http;
  net::TlsOptions tls;
  unsigned publishers = 1;
};

inline std::string read_file(std::string const& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

/// Prints and flushes a line of JSON on stdout.
inline void report(json::Value const& value) { std::cout << json::to_text(value) << std::endl; }

inline rpc::Link::Options link_options(RpcFlags const& flags) {
  rpc::Link::Options options;
  options.grapes = {flags.grape};
  return options;
}

/// Reads the lines of stdin until its end, SIGTERM or SIGINT.
class Lines {
 public:
  explicit Lines(net::Executor const& executor) : input_{executor, ::dup(STDIN_FILENO)}, signals_{executor} {
    signals_.on_signal([this] { input_.close(); });
  }

  net::Awaitable<std::optional<std::string>> next() {
    auto const [error, size] =
        co_await net::asio::async_read_until(input_, net::asio::dynamic_buffer(read_), '\n', net::kTuple);
    if (error) co_return std::nullopt;
    auto line = read_.substr(0, size - 1);
    read_.erase(0, size);
    co_return line;
  }

 private:
  net::asio::posix::stream_descriptor input_;
  net::TerminationSignals signals_;
  std::string read_;
};

using RpcMain = std::function<net::Awaitable<int>(net::Executor executor, RpcFlags flags)>;

/// Parses the flags and runs `body` on an io_context. Returns the exit code of the program.
inline int run_rpc_program(int argc, char** argv, bool wants_name, RpcMain const& body) {
  Command app{"One side of a test between implementations.", "rpc_program"};
  std::string grape;
  std::string transport = "http";
  std::string certificate;
  std::string key;
  std::string ca;
  RpcFlags flags;
  app.add_option("--grape", grape, "http://host:port of a grape")->required();
  app.add_option("--transport", transport, "http, https, ws or wss");
  app.add_option("--cert", certificate, "PEM file: own certificate");
  app.add_option("--key", key, "PEM file: own key");
  app.add_option("--ca", ca, "PEM file: authorities");
  add_number(app, "--publishers", flags.publishers, 0, 1000, "of rpc_sub: how many to wait for");
  if (wants_name) app.add_option("--name", flags.name, "service name")->required();
  if (auto const done = parse_command_line(app, argc, argv)) return *done;
  auto const host = rpc::parse_grape_url(grape);
  auto const protocol = rpc::parse_transport(transport);
  if (!host || !protocol) {
    std::cerr << "not the URL of a grape, or not a transport\n";
    return 2;
  }
  flags.grape = *host;
  flags.transport = *protocol;
  if (!certificate.empty()) flags.tls.certificate = read_file(certificate);
  if (!key.empty()) flags.tls.key = read_file(key);
  if (!ca.empty()) flags.tls.ca = read_file(ca);
  net::asio::io_context io{1};
  int status = 1;
  net::asio::co_spawn(io, body(io.get_executor(), std::move(flags)),
                      [&](std::exception_ptr error, int result) { status = error ? 1 : result; });
  io.run();
  return status;
}

}  // namespace grenache::test
