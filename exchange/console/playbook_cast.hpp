// The peers of the playbook, and what all its acts need.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "exchange/console/playbook.hpp"
#include <grenache/file/private_file.hpp>

namespace grenache::exchange::playbook {

inline constexpr Satoshi kAmount{kSatoshiPerBtc};  // of every order
inline constexpr Satoshi kNothing{};

/// The message of a failure; nothing on success.
using Failure = std::optional<std::string>;

[[nodiscard]] std::string seconds_text(Duration time);
/// "sell 1 BTC at 60000 USD".
[[nodiscard]] std::string terms_text(OrderRecord const& order);
/// Describes an unexpected answer.
[[nodiscard]] std::string text_of(CommandResult const& result);

/// Starts and stops the peers. All coroutines must end before it does.
class Cast {
 public:
  Cast(net::Executor executor, PlaybookOptions options, Random random, Narrator& narrator, Log const& log);
  ~Cast();
  Cast(Cast const&) = delete;
  Cast& operator=(Cast const&) = delete;

  net::Awaitable<Failure> await_grape();
  /// Adds a peer without a data folder; the first three are Alice, Bob and Carol.
  net::Awaitable<Failure> add(std::string name, Exchange::Options options);
  [[nodiscard]] Exchange::Options options_of(std::string const& name) const;
  /// Starts a peer with a data folder, or starts it again.
  net::Awaitable<Failure> start_kept(std::string name);
  /// Ends that peer without a word to anybody, as a power failure does.
  void kill_kept();
  net::Awaitable<void> stop();

  net::Awaitable<Failure> until_met(Exchange& peer, Exchange& other);
  net::Awaitable<Failure> until_seen(Exchange& peer, OrderRecord const& order, OrderStatus status,
                                     Satoshi remaining);
  net::Awaitable<Failure> publish(Exchange& peer, command::AddOrder terms, OrderRecord& order);
  net::Awaitable<void> sleep(Duration time) const;
  [[nodiscard]] TimePoint limit() const;

  [[nodiscard]] Exchange& alice() { return *peers_[0]; }
  [[nodiscard]] Exchange& bob() { return *peers_[1]; }
  [[nodiscard]] Exchange& carol() { return *peers_[2]; }
  [[nodiscard]] Exchange& last() { return *peers_.back(); }
  [[nodiscard]] Exchange& kept() { return *kept_; }

  net::Executor executor;
  PlaybookOptions options;
  Narrator& narrator;

 private:
  net::Awaitable<Failure> start(Exchange& peer);
  void tell_started(Exchange& peer, std::string const& name);

  Random random_;
  Log const& log_;
  std::vector<std::unique_ptr<Exchange>> peers_;
  std::unique_ptr<Exchange> kept_;
  std::optional<FileLock> kept_lock_;
  std::filesystem::path folder_;
};

/// Act one: a trade from the first ping to the settled payment.
net::Awaitable<Failure> play_trade(Cast& cast);
/// Act two: a partial take, an invoice that expires, a cancelled order, and a maker that dies.
net::Awaitable<Failure> play_troubles(Cast& cast);

}  // namespace grenache::exchange::playbook
