// `grenache serve`: a service that answers with the output of a program.
#pragma once

#include "tools/grenache/common.hpp"

namespace grenache::client {

/// Adds the command; if it is given, sets `action` to run it until SIGINT or SIGTERM. `common` must outlive
/// the action.
void declare_serve(Command& app, Common const& common, Action& action);

}  // namespace grenache::client
