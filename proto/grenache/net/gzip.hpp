// Compresses and decompresses strings with gzip (RFC 1952).
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

/// Decompresses one or several members; ignores bytes after the last one, as Node.js' zlib does. Fails with
/// `too_large` as soon as the result would exceed `expanded_bytes_max`, which bounds the cost of a
/// decompression bomb.
[[nodiscard]] Result<std::string> gunzip(std::string_view bytes, std::size_t expanded_bytes_max);

}  // namespace grenache::net

GRN_ERROR_CODE_ENUM(grenache::net::GzipErrc);
