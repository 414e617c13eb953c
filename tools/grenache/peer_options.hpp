// Options of the commands that connect to peers: transport and TLS.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tools/grenache/common.hpp"
#include <grenache/base/endpoint.hpp>
#include <grenache/json/json.hpp>
#include <grenache/net/tls.hpp>
#include <grenache/net/web_access.hpp>
#include <grenache/rpc/rpc_error.hpp>
#include <grenache/rpc/transport.hpp>

namespace grenache::client {

/// The side of its connections that a command is on.
enum class Side : std::uint8_t { caller, server };

struct PeerOptions {
  std::string name;
  std::string transport;
  std::string certificate_path;
  std::string key_path;
  std::string ca_path;
  std::vector<std::string> fingerprints;
  std::string host_name;
  bool insecure = false;

  [[nodiscard]] rpc::Transport chosen() const { return *rpc::parse_transport(transport); }
};

/// Adds the name, --transport with `transports` (the first is the default) and the options of TLS.
void declare_peer(Command& command, PeerOptions& options, Side side,
                  std::vector<std::string> const& transports);

/// Throws UsageError if the options exclude each other or one is missing.
void check_peer(PeerOptions const& options, Side side);

struct Tls {
  net::TlsOptions options;
  std::shared_ptr<net::TlsContext> context;  // made from the options; null without TLS
};
/// Reads and checks the files.
[[nodiscard]] Outcome<Tls> load_tls(PeerOptions const& options, Side side);

struct ListenOptions {
  std::string bind;  // empty: all addresses, including IPv6 if the system has it
  std::uint16_t port = 0;
  net::WebAccess web_access;

  [[nodiscard]] Endpoint endpoint() const;
};

/// Adds --bind, --port, --allow-host and --allow-origin. `use` is that of net::add_web_access().
void declare_listen(Command& command, ListenOptions& options, std::string const& use);

/// Returns the name of the error and its detail, or an explanation if it has none. `name` is the service's.
[[nodiscard]] std::string explain(rpc::Failure const& failure, std::string const& name);

}  // namespace grenache::client
