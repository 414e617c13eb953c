#include "tests/support/redis_server.hpp"

#include <array>
#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <string_view>
#include <utility>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/limit.hpp"

namespace grenache::test {
namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

bool answers(std::uint16_t port) {
  int const fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in const address = loopback(port);
  bool pong = false;
  if (connect(fd, reinterpret_cast<sockaddr const*>(&address), sizeof address) == 0) {
    std::array<char, 16> reply{};
    auto const size = write(fd, "PING\r\n", 6) == 6 ? read(fd, reply.data(), reply.size()) : 0;
    if (size > 0) {
      std::string_view const text{reply.data(), static_cast<std::size_t>(size)};
      pong = text.starts_with("+PONG") || text.starts_with("-NOAUTH");
    }
  }
  close(fd);
  return pong;
}

}  // namespace

bool RedisServer::available() { return std::system("command -v redis-server >/dev/null 2>&1") == 0; }

RedisServer::RedisServer(Options options) : options_{std::move(options)} {
  if (!start()) throw std::runtime_error{"redis-server does not start"};
}

RedisServer::~RedisServer() { kill(); }

bool RedisServer::start() {
  std::vector<std::string> words{"redis-server"};
  if (options_.sentinel_config.empty()) {
    words.insert(words.end(), {"--save", "", "--appendonly", "no"});
  } else {
    words.insert(words.end(), {options_.sentinel_config, "--sentinel"});
  }
  words.insert(words.end(), {"--port", std::to_string(port_.number()), "--bind", "127.0.0.1"});
  words.insert(words.end(), options_.arguments.begin(), options_.arguments.end());
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_ = fork();
  if (pid_ == 0) {
    int const null = open("/dev/null", O_RDWR);
    dup2(null, 0);
    dup2(null, 1);
    dup2(null, 2);
    execvp(argv.front(), argv.data());
    _exit(127);
  }
  auto const end = std::chrono::steady_clock::now() + limit();
  while (std::chrono::steady_clock::now() < end) {
    if (answers(port_.number())) return true;
    if (waitpid(pid_, nullptr, WNOHANG) == pid_) {
      pid_ = -1;
      return false;
    }
    poll(nullptr, 0, 5);
  }
  kill();
  return false;
}

void RedisServer::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void RedisServer::restart() {
  kill();
  if (!start()) throw std::runtime_error{"redis-server does not start again"};
}

void RedisServer::freeze() { ::kill(pid_, SIGSTOP); }
void RedisServer::thaw() { ::kill(pid_, SIGCONT); }

}  // namespace grenache::test
