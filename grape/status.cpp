#include "grape/status.hpp"

#include <chrono>
#include <fstream>

#include <sys/resource.h>
#include <unistd.h>

#include <grenache/json/json.hpp>

namespace grenache::grape {
namespace {

double seconds(timeval const& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

std::int64_t whole_seconds(Duration duration) {
  return std::chrono::duration_cast<std::chrono::seconds>(duration).count();
}

}  // namespace

std::string_view to_string(Health health) {
  switch (health) {
    case Health::ok:
      return "ok";
    case Health::joining:
      return "joining";
    case Health::alone:
      return "alone";
  }
  return "unknown";
}

ProcessUse process_use() {
  ProcessUse use;
  std::ifstream statm{"/proc/self/statm"};
  std::uint64_t pages = 0;
  std::uint64_t resident_pages = 0;
  if (statm >> pages >> resident_pages) {
    use.resident_bytes = resident_pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  }
  rusage spent{};
  if (::getrusage(RUSAGE_SELF, &spent) == 0)
    use.cpu_seconds = seconds(spent.ru_utime) + seconds(spent.ru_stime);
  return use;
}

Health Status::health() const {
  if (!node.ready) return Health::joining;
  if (node.nodes == 0 && bootstrap_count > 0) return Health::alone;
  return Health::ok;
}

std::string health_text(Status const& status) {
  auto drops = json::Value::object();
  for (std::size_t i = 0; i < kDropReasonCount; ++i) {
    drops.set(to_string(static_cast<DropReason>(i)), status.node.dropped[i]);
  }
  json::Value const last_lookup =
      status.last_lookup_age ? json::Value{whole_seconds(*status.last_lookup_age)} : json::Value{};
  auto const out = json::Value::object({{"status", to_string(status.health())},
                                        {"version", status.version},
                                        {"id", status.id.hex()},
                                        {"run", status.run},
                                        {"uptime_s", whole_seconds(status.uptime)},
                                        {"nodes", std::uint64_t{status.node.nodes}},
                                        {"last_lookup_age_s", last_lookup},
                                        {"dropped", drops}});
  return json::to_text(out) + '\n';
}

}  // namespace grenache::grape
