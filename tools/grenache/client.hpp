// Asks grapes over HTTP.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "tools/grenache/key_file.hpp"
#include <grenache/base/time.hpp>
#include <grenache/net/tls.hpp>
#include <grenache/rpc/grape_url.hpp>

namespace grenache::client {

struct Grapes {
  std::vector<rpc::GrapeUrl> urls;  // at least one
  net::TlsOptions tls;              // of those with https
  Duration timeout{};               // of each request
  /// If a grape has not answered after this, the next one is asked in addition, as by rpc::Link. max(): only
  /// after a failure.
  Duration hedge_delay = std::chrono::milliseconds{500};
};

/// Asks the grapes in their order until one answers, the next one when a grape fails or is slow. Returns the
/// body of the first answer, whatever its status; or the failure of the last grape that failed.
[[nodiscard]] Outcome<std::string> ask(Grapes const& grapes, std::string const& target,
                                       std::string const& body);

/// A request, and what it is answered with.
struct Query {
  std::string target;
  std::string body;
};

/// Asks each grape, all at once: the second query follows the answer to the first one. Returns for each grape
/// the bodies of both answers, or its failure.
[[nodiscard]] std::vector<Outcome<std::vector<std::string>>> ask_each(Grapes const& grapes,
                                                                      std::vector<Query> const& queries);

}  // namespace grenache::client
