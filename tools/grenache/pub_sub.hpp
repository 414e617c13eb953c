// `grenache pub` and `grenache sub`: messages to whoever listens.
#pragma once

#include "tools/grenache/common.hpp"

namespace grenache::client {

/// Add the commands; when one is given, `action` does it. `common` must live until then.
void declare_pub(Command& app, Common const& common, Action& action);
void declare_sub(Command& app, Common const& common, Action& action);

}  // namespace grenache::client
