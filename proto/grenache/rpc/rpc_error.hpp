// Why a Grenache request has failed, in the words that Grenache users know.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <boost/assert/source_location.hpp>
#include <boost/system/result.hpp>

#include <grenache/base/result.hpp>

namespace grenache::rpc {

/// The error category "grenache.rpc". The message of each is its Grenache name, as the callbacks of Node's
/// peers get it; those marked "ours" are conditions that Node has no name for.
///
/// Three failures to find somebody are three codes: `lookup_empty`, a working grape knows nobody of that
/// name; `not_ready`, wait, it cannot know yet; `grape_unreachable`, no grape is there to ask.
enum class Errc {
  timeout = 1,                 // ERR_TIMEOUT: no answer within the timeout
  lookup_empty,                // ERR_GRAPE_LOOKUP_EMPTY: the grape answers, and knows nobody of that name
  grape_unreachable,           // ERR_GRAPE_UNREACHABLE, ours: no grape answers
  grape_refused,               // ERR_GRAPE_GENERIC: a grape has answered with an error
  request_generic,             // ERR_REQUEST_GENERIC: the transport failed, or a status that is not 2xx
  reply_empty,                 // ERR_REPLY_EMPTY: an answer that is no [rid,err,res] of this request
  reply_encoding_compression,  // ERR_REPLY_ENCODING_COMPRESSION: an answer that should be gzip and is not
  remote,                      // the service has answered with an error of its own, which is in the detail
  stopped,                     // ERR_STOPPED, ours: this client or link was stopped, or the caller cancelled
  not_ready,      // ERR_GRAPE_NOT_READY, ours: no grape has answered yet, or the one asked has no network yet
  request_size,   // ERR_REQUEST_SIZE, ours: larger than this side or the other may send or take
  reply_size,     // ERR_REPLY_SIZE, ours: an answer larger than the limit of this client
  request_limit,  // ERR_REQUEST_LIMIT, ours: too many requests are waiting
};
[[nodiscard]] std::string_view describe(Errc code);
constexpr char const* category_name(Errc) { return "grenache.rpc"; }
inline Error make_error_code(Errc code) { return make_enum_error(code); }

/// The Grenache name, "ERR_TIMEOUT" and so on.
[[nodiscard]] inline std::string_view name_of(Errc code) { return describe(code); }

struct Failure {
  Errc code = Errc::request_generic;
  std::string detail;  // what exactly; of `remote` the service's error text; may be empty

  Failure() = default;
  Failure(Errc c, std::string d = {}) : code{c}, detail{std::move(d)} {}

  /// As the callbacks of Node's peers get it: the service's own text, or "ERR_REQUEST_GENERIC: detail".
  [[nodiscard]] std::string text() const;
};

/// Whether `error` of the transport says that no connection came about: the other side has not seen the
/// request.
[[nodiscard]] bool is_never_connected(Error const& error);

/// What value() of a result without one does: throws boost::system::system_error, for scripts and tests.
[[noreturn]] void throw_exception_from_error(Failure const& failure, boost::source_location const& where);

/// A value or a Failure.
template <class T>
using RpcResult = boost::system::result<T, Failure>;

}  // namespace grenache::rpc

GRN_ERROR_CODE_ENUM(grenache::rpc::Errc);
