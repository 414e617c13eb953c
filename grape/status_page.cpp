#include "grape/status_page.hpp"

#include <array>
#include <chrono>
#include <cstdio>

namespace grenache::grape {
namespace {

constexpr std::string_view kHead = R"(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="5">
)";

constexpr std::string_view kStyle = R"(<style>
:root { color-scheme: light dark; --ink: #22252b; --soft: #646b78; --line: #dfe2e8; --card: #ffffff; --back: #f5f6f8;
  --ok: #1a7f4b; --wait: #9a6700; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaee; --soft: #9aa2b1; --line: #33383f; --card: #1e2126;
  --back: #15171a; --ok: #57c78b; --wait: #e3b341; --bad: #f2837b; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 2rem 1.25rem 3rem; background: var(--back); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { margin: 0; font-size: 1.7rem; letter-spacing: -.01em; }
h2 { margin: 0 0 .5rem; font-size: 1rem; color: var(--soft); font-weight: 600; }
header { display: flex; flex-wrap: wrap; gap: .4rem 1rem; align-items: center; }
.badge { padding: .15rem .75rem; border-radius: 1rem; border: 1.5px solid currentColor; font-weight: 600; }
.ok { color: var(--ok); } .joining { color: var(--wait); } .alone { color: var(--bad); }
.about { margin: .5rem 0 1.5rem; color: var(--soft); }
.numbers { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.7rem, 1fr)); gap: 1rem; margin: 0 0 1rem; }
.numbers div, section { background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
  padding: .9rem 1.1rem; }
.numbers div { display: flex; flex-direction: column; justify-content: space-between; }
.numbers dt { color: var(--soft); font-size: .9rem; }
.numbers dd { margin: 0; font-size: 1.6rem; font-variant-numeric: tabular-nums; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); gap: 1rem; }
table { width: 100%; border-collapse: collapse; }
th { text-align: left; font-weight: 400; padding: .22rem .5rem .22rem 0; }
td { text-align: right; font-variant-numeric: tabular-nums; }
tr + tr > * { border-top: 1px solid var(--line); }
code { font: .9em ui-monospace, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
pre { margin: 0; overflow-x: auto; }
.wide { margin-top: 1rem; }
a { color: inherit; }
footer { margin-top: 1.25rem; color: var(--soft); font-size: .9rem; }
</style>
)";

/// 1234567 as "1 234 567", with spaces that do not break.
std::string grouped(std::uint64_t number) {
  std::string out = std::to_string(number);
  for (std::size_t at = out.size(); at > 3;) {
    at -= 3;
    out.insert(at, "\u202f");
  }
  return out;
}

std::string spoken(Duration duration) {
  auto const total = std::chrono::duration_cast<std::chrono::seconds>(duration).count();
  auto const days = total / 86'400;
  auto const hours = total / 3'600 % 24;
  auto const minutes = total / 60 % 60;
  if (days > 0) return std::to_string(days) + " d " + std::to_string(hours) + " h";
  if (hours > 0) return std::to_string(hours) + " h " + std::to_string(minutes) + " min";
  if (minutes > 0) return std::to_string(minutes) + " min " + std::to_string(total % 60) + " s";
  return std::to_string(total) + " s";
}

std::string megabytes(std::uint64_t bytes) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f MB", static_cast<double>(bytes) / 1e6);
  return text.data();
}

std::string_view meaning(Health health) {
  switch (health) {
    case Health::ok:
      return "in service";
    case Health::joining:
      return "joining the network";
    case Health::alone:
      return "alone: no other grape answers";
  }
  return "";
}

/// "drop_reason" as "drop reason".
std::string words(std::string_view name) {
  std::string out{name};
  for (char& c : out) {
    if (c == '_') c = ' ';
  }
  return out;
}

class Page {
 public:
  explicit Page(std::string_view begin) : out_{begin} {}

  Page& raw(std::string_view html) {
    out_ += html;
    return *this;
  }
  Page& text(std::string_view text) { return raw(escape_html(text)); }

