#include "exchange/control/control_client.hpp"

#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

#include "exchange/control/data_dir.hpp"
#include <grenache/net/deadline.hpp>

namespace grenache::exchange {

namespace asio = boost::asio;
namespace errc = boost::system::errc;

namespace {

/// A list of all orders of a full book is far below this.
constexpr std::size_t kReplySizeMax = 64 * 1024 * 1024;

std::string connect_failure(std::filesystem::path const& data_dir, Error const& error) {
  auto const& name = data_dir.native();
  if (error == errc::no_such_file_or_directory || error == errc::connection_refused ||
      error == errc::not_a_directory) {
    return "no exchange runs with this data dir: start one with 'exchange --data-dir " + name + "'";
  }
  if (error == errc::permission_denied)
    return "the exchange with the data dir " + name + " belongs to another user";
  if (error == errc::resource_unavailable_try_again)
    return "the exchange with the data dir " + name + " is too busy";
  return "cannot reach the exchange with the data dir " + name + ": " + error.message();
}

/// A sentence for an error of a read or write.
std::string broken(Error const& error, bool is_late) {
  if (is_late) return "the exchange did not answer in time; it may still execute the command";
  if (error == asio::error::not_found) return "the answer of the exchange is too long";
  if (error == asio::error::eof || error == asio::error::connection_reset ||
      error == asio::error::broken_pipe) {
    return "the exchange closed the connection";
  }
  return "the connection to the exchange failed: " + error.message();
}

}  // namespace

std::optional<std::string> ControlClient::connect(std::filesystem::path const& data_dir) {
  auto const connected = connect_to(control_socket_path(data_dir), socket_);
  if (!connected) return connect_failure(data_dir, connected.error());
  return std::nullopt;
}

net::Awaitable<ControlReply> ControlClient::call(json::Value request, TimePoint deadline) {
  bool is_late = false;
  net::Deadline limit{socket_.get_executor(), [&] {
                        is_late = true;
                        socket_.cancel();
                      }};
  limit.set(deadline);
  auto const text = json::to_text(request) + '\n';
  auto const bytes = asio::buffer(text);
  auto const [error, size] = co_await asio::async_write(socket_, bytes, net::kTuple);
  limit.clear();
  ControlReply out;
  // A peer that has too many clients says so before it reads anything, so the lines are read in any case.
  if (error && is_late) {
    out.error = broken(error, is_late);
    co_return out;
  }
  out = co_await next(deadline);
  co_return out;
}

net::Awaitable<ControlReply> ControlClient::next(TimePoint deadline) {
  bool is_late = false;
  net::Deadline limit{socket_.get_executor(), [&] {
                        is_late = true;
                        socket_.cancel();
                      }};
  limit.set(deadline);
  auto buffer = asio::dynamic_buffer(input_, kReplySizeMax);
  auto const [error, size] = co_await asio::async_read_until(socket_, buffer, '\n', net::kTuple);
  ControlReply out;
  if (error) {
    out.error = broken(error, is_late);
    co_return out;
  }
  auto parsed = json::parse(std::string_view{input_}.substr(0, size - 1));
  input_.erase(0, size);
  if (parsed) {
    out.line = std::move(*parsed);
  } else {
    out.error = "the answer of the exchange is not JSON";
  }
  co_return out;
}

}  // namespace grenache::exchange
