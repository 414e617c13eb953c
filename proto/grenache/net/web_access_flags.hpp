// Command line options for the access of web pages, of the programs that serve HTTP or WebSocket.
#pragma once

#include <string>

#include <grenache/base/endpoint.hpp>
#include <grenache/log/command_line.hpp>
#include <grenache/net/web_access.hpp>

namespace grenache::net {

/// Adds --allow-host and --allow-origin; `access` must outlive `app`. `use` says in the help what browsers do
/// here, as "use the HTTP API".
inline void add_web_access(Command& app, WebAccess& access, std::string const& use) {
  app.add_option("--allow-host", access.hosts,
                 "Host name under which browsers may " + use +
                     ";\n* allows all; may be repeated. Other names with a dot are\n"
                     "refused, against DNS rebinding")
      ->type_name("NAME")
      ->allow_extra_args(false)
      ->check([](std::string const& text) {
        return text == "*" || HostPort::parse(text + ":1") ? "" : "'" + text + "' is not a host name";
      });
  app.add_option("--allow-origin", access.origins,
                 "Origin whose web pages may " + use +
                     ", as\nhttps://app.example; * allows all; may be repeated.\n"
                     "Requests of other origins are refused")
      ->type_name("ORIGIN")
      ->allow_extra_args(false)
      ->check([](std::string const& text) {
        auto const scheme_end = text.find("://");
        bool const is_origin =
            scheme_end != std::string::npos && text.find('/', scheme_end + 3) == std::string::npos;
        return text == "*" || text == "null" || is_origin ? "" : "'" + text + "' is not scheme://host";
      });
}

}  // namespace grenache::net
