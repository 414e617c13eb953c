#include "exchange/index_reader.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/steady_timer.hpp>

#include "exchange/core/peg.hpp"
#include <grenache/json/bencode_json.hpp>
#include <grenache/json/grape_items.hpp>
#include <grenache/net/http_client.hpp>

namespace grenache::exchange {

namespace asio = boost::asio;
using net::Awaitable;

namespace {

/// Of an answer with an item of at most 1000 bytes, each of which may be escaped, twice.
constexpr std::size_t kItemAnswerMax = 64 * 1024;

net::HttpClient::Options item_client_options(std::shared_ptr<net::TlsContext> tls) {
  net::HttpClient::Options out;
  out.tls = std::move(tls);
  out.body_bytes_max = kItemAnswerMax;
  return out;
}

}  // namespace

std::optional<IndexSource> parse_index_source(std::string_view text) {
  IndexSource out;
  auto const equals = text.find('=');
  if (equals == std::string_view::npos || !is_index_name(text.substr(0, equals))) return std::nullopt;
  out.name = text.substr(0, equals);
  for (auto begin = equals + 1;;) {
    auto const end = std::min(text.find(',', begin), text.size());
    auto const publisher = text.substr(begin, end - begin);
    auto const colon = std::min(publisher.find(':'), publisher.size());
    auto const key = Ed25519PublicKey::from_hex(publisher.substr(0, colon));
    bool const has_salt = colon < publisher.size();
    std::string salt{has_salt ? publisher.substr(colon + 1) : std::string_view{}};
    if (!key || salt.size() > dht::Item::kSaltSizeMax) return std::nullopt;
    IndexSource::Publisher wanted{*key, std::move(salt)};
    if (std::ranges::find(out.publishers, wanted) != out.publishers.end()) return std::nullopt;
    out.publishers.push_back(std::move(wanted));
    if (out.publishers.size() > IndexSource::kPublisherCountMax) return std::nullopt;
    if (end == text.size()) return out;
    begin = end + 1;
  }
}

/// Owned by the coroutine too, which looks at `is_over` after it has waited.
struct IndexReader::State {
  State(net::Executor e, Options o, Random r, OnUpdate update, Log const& l)
      : executor{std::move(e)},
        options{std::move(o)},
        random{std::move(r)},
        on_update{std::move(update)},
        log{l},
        http{executor, item_client_options({})} {
    if (std::ranges::none_of(options.grapes, &rpc::GrapeUrl::uses_tls)) return;
    auto tls = options.tls;
    if (tls.ca.empty() && tls.fingerprints.empty()) tls.system_ca = true;
    if (auto context = net::TlsContext::make_client(tls)) {
      https.emplace(executor, item_client_options(std::move(*context)));
    }
  }

  static Awaitable<void> run(std::shared_ptr<State> self);
  /// The value of an item, or why it cannot be read.
  static Awaitable<json::GrapeReply<json::GrapeFound>> get(std::shared_ptr<State> self,
                                                           json::GrapeGet wanted);
  void on_answer(std::size_t index, std::size_t publisher,
                 json::GrapeReply<json::GrapeFound> const& answer) const;

  net::Executor executor;
  Options options;
  Random random;
  OnUpdate on_update;
  Log const& log;
  net::HttpClient http;
  std::optional<net::HttpClient> https;  // if a URL needs it and the TLS options are valid
  std::size_t grape = 0;                 // that answered the last time
  bool is_over = false;
};

Awaitable<json::GrapeReply<json::GrapeFound>> IndexReader::State::get(std::shared_ptr<State> self,
                                                                      json::GrapeGet wanted) {
  json::GrapeReply<json::GrapeFound> out{std::nullopt, "no grape answers"};
  for (std::size_t tried = 0; tried < self->options.grapes.size(); ++tried) {
    auto const& url = self->options.grapes[self->grape];
    net::HttpCall call;
    call.destination = url.at;
    call.target = url.base_path + "/get";
    call.body = json::get_request(make_uuid(self->random), wanted);
    call.timeout = self->options.timeout;
    call.repeatable = true;
    auto* const client = !url.uses_tls ? &self->http : self->https ? &*self->https : nullptr;
    if (client) {
      auto const response = co_await client->request(std::move(call));
      if (self->is_over) co_return out;
      bool const is_answer = response && json::is_grape_answer(response->status, response->body);
      if (is_answer) co_return json::parse_get_reply(response->body, wanted);
    }
    self->grape = (self->grape + 1) % self->options.grapes.size();
  }
  co_return out;
}

void IndexReader::State::on_answer(std::size_t index, std::size_t publisher,
                                   json::GrapeReply<json::GrapeFound> const& answer) const {
  auto const& source = options.indexes[index];
  auto reason = answer.error;
  if (answer.value) {
    auto const value = json::from_bencode(answer.value->item.value());
    auto const* const text = value ? value->as_string() : nullptr;
    auto const quote = text ? parse_index_quote(*text) : std::nullopt;
    if (quote) return on_update({source.name, publisher, *quote});
    reason = "the value is not {\"price\",\"time\"}";
  }
  log.debug("index_not_read",
            {{"index", source.name}, {"key", source.publishers[publisher].key.hex()}, {"reason", reason}});
}

Awaitable<void> IndexReader::State::run(std::shared_ptr<State> self) {
  asio::steady_timer timer{self->executor};
  auto const interval =
      std::chrono::duration_cast<std::chrono::steady_clock::duration>(self->options.interval);
  while (!self->is_over) {
    for (std::size_t index = 0; index < self->options.indexes.size(); ++index) {
      for (std::size_t i = 0; i < self->options.indexes[index].publishers.size(); ++i) {
        auto const& publisher = self->options.indexes[index].publishers[i];
        json::GrapeGet const wanted{dht::item_target(publisher.key, publisher.salt), publisher.salt};
        auto const answer = co_await get(self, wanted);
        if (self->is_over) co_return;
        self->on_answer(index, i, answer);
      }
    }
    timer.expires_after(interval);
    auto const [error] = co_await timer.async_wait(net::kTuple);
    if (error) co_return;
  }
}

IndexReader::IndexReader(net::Executor executor, Options options, Random random, OnUpdate on_update,
                         Log const& log)
    : state_{std::make_shared<State>(std::move(executor), std::move(options), std::move(random),
                                     std::move(on_update), log)} {}
IndexReader::~IndexReader() { stop(); }

void IndexReader::stop() { state_->is_over = true; }

Awaitable<void> IndexReader::run() { return State::run(state_); }

}  // namespace grenache::exchange
