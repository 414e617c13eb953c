#include "exchange/control/data_dir.hpp"

#include <algorithm>
#include <utility>

#include <grenache/log/printable.hpp>

namespace grenache::exchange {
namespace {

constexpr std::string_view kDefaultPeer = "default";
constexpr std::size_t kFileNameSizeMax = 255;

bool is_file_name(std::string_view name) {
  auto const is_bad = [](char c) { return c == '/' || static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  return !name.empty() && name.size() <= kFileNameSizeMax && name != "." && name != ".." &&
         std::ranges::none_of(name, is_bad);
}

/// Empty unless the variable has an absolute path.
std::filesystem::path folder_in(Environment const& environment, char const* variable) {
  char const* const value = environment(variable);
  if (value == nullptr || *value != '/') return {};
  return value;
}

DataDir chosen(std::filesystem::path path) { return {boost::system::in_place_value, std::move(path)}; }
DataDir refused(std::string reason) { return {boost::system::in_place_error, std::move(reason)}; }

}  // namespace

DataDir default_data_dir(std::string_view name, Environment const& environment) {
  if (name.empty()) name = kDefaultPeer;
  if (!is_file_name(name)) {
    return refused("not the name of a folder, use --data-dir: " + printable(name));
  }
  auto base = folder_in(environment, "XDG_DATA_HOME");
  if (base.empty()) {
    base = folder_in(environment, "HOME");
    if (base.empty()) return refused("HOME is not set: use --data-dir");
    base /= ".local/share";
  }
  return chosen(base / "grenache" / "exchange" / name);
}

DataDir select_data_dir(std::string_view data_dir, std::string_view name, Environment const& environment) {
  if (data_dir.empty()) return default_data_dir(name, environment);
  return chosen(data_dir);
}

std::filesystem::path control_socket_path(std::filesystem::path const& data_dir) {
  return data_dir / "control.sock";
}

}  // namespace grenache::exchange
