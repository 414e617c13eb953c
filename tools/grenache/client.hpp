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
  std::vector<rpc::GrapeUrl> urls;  // at least one; tried in this order until one answers
  net::TlsOptions tls;              // for those with https
  Duration timeout{};               // for each of them
};

/// Posts `body` to the grapes, and returns the body of the first answer of a grape, whatever its status.
[[nodiscard]] Outcome<std::string> ask(Grapes const& grapes, std::string const& target,
                                       std::string const& body);

}  // namespace grenache::client
