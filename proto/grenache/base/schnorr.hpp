// Schnorr signatures over secp256k1 (BIP 340), by libsecp256k1.
#pragma once

#include <array>
#include <cstdint>

#include <grenache/base/crypto.hpp>
#include <grenache/base/ids.hpp>

namespace grenache {

/// The public keys of BIP 340: the x coordinate of a point; its y is the even one.
using XOnlyKey = FixedBytes<struct XOnlyKeyTag, 32>;
using SchnorrSignature = FixedBytes<struct SchnorrSignatureTag, 64>;

/// The key under which the owner of `key` signs as BIP 340 says: a compressed key without its first byte.
[[nodiscard]] XOnlyKey x_only(PeerId const& key);

/// Signs `digest`. A key may sign with ECDSA and with BIP 340: the two derive their nonces in different ways.
/// `auxiliary` is the auxiliary random data of BIP 340; zeros make the signature deterministic.
[[nodiscard]] SchnorrSignature sign_schnorr(SecretKey const& key, Sha256 const& digest,
                                            std::array<std::uint8_t, 32> const& auxiliary = {});

/// True when `signer` signed `digest`. False also if `signer` is no point of the curve.
[[nodiscard]] bool verify_schnorr(XOnlyKey const& signer, Sha256 const& digest,
                                  SchnorrSignature const& signature);

}  // namespace grenache
