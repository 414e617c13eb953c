#include "grape/http_api.hpp"

#include <utility>

#include "grape/metrics.hpp"
#include "grape/status_page.hpp"
#include <grenache/json/bencode_json.hpp>
#include <grenache/net/steady_clock.hpp>

namespace grenache::grape {
namespace {

using json::GrapeErrc;
using json::GrapeRoute;

constexpr char kJsonType[] = "application/json";
constexpr char kTextType[] = "text/plain; charset=utf-8";
constexpr char kHtmlType[] = "text/html; charset=utf-8";
// Allows only inline styles, so that injected script could not run.
constexpr char kPagePolicy[] = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

net::HttpReply ok_reply(std::string body) { return {200, std::move(body), {}}; }

net::Awaitable<net::HttpReply> ready(net::HttpReply reply) { co_return reply; }

net::HttpReply strict_reply(json::GrapeAnswer answer) {
  return {answer.status, std::move(answer.body), {{"Content-Type", kJsonType}}};
}

net::HttpReply error_reply(GrapeErrc code, bool strict) {
  if (strict) return strict_reply(json::strict_error_answer(code));
  auto answer = json::error_answer(code);
  return {answer.status, std::move(answer.body), {}};
}

net::HttpReply forbidden_reply(bool strict) {
  std::string const error = "ERR_GRAPE_FORBIDDEN";
  std::string const why =
      "the Host or the Origin of the request is not allowed (--allow-host, --allow-origin)";
  if (strict) return strict_reply(json::strict_error_answer(403, error, why));
  return {403, error + ": " + why, {}};
}

net::HttpReply page_reply(unsigned status, std::string body, char const* type) {
  net::HttpReply reply{status, std::move(body), {}};
  reply.headers = {
      {"Content-Type", type}, {"Cache-Control", "no-store"}, {"X-Content-Type-Options", "nosniff"}};
  return reply;
}

/// Returns path and query of a target in origin form or absolute form (RFC 9112, 3.2.2).
std::string_view origin_form(std::string_view target) {
  constexpr std::string_view kSlashes = "://";
  std::size_t const scheme = target.find(kSlashes);
  if (target.starts_with('/') || scheme == std::string_view::npos) return target;
  std::size_t const path = target.find_first_of("/?", scheme + kSlashes.size());
  return path == std::string_view::npos || target[path] == '?' ? "/" : target.substr(path);
}

/// Returns the path of a page, without query and final slash.
std::string_view page_path(std::string_view target) {
  target = target.substr(0, target.find('?'));
  if (target.size() > 1 && target.ends_with('/')) target.remove_suffix(1);
  return target;
}

net::HttpServer::Options server_options(HttpApi::Options const& options) {
  net::HttpServer::Options out;
  out.body_bytes_max = options.body_bytes_max;
  out.too_large = error_reply(GrapeErrc::payload_size, options.strict);
  out.malformed = {400, "", {}};
  out.web_access = options.web_access;
  out.forbidden = forbidden_reply(options.strict);
  return out;
}

}  // namespace

HttpApi::HttpApi(net::Executor const& executor, NodeRunner& runner, Options options,
                 std::function<Status()> status)
    : runner_{runner},
      strict_{options.strict},
      status_{std::move(status)},
      server_{executor, server_options(options),
              [this](net::HttpRequest& request) { return handle(request); }} {}

net::HttpReply HttpApi::refuse(GrapeErrc code) const { return error_reply(code, strict_); }

net::HttpReply HttpApi::refuse(Error const& error) const {
  if (error == make_error_code(ServiceErrc::too_many_requests)) return refuse(GrapeErrc::busy);
  if (error.category() == make_error_code(GrapeErrc::lookup).category()) {
    return refuse(static_cast<GrapeErrc>(error.value()));
  }
  return {500, "", {}};  // interrupted by stop()
}

net::HttpReply HttpApi::refuse(PutRefusal const& refusal) const {
  std::string const text = json::to_utf8(refusal.text);  // text from another node
  if (strict_) return strict_reply(json::strict_error_answer(409, "ERR_GRAPE_PUT_CONFLICT", text));
  std::string body;
  json::append_quoted(body, text);
  return ok_reply(std::move(body));
}

std::optional<net::HttpReply> HttpApi::page(net::HttpRequest const& request) {
  if (!request.body.empty() || (request.method != "GET" && request.method != "HEAD")) return std::nullopt;
  std::string_view const target = origin_form(request.target);
  std::string_view const path = page_path(target);
  if (path == "/health") {
    Status const status = status_();
    return page_reply(status.health() == Health::ok ? 200 : 503, health_text(status), kJsonType);
  }
  TimePoint const now = net::steady_now();
  if (path == "/metrics") {
    return page_reply(200, metrics_.get(now, [this] { return metrics_text(status_()); }), kMetricsType);
  }
  if (path == "/") {
    auto const& page = start_page_.get(now, [this] { return status_page(status_()); });
    auto reply = page_reply(200, page, kHtmlType);
    reply.headers.emplace_back("Content-Security-Policy", kPagePolicy);
    return reply;
  }
  if (json::is_grape_route(target)) return std::nullopt;  // answered as by Node.js
  if (strict_) return refuse(GrapeErrc::request_not_found);
  return page_reply(404, "There is no such page; try /, /health or /metrics.\n", kTextType);
}

// Not a coroutine, nor is dispatch(): each would cost an allocation per request.
net::Awaitable<net::HttpReply> HttpApi::handle(net::HttpRequest& request) {
  if (auto found = page(request)) return ready(std::move(*found));
  auto parsed = json::parse_grape_request(origin_form(request.target), request.body);
  if (!parsed) return ready(refuse(parsed.error()));
  return dispatch(*parsed);
}

net::Awaitable<net::HttpReply> HttpApi::dispatch(json::GrapeRequest const& request) {
  switch (request.route) {
    case GrapeRoute::announce:
    case GrapeRoute::unannounce: {
      auto data = json::parse_announce_data(request.data);
      if (!data) return ready(refuse(data.error()));
      if (request.route == GrapeRoute::announce) return announce(std::move(*data));
      return unannounce(std::move(*data));
    }
    case GrapeRoute::lookup: {
      auto name = json::parse_lookup_data(request.data);
      if (!name) return ready(refuse(name.error()));
      return lookup(std::move(*name));
    }
    case GrapeRoute::get: {
      auto data = json::parse_get_data(request.data);
      if (!data) return ready(refuse(data.error()));
      return get(std::move(*data));
    }
    case GrapeRoute::put: {
      auto data = json::parse_put_data(request.data);
      if (!data) return ready(refuse(data.error()));
      return put(std::move(*data));
    }
  }
  return ready(refuse(GrapeErrc::request_not_found));
}

net::Awaitable<net::HttpReply> HttpApi::announce(json::GrapeAnnounce announce) {
  auto const key = dht::ServiceKey::from_bytes(announce.name);
  if (!key) co_return refuse(GrapeErrc::announce);
  auto const stored = co_await runner_.announce(*key, announce.port);
  if (!stored) co_return refuse(stored.error());
  co_return ok_reply(json::announce_answer(static_cast<std::uint32_t>(*stored)));
}

net::Awaitable<net::HttpReply> HttpApi::unannounce(json::GrapeAnnounce announce) {
  auto const key = dht::ServiceKey::from_bytes(announce.name);
  if (!key) co_return refuse(GrapeErrc::announce);
  auto const removed = co_await runner_.unannounce(*key, announce.port);
  if (!removed) co_return refuse(removed.error());
  co_return ok_reply(json::announce_answer(static_cast<std::uint32_t>(*removed)));
}

net::Awaitable<net::HttpReply> HttpApi::get(json::GrapeGet get) {
  auto const done = co_await runner_.get(get.target, std::move(get.salt));
  if (!done) co_return refuse(done.error());
  if (done->item) co_return ok_reply(json::get_answer(*done->item, done->from, done->token));
  if (!strict_) co_return ok_reply("");
  co_return strict_reply(json::strict_error_answer(404, "ERR_GRAPE_NOT_FOUND", "there is no such item"));
}

net::Awaitable<net::HttpReply> HttpApi::put(json::GrapePut put) {
  NodeId const target = put.item.target();
  auto const done = co_await runner_.put(std::move(put.item), put.cas);
  if (!done) co_return refuse(done.error());
  if (done->stored == 0 && done->refusal) co_return refuse(*done->refusal);
  co_return ok_reply(json::put_answer(target));
}

net::Awaitable<net::HttpReply> HttpApi::lookup(std::string name) {
  auto const key = dht::ServiceKey::from_bytes(name);
  if (!key) co_return refuse(GrapeErrc::lookup);
  auto const peers = co_await runner_.lookup(*key);
  if (!peers) co_return refuse(peers.error());
  co_return ok_reply(json::lookup_answer(*peers));
}

}  // namespace grenache::grape
