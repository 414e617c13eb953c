#include "exchange/reservation/redis_connection.hpp"

#include <array>
#include <cstdlib>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>
#include <hiredis/hiredis.h>

#include <grenache/net/deadline.hpp>
#include <grenache/net/rethrow.hpp>
#include <grenache/net/stream.hpp>

namespace grenache::exchange {
namespace asio = boost::asio;
namespace {

using UnixSocket = asio::local::stream_protocol::socket;
using ReadResult = std::tuple<Error, std::size_t>;

RedisReply convert(redisReply const& raw) {
  RedisReply reply;
  switch (raw.type) {
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
    case REDIS_REPLY_ERROR:
      reply.type = raw.type == REDIS_REPLY_ERROR ? RedisReply::Type::error : RedisReply::Type::string;
      reply.text.assign(raw.str, static_cast<std::size_t>(raw.len));
      break;
    case REDIS_REPLY_INTEGER:
      reply.type = RedisReply::Type::integer;
      reply.integer = raw.integer;
      break;
    case REDIS_REPLY_ARRAY:
      reply.type = RedisReply::Type::array;
      for (std::size_t i = 0; i < raw.elements; ++i) reply.items.push_back(convert(*raw.element[i]));
      break;
    default:
      break;
  }
  return reply;
}

std::string encode(std::vector<std::string> const& words) {
  std::vector<char const*> texts;
  std::vector<std::size_t> sizes;
  for (auto const& word : words) {
    texts.push_back(word.data());
    sizes.push_back(word.size());
  }
  char* raw = nullptr;
  int const size = redisFormatCommandArgv(&raw, static_cast<int>(words.size()), texts.data(), sizes.data());
  if (size < 0) throw std::bad_alloc{};
  std::unique_ptr<char, decltype(&redisFreeCommand)> const owned{raw, &redisFreeCommand};
  return {raw, static_cast<std::size_t>(size)};
}

/// A byte stream over TCP, TLS or a Unix socket.
class Transport {
 public:
  virtual ~Transport() = default;
  virtual net::Awaitable<Error> connect() = 0;
  virtual net::Awaitable<ReadResult> read(asio::mutable_buffer to) = 0;
  virtual net::Awaitable<Error> write(asio::const_buffer from) = 0;
  virtual void close() = 0;
};

class TcpTransport final : public Transport {
 public:
  TcpTransport(net::Executor const& executor, asio::ip::tcp::endpoint const& to,
               std::shared_ptr<net::TlsContext> const& tls, std::string const& destination)
      : to_{to}, stream_{net::Stream::Socket{executor}, tls, destination} {}

  net::Awaitable<Error> connect() override {
    auto const [error] = co_await stream_.socket().async_connect(to_, net::kTuple);
    if (error) co_return error;
    Error ignored;
    stream_.socket().set_option(asio::ip::tcp::no_delay{true}, ignored);
    co_return co_await stream_.handshake();
  }
  net::Awaitable<ReadResult> read(asio::mutable_buffer to) override {
    co_return co_await stream_.async_read_some(to, net::kTuple);
  }
  net::Awaitable<Error> write(asio::const_buffer from) override {
    auto const [error, size] = co_await asio::async_write(stream_, from, net::kTuple);
    co_return error;
  }
  void close() override { stream_.close(); }

 private:
  asio::ip::tcp::endpoint to_;
  net::Stream stream_;
};

class UnixTransport final : public Transport {
 public:
  UnixTransport(net::Executor const& executor, std::string const& path) : path_{path}, socket_{executor} {}

  net::Awaitable<Error> connect() override {
    UnixSocket::endpoint_type const to{path_};
    auto const [error] = co_await socket_.async_connect(to, net::kTuple);
    co_return error;
  }
  net::Awaitable<ReadResult> read(asio::mutable_buffer to) override {
    co_return co_await socket_.async_read_some(to, net::kTuple);
  }
  net::Awaitable<Error> write(asio::const_buffer from) override {
    auto const [error, size] = co_await asio::async_write(socket_, from, net::kTuple);
    co_return error;
  }
  void close() override {
    Error ignored;
    socket_.close(ignored);
  }

 private:
  std::string path_;
  UnixSocket socket_;
};

std::unique_ptr<Transport> make_transport(net::Executor const& executor, RedisAddress const& address,
                                          std::shared_ptr<net::TlsContext> const& tls,
                                          std::string const& destination) {
  if (auto const* path = std::get_if<std::string>(&address))
    return std::make_unique<UnixTransport>(executor, *path);
  auto const& endpoint = std::get<asio::ip::tcp::endpoint>(address);
  return std::make_unique<TcpTransport>(executor, endpoint, tls, destination);
}

}  // namespace

struct RedisConnection::Impl {
  Impl(net::Executor const& e, std::unique_ptr<Transport> t)
      : executor{e}, transport{std::move(t)}, limit{executor, [this] {
                                                      has_timed_out = true;
                                                      transport->close();
                                                    }} {}

