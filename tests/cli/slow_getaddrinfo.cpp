// Stands before the system's getaddrinfo: every name takes $GETADDRINFO_SECONDS and then fails for now. With
// $GETADDRINFO_ENTERED, a file of that name tells that a lookup has begun.
#include <cstdlib>

#include <fcntl.h>
#include <netdb.h>
#include <unistd.h>

extern "C" int getaddrinfo(char const*, char const*, addrinfo const*, addrinfo** found) {
  char const* const seconds = std::getenv("GETADDRINFO_SECONDS");
  char const* const entered = std::getenv("GETADDRINFO_ENTERED");
  *found = nullptr;
  if (entered && *entered != 0) ::close(::open(entered, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  for (unsigned left = seconds ? static_cast<unsigned>(std::atoi(seconds)) : 0; left > 0;)
    left = ::sleep(left);
  return EAI_AGAIN;
}
