// A DHT of real grapes inside a test process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/ip/udp.hpp>

#include "grape/grape.hpp"
#include "tests/support/reserved_port.hpp"
#include <grenache/base/endpoint.hpp>
#include <grenache/log/log.hpp>
#include <grenache/net/asio.hpp>
#include <grenache/net/http_client.hpp>

namespace grenache::test {

/// Complete grapes on loopback, which form one network. They run on the test's executor and communicate over
/// UDP sockets, on free ports. A grape is identified by its index.
///
///     InProcessDht dht{io.get_executor(), {.grape_count = 3}};
///     test::run(io, dht.ready());
///     link_options.grapes = {dht.address(0)};
///
/// Not thread-safe. It may be destroyed without stop().
class InProcessDht {
 public:
  struct Options {
    std::size_t grape_count = 1;  // at least 1
    /// Options of each grape; `bind`, `api_port` and `bootstrap` are overwritten.
    grape::Grape::Options grape = {};
  };

  /// Starts the grapes, which listen at once. Throws std::runtime_error when one cannot start.
  InProcessDht(net::Executor executor, Options options);
  explicit InProcessDht(net::Executor executor) : InProcessDht{std::move(executor), Options{}} {}
  ~InProcessDht();
  InProcessDht(InProcessDht const&) = delete;
  InProcessDht& operator=(InProcessDht const&) = delete;

  /// Completes when every running grape has joined and knows all others.
  [[nodiscard]] net::Awaitable<void> ready();

  [[nodiscard]] std::size_t size() const { return grapes_.size(); }
  /// The address of the HTTP API; it stays the same after a restart, and reserved while the grape is stopped.
  [[nodiscard]] HostPort address(std::size_t index = 0) const;
  [[nodiscard]] std::string url(std::size_t index = 0) const;
  [[nodiscard]] std::vector<std::string> urls() const;
  /// The grape must be running.
  [[nodiscard]] grape::Grape& grape(std::size_t index = 0) const { return *grapes_.at(index).grape; }

  /// Stops a grape gracefully; its services are not unannounced. Does nothing if it is stopped. Its ports
  /// stay reserved, so that no grape of another process gets the UDP port that the others still query.
  [[nodiscard]] net::Awaitable<void> stop(std::size_t index);
  /// Stops all grapes.
  [[nodiscard]] net::Awaitable<void> stop();
  /// Starts a stopped grape again with another id and no state, unless its options name a state folder; it
  /// joins through a running one. Throws as the constructor does.
  void restart(std::size_t index);

  /// Announces a port of 127.0.0.1 once through a grape, like a service without a Link; the grape
  /// re-announces it. Returns how many other grapes stored it. These three functions throw std::runtime_error
  /// when the grape refuses.
  net::Awaitable<std::uint32_t> announce(std::string name, std::uint16_t port, std::size_t through = 0);
  /// Unannounces it; returns how many other grapes had it.
  net::Awaitable<std::uint32_t> unannounce(std::string name, std::uint16_t port, std::size_t through = 0);
  /// Returns the destinations that a grape finds, sorted.
  [[nodiscard]] net::Awaitable<std::vector<std::string>> lookup(std::string name, std::size_t through = 0);

 private:
  struct Place {
    std::unique_ptr<ReservedPort> api_port = std::make_unique<ReservedPort>();
    std::unique_ptr<grape::Grape> grape;  // null: stopped
    std::vector<boost::asio::ip::udp::socket> former_dht_ports;
  };

  [[nodiscard]] bool is_ready() const;
  net::Awaitable<std::string> call(std::size_t through, std::string target, std::string body);

  net::Executor executor_;
  Options options_;
  Log log_{LogLevel::error, LogFormat::text};
  std::vector<Place> grapes_;
  net::HttpClient http_;
};

}  // namespace grenache::test
