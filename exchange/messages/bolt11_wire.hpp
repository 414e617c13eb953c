// Internals shared by the encoder and the decoder of BOLT 11.
#pragma once

#include <array>
#include <span>

#include "exchange/messages/bech32.hpp"
#include "exchange/messages/bolt11.hpp"

namespace grenache::bolt11::wire {

using WordView = std::span<std::uint8_t const>;

inline constexpr std::size_t kTimestampWords = 7;
inline constexpr std::size_t kSignatureWords = 104;  // 64 bytes and the recovery id
inline constexpr std::size_t kHashWords = 52;
inline constexpr std::size_t kNodeWords = 53;
inline constexpr std::size_t kFieldWordsMax = 1023;
inline constexpr std::size_t kHopSize = 51;
inline constexpr std::uint8_t kPublicKeyHash = 17;
inline constexpr std::uint8_t kScriptHash = 18;

struct NetworkName {
  Network network;
  std::string_view prefix;
};
// A prefix of another name comes after it.
inline constexpr std::array<NetworkName, 4> kNetworks{{{Network::regtest, "lnbcrt"},
                                                       {Network::signet, "lntbs"},
                                                       {Network::bitcoin, "lnbc"},
                                                       {Network::testnet, "lntb"}}};

struct Multiplier {
  char letter;
  std::uint64_t msat;
};
// Largest first. The fourth, p, is a tenth of a millisatoshi: written as the millisatoshi followed by 0.
inline constexpr std::array<Multiplier, 3> kMultipliers{{{'m', 100'000'000}, {'u', 100'000}, {'n', 100}}};
inline constexpr std::uint64_t kMsatOfBitcoin = 100'000'000'000;

[[nodiscard]] bool is_utf8(std::string_view text);
/// True for an even feature bit that BOLT 9 defines for invoices.
[[nodiscard]] bool is_known_required(std::uint32_t bit);
/// True for a version and length that a writer may write.
[[nodiscard]] bool is_payable(FallbackAddress const& address);
/// The hash that the payee signs: over prefix and words, without the words of the signature.
[[nodiscard]] Sha256 signed_hash(std::string_view prefix, WordView words);

}  // namespace grenache::bolt11::wire
