#include "tools/grenache/read_lines.hpp"

#include <array>
#include <cerrno>
#include <string_view>
#include <system_error>
#include <utility>

#include <poll.h>
#include <unistd.h>

namespace grenache::client {

std::optional<Failure> read_lines(int file, std::size_t size_max, StopSignal const& stop,
                                  std::function<void(std::string)> const& on_line) {
  std::string line;
  std::array<char, 64 * 1024> buffer;
  for (;;) {
    std::array<pollfd, 2> files{{{file, POLLIN, 0}, {stop.file(), POLLIN, 0}}};
    if (::poll(files.data(), files.size(), -1) < 0) continue;
    if (files[1].revents != 0) return std::nullopt;
    auto const size = ::read(file, buffer.data(), buffer.size());
    if (size < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (size < 0) return Failure{"cannot read: " + std::generic_category().message(errno)};
    if (size == 0) {
      if (!line.empty()) on_line(std::move(line));
      return std::nullopt;
    }
    std::string_view rest{buffer.data(), static_cast<std::size_t>(size)};
    for (std::size_t end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
      line += rest.substr(0, end);
      if (line.size() <= size_max) on_line(std::exchange(line, {}));
      if (line.size() > size_max) break;
      rest.remove_prefix(end + 1);
    }
    line += rest;
    if (line.size() > size_max) return Failure{"a line has more than " + std::to_string(size_max) + " bytes"};
  }
}

}  // namespace grenache::client
