// The inline functions of a fortified <sys/socket.h> would collide with ours.
#undef _FORTIFY_SOURCE

#include "tests/support/faults.hpp"

#include <atomic>
#include <cerrno>
#include <stdexcept>

#include <dlfcn.h>
#include <sys/socket.h>

namespace grenache::test {
namespace {

constexpr std::size_t kRunsMax = 5000;

std::atomic<bool> armed{false};
std::atomic<bool> has_failed{false};
std::atomic<std::size_t> operations_left{0};
std::atomic<int> error_number{ECONNRESET};

/// Returns true for the call that must fail, and breaks the connection as a real reset would.
bool fails(int socket, bool connected) {
  if (!armed.load()) return false;
  if (operations_left.fetch_sub(1) != 1) return false;
  armed = false;
  has_failed = true;
  if (connected) ::shutdown(socket, SHUT_RDWR);
  errno = error_number;
  return true;
}

template <class Function>
Function* system_function(char const* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

Fault::Fault(std::size_t nth, int error) {
  error_number = error;
  operations_left = nth;
  has_failed = false;
  armed = true;
}
Fault::~Fault() { disarm(); }
bool Fault::happened() const { return has_failed.load(); }
void Fault::disarm() { armed = false; }
void Fault::arm() { armed = !has_failed; }

std::size_t walk_faults(std::function<void(Fault& fault)> const& run) {
  for (std::size_t nth = 1; nth <= kRunsMax; ++nth) {
    Fault fault{nth};
    run(fault);
    if (!fault.happened()) return nth - 1;
  }
  throw std::runtime_error{"walk_faults(): every run had a fault"};
}

}  // namespace grenache::test

using grenache::test::fails;
using grenache::test::system_function;

extern "C" {

int accept(int socket, sockaddr* address, socklen_t* size) {
  static auto* const real = system_function<decltype(::accept)>("accept");
  return fails(socket, false) ? -1 : real(socket, address, size);
}

int connect(int socket, sockaddr const* address, socklen_t size) {
  static auto* const real = system_function<decltype(::connect)>("connect");
  return fails(socket, false) ? -1 : real(socket, address, size);
}

ssize_t recv(int socket, void* data, size_t size, int flags) {
  static auto* const real = system_function<decltype(::recv)>("recv");
  return fails(socket, true) ? -1 : real(socket, data, size, flags);
}

ssize_t recvmsg(int socket, msghdr* message, int flags) {
  static auto* const real = system_function<decltype(::recvmsg)>("recvmsg");
  return fails(socket, true) ? -1 : real(socket, message, flags);
}

ssize_t send(int socket, void const* data, size_t size, int flags) {
  static auto* const real = system_function<decltype(::send)>("send");
  return fails(socket, true) ? -1 : real(socket, data, size, flags);
}

ssize_t sendmsg(int socket, msghdr const* message, int flags) {
  static auto* const real = system_function<decltype(::sendmsg)>("sendmsg");
  return fails(socket, true) ? -1 : real(socket, message, flags);
}

}  // extern "C"
