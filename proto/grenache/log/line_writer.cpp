#include "grenache/log/line_writer.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <utility>

#include <poll.h>
#include <unistd.h>

namespace grenache {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPatience{500};
constexpr int kPollMs = 50;  // how soon a writer that waits for the reader notices is_closing()

}  // namespace

LineWriter::~LineWriter() {
  {
    std::lock_guard const lock{mutex_};
    closing_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void LineWriter::write(std::string_view line) {
  std::lock_guard const lock{mutex_};
  if (broken_) return;
  if (line.size() > bytes_max_ - std::min(bytes_max_, waiting_.size())) {
    ++dropped_;
    return;
  }
  waiting_ += line;
  if (!thread_.joinable()) thread_ = std::thread{[this] { run(); }};
  changed_.notify_all();
}

void LineWriter::flush() {
  std::unique_lock lock{mutex_};
  changed_.wait_for(lock, kPatience, [this] { return broken_ || (waiting_.empty() && !writing_); });
}

std::uint64_t LineWriter::take_dropped() {
  std::lock_guard const lock{mutex_};
  return waiting_.size() > bytes_max_ / 2 ? 0 : std::exchange(dropped_, 0);
}

bool LineWriter::is_closing() {
  std::lock_guard const lock{mutex_};
  return closing_;
}

/// Returns false when the reader has closed the pipe.
bool LineWriter::write_batch(std::string_view batch) {
  auto last_progress = Clock::now();
  while (!batch.empty()) {
    pollfd file{file_, POLLOUT, 0};
    if (::poll(&file, 1, kPollMs) <= 0) {
      if (is_closing() && Clock::now() - last_progress > kPatience) return false;
      continue;
    }
    // A pipe that poll(2) reports as writable accepts this much without blocking.
    auto const size = ::write(file_, batch.data(), std::min<std::size_t>(batch.size(), PIPE_BUF));
    if (size < 0 && (errno == EPIPE || errno == EBADF)) return false;
    if (size < 0 && errno != EINTR && errno != EAGAIN) {  // a full disk may have room again
      std::lock_guard const lock{mutex_};
      dropped_ += static_cast<std::uint64_t>(std::ranges::count(batch, '\n'));
      return true;
    }
    if (size <= 0) continue;
    batch.remove_prefix(static_cast<std::size_t>(size));
    last_progress = Clock::now();
  }
  return true;
}

void LineWriter::run() {
  std::unique_lock lock{mutex_};
  for (;;) {
    changed_.wait(lock, [this] { return closing_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    std::string const batch = std::exchange(waiting_, {});
    writing_ = true;
    lock.unlock();
    bool const written = write_batch(batch);
    lock.lock();
    writing_ = false;
    broken_ = !written;
    if (broken_) waiting_.clear();
    changed_.notify_all();
    if (broken_) return;
  }
}

}  // namespace grenache
