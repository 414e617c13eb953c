// The words of Asio that every shell uses.
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

/// The completion token of every Asio call: errors come back as values.
inline constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

}  // namespace grenache::net
