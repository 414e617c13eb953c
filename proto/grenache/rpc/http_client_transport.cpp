#include <utility>

#include <grenache/net/gzip.hpp>
#include <grenache/net/http_client.hpp>
#include <grenache/net/steady_clock.hpp>
#include <grenache/rpc/client_transport.hpp>

namespace grenache::rpc {

using json::Value;
using net::Awaitable;

namespace {

constexpr unsigned kTooLargeStatus = 413;

RpcResult<Value> read_reply(net::HttpResponse const& response, std::string_view rid, bool compress,
                            std::size_t expanded_bytes_max) {
  if (response.status == kTooLargeStatus) return Failure(Errc::request_size, "refused by the service");
  if (response.status < 200 || response.status > 299) {
    return generic_failure(response.body.empty() ? "status " + std::to_string(response.status)
                                                 : response.body);
  }
  std::string expanded;
  std::string_view body = response.body;
  if (compress) {
    auto text = net::gunzip(body, expanded_bytes_max);
    if (!text) return Failure(Errc::reply_encoding_compression, text.error().message());
    expanded = std::move(*text);
    body = expanded;
  }
  auto reply = json::parse_rpc_reply(body);
  if (!reply) return Errc::reply_empty;
  // Node.js would wait for the rid until its timeout, but no other reply can arrive on this connection.
  std::string const* const answered = reply->rid.as_string();
  if (!answered || *answered != rid) return Failure(Errc::reply_empty, "the answer to another request");
  return result_of(std::move(*reply));
}

net::HttpClient::Options http_options(Client::Options const& options, std::shared_ptr<net::TlsContext> tls) {
  net::HttpClient::Options http;
  http.tls = std::move(tls);
  http.body_bytes_max = options.reply_bytes_max;
  http.connections_per_host_max = options.connections_per_destination_max;
  http.connections_max = options.connections_max;
  http.waiting_max = options.waiting_max;
  http.idle_max = options.idle_max;
  return http;
}

class HttpClientTransport : public ClientTransport {
 public:
  HttpClientTransport(net::Executor const& executor, Client::Options const& options,
                      std::shared_ptr<net::TlsContext> tls)
      : tls_{tls},
        http_{executor, http_options(options, std::move(tls))},
        expanded_bytes_max_{options.expanded_bytes_max} {}

  Awaitable<Attempt> send(Outgoing outgoing) override {
    net::HttpCall call;
    call.destination = outgoing.to;
    call.timeout = outgoing.deadline - net::steady_now();
    call.repeatable = outgoing.repeatable;
    if (outgoing.compress) {
      call.body = net::gzip(outgoing.text);
      call.headers = {{"grc-compress", "gzip"}};
    } else {
      call.body = std::move(outgoing.text);
      call.headers = {{"grc-compress", "none"}, {"Content-Type", "text/plain;charset=UTF-8"}};
    }
    outgoing.text = {};
    return perform(http_.request(std::move(call)), std::move(outgoing), tls_, expanded_bytes_max_);
  }
  Awaitable<Result<net::HttpStream>> open(net::HttpCall head) override { return http_.open(std::move(head)); }
  Awaitable<void> stop() override { return http_.stop(); }
  [[nodiscard]] std::size_t connection_count() const override { return http_.connection_count(); }

 private:
  static Awaitable<Attempt> perform(Awaitable<Result<net::HttpResponse>> request, Outgoing outgoing,
                                    std::shared_ptr<net::TlsContext> tls, std::size_t expanded_bytes_max) {
    auto const response = co_await std::move(request);
    if (response) {
      co_return answered_attempt(read_reply(*response, outgoing.rid, outgoing.compress, expanded_bytes_max));
    }
    std::string text;
    if (tls) text = tls->explain(response.error(), outgoing.to);
    co_return failed_attempt(response.error(), text);
  }

  std::shared_ptr<net::TlsContext> tls_;
  net::HttpClient http_;
  std::size_t expanded_bytes_max_;
};

}  // namespace

std::unique_ptr<ClientTransport> make_http_client_transport(net::Executor const& executor,
                                                            Client::Options const& options,
                                                            std::shared_ptr<net::TlsContext> tls) {
  return std::make_unique<HttpClientTransport>(executor, options, std::move(tls));
}

}  // namespace grenache::rpc
