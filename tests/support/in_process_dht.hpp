// A DHT of real grapes in the process of a test.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "grape/grape.hpp"
#include "tests/support/reserved_port.hpp"
#include <grenache/base/endpoint.hpp>
#include <grenache/log/log.hpp>
#include <grenache/net/asio.hpp>
#include <grenache/net/http_client.hpp>

namespace grenache::test {

/// Real grapes on loopback, core and HTTP API, that form one network: they run on the test's own executor and
/// talk over UDP sockets of their own. Ports are free ones. A grape is named by its index.
///
///     InProcessDht dht{io.get_executor(), {.grape_count = 3}};
///     test::run(io, dht.ready());
///     link_options.grapes = {dht.address(0)};
///
/// One thread. It may be destroyed without stop().
class InProcessDht {
 public:
  struct Options {
    std::size_t grape_count = 1;       // at least 1
    grape::Grape::Options grape = {};  // of each; `bind`, `api_port` and `bootstrap` are overwritten
  };

  /// Starts the grapes, which listen from now on. Throws std::runtime_error when one cannot.
  InProcessDht(net::Executor executor, Options options);
  explicit InProcessDht(net::Executor executor) : InProcessDht{std::move(executor), Options{}} {}
  ~InProcessDht();
  InProcessDht(InProcessDht const&) = delete;
  InProcessDht& operator=(InProcessDht const&) = delete;

  /// Completes when every grape that runs has joined and knows all others.
  [[nodiscard]] net::Awaitable<void> ready();

  [[nodiscard]] std::size_t size() const { return grapes_.size(); }
  /// Of the HTTP API; the same after a restart, and held while the grape is stopped.
  [[nodiscard]] HostPort address(std::size_t index = 0) const;
  [[nodiscard]] std::string url(std::size_t index = 0) const;
  [[nodiscard]] std::vector<std::string> urls() const;
  /// It must run.
  [[nodiscard]] grape::Grape& grape(std::size_t index = 0) const { return *grapes_.at(index).grape; }

  /// Stops one grape in good order; its services are not taken back. Nothing happens when it is stopped.
  [[nodiscard]] net::Awaitable<void> stop(std::size_t index);
  /// Stops all.
  [[nodiscard]] net::Awaitable<void> stop();
  /// Starts a stopped grape again with another id and nothing known; it joins through one that runs. Throws
  /// as the constructor does.
  void restart(std::size_t index);

  /// As a service without a Link would: announces a port of 127.0.0.1, once, through a grape, which keeps it.
  /// Returns how many other grapes stored it. These three throw std::runtime_error when the grape refuses.
  net::Awaitable<std::uint32_t> announce(std::string name, std::uint16_t port, std::size_t through = 0);
  /// Takes it back; returns how many other grapes had it.
  net::Awaitable<std::uint32_t> unannounce(std::string name, std::uint16_t port, std::size_t through = 0);
  /// The destinations that a grape finds now, sorted.
  [[nodiscard]] net::Awaitable<std::vector<std::string>> lookup(std::string name, std::size_t through = 0);

 private:
  struct Place {
    std::unique_ptr<ReservedPort> api_port = std::make_unique<ReservedPort>();
    std::unique_ptr<grape::Grape> grape;  // null: stopped
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
