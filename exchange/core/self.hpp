// The identity of this peer, as its parts see it.
#pragma once

#include <cstdint>
#include <string>

#include "exchange/messages/order_message.hpp"
#include <grenache/base/crypto.hpp>

namespace grenache::exchange {

struct Self {
  SecretKey key;
  PeerId id;                      // the public key of `key`
  std::string name;               // for display; at most kPeerNameSizeMax bytes
  std::string instance;           // hex, random per process; distinguishes processes of one identity
  std::string endpoint;           // host:port of our RPC server; empty until it listens
  std::int64_t exchange_id = -1;  // its port

  [[nodiscard]] MessageHeader header(CreatorType creator, WallTime now) const {
    return {exchange_id, creator, now};
  }
};

}  // namespace grenache::exchange
