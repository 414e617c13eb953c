// Stands before the system's getaddrinfo: every name takes $GETADDRINFO_SECONDS and then fails for now.
#include <cstdlib>

#include <netdb.h>
#include <unistd.h>

extern "C" int getaddrinfo(char const*, char const*, addrinfo const*, addrinfo** found) {
  char const* const seconds = std::getenv("GETADDRINFO_SECONDS");
  *found = nullptr;
  for (unsigned left = seconds ? static_cast<unsigned>(std::atoi(seconds)) : 0; left > 0;)
    left = ::sleep(left);
  return EAI_AGAIN;
}
