// A running settlement ledger: its core with a socket, a grape and a journal.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "exchange/journal/sqlite_file.hpp"
#include "exchange/ledger/ledger.hpp"
#include <grenache/base/endpoint.hpp>
#include <grenache/log/log.hpp>
#include <grenache/net/asio.hpp>
#include <grenache/net/tls.hpp>
#include <grenache/rpc/grape_url.hpp>

namespace grenache::exchange {

/// The name by which a ledger announces itself.
inline constexpr char const* kLedgerService = "exchange:ledger";

/// Runs on its executor, which must use one thread. It must outlive the calls of its functions, and may be
/// destroyed at any other time, also without stop().
class LedgerService {
 public:
  struct Options {
    std::vector<rpc::GrapeUrl> grapes;  // none: not announced
    net::TlsOptions grape_tls;          // see rpc::Link::Options::tls
    std::string service = kLedgerService;
    IpAddress bind;          // see net::all_addresses()
    std::uint16_t port = 0;  // 0 chooses a free one
    Duration announce_interval = std::chrono::seconds{30};
    /// The journal cannot write, or memory ran out within a request: what is in memory is no longer what is
    /// on the disk, and nothing leaves any more. The program must end at once.
    std::function<void(std::string const& why)> on_failure;
    Ledger::Options ledger{};  // `position` is set from the journal
  };

  /// `log` must outlive the ledger.
  LedgerService(net::Executor executor, Options options, SecretKey const& key, Random random,
                SqliteFile journal, Log const& log);
  ~LedgerService();
  LedgerService(LedgerService const&) = delete;
  LedgerService& operator=(LedgerService const&) = delete;

  /// Restores the journal, listens, and begins to announce itself. Completes with nothing, or with a message
  /// for the operator. Call it once, and stop() in either case.
  [[nodiscard]] net::Awaitable<std::optional<std::string>> start();
  /// Answers the requests in progress, for at most half a second, and closes everything. Returns false when
  /// something of it has not ended a second later.
  [[nodiscard]] net::Awaitable<bool> stop();

  [[nodiscard]] Ledger const& ledger() const;
  /// After start().
  [[nodiscard]] std::uint16_t port() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace grenache::exchange
