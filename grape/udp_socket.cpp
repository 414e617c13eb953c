#include "grape/udp_socket.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <boost/asio/ip/v6_only.hpp>
#include <netinet/in.h>
#include <sys/socket.h>

#include <grenache/net/address.hpp>

namespace grenache::grape {
namespace {

namespace asio = boost::asio;
using asio::ip::udp;

using ReceiveLocal4 = asio::detail::socket_option::boolean<IPPROTO_IP, IP_PKTINFO>;
using ReceiveLocal6 = asio::detail::socket_option::boolean<IPPROTO_IPV6, IPV6_RECVPKTINFO>;

constexpr std::size_t kDatagramBytesMax = 65536;
// Slots a power of two apart would map to the same few cache lines.
constexpr std::size_t kSlotBytes = kDatagramBytesMax + 11 * 64;

union SocketAddress {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

Endpoint to_endpoint(SocketAddress const& address) {
  if (address.any.sa_family == AF_INET) {
    IpAddress::V4 bytes{};
    std::memcpy(bytes.data(), &address.v4.sin_addr, bytes.size());
    return {IpAddress{bytes}, ntohs(address.v4.sin_port)};
  }
  IpAddress::V6 bytes{};
  std::memcpy(bytes.data(), &address.v6.sin6_addr, bytes.size());
  std::uint16_t const port = ntohs(address.v6.sin6_port);
  if (IN6_IS_ADDR_V4MAPPED(&address.v6.sin6_addr)) {
    return {IpAddress{bytes[12], bytes[13], bytes[14], bytes[15]}, port};
  }
  return {IpAddress{bytes}, port};
}

/// Writes the socket address of `to` for a socket of this family, and its length to `size`; false when the
/// family cannot reach it.
bool write_address(SocketAddress& out, socklen_t& size, Endpoint const& to, bool socket_is_v6) {
  std::string_view const bytes = to.address.view();
  if (!socket_is_v6) {
    if (to.address.is_v6()) return false;
    out.v4 = {};
    out.v4.sin_family = AF_INET;
    out.v4.sin_port = htons(to.port);
    std::memcpy(&out.v4.sin_addr, bytes.data(), bytes.size());
    size = sizeof out.v4;
    return true;
  }
  out.v6 = {};
  out.v6.sin6_family = AF_INET6;
  out.v6.sin6_port = htons(to.port);
  auto* const raw = out.v6.sin6_addr.s6_addr;
  if (to.address.is_v6()) {
    std::memcpy(raw, bytes.data(), bytes.size());
  } else {
    raw[10] = raw[11] = 0xff;  // ::ffff:a.b.c.d
    std::memcpy(raw + 12, bytes.data(), bytes.size());
  }
  size = sizeof out.v6;
  return true;
}

/// Buffer for the local address of a datagram.
union Control {
  cmsghdr header;
  std::array<char, CMSG_SPACE(sizeof(in_pktinfo)) + CMSG_SPACE(sizeof(in6_pktinfo))> room;
};

/// Returns our address that received a datagram. IP_PKTINFO gives it also for a broadcast or multicast
/// destination; IPV6_PKTINFO gives the destination, also for IPv4. Returns nothing for a multicast address,
/// which cannot be a source.
std::optional<IpAddress> read_local(msghdr& message) {
  std::optional<IpAddress> sent_to;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
    SocketAddress address{};
    if (part->cmsg_level == IPPROTO_IP && part->cmsg_type == IP_PKTINFO) {
      in_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(part), sizeof info);
      address.v4.sin_family = AF_INET;
      address.v4.sin_addr = info.ipi_spec_dst;
      return to_endpoint(address).address;
    }
    if (part->cmsg_level == IPPROTO_IPV6 && part->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(part), sizeof info);
      address.v6.sin6_family = AF_INET6;
      address.v6.sin6_addr = info.ipi6_addr;
      sent_to = to_endpoint(address).address;
    }
  }
  if (sent_to && sent_to->is_multicast_or_reserved()) return std::nullopt;
  return sent_to;
}

