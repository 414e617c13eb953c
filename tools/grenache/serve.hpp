// `grenache serve`: a service whose answers a program makes.
#pragma once

#include "tools/grenache/common.hpp"

namespace grenache::client {

/// Adds the command; when it is given, `action` does it, until SIGINT or SIGTERM. `common` must live until
/// then.
void declare_serve(Command& app, Common const& common, Action& action);

}  // namespace grenache::client
