// `grenache call`: asks a service.
#pragma once

#include "tools/grenache/common.hpp"

namespace grenache::client {

/// Adds the command; when it is given, `action` does it. `common` must live until then.
void declare_call(Command& app, Common const& common, Action& action);

}  // namespace grenache::client