/// Sets the source address of `message`.
void write_local(msghdr& message, Control& control, IpAddress const& source, bool socket_is_v6) {
  SocketAddress address{};
  socklen_t ignored = 0;
  if (!write_address(address, ignored, {source, 0}, socket_is_v6)) return;
  control = {};
  message.msg_control = &control;
  if (socket_is_v6) {
    in6_pktinfo info{};
    info.ipi6_addr = address.v6.sin6_addr;
    control.header = {CMSG_LEN(sizeof info), IPPROTO_IPV6, IPV6_PKTINFO};
    message.msg_controllen = CMSG_SPACE(sizeof info);
    std::memcpy(CMSG_DATA(&control.header), &info, sizeof info);
  } else {
    in_pktinfo info{};
    info.ipi_spec_dst = address.v4.sin_addr;
    control.header = {CMSG_LEN(sizeof info), IPPROTO_IP, IP_PKTINFO};
    message.msg_controllen = CMSG_SPACE(sizeof info);
    std::memcpy(CMSG_DATA(&control.header), &info, sizeof info);
  }
}

}  // namespace

struct UdpSocket::Batches {
  explicit Batches(std::size_t count)
      : room{new char[count * kSlotBytes]},  // not initialised: unused pages use no memory
        from(count),
        in_controls(count),
        in_parts(count),
        in(count),
        bytes(count),
        to(count),
        out_controls(count),
        out_parts(count),
        out(count) {
    for (std::size_t i = 0; i < count; ++i) {
      in_parts[i] = {room.get() + i * kSlotBytes, kDatagramBytesMax};
      in[i].msg_hdr.msg_name = &from[i];
      in[i].msg_hdr.msg_iov = &in_parts[i];
      in[i].msg_hdr.msg_iovlen = 1;
      out[i].msg_hdr.msg_name = &to[i];
      out[i].msg_hdr.msg_iov = &out_parts[i];
      out[i].msg_hdr.msg_iovlen = 1;
    }
  }

  std::unique_ptr<char[]> room;
  std::vector<SocketAddress> from;
  std::vector<Control> in_controls;
  std::vector<iovec> in_parts;
  std::vector<mmsghdr> in;
  std::vector<std::string> bytes;  // queued datagrams
  std::vector<SocketAddress> to;
  std::vector<Control> out_controls;
  std::vector<iovec> out_parts;
  std::vector<mmsghdr> out;

  /// Resets the lengths in the header, which the system overwrites.
  void prepare(std::size_t slot, bool with_control) {
    msghdr& header = in[slot].msg_hdr;
    header.msg_namelen = sizeof(SocketAddress);
    header.msg_control = with_control ? &in_controls[slot] : nullptr;
    header.msg_controllen = with_control ? sizeof(Control) : 0;
  }
};

UdpSocket::UdpSocket(net::Executor const& executor) : UdpSocket{executor, Options{}} {}
UdpSocket::UdpSocket(net::Executor const& executor, Options options) : options_{options}, socket_{executor} {
  options_.batch_max = std::max<std::size_t>(options_.batch_max, 1);
}
UdpSocket::~UdpSocket() = default;

Result<Endpoint> UdpSocket::open(Endpoint const& bind) {
  Error error;
  Error ignored;
  auto const endpoint = net::to_asio<udp>(bind);
  socket_.open(endpoint.protocol(), error);
  if (error) return error;
  v6_ = bind.address.is_v6();
  socket_.set_option(asio::socket_base::receive_buffer_size{options_.buffer_bytes}, ignored);
  socket_.set_option(asio::socket_base::send_buffer_size{options_.buffer_bytes}, ignored);
  if (v6_) socket_.set_option(asio::ip::v6_only{!bind.address.is_unspecified()}, error);
  all_addresses_ = bind.address.is_unspecified();
  if (!error && all_addresses_) {
    socket_.set_option(ReceiveLocal4{true}, error);
    if (!error && v6_) socket_.set_option(ReceiveLocal6{true}, error);
  }
  if (!error) socket_.bind(endpoint, error);
  if (!error) socket_.non_blocking(true, error);
  if (error) {
    socket_.close(ignored);
    return error;
  }
  batches_ = std::make_unique<Batches>(options_.batch_max);
  received_.reserve(options_.batch_max);
  return net::from_asio(socket_.local_endpoint());
}

