// Properties of the terminal at standard output.
#pragma once

#include <cstddef>

namespace grenache::exchange {

/// True when standard output is a terminal with colours, and NO_COLOR (no-color.org) is not set.
[[nodiscard]] bool stdout_has_colour();
/// The columns of standard output, at least 20; 80 if it is no terminal, or one that does not say.
[[nodiscard]] std::size_t stdout_width();

}  // namespace grenache::exchange
