// The context of libsecp256k1 that all of this folder shares. Not public.
#pragma once

#include <secp256k1.h>

namespace grenache {

/// Blinded before its first use and only read afterwards, so any thread may use it.
[[nodiscard]] secp256k1_context const* shared_secp256k1_context();

}  // namespace grenache