void UdpSocket::close() {
  Error ignored;
  socket_.close(ignored);
}

net::Awaitable<bool> UdpSocket::readable() {
  if (!socket_.is_open()) co_return false;
  auto const [error] = co_await socket_.async_wait(udp::socket::wait_read, net::kTuple);
  co_return !error && socket_.is_open();
}

std::span<UdpSocket::Received const> UdpSocket::receive() {
  received_.clear();
  if (!socket_.is_open()) return received_;
  std::size_t count = 0;
  if (options_.batched) {
    for (std::size_t i = 0; i < options_.batch_max; ++i) batches_->prepare(i, all_addresses_);
    int const got = ::recvmmsg(socket_.native_handle(), batches_->in.data(),
                               static_cast<unsigned>(options_.batch_max), 0, nullptr);
    if (got > 0) count = static_cast<std::size_t>(got);
    if (got < 0 && errno == ENOSYS) options_.batched = false;
  }
  if (!options_.batched) count = receive_one();
  if (count > 0) ++counters_.receive_calls;
  for (std::size_t i = 0; i < count; ++i) {
    mmsghdr& header = batches_->in[i];
    std::string_view const bytes{batches_->room.get() + i * kSlotBytes, header.msg_len};
    auto const at = all_addresses_ ? read_local(header.msg_hdr) : std::nullopt;
    received_.push_back({to_endpoint(batches_->from[i]), bytes, at});
  }
  counters_.received += count;
  return received_;
}

std::size_t UdpSocket::receive_one() {
  msghdr& header = batches_->in[0].msg_hdr;
  batches_->prepare(0, all_addresses_);
  ssize_t const size = ::recvmsg(socket_.native_handle(), &header, 0);
  if (size < 0) return 0;
  batches_->in[0].msg_len = static_cast<unsigned>(size);
  return 1;
}

std::string UdpSocket::send(Endpoint const& to, std::string bytes, std::optional<IpAddress> const& source) {
  if (!socket_.is_open()) return bytes;
  mmsghdr& header = batches_->out[waiting_];
  if (!write_address(batches_->to[waiting_], header.msg_hdr.msg_namelen, to, v6_)) {
    ++counters_.send_failures;
    return bytes;
  }
  header.msg_hdr.msg_control = nullptr;
  header.msg_hdr.msg_controllen = 0;
  if (source && all_addresses_) {
    write_local(header.msg_hdr, batches_->out_controls[waiting_], *source, v6_);
  }
  std::string& kept = batches_->bytes[waiting_];
  kept.swap(bytes);
  batches_->out_parts[waiting_] = {kept.data(), kept.size()};
  if (++waiting_ == options_.batch_max) flush();
  return bytes;
}

void UdpSocket::flush() {
  if (!options_.batched || waiting_ == 1) return flush_one_by_one();
  std::size_t done = 0;
  while (done < waiting_ && socket_.is_open()) {
    int const sent = ::sendmmsg(socket_.native_handle(), batches_->out.data() + done,
                                static_cast<unsigned>(waiting_ - done), 0);
    if (sent > 0) {
      ++counters_.send_calls;
      counters_.sent += static_cast<std::uint64_t>(sent);
      done += static_cast<std::size_t>(sent);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == ENOSYS) {
      options_.batched = false;
      return flush_one_by_one();
    }
    // If the buffer is full, all remaining datagrams are lost; any other error concerns only the first one.
    std::size_t const lost = errno == EAGAIN || errno == ENOBUFS ? waiting_ - done : 1;
    counters_.send_failures += lost;
    done += lost;
  }
  waiting_ = 0;
}

void UdpSocket::flush_one_by_one() {
  for (std::size_t i = 0; i < waiting_ && socket_.is_open(); ++i) {
    if (::sendmsg(socket_.native_handle(), &batches_->out[i].msg_hdr, 0) >= 0) {
      ++counters_.send_calls;
      ++counters_.sent;
    } else {
      ++counters_.send_failures;
    }
  }
  waiting_ = 0;
}

}  // namespace grenache::grape
