#include "grenache/base/schnorr.hpp"

#include <openssl/crypto.h>
#include <secp256k1_extrakeys.h>
#include <secp256k1_schnorrsig.h>

#include "grenache/base/secp256k1_context.hpp"
#include <grenache/base/check.hpp>

namespace grenache {

XOnlyKey x_only(PeerId const& key) { return *XOnlyKey::from_bytes(key.view().substr(1)); }

SchnorrSignature sign_schnorr(SecretKey const& key, Sha256 const& digest,
                              std::array<std::uint8_t, 32> const& auxiliary) {
  auto const* const bytes = reinterpret_cast<unsigned char const*>(key.view().data());
  secp256k1_keypair pair;
  GRN_CHECK(secp256k1_keypair_create(shared_secp256k1_context(), &pair, bytes) == 1);
  SchnorrSignature out;
  GRN_CHECK(secp256k1_schnorrsig_sign32(shared_secp256k1_context(), out.array().data(), digest.array().data(),
                                        &pair, auxiliary.data()) == 1);
  OPENSSL_cleanse(&pair, sizeof pair);
  return out;
}

bool verify_schnorr(XOnlyKey const& signer, Sha256 const& digest, SchnorrSignature const& signature) {
  secp256k1_xonly_pubkey key;
  if (secp256k1_xonly_pubkey_parse(shared_secp256k1_context(), &key, signer.array().data()) != 1)
    return false;
  return secp256k1_schnorrsig_verify(shared_secp256k1_context(), signature.array().data(),
                                     digest.array().data(), Sha256::kSize, &key) == 1;
}

}  // namespace grenache
