#include "tools/grenache/write_text.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>

#include <poll.h>
#include <unistd.h>

namespace grenache::client {

Written write_text(int file, std::string_view text, StopSignal const& stop) {
  while (!text.empty()) {
    std::array<pollfd, 2> files{{{file, POLLOUT, 0}, {stop.file(), POLLIN, 0}}};
    if (::poll(files.data(), files.size(), -1) < 0) continue;
    if (files[1].revents != 0) return Written::stopped;
    // A pipe that is writable for poll(2) accepts this much without blocking.
    auto const size = ::write(file, text.data(), std::min<std::size_t>(text.size(), PIPE_BUF));
    if (size < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (size < 0) return errno == EPIPE ? Written::reader_ended : Written::failed;
    text.remove_prefix(static_cast<std::size_t>(size));
  }
  return Written::all;
}

bool has_room(int file, std::string_view text) {
  pollfd output{file, POLLOUT, 0};
  return text.size() <= PIPE_BUF && ::poll(&output, 1, 0) > 0;
}

void end_at_signal() {
  for (int const number : {SIGINT, SIGTERM}) std::signal(number, [](int) { ::_exit(0); });
}

}  // namespace grenache::client
