// Command line options for the TLS trust of https grapes.
#pragma once

#include <algorithm>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include <boost/system/result.hpp>

#include <grenache/log/command_line.hpp>
#include <grenache/net/tls.hpp>
#include <grenache/rpc/grape_url.hpp>

namespace grenache::rpc {

inline constexpr std::size_t kPemBytesMax = 1024 * 1024;

/// Reads a PEM file; the error is a message for the user. Empty for an empty path.
[[nodiscard]] inline boost::system::result<std::string, std::string> read_pem(std::string const& path) {
  std::string out;
  if (path.empty()) return {boost::system::in_place_value, std::move(out)};
  std::ifstream file{path, std::ios::binary};
  for (char c = 0; file.get(c) && out.size() <= kPemBytesMax;) out += c;
  if (out.empty()) {
    return {boost::system::in_place_error, "cannot read " + path + ", or there is nothing in it"};
  }
  if (out.size() > kPemBytesMax) {
    return {boost::system::in_place_error, path + " is no PEM file: it has more than 1 MiB"};
  }
  return {boost::system::in_place_value, std::move(out)};
}

/// Paths of PEM files.
struct GrapeTlsFlags {
  std::string ca;
  std::string certificate;
  std::string key;
};

/// Adds --grape-ca, --grape-cert and --grape-key; `flags` must outlive `app`.
inline void add_grape_tls(Command& app, GrapeTlsFlags& flags) {
  auto const add = [&app](char const* name, std::string& path, char const* help) {
    app.add_option(name, path, help)->type_name("FILE");
  };
  add("--grape-ca", flags.ca, "Authorities (PEM) of https grapes [those of the system]");
  add("--grape-cert", flags.certificate, "Our certificate (PEM) for https grapes that ask for one");
  add("--grape-key", flags.key, "Its private key (PEM), not encrypted");
}

/// Throws UsageError when the flags are inconsistent with each other or with the grapes.
inline void check_grape_tls(GrapeTlsFlags const& flags, std::vector<GrapeUrl> const& grapes) {
  bool const any = !flags.ca.empty() || !flags.certificate.empty() || !flags.key.empty();
  if (any && std::ranges::none_of(grapes, &GrapeUrl::uses_tls)) {
    throw UsageError{"--grape-ca, --grape-cert and --grape-key need a --grape https://…"};
  }
  if (flags.certificate.empty() != flags.key.empty()) {
    throw UsageError{"--grape-cert and --grape-key belong together"};
  }
}

/// Reads the files; returns a message if they cannot be used. Reads nothing if no grape uses https.
[[nodiscard]] inline boost::system::result<net::TlsOptions, std::string> load_grape_tls(
    GrapeTlsFlags const& flags, std::vector<GrapeUrl> const& grapes) {
  using boost::system::in_place_error;
  net::TlsOptions out;
  if (std::ranges::none_of(grapes, &GrapeUrl::uses_tls)) return out;
  for (auto const& [path, text] :
       {std::pair{&flags.ca, &out.ca}, {&flags.certificate, &out.certificate}, {&flags.key, &out.key}}) {
    auto read = read_pem(*path);
    if (!read) return {in_place_error, read.error()};
    *text = std::move(*read);
  }
  if (out.ca.empty()) out.system_ca = true;
  if (auto const context = net::TlsContext::make_client(out); !context) {
    return {in_place_error, context.error().message()};
  }
  return out;
}

}  // namespace grenache::rpc
