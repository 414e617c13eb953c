// gzip (RFC 1952) of whole strings.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <grenache/base/result.hpp>

namespace grenache::net {

enum class GzipErrc { invalid = 1, too_large };
[[nodiscard]] std::string_view describe(GzipErrc code);
constexpr char const* category_name(GzipErrc) { return "grenache.gzip"; }
inline Error make_error_code(GzipErrc code) { return make_enum_error(code); }

[[nodiscard]] std::string gzip(std::string_view bytes);

/// Expands `bytes`, of one or several members; what follows the last one is ignored, as Node's zlib does.
/// Stops with `too_large` as soon as the result would pass `expanded_bytes_max`, so that a bomb costs no more
/// than that.
[[nodiscard]] Result<std::string> gunzip(std::string_view bytes, std::size_t expanded_bytes_max);

}  // namespace grenache::net

GRN_ERROR_CODE_ENUM(grenache::net::GzipErrc);