  void number(std::string_view what, std::string_view value) {
    raw("<div><dt>").text(what).raw("</dt><dd>").text(value).raw("</dd></div>\n");
  }
  void number(std::string_view what, std::uint64_t value) { number(what, grouped(value)); }

  void begin_table(std::string_view title) { raw("<section><h2>").text(title).raw("</h2><table>\n"); }
  void row(std::string_view what, std::uint64_t value) {
    raw("<tr><th scope=\"row\">").text(what).raw("</th><td>").text(grouped(value)).raw("</td></tr>\n");
  }
  void end_table() { raw("</table></section>\n"); }

  [[nodiscard]] std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

void add_heading(Page& page, Status const& status) {
  Health const health = status.health();
  page.raw("<title>grape: ").text(to_string(health)).raw("</title>\n").raw(kStyle);
  page.raw("</head>\n<body>\n<header><h1>grape</h1><span class=\"badge ").text(to_string(health)).raw("\">");
  page.text(meaning(health)).raw("</span></header>\n<p class=\"about\">Version ").text(status.version);
  page.raw(", up ").text(spoken(status.uptime)).raw(". DHT at <code>").text(status.dht.to_string());
  page.raw("</code> (UDP), HTTP at <code>").text(status.api.to_string());
  page.raw("</code>.<br>Node id <code>").text(status.id.hex()).raw("</code></p>\n");
}

void add_numbers(Page& page, Status const& status) {
  page.raw("<dl class=\"numbers\">\n");
  page.number("nodes known", status.node.nodes);
  page.number("services stored", status.node.names_stored);
  page.number("peers stored", status.node.peers_stored);
  page.number("items stored", status.node.items_stored);
  page.number("last successful lookup",
              status.last_lookup_age ? spoken(*status.last_lookup_age) + " ago" : "none yet");
  page.number("memory", megabytes(status.process.resident_bytes));
  page.raw("</dl>\n");
}

void add_tables(Page& page, Status const& status) {
  NodeStats const& node = status.node;
  page.raw("<div class=\"columns\">\n");
  page.begin_table("Requests of clients");
  page.row("lookups", node.lookups);
  page.row("announcements", node.announces);
  page.row("services re-announced", node.services_kept);
  page.row("gets", node.gets);
  page.row("puts", node.puts);
  page.row("requests in progress", node.requests_waiting);
  page.row("HTTP requests", status.http.requests);
  page.row("HTTP connections open", status.http_connections);
  page.end_table();

  page.begin_table("DHT traffic");
  page.row("datagrams received", node.datagrams_in);
  page.row("datagrams sent", node.datagrams_out);
  page.row("queries answered", node.queries_in);
  page.row("queries sent", node.queries_out);
  page.row("queries timed out", node.timeouts);
  page.row("announcements stored", node.announces_stored);
  page.end_table();

  page.begin_table("Dropped datagrams");
  for (std::size_t i = 0; i < kDropReasonCount; ++i) {
    page.row(words(to_string(static_cast<DropReason>(i))), node.dropped[i]);
  }
  page.end_table();
  page.raw("</div>\n");
}

void add_hints(Page& page, Status const& status) {
  Endpoint shown = status.api;
  if (shown.address.is_unspecified()) shown.address = IpAddress{127, 0, 0, 1};
  std::string const url = "http://" + shown.to_string();
  page.raw("<section class=\"wide\"><h2>Try it</h2><pre><code>");
  page.text("curl -d '{\"data\":[\"rpc_test\",1337]}' " + url + "/announce\n");
  page.text("curl -d '{\"data\":\"rpc_test\"}' " + url + "/lookup");
  page.raw("</code></pre></section>\n");
  page.raw("<footer>Machine-readable: <a href=\"/health\">/health</a>, <a href=\"/metrics\">/metrics</a>. ");
  page.raw("This page reloads every 5 seconds.</footer>\n</body>\n</html>\n");
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (char const c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string status_page(Status const& status) {
  Page page{kHead};
  add_heading(page, status);
  add_numbers(page, status);
  add_tables(page, status);
  add_hints(page, status);
  return page.take();
}

}  // namespace grenache::grape
