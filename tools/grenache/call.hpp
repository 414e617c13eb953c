// `grenache call`: sends a request to a service.
#pragma once

#include "tools/grenache/common.hpp"

namespace grenache::client {

/// Adds the command; if it is given, sets `action` to run it. `common` must outlive the action.
void declare_call(Command& app, Common const& common, Action& action);

}  // namespace grenache::client
