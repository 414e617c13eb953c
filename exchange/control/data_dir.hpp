// The folder in which a peer keeps its identity, its journal and its control socket.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include <boost/system/result.hpp>

namespace grenache::exchange {

/// Returns the value of an environment variable, or nullptr; std::getenv in the programs.
using Environment = std::function<char const*(char const* variable)>;

/// A folder, or a sentence that says why there is none.
using DataDir = boost::system::result<std::filesystem::path, std::string>;

/// The folder of the peer `name` if no --data-dir is given: `$XDG_DATA_HOME/grenache/exchange/<name>`, or
/// `$HOME/.local/share/grenache/exchange/<name>` if XDG_DATA_HOME is not set, empty or relative (XDG Base
/// Directory Specification). An empty name means "default". Errors: the name is not
/// a file name, or neither variable is an absolute path.
[[nodiscard]] DataDir default_data_dir(std::string_view name, Environment const& environment);

/// The folder that --data-dir and --name select: `data_dir` as it is, or the default if it is empty.
[[nodiscard]] DataDir select_data_dir(std::string_view data_dir, std::string_view name,
                                      Environment const& environment);

/// The path of the control socket of the peer with this folder.
[[nodiscard]] std::filesystem::path control_socket_path(std::filesystem::path const& data_dir);

}  // namespace grenache::exchange
