// Renders the status of a grape for Prometheus.
#pragma once

#include <string>

#include "grape/status.hpp"

namespace grenache::grape {

/// The Content-Type of metrics_text().
inline constexpr char kMetricsType[] = "text/plain; version=0.0.4; charset=utf-8";

/// Renders the text exposition format, version 0.0.4. Names begin with `grape_`, counters end in `_total`,
/// units are seconds and bytes. Process metrics have Prometheus' standard names (`process_…`).
[[nodiscard]] std::string metrics_text(Status const& status);

}  // namespace grenache::grape
