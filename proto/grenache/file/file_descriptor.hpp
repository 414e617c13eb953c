// An owning file descriptor.
#pragma once

#include <utility>

#include <unistd.h>

namespace grenache {

/// Closes its descriptor when destroyed; a negative number means no descriptor.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int number) : number_{number} {}
  FileDescriptor(FileDescriptor&& other) noexcept : number_{std::exchange(other.number_, -1)} {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~FileDescriptor() { close(); }

  [[nodiscard]] int number() const { return number_; }
  [[nodiscard]] bool is_open() const { return number_ >= 0; }
  /// Gives up ownership of the descriptor.
  [[nodiscard]] int release() { return std::exchange(number_, -1); }
  /// Returns false, with errno set, when the system reports that written bytes were lost.
  bool close() { return !is_open() || ::close(std::exchange(number_, -1)) == 0; }

 private:
  int number_ = -1;
};

}  // namespace grenache
