#include "exchange/console/terminal.hpp"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include <sys/ioctl.h>
#include <unistd.h>

namespace grenache::exchange {

bool stdout_has_colour() {
  auto const* const no_colour = std::getenv("NO_COLOR");
  auto const* const terminal = std::getenv("TERM");
  bool const is_dumb = !terminal || std::string_view{terminal} == "dumb";
  return (!no_colour || *no_colour == '\0') && !is_dumb && ::isatty(STDOUT_FILENO) == 1;
}

std::size_t stdout_width() {
  winsize size{};
  bool const is_known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return is_known ? std::max<std::size_t>(size.ws_col, 20) : 80;
}

}  // namespace grenache::exchange
