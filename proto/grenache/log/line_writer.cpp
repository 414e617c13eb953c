#include "grenache/log/line_writer.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <condition_variable>
#include <mutex>
#include <string>
#include <utility>

#include <poll.h>
#include <unistd.h>

namespace grenache {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPatience{500};
constexpr std::chrono::milliseconds kStuck{
    1000};                   // longer than kPatience: a thread that is not stuck ends first
constexpr int kPollMs = 50;  // how soon a writer that waits for the reader notices is_closing()

}  // namespace

struct LineWriter::State {
  State(int f, std::size_t max) : file{f}, bytes_max{max} {}

  void run();
  /// False when the file takes nothing more.
  [[nodiscard]] bool write_batch(std::string_view batch);
  [[nodiscard]] bool is_closing();

  int const file;
  std::size_t const bytes_max;
  std::mutex mutex;
  std::condition_variable changed;
  std::string waiting;
  std::uint64_t dropped = 0;
  std::uint64_t write_count = 0;
  bool writing = false;
  bool closing = false;
  bool broken = false;
  bool ended = false;  // the thread uses nothing any more
};

LineWriter::LineWriter(int file, std::size_t bytes_max) : state_{std::make_shared<State>(file, bytes_max)} {}

LineWriter::~LineWriter() {
  if (!thread_.joinable()) return;
  std::unique_lock lock{state_->mutex};
  state_->closing = true;
  state_->changed.notify_all();
  for (std::uint64_t before = state_->write_count + 1; before != state_->write_count && !state_->ended;) {
    before = state_->write_count;
    state_->changed.wait_for(lock, kStuck, [this] { return state_->ended; });
  }
  bool const ended = state_->ended;
  lock.unlock();
  if (ended) {
    thread_.join();
  } else {
    thread_.detach();
  }
}

void LineWriter::write(std::string_view line) {
  std::lock_guard const lock{state_->mutex};
  if (state_->broken) return;
  if (line.size() > state_->bytes_max - std::min(state_->bytes_max, state_->waiting.size())) {
    ++state_->dropped;
    return;
  }
  state_->waiting += line;
  if (!thread_.joinable()) thread_ = std::thread{[state = state_] { state->run(); }};
  state_->changed.notify_all();
}

void LineWriter::flush() {
  std::unique_lock lock{state_->mutex};
  state_->changed.wait_for(
      lock, kPatience, [this] { return state_->broken || (state_->waiting.empty() && !state_->writing); });
}

std::uint64_t LineWriter::take_dropped() {
  std::lock_guard const lock{state_->mutex};
  return state_->waiting.size() > state_->bytes_max / 2 ? 0 : std::exchange(state_->dropped, 0);
}

bool LineWriter::State::is_closing() {
  std::lock_guard const lock{mutex};
  return closing;
}

/// Returns false when the reader has closed the pipe.
bool LineWriter::State::write_batch(std::string_view batch) {
  auto last_progress = Clock::now();
  while (!batch.empty()) {
    pollfd polled{file, POLLOUT, 0};
    if (::poll(&polled, 1, kPollMs) <= 0) {
      if (is_closing() && Clock::now() - last_progress > kPatience) return false;
      continue;
    }
    // A pipe that poll(2) reports as writable accepts this much without blocking. A terminal may block.
    auto const size = ::write(file, batch.data(), std::min<std::size_t>(batch.size(), PIPE_BUF));
    if (size < 0 && (errno == EPIPE || errno == EBADF)) return false;
    std::lock_guard const lock{mutex};
    if (size < 0 && errno != EINTR && errno != EAGAIN) {  // a full disk may have room again
      dropped += static_cast<std::uint64_t>(std::ranges::count(batch, '\n'));
      return true;
    }
    if (size <= 0) continue;
    ++write_count;
    batch.remove_prefix(static_cast<std::size_t>(size));
    last_progress = Clock::now();
  }
  return true;
}

void LineWriter::State::run() {
  std::unique_lock lock{mutex};
  while (!broken) {
    changed.wait(lock, [this] { return closing || !waiting.empty(); });
    if (waiting.empty()) break;
    std::string const batch = std::exchange(waiting, {});
    writing = true;
    lock.unlock();
    bool const written = write_batch(batch);
    lock.lock();
    writing = false;
    broken = !written;
    if (broken) waiting.clear();
    changed.notify_all();
  }
  ended = true;
  changed.notify_all();
}

}  // namespace grenache
