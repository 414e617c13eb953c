// Requests of this peer to the settlement ledger.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "exchange/core/self.hpp"
#include "exchange/core/turn.hpp"
#include "exchange/messages/ledger_answer.hpp"

namespace grenache::exchange {

/// Asks the ledger, and verifies that it has answered.
///
/// The ledger is found by its service name. Whoever answers first there is trusted from then on: its key has
/// a row, and answers of another key are ignored. With a key in the options nobody else is ever trusted.
class LedgerClient {
 public:
  struct Options {
    std::string service{};        // empty: there is no ledger
    std::optional<PeerId> key{};  // of the ledger
  };
  /// An answer that the ledger has signed, or nothing: it is not known whether it has got the request.
  struct Answered {
    std::uint64_t tag = 0;
    std::optional<LedgerAnswer> answer;
  };

  /// `self` must outlive this object.
  LedgerClient(Options options, Self const& self) : options_{std::move(options)}, self_{self} {}

  [[nodiscard]] bool is_enabled() const { return !options_.service.empty(); }
  [[nodiscard]] std::optional<PeerId> const& key() const { return options_.key ? options_.key : pinned_; }

  /// Sends a request; on_answered() returns the answer with `tag`. While the key is not known, asks for that
  /// first.
  void ask(std::uint64_t tag, LedgerRequest::Body body, Turn& turn);
  [[nodiscard]] std::vector<Answered> on_answered(std::uint64_t call, CallAnswer const& answer, Turn& turn);

  [[nodiscard]] bool restore(Row const& row);
  void dump(std::vector<Row>& out) const;
  static constexpr char const* kRowKind = "ledger";

 private:
  struct Asked {
    std::uint64_t tag = 0;
    LedgerRequest request;
  };
  struct Waiting {
    std::uint64_t tag = 0;
    LedgerRequest::Body body;
  };
  void send(std::uint64_t tag, LedgerRequest request, Turn& turn);
  [[nodiscard]] Row row() const;

  Options options_;
  Self const& self_;
  std::optional<PeerId> pinned_;
  std::map<std::uint64_t, Asked> asked_;  // by call
  std::vector<Waiting> waiting_;          // for the key
  bool is_introducing_ = false;           // the key was asked for
  std::uint64_t last_call_ = 0;
};

}  // namespace grenache::exchange
