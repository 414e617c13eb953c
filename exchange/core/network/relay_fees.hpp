// Fees for telling others of strangers' orders.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "exchange/core/self.hpp"
#include "exchange/core/trade/invoice.hpp"
#include "exchange/core/turn.hpp"
#include "exchange/messages/message.hpp"

namespace grenache::exchange {

/// Asks makers for a fee, and pays those that other peers ask of us.
///
/// As everywhere in this program nothing stands behind the invoices: paying is asking for the preimage, with
/// the maker's signature. The payee keeps nothing until it is paid: an invoice is a function of the maker, a
/// random take id, the fee, and the time of its slot. Then the maker has a row of kind "relay" until
/// paid_life has passed. When paid_count_max makers have one, no more are asked for a fee, and their orders
/// are stored as those of strangers: who has paid is not pushed out.
///
/// The payer pays a peer that has proved who it is, once in paid_life, and remembers it in a row of kind
/// "relay-paid", so nobody gets more of it by asking again (RelayFeesTest.nobodyIsPaidTwice).
class RelayFees {
 public:
  struct Options {
    Satoshi fee{};      // 0: none is asked for
    Satoshi pay_max{};  // that a peer is paid; 0: nothing
    std::chrono::milliseconds paid_life = std::chrono::hours{24 * 7};
    std::size_t paid_count_max = 10'000;  // about 150 bytes each
    std::size_t payee_count_max = 1'000;  // that we have paid and remember
    Duration ask_interval = std::chrono::hours{1};
  };

  /// `self` must outlive this object.
  RelayFees(Options options, Self const& self) : options_{options}, self_{self} {}
  RelayFees(RelayFees const&) = delete;
  RelayFees& operator=(RelayFees const&) = delete;

  // As the payee
  [[nodiscard]] bool asks() const {
    return options_.fee.units() > 0 && paid_.size() < options_.paid_count_max;
  }
  [[nodiscard]] bool has_paid(PeerId const& maker) const { return paid_.contains(maker); }
  /// The refusal that asks for the fee. If asks().
  [[nodiscard]] Refusal invoice_for(PeerId const& maker, Turn& turn) const;
  /// Handles a payment for kRelayOrderId. One reply follows. Returns the maker if its orders are welcome now.
  std::optional<PeerId> pay(RequestId request, PayloadForm form, PayMessage const& message, Turn& turn);

  // As the payer
  /// A peer of ours answers at `endpoint`: it is asked soon, and then now and then.
  void met(std::string const& endpoint, Turn const& turn);
  void lost(std::string const& endpoint) { next_ask_.erase(endpoint); }
  /// The answer to a call of this part. `payee` is who has proved to answer at that endpoint.
  struct Asked {
    std::string endpoint;
    std::optional<Sha256> payment_hash{};  // of the invoice that was paid
    Satoshi amount{};
    std::optional<PeerId> payee{};
  };
  [[nodiscard]] std::string endpoint_of(std::uint64_t key) const;
  void on_answered(std::uint64_t key, CallAnswer const& answer, std::optional<PeerId> const& payee,
                   Turn& turn);

  void expire(Turn& turn);
  [[nodiscard]] TimePoint next_ask() const;
  [[nodiscard]] WallTime next_end() const { return next_end_; }

  /// Reads a row of kind "relay" or "relay-paid". False if it is malformed.
  [[nodiscard]] bool restore(Row const& row);
  /// Appends the rows that restore() reads, by kind and key.
  void dump(std::vector<Row>& out) const;
  static constexpr char const* kRowKind = "relay";
  static constexpr char const* kPaidRowKind = "relay-paid";

 private:
  [[nodiscard]] InvoiceTerms terms(PeerId const& maker, std::string const& take_id, WallTime now) const;
  void pay_invoice(Asked const& asked, PeerId const& payee, Refusal const& refusal, Turn& turn);
  static Row row_of(char const* kind, PeerId const& peer, WallTime until);

  Options options_;
  Self const& self_;
  std::map<PeerId, WallTime> paid_;     // makers, until when
  std::map<PeerId, WallTime> paid_to_;  // payees
  WallTime next_end_ = WallTime::max();
  std::map<std::string, TimePoint> next_ask_;  // by endpoint
  std::map<std::uint64_t, Asked> asked_;
  std::uint64_t last_key_ = 0;
};

}  // namespace grenache::exchange
