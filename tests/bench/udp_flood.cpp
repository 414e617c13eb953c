// Sends queries to a DHT node as fast as it answers, or runs a bare echo server as the baseline.
//
//     udp_flood --serve                      echoes on a free port, which it prints, until it is killed
//     udp_flood PORT QUERY SECONDS [SOCKETS WINDOW]
//     udp_flood PORT announce COUNT          announces COUNT names, each with a token of its own
//
// QUERY is ping, find_node, get_peers, popular (get_peers of a name that udp.py announced) or get:TARGET (40
// hex digits). Each of SOCKETS ports has WINDOW queries in flight; lost ones are repeated after a timeout.
// Prints replies (or stored names), seconds and bytes of the first reply.
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

using Clock = std::chrono::steady_clock;

constexpr unsigned kWindowMax = 64;
constexpr std::size_t kReplyBytesMax = 16'384;  // bittorrent-dht replies with many nodes

int loopback_socket() {
  int const fd = ::socket(AF_INET, SOCK_DGRAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    throw std::runtime_error{"cannot bind a UDP socket"};
  }
  return fd;
}

[[noreturn]] void serve() {
  int const fd = loopback_socket();
  sockaddr_in address{};
  socklen_t size = sizeof address;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  std::printf("%d\n", ntohs(address.sin_port));
  std::fflush(stdout);
  std::array<char, 65536> buffer;
  for (;;) {
    sockaddr_in from{};
    size = sizeof from;
    ssize_t const got =
        ::recvfrom(fd, buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
    if (got < 0) continue;
    (void)::sendto(fd, buffer.data(), static_cast<std::size_t>(got), 0, reinterpret_cast<sockaddr*>(&from),
                   size);
  }
}

std::string query_text(std::string_view query) {
  std::string const head = "d1:ad2:id20:abcdefghij0123456789";
  if (query == "ping") return head + "e1:q4:ping1:t2:aa1:y1:qe";
  if (query == "find_node") return head + "6:target20:mnopqrstuvwxyz123456e1:q9:find_node1:t2:aa1:y1:qe";
  if (query == "get_peers") return head + "9:info_hash10:a_service1e1:q9:get_peers1:t2:aa1:y1:qe";
  if (query == "popular") return head + "9:info_hash20:a-service-of-200-hose1:q9:get_peers1:t2:aa1:y1:qe";
  if (query.starts_with("get:") && query.size() == 44) {
    std::string target;
    for (std::size_t i = 4; i < query.size(); i += 2) {
      target += static_cast<char>(std::stoi(std::string{query.substr(i, 2)}, nullptr, 16));
    }
    return head + "6:target20:" + target + "e1:q3:get1:t2:aa1:y1:qe";
  }
  throw std::runtime_error{"QUERY is ping, find_node, get_peers, popular, get:TARGET or announce"};
}

struct Socket {
  int fd = -1;
  unsigned open = 0;  // queries in flight
  Clock::time_point heard = Clock::now();
};

class Flood {
 public:
  Flood(int port, std::string query, unsigned sockets, unsigned window)
      : query_{std::move(query)}, sockets_(sockets), window_{std::min(window, kWindowMax)} {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(static_cast<std::uint16_t>(port));
    for (Socket& socket : sockets_) {
      socket.fd = loopback_socket();
      if (::connect(socket.fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) {
        throw std::runtime_error{"cannot connect"};
      }
      polls_.push_back({socket.fd, POLLIN, 0});
    }
    for (unsigned i = 0; i < kWindowMax; ++i) {
      out_parts_[i] = {query_.data(), query_.size()};
      in_parts_[i] = {room_[i].data(), room_[i].size()};
      out_[i].msg_hdr.msg_iov = &out_parts_[i];
      in_[i].msg_hdr.msg_iov = &in_parts_[i];
      out_[i].msg_hdr.msg_iovlen = in_[i].msg_hdr.msg_iovlen = 1;
    }
  }

  void run(std::chrono::duration<double> limit) {
    auto const begin = Clock::now();
    for (Socket& socket : sockets_) fill(socket);
    while (Clock::now() - begin < limit) {
      ::poll(polls_.data(), polls_.size(), 20);
      auto const now = Clock::now();
      for (std::size_t i = 0; i < sockets_.size(); ++i) {
        if (polls_[i].revents & POLLIN) take(sockets_[i], now);
        if (now - sockets_[i].heard > std::chrono::milliseconds{200}) sockets_[i].open = 0;  // lost
        fill(sockets_[i]);
      }
    }
    std::chrono::duration<double> const took = Clock::now() - begin;
    std::printf("%llu %.3f %u\n", replies_, took.count(), reply_size_);
  }

 private:
  void fill(Socket& socket) {
    if (socket.open >= window_) return;
    int const sent = ::sendmmsg(socket.fd, out_.data(), window_ - socket.open, 0);
    if (sent > 0) socket.open += static_cast<unsigned>(sent);
    if (socket.open == window_) socket.heard = Clock::now();
  }
  void take(Socket& socket, Clock::time_point now) {
    int const got = ::recvmmsg(socket.fd, in_.data(), kWindowMax, MSG_DONTWAIT, nullptr);
    if (got <= 0) return;
    if (replies_ == 0) reply_size_ = in_[0].msg_len;
    replies_ += static_cast<unsigned>(got);
    socket.open -= std::min(socket.open, static_cast<unsigned>(got));
    socket.heard = now;
  }

  std::string query_;
  std::vector<Socket> sockets_;
  std::vector<pollfd> polls_;
  unsigned window_;
  std::array<std::array<char, kReplyBytesMax>, kWindowMax> room_{};
  std::array<iovec, kWindowMax> out_parts_{};
  std::array<iovec, kWindowMax> in_parts_{};
  std::array<mmsghdr, kWindowMax> out_{};
  std::array<mmsghdr, kWindowMax> in_{};
  unsigned long long replies_ = 0;
  unsigned reply_size_ = 0;
};

/// Announces names, WINDOW of them concurrently: gets a token, then announces with it.
class Announcer {
 public:
  Announcer(int port, unsigned count) : count_{count} {
    fd_ = loopback_socket();
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(static_cast<std::uint16_t>(port));
    if (::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) {
      throw std::runtime_error{"cannot connect"};
    }
  }

  void run() {
    auto const begin = Clock::now();
    for (unsigned slot = 0; slot < kWindowMax; ++slot) next(slot);
    auto heard = Clock::now();
    while (open_ > 0 && Clock::now() - heard < std::chrono::seconds{5}) {
      pollfd poll{fd_, POLLIN, 0};
      if (::poll(&poll, 1, 100) == 0) {
        for (unsigned slot = 0; slot < kWindowMax; ++slot) send(slot);  // a datagram was lost
        continue;
      }
      std::array<char, kReplyBytesMax> bytes;
      ssize_t const size = ::recv(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT);
      if (size <= 0) continue;
      heard = Clock::now();
      take({bytes.data(), static_cast<std::size_t>(size)});
    }
    std::chrono::duration<double> const took = Clock::now() - begin;
    std::printf("%u %.3f 0\n", stored_, took.count());
  }

 private:
  struct Slot {
    std::string query;  // empty when idle
    std::string name;
    bool announces = false;
  };

  void next(unsigned slot) {
    slots_[slot] = {};
    if (begun_ == count_) return;
    std::array<char, 21> name{};
    std::snprintf(name.data(), name.size(), "service-%012u", begun_++);
    ++open_;
    slots_[slot].name = name.data();
    ask(slot, "9:info_hash20:" + slots_[slot].name, "9:get_peers");
  }
  void ask(unsigned slot, std::string const& arguments, std::string const& method) {
    std::string const tid{static_cast<char>('0' + slots_[slot].announces), static_cast<char>(slot)};
    slots_[slot].query =
        "d1:ad2:id20:abcdefghij0123456789" + arguments + "e1:q" + method + "1:t2:" + tid + "1:y1:qe";
    send(slot);
  }
  void send(unsigned slot) {
    std::string const& query = slots_[slot].query;
    if (!query.empty()) (void)::send(fd_, query.data(), query.size(), 0);
  }
  void take(std::string_view reply) {
    auto const tid = reply.rfind("1:t2:");
    if (tid == std::string_view::npos || tid + 7 > reply.size()) return;
    auto const slot = static_cast<unsigned char>(reply[tid + 6]);
    if (slot >= kWindowMax || slots_[slot].query.empty()) return;
    if ((reply[tid + 5] == '1') != slots_[slot].announces) return;  // a reply to an earlier try
    bool const is_reply = reply.ends_with("1:y1:re");
    auto const token = reply.find("5:token");
    if (slots_[slot].announces || !is_reply || token == std::string_view::npos) {
      stored_ += slots_[slot].announces && is_reply;
      --open_;
      return next(slot);
    }
    slots_[slot].announces = true;
    std::string_view const rest = reply.substr(token + 7);
    std::size_t const size = std::strtoul(std::string{rest.substr(0, 3)}.c_str(), nullptr, 10);
    std::string_view const bytes = rest.substr(0, rest.find(':') + 1 + size);
    ask(slot, "9:info_hash20:" + slots_[slot].name + "4:porti1337e5:token" + std::string{bytes},
        "13:announce_peer");
  }

  int fd_ = -1;
  unsigned count_;
  unsigned begun_ = 0;
  unsigned open_ = 0;
  unsigned stored_ = 0;
  std::array<Slot, kWindowMax> slots_;
};

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc == 2 && std::string_view{argv[1]} == "--serve") serve();
    if (argc != 4 && argc != 6) throw std::runtime_error{"PORT QUERY SECONDS [SOCKETS WINDOW]"};
    if (std::string_view{argv[2]} == "announce") {
      Announcer{std::atoi(argv[1]), static_cast<unsigned>(std::atoi(argv[3]))}.run();
      return 0;
    }
    unsigned const sockets = argc == 6 ? static_cast<unsigned>(std::atoi(argv[4])) : 32;
    unsigned const window = argc == 6 ? static_cast<unsigned>(std::atoi(argv[5])) : 16;
    Flood{std::atoi(argv[1]), query_text(argv[2]), sockets, window}.run(
        std::chrono::duration<double>{std::atof(argv[3])});
  } catch (std::exception const& error) {
    std::fprintf(stderr, "udp_flood: %s\n", error.what());
    return 2;
  }
}
