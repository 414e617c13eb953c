#include "tools/grenache/program.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <grenache/file/file_descriptor.hpp>
#include <grenache/net/steady_clock.hpp>

extern char** environ;

namespace grenache::client {
namespace {

using End = ProgramResult::End;

struct Pipe {
  FileDescriptor read;
  FileDescriptor write;
};

// Moves a descriptor above the standard streams, so that it is not overwritten when those are set up one by
// one.
FileDescriptor above_standard(int number) {
  if (number > STDERR_FILENO) return FileDescriptor{number};
  FileDescriptor const low{number};
  return FileDescriptor{::fcntl(number, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)};
}

bool make_pipe(Pipe& pipe) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return false;
  pipe.read = above_standard(ends[0]);
  pipe.write = above_standard(ends[1]);
  return pipe.read.is_open() && pipe.write.is_open();
}

std::vector<char*> pointers(std::vector<std::string> const& texts) {
  std::vector<char*> out;
  for (std::string const& text : texts) out.push_back(const_cast<char*>(text.c_str()));
  return out;
}

bool is_among(std::string_view variable, std::vector<std::string> const& environment) {
  std::string_view const name = variable.substr(0, variable.find('=') + 1);
  return std::ranges::any_of(environment, [&](std::string const& each) { return each.starts_with(name); });
}

struct SpawnSettings {
  SpawnSettings() {
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawnattr_init(&attributes);
  }
  ~SpawnSettings() {
    ::posix_spawn_file_actions_destroy(&files);
    ::posix_spawnattr_destroy(&attributes);
  }
  SpawnSettings(SpawnSettings const&) = delete;
  SpawnSettings& operator=(SpawnSettings const&) = delete;

  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
};

class Run {
 public:
  Run(Program const& program, ProgramLimits const& limits) : program_{program}, limits_{limits} {}
  Run(Run const&) = delete;
  Run& operator=(Run const&) = delete;

  // Returns 0, or an errno.
  [[nodiscard]] int start();
  [[nodiscard]] ProgramResult finish(StopSignal const& stop);

 private:
  [[nodiscard]] int spawn(int in, int out, int err);
  [[nodiscard]] End watch(StopSignal const& stop);
  void feed();
  std::size_t read_output(std::size_t size_max);
  std::size_t read_errors(std::size_t size_max);
  void read_rest(FileDescriptor& file, std::size_t (Run::*read_part)(std::size_t));
  [[nodiscard]] std::size_t read_some(FileDescriptor& from, std::size_t size_max);