  /// The error of an operation that ended with `error`.
  Error explain(Error error) const {
    if (error && has_timed_out) return asio::error::timed_out;
    return error;
  }
  net::Awaitable<Result<RedisReply>> next_reply();
  static net::Awaitable<void> read_replies(std::shared_ptr<RedisConnection> self);
  static net::Awaitable<void> write_commands(std::shared_ptr<RedisConnection> self);
  void end(Error error) {
    closed = true;
    transport->close();
    on_reply = nullptr;
    if (auto const notify = std::exchange(on_end, nullptr)) notify(error);
  }

  net::Executor executor;
  std::unique_ptr<Transport> transport;
  net::Deadline limit;
  std::unique_ptr<redisReader, decltype(&redisReaderFree)> reader{redisReaderCreate(), &redisReaderFree};
  std::array<char, 16'384> input;
  std::string output;  // commands to write
  bool is_writing = false;
  bool has_timed_out = false;
  bool closed = false;
  std::function<void(RedisReply)> on_reply;
  std::function<void(Error)> on_end;
};

net::Awaitable<Result<RedisReply>> RedisConnection::Impl::next_reply() {
  for (;;) {
    void* raw = nullptr;
    if (redisReaderGetReply(reader.get(), &raw) != REDIS_OK)
      co_return make_error_code(boost::system::errc::protocol_error);
    if (raw) {
      std::unique_ptr<void, decltype(&freeReplyObject)> const owned{raw, &freeReplyObject};
      co_return convert(*static_cast<redisReply const*>(raw));
    }
    auto const buffer = asio::buffer(input);
    auto const [error, size] = co_await transport->read(buffer);
    if (error) co_return explain(error);
    redisReaderFeed(reader.get(), input.data(), size);
  }
}

net::Awaitable<void> RedisConnection::Impl::read_replies(std::shared_ptr<RedisConnection> self) {
  Impl& impl = *self->impl_;
  while (!impl.closed) {
    auto reply = co_await impl.next_reply();
    if (impl.closed) break;
    if (!reply) {
      impl.end(reply.error());
    } else if (auto const notify = impl.on_reply) {
      notify(std::move(*reply));
    }
  }
}

net::Awaitable<void> RedisConnection::Impl::write_commands(std::shared_ptr<RedisConnection> self) {
  Impl& impl = *self->impl_;
  while (!impl.output.empty() && !impl.closed) {
    std::string const batch = std::exchange(impl.output, {});
    auto const buffer = asio::buffer(batch);
    auto const error = co_await impl.transport->write(buffer);
    if (error && !impl.closed) impl.end(impl.explain(error));
  }
  impl.is_writing = false;
}

RedisConnection::RedisConnection(net::Executor const& executor, RedisAddress address,
                                 std::shared_ptr<net::TlsContext> const& tls, std::string const& destination)
    : impl_{std::make_unique<Impl>(executor, make_transport(executor, address, tls, destination))} {}
RedisConnection::~RedisConnection() = default;

void RedisConnection::set_deadline(TimePoint deadline) { impl_->limit.set(deadline); }

net::Awaitable<Error> RedisConnection::connect() {
  auto const error = co_await impl_->transport->connect();
  co_return impl_->explain(error);
}

net::Awaitable<Result<RedisReply>> RedisConnection::request(std::vector<std::string> words) {
  std::string const command = encode(words);
  auto const buffer = asio::buffer(command);
  auto const error = co_await impl_->transport->write(buffer);
  if (error) co_return impl_->explain(error);
  co_return co_await impl_->next_reply();
}

void RedisConnection::start(std::function<void(RedisReply)> on_reply, std::function<void(Error)> on_end) {
  impl_->on_reply = std::move(on_reply);
  impl_->on_end = std::move(on_end);
  asio::co_spawn(impl_->executor, Impl::read_replies(shared_from_this()), net::kRethrow);
}

void RedisConnection::send(std::vector<std::string> const& words) {
  if (impl_->closed) return;
  impl_->output += encode(words);
  if (std::exchange(impl_->is_writing, true)) return;
  asio::co_spawn(impl_->executor, Impl::write_commands(shared_from_this()), net::kRethrow);
}

void RedisConnection::close() {
  impl_->closed = true;
  impl_->on_reply = nullptr;
  impl_->on_end = nullptr;
  impl_->transport->close();
}

}  // namespace grenache::exchange
