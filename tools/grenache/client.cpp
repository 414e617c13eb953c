#include "tools/grenache/client.hpp"

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include <grenache/json/grape_api.hpp>
#include <grenache/net/async_event.hpp>
#include <grenache/net/http_client.hpp>
#include <grenache/net/rethrow.hpp>
#include <grenache/net/steady_clock.hpp>
#include <grenache/net/task_group.hpp>

namespace grenache::client {
namespace {

struct GrapeClient {
  GrapeClient(net::Executor const& executor, rpc::GrapeUrl at, net::TlsOptions const& tls)
      : url{std::move(at)} {
    net::HttpClient::Options options;
    if (url.uses_tls) {
      auto made = net::TlsContext::make_client(tls);
      if (!made) {
        tls_failure = made.error().message();
        return;
      }
      context = *made;
      options.tls = std::move(*made);
    }
    http.emplace(executor, std::move(options));
  }

  rpc::GrapeUrl url;
  std::shared_ptr<net::TlsContext> context;
  std::string tls_failure;
  std::optional<net::HttpClient> http;  // none: tls_failure says why
};

net::Awaitable<Outcome<std::string>> ask_one(GrapeClient& client, Query query, Duration timeout) {
  std::string const at = client.url.to_string();
  if (!client.http) co_return Failure{"no grape at " + at + ": " + client.tls_failure};
  net::HttpCall call;
  call.destination = client.url.at;
  call.target = client.url.base_path + query.target;
  call.body = std::move(query.body);
  call.timeout = timeout;
  call.repeatable = true;
  auto response = co_await client.http->request(std::move(call));
  if (!response) {
    Error const error = response.error();
    std::string const reason =
        client.context ? client.context->explain(error, client.url.at) : error.message();
    co_return Failure{"no grape at " + at + ": " + reason};
  }
  if (!json::is_grape_answer(response->status, response->body)) {
    co_return Failure{at + " answers, but is not a grape (" + std::to_string(response->status) + ")"};
  }
  Outcome<std::string> body{boost::system::in_place_value, std::move(response->body)};
  co_return body;
}

/// The grapes, and the requests that are running.
struct Asked {
  Asked(net::Executor const& executor, Grapes const& to_ask)
      : grapes{to_ask}, changed{executor}, tasks{executor} {
    for (rpc::GrapeUrl const& url : grapes.urls) clients.emplace_back(executor, url, grapes.tls);
  }

  Grapes const& grapes;
  std::deque<GrapeClient> clients;
  net::AsyncEvent changed;  // a grape has answered or failed
  net::TaskGroup tasks;
  std::size_t running = 0;
  std::optional<std::string> answer;       // the first one that says something
  std::optional<std::string> poor_answer;  // an error, or nobody: another grape may know more
  Failure last_failure;
};

bool is_poor(Query const& query, std::string_view answer) {
  if (query.target != "/lookup" && query.target != "/get") return false;
  return answer.empty() || answer == "[]" || answer.starts_with("\"ERR_");
}

net::Awaitable<void> try_at(Asked& asked, GrapeClient& client, Query query) {
  auto body = co_await ask_one(client, query, asked.grapes.timeout);
  --asked.running;
  if (!body) {
    asked.last_failure = body.error();
  } else if (is_poor(query, *body)) {
    asked.poor_answer = std::move(*body);
  } else if (!asked.answer) {
    asked.answer = std::move(*body);
  }
  asked.changed.notify_all();
}

net::Awaitable<void> ask_until_answered(Asked& asked, Query const& query) {
  std::size_t next = 0;
  TimePoint hedge_at = TimePoint::max();
  while (!asked.answer) {
    bool const has_more = next < asked.clients.size();
    bool const needs_another = asked.running == 0 || net::steady_now() >= hedge_at;
    if (has_more && needs_another) {
      ++asked.running;
      asked.tasks.spawn(try_at(asked, asked.clients[next++], query));
      hedge_at = net::steady_deadline(asked.grapes.hedge_delay);
      continue;  // it may have failed already
    }
    if (asked.running == 0) {
      asked.answer = std::move(asked.poor_answer);
      break;
    }
    TimePoint const until = has_more ? hedge_at : TimePoint::max();
    (void)co_await asked.changed.wait(until);
  }
  for (GrapeClient& client : asked.clients) {
    if (client.http) co_await client.http->stop();
  }
  (void)co_await asked.tasks.drained(Duration::max());
}

using Answers = Outcome<std::vector<std::string>>;

net::Awaitable<void> ask_in_turn(Asked& asked, GrapeClient& client, std::vector<Query> const& queries,
                                 Answers& answers) {
  for (Query const& query : queries) {
    auto body = co_await ask_one(client, query, asked.grapes.timeout);
    if (!body) {
      answers = body.error();
      co_return;
    }
    answers->push_back(std::move(*body));
  }
}

net::Awaitable<void> ask_all(Asked& asked, std::vector<Query> const& queries, std::vector<Answers>& answers) {
  for (std::size_t i = 0; i < asked.clients.size(); ++i) {
    asked.tasks.spawn(ask_in_turn(asked, asked.clients[i], queries, answers[i]));
  }
  (void)co_await asked.tasks.drained(Duration::max());
  for (GrapeClient& client : asked.clients) {
    if (client.http) co_await client.http->stop();
  }
}

void run_to_end(boost::asio::io_context& io, net::Awaitable<void> task) {
  boost::asio::co_spawn(io, std::move(task), net::kRethrow);
  io.run();
}

}  // namespace

Outcome<std::string> ask(Grapes const& grapes, std::string const& target, std::string const& body) {
  boost::asio::io_context io{1};
  Asked asked{io.get_executor(), grapes};
  Query const query{target, body};
  run_to_end(io, ask_until_answered(asked, query));
  if (!asked.answer) return asked.last_failure;
  return Outcome<std::string>{boost::system::in_place_value, std::move(*asked.answer)};
}

std::vector<Answers> ask_each(Grapes const& grapes, std::vector<Query> const& queries) {
  boost::asio::io_context io{1};
  Asked asked{io.get_executor(), grapes};
  std::vector<Answers> answers(grapes.urls.size(), Answers{std::vector<std::string>{}});
  run_to_end(io, ask_all(asked, queries, answers));
  return answers;
}

}  // namespace grenache::client
