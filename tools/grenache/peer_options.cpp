#include "tools/grenache/peer_options.hpp"

#include <algorithm>
#include <optional>

#include <grenache/log/command_line.hpp>
#include <grenache/net/local_address.hpp>
#include <grenache/net/web_access_flags.hpp>
#include <grenache/rpc/grape_flags.hpp>

namespace grenache::client {
namespace {

constexpr char const* kTlsGroup = "TLS, for https and wss (files are PEM)";

std::optional<Sha256> parse_fingerprint(std::string text) {
  std::erase(text, ':');
  return Sha256::from_hex(text);
}

std::string problem_with(PeerOptions const& options, Side side) {
  bool const verifies = !options.ca_path.empty() || !options.fingerprints.empty();
  bool const has_certificate = !options.certificate_path.empty();
  bool const has_key = !options.key_path.empty();
  std::string const& transport = options.transport;
  if (!rpc::uses_tls(options.chosen())) {
    bool const any = verifies || has_certificate || has_key || options.insecure || !options.host_name.empty();
    return any ? "options of TLS cannot be used with --transport " + transport : "";
  }
  if (has_certificate != has_key) return "--cert and --key belong together";
  if (side == Side::server) return has_certificate ? "" : transport + " needs --cert and --key";
  if (!options.host_name.empty() && options.ca_path.empty()) return "--host-name needs --ca";
  if (options.insecure && verifies) return "--insecure excludes --ca and --fingerprint";
  if (!options.insecure && !verifies) return transport + " needs --ca, --fingerprint or --insecure";
  return "";
}

std::optional<Failure> read_pem(std::string const& path, std::string& out) {
  auto text = rpc::read_pem(path);
  if (!text) return Failure{text.error()};
  out = std::move(*text);
  return std::nullopt;
}

}  // namespace

void declare_peer(Command& command, PeerOptions& options, Side side,
                  std::vector<std::string> const& transports) {
  declare_name(command, options.name);
  options.transport = transports.front();
  std::string words;
  for (std::string const& each : transports) words += (words.empty() ? "" : ", ") + each;
  command.add_option("--transport", options.transport, "One of " + words)
      ->type_name("NAME")
      ->check([transports, words](std::string const& text) {
        bool const known = std::ranges::find(transports, text) != transports.end();
        return known ? "" : "'" + text + "' is not one of " + words;
      })
      ->capture_default_str();

  bool const calls = side == Side::caller;
  auto* certificate = command.add_option("--cert", options.certificate_path, "Own certificate");
  auto* key = command.add_option("--key", options.key_path, "Its private key, not encrypted");
  auto* ca =
      command.add_option("--ca", options.ca_path,
                         calls ? "Authorities, of which one must have signed the peer's\ncertificate"
                               : "Authorities, of which one must have signed the\ncertificates of callers");
  for (auto* option : {certificate, key, ca}) option->type_name("FILE")->group(kTlsGroup);
  command
      .add_option("--fingerprint", options.fingerprints,
                  "SHA-256 of the only accepted certificate, 64 hex digits;\nrepeat it to accept others")
      ->type_name("HEX")
      ->allow_extra_args(false)
      ->group(kTlsGroup)
      ->check([](std::string const& text) {
        return parse_fingerprint(text) ? "" : "'" + text + "' is not a SHA-256 of 64 hex digits";
      });
  if (calls) {
    command
        .add_option("--host-name", options.host_name,
                    "Name that the certificate must match\n[the address of the peer]; needs --ca")
        ->type_name("NAME")
        ->group(kTlsGroup);
    command.add_flag("--insecure", options.insecure, "Accept any certificate")->group(kTlsGroup);
  }
}

void check_peer(PeerOptions const& options, Side side) {
  std::string const problem = problem_with(options, side);
  if (!problem.empty()) throw UsageError{problem};
}

Outcome<Tls> load_tls(PeerOptions const& options, Side side) {
  Tls out;
  if (!rpc::uses_tls(options.chosen())) return out;
  net::TlsOptions& tls = out.options;
  if (auto const failure = read_pem(options.certificate_path, tls.certificate)) return *failure;
  if (auto const failure = read_pem(options.key_path, tls.key)) return *failure;
  if (auto const failure = read_pem(options.ca_path, tls.ca)) return *failure;
  for (std::string const& text : options.fingerprints) tls.fingerprints.push_back(*parse_fingerprint(text));
  tls.host_name = options.host_name;
  if (options.insecure) tls.peer_check = net::PeerCheck::requested;
  auto const make = side == Side::caller ? net::TlsContext::make_client : net::TlsContext::make_server;
  auto context = make(tls);
  if (!context) return Failure{context.error().message()};
  out.context = *context;
  return out;
}

Endpoint ListenOptions::endpoint() const {
  return {bind.empty() ? net::all_addresses() : *IpAddress::parse(bind), port};
}

void declare_listen(Command& command, ListenOptions& options, std::string const& use) {
  command.add_option("--bind", options.bind, "Address to listen on [all, IPv4 and IPv6]")
      ->type_name("ADDRESS")
      ->check([](std::string const& text) {
        return IpAddress::parse(text) ? "" : "'" + text + "' is not an IP address";
      });
  add_port(command, "--port", options.port, "TCP port; 0 chooses a free one")->capture_default_str();
  net::add_web_access(command, options.web_access, use);
}

std::string explain(rpc::Failure const& failure, std::string const& name) {
  if (!failure.detail.empty()) return failure.text();
  std::string const code = failure.text();
  switch (failure.code) {
    case rpc::Errc::timeout:
      return code + ": no answer in time";
    case rpc::Errc::lookup_empty:
      return code + ": nobody serves '" + name + "'";
    case rpc::Errc::grape_unreachable:
      return code + ": no grape answers";
    case rpc::Errc::not_ready:
      return code + ": the grape has not joined its network yet";
    case rpc::Errc::reply_empty:
      return code + ": the answer is not a reply of Grenache";
    default:
      return code;
  }
}

}  // namespace grenache::client
