// `grenache pub` and `grenache sub`: messages of publishers to subscribers.
#pragma once

#include "tools/grenache/common.hpp"

namespace grenache::client {

/// Add the commands; if one is given, `action` is set to run it. `common` must outlive the action.
void declare_pub(Command& app, Common const& common, Action& action);
void declare_sub(Command& app, Common const& common, Action& action);

}  // namespace grenache::client
