// Errors as values: Result<T>, and error categories from an enum and its describe() function.
#pragma once

#include <string>
#include <string_view>
#include <type_traits>

#include <boost/system/error_category.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>

namespace grenache {

using Error = boost::system::error_code;

/// A value or an error. Expected failures (malformed input, timeouts, refusals) are returned as Result;
/// broken invariants are caught by GRN_CHECK.
template <class T>
using Result = boost::system::result<T, Error>;

/// The error category of an enum `E`. `describe(E)` and `category_name(E)` are found by argument-dependent
/// lookup.
///
/// A module declares
///
///     enum class FooErrc { too_long = 1, … };            // 0 means success and is never an error
///     std::string_view describe(FooErrc);                // one plain sentence fragment, no final stop
///     constexpr char const* category_name(FooErrc) { return "grenache.foo"; }
///     inline Error make_error_code(FooErrc code) { return make_enum_error(code); }
///
/// and marks it with `GRN_ERROR_CODE_ENUM(grenache::FooErrc)` at global scope.
template <class E>
class EnumCategory final : public boost::system::error_category {
 public:
  char const* name() const noexcept override { return category_name(E{}); }
  std::string message(int value) const override { return std::string{describe(static_cast<E>(value))}; }
};

/// Returns `code` as an error_code in the category of its enum.
template <class E>
[[nodiscard]] Error make_enum_error(E code) {
  static EnumCategory<E> const category;
  return Error{static_cast<int>(code), category};
}

}  // namespace grenache

#define GRN_ERROR_CODE_ENUM(Type) \
  template <>                     \
  struct boost::system::is_error_code_enum<Type> : std::true_type {}
