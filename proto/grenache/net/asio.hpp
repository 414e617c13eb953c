// Aliases of the Asio types used by all servers and clients.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace grenache::net {

namespace asio = boost::asio;

template <class T = void>
using Awaitable = asio::awaitable<T>;
using Executor = asio::any_io_executor;

/// The completion token of all Asio calls: errors are returned as values.
inline constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

}  // namespace grenache::net
