#include "tools/grenache/common.hpp"

#include <cstdint>
#include <iostream>

#include <unistd.h>

#include <grenache/json/bencode_json.hpp>
#include <grenache/json/grape_api.hpp>

namespace grenache::client {

std::vector<rpc::GrapeUrl> Common::grape_urls() const {
  std::vector<rpc::GrapeUrl> out;
  for (std::string const& url : grapes) out.push_back(rpc::parse_grape_url(url).value());
  if (out.empty()) out.emplace_back(HostPort{"127.0.0.1", 30001});
  return out;
}

Duration Common::timeout() const {
  return std::chrono::milliseconds{static_cast<std::int64_t>(timeout_s * 1000)};
}

void declare_common(Command& app, Common& common) {
  app.add_option("--grape", common.grapes,
                 "HTTP API of a grape, http(s)://host:port/path\n[http://127.0.0.1:30001]; repeat it to add "
                 "others, which are\ntried if it fails or is slow")
      ->type_name("URL")
      ->allow_extra_args(false)
      ->check([](std::string const& text) {
        return rpc::parse_grape_url(text) ? "" : "'" + text + "' is not a URL like http://127.0.0.1:30001";
      });
  rpc::add_grape_tls(app, common.grape_tls_flags);
  app.add_decimal("--timeout", common.timeout_s, 0.001, 3600, "How long to wait for an answer, 0.001 to 3600")
      ->type_name("SECONDS")
      ->capture_default_str();
  app.add_flag("--json", common.json, "Print JSON: one object, or one per line");
}

void declare_name(Command& command, std::string& name) {
  command.add_option("name", name, "Name of the service")
      ->type_name("")
      ->required()
      ->check([](std::string const& text) -> std::string {
        if (text.empty() || text.size() > json::kServiceNameMax) return "a name has 1 to 1024 bytes";
        return json::to_utf8(text) == text ? "" : "the name is not UTF-8";
      });
}

std::string printable(std::string const& text, int file) {
  static constexpr char kDigits[] = "0123456789abcdef";
  if (::isatty(file) == 0) return text;
  std::string out;
  for (char const c : json::to_utf8(text)) {
    auto const code = static_cast<unsigned char>(c);
    if ((code >= 0x20 && code != 0x7f) || c == '\n' || c == '\t') {
      out += c;
    } else {
      out.append("\\x") += kDigits[code >> 4];
      out += kDigits[code & 15];
    }
  }
  return out;
}

void print(json::Value const& value) { std::cout << json::to_text(value) << '\n'; }

}  // namespace grenache::client