  Program const& program_;
  ProgramLimits const& limits_;
  TimePoint deadline_ = net::steady_deadline(limits_.time_max);
  pid_t pid_ = -1;
  FileDescriptor process_;
  FileDescriptor in_;
  FileDescriptor out_;
  FileDescriptor err_;
  std::size_t written_ = 0;
  std::array<char, 64 * 1024> buffer_;
  ProgramResult result_;
};

int Run::spawn(int in, int out, int err) {
  SpawnSettings settings;
  ::posix_spawn_file_actions_adddup2(&settings.files, in, STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&settings.files, out, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&settings.files, err, STDERR_FILENO);
  // Asio's sockets are not close-on-exec.
  ::posix_spawn_file_actions_addclosefrom_np(&settings.files, STDERR_FILENO + 1);
  sigset_t none;
  sigset_t pipe;
  ::sigemptyset(&none);
  ::sigemptyset(&pipe);
  ::sigaddset(&pipe, SIGPIPE);
  ::posix_spawnattr_setflags(&settings.attributes,
                             POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  ::posix_spawnattr_setpgroup(&settings.attributes, 0);
  ::posix_spawnattr_setsigmask(&settings.attributes, &none);
  ::posix_spawnattr_setsigdefault(&settings.attributes, &pipe);

  std::vector<char*> arguments = pointers(program_.arguments);
  arguments.push_back(nullptr);
  std::vector<char*> environment = pointers(program_.environment);
  for (char** each = environ; *each != nullptr; ++each) {
    if (!is_among(*each, program_.environment)) environment.push_back(*each);
  }
  environment.push_back(nullptr);
  return ::posix_spawn(&pid_, program_.path.c_str(), &settings.files, &settings.attributes, arguments.data(),
                       environment.data());
}

int Run::start() {
  Pipe in;
  Pipe out;
  Pipe err;
  if (!make_pipe(in) || !make_pipe(out) || !make_pipe(err)) return errno;
  if (int const error = spawn(in.read.number(), out.write.number(), err.write.number())) return error;
  // Not pidfd_open(), which glibc 2.36 declares without extern "C".
  process_ = FileDescriptor{static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0))};
  if (!process_.is_open()) {
    int const error = errno;
    ::kill(-pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    return error;
  }
  in_ = std::move(in.write);
  out_ = std::move(out.read);
  err_ = std::move(err.read);
  ::fcntl(in_.number(), F_SETFL, O_NONBLOCK);
  return 0;
}

void Run::feed() {
  std::string_view const rest = std::string_view{program_.input}.substr(written_);
  auto const written = ::write(in_.number(), rest.data(), rest.size());
  if (written > 0) written_ += static_cast<std::size_t>(written);
  bool const gone = written < 0 && errno != EAGAIN && errno != EINTR;
  if (gone || written_ == program_.input.size()) in_.close();
}

std::size_t Run::read_some(FileDescriptor& from, std::size_t size_max) {
  auto const size = ::read(from.number(), buffer_.data(), std::min(buffer_.size(), size_max));
  if (size == 0 || (size < 0 && errno != EINTR)) from.close();
  return size > 0 ? static_cast<std::size_t>(size) : 0;
}

std::size_t Run::read_output(std::size_t size_max) {
  std::size_t const size = read_some(out_, size_max);
  result_.output.append(buffer_.data(), size);
  return size;
}

std::size_t Run::read_errors(std::size_t size_max) {
  std::size_t const size = read_some(err_, size_max);
  result_.errors.append(buffer_.data(), size);
  if (result_.errors.size() > limits_.error_bytes_max) {
    result_.errors.erase(0, result_.errors.size() - limits_.error_bytes_max);
  }
  return size;
}

End Run::watch(StopSignal const& stop) {
  for (;;) {
    if (result_.output.size() > limits_.output_bytes_max) return End::output_too_large;
    auto const left = std::chrono::ceil<std::chrono::milliseconds>(deadline_ - net::steady_now()).count();
    if (left <= 0) return End::timed_out;
    std::array<pollfd, 5> files{{{in_.number(), POLLOUT, 0},
                                 {out_.number(), POLLIN, 0},
                                 {err_.number(), POLLIN, 0},
                                 {process_.number(), POLLIN, 0},
                                 {stop.file(), POLLIN, 0}}};
    if (::poll(files.data(), files.size(), static_cast<int>(std::min<std::int64_t>(left, 60'000))) < 0)
      continue;
    if (files[4].revents != 0) return End::stopped;
    if (files[0].revents != 0) feed();
    if (files[1].revents != 0) read_output(buffer_.size());
    if (files[2].revents != 0) read_errors(buffer_.size());
    if (files[3].revents != 0) return End::exited;
  }
}

// Reads only what is in the pipe now: other processes may still have it open.
void Run::read_rest(FileDescriptor& file, std::size_t (Run::*read_part)(std::size_t)) {
  int size = 0;
  if (!file.is_open() || ::ioctl(file.number(), FIONREAD, &size) != 0) return;
  for (auto left = static_cast<std::size_t>(size); left > 0 && file.is_open();) {
    left -= (this->*read_part)(left);
  }
}

ProgramResult Run::finish(StopSignal const& stop) {
  result_.end = watch(stop);
  // Before waiting for it, since after that its group's number may be reused.
  ::kill(-pid_, SIGKILL);
  siginfo_t info{};
  while (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED) != 0 && errno == EINTR) continue;
  if (result_.end != End::exited) return std::move(result_);
  if (info.si_code != CLD_EXITED) result_.end = End::signalled;
  result_.code = info.si_status;
  read_rest(out_, &Run::read_output);
  read_rest(err_, &Run::read_errors);
  if (result_.output.size() > limits_.output_bytes_max) result_.end = End::output_too_large;
  return std::move(result_);
}

bool is_executable(std::string const& path) {
  std::error_code error;
  return std::filesystem::is_regular_file(path, error) && ::access(path.c_str(), X_OK) == 0;
}

}  // namespace

StopSignal::StopSignal() : file_{::eventfd(0, EFD_CLOEXEC)} {
  if (file_ < 0) throw std::system_error{errno, std::generic_category(), "eventfd"};
}

StopSignal::~StopSignal() { ::close(file_); }

void StopSignal::raise() { ::eventfd_write(file_, 1); }

bool StopSignal::raised() const {
  pollfd file{file_, POLLIN, 0};
  return ::poll(&file, 1, 0) > 0;
}

ProgramResult run_program(Program const& program, ProgramLimits const& limits, StopSignal const& stop) {
  Run run{program, limits};
  if (int const error = run.start()) {
    ProgramResult result;
    result.code = error;
    return result;
  }
  return run.finish(stop);
}

std::optional<std::string> find_program(std::string const& name) {
  if (name.find('/') != std::string::npos) return is_executable(name) ? std::optional{name} : std::nullopt;
  char const* const variable = std::getenv("PATH");
  std::string_view rest = variable == nullptr ? "/bin:/usr/bin" : variable;
  while (!name.empty() && !rest.empty()) {
    std::size_t const end = std::min(rest.find(':'), rest.size());
    std::string path = (std::filesystem::path{rest.substr(0, end)} / name).string();
    if (is_executable(path)) return path;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return std::nullopt;
}

}  // namespace grenache::client
