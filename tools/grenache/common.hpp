// Shared by all commands of `grenache`.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tools/grenache/client.hpp"
#include "tools/grenache/key_file.hpp"
#include <grenache/base/time.hpp>
#include <grenache/json/json.hpp>
#include <grenache/log/command_line.hpp>
#include <grenache/net/tls.hpp>
#include <grenache/rpc/grape_flags.hpp>

namespace grenache::client {

/// Options of every command.
struct Common {
  std::vector<std::string> grapes;
  double timeout_s = 10;
  bool json = false;
  rpc::GrapeTlsFlags grape_tls_flags;
  net::TlsOptions grape_tls;  // from load_grape_tls()

  [[nodiscard]] std::vector<rpc::GrapeUrl> grape_urls() const;
  [[nodiscard]] Duration timeout() const;
  [[nodiscard]] Grapes asked_grapes() const { return {grape_urls(), grape_tls, timeout()}; }
};

/// Runs the command of the command line. A failure ends the program with its reason and exit code 1.
using Action = std::function<std::optional<Failure>()>;

/// Adds --grape, --grape-ca and the like, --timeout and --json.
void declare_common(Command& app, Common& common);
/// Adds the positional `name`.
void declare_name(Command& command, std::string& name);

/// Escapes control characters if `file`, to which the text will be written, is a terminal: received values
/// must not control it.
[[nodiscard]] std::string printable(std::string const& text, int file);
/// Prints a line of JSON on stdout.
void print(json::Value const& value);

}  // namespace grenache::client
