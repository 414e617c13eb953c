// Asks grapes over HTTP, one request at a time.
#pragma once

#include <string>
#include <vector>

#include "tools/grenache/key_file.hpp"
#include <grenache/base/time.hpp>
#include <grenache/net/tls.hpp>
#include <grenache/rpc/grape_url.hpp>

namespace grenache::client {

struct Grapes {
  std::vector<rpc::GrapeUrl> urls;  // at least one; asked in this order until one answers
  net::TlsOptions tls;              // of those with https
  Duration timeout{};               // for each
};

/// The body that the first grape which can be reached answers to `body`, whatever its status.
[[nodiscard]] Outcome<std::string> ask(Grapes const& grapes, std::string const& target,
                                       std::string const& body);

}  // namespace grenache::client
