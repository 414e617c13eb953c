// Errors of Grenache requests, with Grenache's names.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <boost/assert/source_location.hpp>
#include <boost/system/result.hpp>

#include <grenache/base/result.hpp>

namespace grenache::rpc {

/// The error category "grenache.rpc". The message of each code is its Grenache name, as in the callbacks of
/// the Node.js peers; those marked "ours" have no name in Node.js.
///
/// A failed lookup has one of three codes: `lookup_empty`, a working grape knows no service of that name;
/// `not_ready`, it has not joined its network yet; `grape_unreachable`, no grape answers.
enum class Errc {
  timeout = 1,                 // ERR_TIMEOUT: no answer within the timeout
  lookup_empty,                // ERR_GRAPE_LOOKUP_EMPTY: the grape knows no service of that name
  grape_unreachable,           // ERR_GRAPE_UNREACHABLE, ours: no grape answers
  grape_refused,               // ERR_GRAPE_GENERIC: a grape answered with an error
  request_generic,             // ERR_REQUEST_GENERIC: the transport failed, or a status that is not 2xx
  reply_empty,                 // ERR_REPLY_EMPTY: the answer is not [rid,err,res] of this request
  reply_encoding_compression,  // ERR_REPLY_ENCODING_COMPRESSION: the answer should be gzip but is not
  remote,                      // the service answered with an error, whose text is in `detail`
  stopped,                     // ERR_STOPPED, ours: this client or link was stopped, or the caller cancelled
  not_ready,      // ERR_GRAPE_NOT_READY, ours: no grape has answered yet, or it has not joined its network
  request_size,   // ERR_REQUEST_SIZE, ours: the request exceeds the limit of the client or the server
  reply_size,     // ERR_REPLY_SIZE, ours: the answer exceeds the limit of this client
  request_limit,  // ERR_REQUEST_LIMIT, ours: too many requests are waiting
};
[[nodiscard]] std::string_view describe(Errc code);
constexpr char const* category_name(Errc) { return "grenache.rpc"; }
inline Error make_error_code(Errc code) { return make_enum_error(code); }

/// The Grenache name, "ERR_TIMEOUT" and so on.
[[nodiscard]] inline std::string_view name_of(Errc code) { return describe(code); }

struct Failure {
  Errc code = Errc::request_generic;
  std::string detail;  // details, may be empty; for `remote` the service's error text

  Failure() = default;
  Failure(Errc c, std::string d = {}) : code{c}, detail{std::move(d)} {}

  /// The error message in the form of the Node.js peers: the service's text, or "ERR_REQUEST_GENERIC:
  /// detail".
  [[nodiscard]] std::string text() const;
};

/// True when the transport's `error` means that there was no connection, so the peer has not seen the
/// request.
[[nodiscard]] bool is_never_connected(Error const& error);

/// Called by value() of a result without a value: throws boost::system::system_error, for scripts and tests.
[[noreturn]] void throw_exception_from_error(Failure const& failure, boost::source_location const& where);

/// A value or a Failure.
template <class T>
using RpcResult = boost::system::result<T, Failure>;

}  // namespace grenache::rpc

GRN_ERROR_CODE_ENUM(grenache::rpc::Errc);
