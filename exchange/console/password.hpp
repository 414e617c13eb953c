// Passwords from standard input.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <grenache/base/result.hpp>

namespace grenache::exchange {

enum class PasswordErrc {
  no_input = 1,  // the end of the input, or Ctrl-D
  too_long,
  interrupted,  // by a signal that did not end the process
};
[[nodiscard]] std::string_view describe(PasswordErrc code);
constexpr char const* category_name(PasswordErrc) { return "grenache.password"; }
inline Error make_error_code(PasswordErrc code) { return make_enum_error(code); }

inline constexpr std::size_t kPasswordSizeMax = 1024;  // bytes

/// Reads a line, without its newline, from standard input; the bytes are not interpreted, and it may be
/// empty. Errors: PasswordErrc, or of the system.
///
/// At a terminal it prints `prompt`, on stderr if that is a terminal, else on stdout, and what is typed is
/// not shown. What was typed before is discarded. The mode of the terminal is restored in any case: SIGINT,
/// SIGTERM, SIGHUP and SIGQUIT, unless ignored, have their usual effect after that, and Ctrl-Z stops the
/// process, which asks again when it is continued. Not thread-safe.
///
/// From a pipe or file it prints nothing and reads nothing beyond the line; the last line may lack its
/// newline.
[[nodiscard]] Result<std::string> read_password(std::string_view prompt);

/// Overwrites the bytes of a secret, and empties it. A std::string that was copied or has grown may have left
/// other copies; one of read_password() has not.
void wipe(std::string& secret);

}  // namespace grenache::exchange

GRN_ERROR_CODE_ENUM(grenache::exchange::PasswordErrc);
