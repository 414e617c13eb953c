#include "exchange/core/peer.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include <grenache/base/endpoint.hpp>

namespace grenache::exchange {
namespace {

constexpr std::size_t kInstanceBytes = 8;

Refusal refusal_of(Error const& error) {
  if (error == BookErrc::bad_signature || error == BookErrc::unsigned_refused) {
    return {RefusalCode::signature, error.message(), {}};
  }
  if (error == BookErrc::expired) return {RefusalCode::expired, error.message(), {}};
  if (error == BookErrc::book_full || error == BookErrc::maker_full) {
    return {RefusalCode::limit, error.message(), {}};
  }
  return {RefusalCode::invalid, error.message(), {}};
}

json::Value to_json(std::vector<OrderRecord> const& orders) {
  json::Value::Array out;
  out.reserve(orders.size());
  for (auto const& order : orders) out.push_back(exchange::to_json(order));
  return out;
}

std::int64_t port_of(std::string const& endpoint) {
  auto const parsed = HostPort::parse(endpoint);
  return parsed ? parsed->port : -1;
}

// Parses an answer in either form; a string that is not JSON is returned unchanged.
json::Value read_answer(json::Value result) {
  auto payload = read_payload(result);
  return payload ? std::move(payload->body) : std::move(result);
}

}  // namespace

std::string_view describe(PeerErrc code) {
  switch (code) {
    case PeerErrc::bad_terms:
      return "an amount, a price or a life is out of range";
    case PeerErrc::not_listening:
      return "the peer does not listen yet";
    case PeerErrc::no_such_order:
      return "the peer has no such open order";
  }
  return "unknown error";
}

Peer::Peer(Options options, SecretKey const& key, Random random)
    : options_{std::move(options)},
      key_{key},
      id_{key_.public_key()},
      random_{std::move(random)},
      instance_{to_hex(random_.bytes(kInstanceBytes))},
      book_{options_.book} {}

void Peer::listening(std::string endpoint) {
  exchange_id_ = port_of(endpoint);
  endpoint_ = std::move(endpoint);
}

MessageHeader Peer::header(CreatorType creator, WallTime now) const { return {exchange_id_, creator, now}; }

// Requests of other peers

void Peer::reply(RequestId request, PayloadForm form, json::Value body) {
  outputs_.emplace_back(output::Reply{request, write_payload(std::move(body), form), {}});
}

void Peer::refuse(RequestId request, Refusal const& refusal) {
  outputs_.emplace_back(output::Reply{request, {}, to_error_text(refusal)});
}

void Peer::receive(RequestId request, json::Value payload, WallTime now) {
  auto read = read_payload(std::move(payload));
  if (!read) return refuse(request, {RefusalCode::invalid, read.error().message(), {}});
  auto const message = parse_request(read->body);
  if (!message) return refuse(request, {RefusalCode::invalid, message.error().message(), {}});
  std::visit([&](auto const& known) { handle(request, read->form, known, now); }, *message);
}

void Peer::handle(RequestId request, PayloadForm form, PingPongMessage const&, WallTime now) {
  reply(request, form,
        exchange::to_json(
            PingPongMessage{header(CreatorType::server, now), true, id_, instance_, options_.name}));
}

void Peer::handle(RequestId request, PayloadForm form, AddOrderMessage const& message, WallTime now) {
  auto const added = book_.add(message.order, now);
  if (!added) return refuse(request, refusal_of(added.error()));
  reply(request, form, "ok");
  if (*added == Added::nothing) return;
  outputs_.emplace_back(output::OrderAdded{message.order, *added == Added::version});
  if (message.order.is_signed()) {
    outputs_.emplace_back(output::Broadcast{
        write_payload(exchange::to_json(message.order), PayloadForm::text), options_.relay_count});
  }
}

void Peer::handle(RequestId request, PayloadForm form, GetOrderMatchesMessage const& message, WallTime now) {
  std::vector<OrderRecord> orders;
  for (auto& match : matches(message.order_id, now)) orders.push_back(std::move(match.order));
  reply(request, form, to_json(orders));
}

void Peer::handle(RequestId request, PayloadForm form, GetOrderbookMessage const&, WallTime now) {
  reply(request, form, to_json(book_.live(now)));
}

void Peer::handle(RequestId request, PayloadForm form, ExecuteOrderMessage const& message, WallTime now) {
  auto checked = check_take(message, book_, id_, options_.takes, now);
  std::optional<Refusal> refusal;
  if (auto* const refused = std::get_if<Refusal>(&checked)) refusal = std::move(*refused);
  if (!refusal && pending_.size() >= options_.pending_take_count_max) {
    refusal = Refusal{RefusalCode::limit, "too many takes at once", std::chrono::seconds{1}};
  }
  if (refusal) {
    refuse(request, *refusal);
    outputs_.emplace_back(output::TakeAnswered{message.order_id, taker_of(message), std::move(refusal)});
    return;
  }
  auto& take = std::get<PendingTake>(checked);
  outputs_.emplace_back(output::Reserve{request, take.request});
  pending_.insert_or_assign(request, PendingRequest{form, std::move(take)});
}

void Peer::reserved(RequestId request, ReserveOutcome const& outcome, WallTime now) {
  auto const found = pending_.extract(request);
  if (found.empty()) return;
  auto const& [form, take] = found.mapped();
  auto answer = answer_take(take, outcome, book_, key_, now);
  if (answer.release) {
    outputs_.emplace_back(
        output::Release{take.request.order_id, answer.release->take_id, answer.release->fence});
  }
  output::TakeAnswered event{take.request.order_id, take.request.taker, {}};
  if (auto* const response = std::get_if<ExecuteOrderResponse>(&answer.answer)) {
    response->header = header(CreatorType::server, now);
    reply(request, form, exchange::to_json(*response));
  } else {
    event.refusal = std::get<Refusal>(std::move(answer.answer));
    refuse(request, *event.refusal);
  }
  outputs_.emplace_back(std::move(event));
}

// Own orders

Result<OrderRecord> Peer::announce(OrderRecord order, WallTime now) {
  ++order.seq;
  order.endpoint = endpoint_;
  order.exchange_id = exchange_id_;
  sign_order(order, key_);
  auto const added = book_.add(order, now);
  if (!added) return added.error();
  outputs_.emplace_back(output::Broadcast{write_payload(exchange::to_json(order), PayloadForm::text), 0});
  return order;
}

Result<OrderRecord> Peer::publish(OrderTerms const& terms, WallTime now) {
  if (endpoint_.empty()) return make_error_code(PeerErrc::not_listening);
  bool const amount_fits = terms.amount.units() > 0 && terms.amount.units() <= Satoshi::kMax;
  bool const price_fits = terms.price.units() > 0 && terms.price.units() <= PriceCents::kMax;
  bool const life_fits = terms.life.count() > 0 && terms.life <= kOrderLifeMax;
  if (!amount_fits || !price_fits || !life_fits) return make_error_code(PeerErrc::bad_terms);
  OrderRecord order;
  order.id = make_uuid(random_);
  order.side = terms.side;
  order.price = terms.price;
  order.amount = order.remaining = terms.amount;
  order.created = now;
  order.expires = now + terms.life;
  return announce(std::move(order), now);
}

Result<OrderRecord> Peer::cancel(std::string const& order_id, WallTime now) {
  auto const* const order = book_.find(OrderKey{order_id, id_});
  if (!order || !order->is_live(now)) return make_error_code(PeerErrc::no_such_order);
  auto closed = *order;
  closed.status = OrderStatus::cancelled;
  return announce(std::move(closed), now);
}

std::vector<Match> Peer::matches(std::string_view order_id, WallTime now) const {
  auto const* const order = book_.find(order_id, id_);
  return order ? book_.matches(*order, now) : std::vector<Match>{};
}

// Requests to others

CallId Peer::call(CallState state, std::string endpoint, json::Value const& body) {
  auto const id = ++last_call_;
  outputs_.emplace_back(output::Call{id, std::move(endpoint), write_payload(body, PayloadForm::text)});
  calls_.emplace(id, std::move(state));
  return id;
}

CallId Peer::send_ping(std::string endpoint, bool starts_sync, WallTime now) {
  PingPongMessage const ping{header(CreatorType::client, now), false, id_, instance_, options_.name};
  auto const to = endpoint;
  return call(PingCall{std::move(endpoint), starts_sync}, to, exchange::to_json(ping));
}

CallId Peer::ping(std::string endpoint, WallTime now) { return send_ping(std::move(endpoint), false, now); }

std::deque<std::string> Peer::endpoints_for(OrderRecord const& order) const {
  std::deque<std::string> out;
  for (auto const& [endpoint, state] : endpoints_) {
    bool const is_maker =
        order.is_signed() ? state.peer == order.maker : !state.peer && port_of(endpoint) == order.exchange_id;
    if (is_maker && !state.is_self) out.push_back(endpoint);
  }
  // The original has no hosts: its peers are at localhost:exchangeId.
  auto const hint = order.is_signed() ? order.endpoint : "127.0.0.1:" + std::to_string(order.exchange_id);
  if (HostPort::parse(hint) && std::ranges::find(out, hint) == out.end()) out.push_back(hint);
  return out;
}

CallId Peer::take(OrderRecord const& order, Satoshi amount, std::string take_id, WallTime now) {
  TakeCall state{order, {header(CreatorType::client, now), order.id, {}}, amount, {}, endpoints_for(order)};
  if (order.is_signed()) {
    auto const id = take_id.empty() ? make_uuid(random_) : std::move(take_id);
    TakeTerms terms{id, amount, order.price, {}, now, {}};
    sign_take(terms, order.id, *order.maker, key_);
    state.message.take = std::move(terms);
  }
  auto const id = ++last_call_;
  call_take(id, std::move(state));
  return id;
}

void Peer::call_take(CallId id, TakeCall state) {
  if (state.others.empty()) {
    outputs_.emplace_back(output::CallFailed{id, state.endpoint, "the maker has no endpoint to ask"});
    return;
  }
  state.endpoint = std::move(state.others.front());
  state.others.pop_front();
  outputs_.emplace_back(
      output::Call{id, state.endpoint, write_payload(exchange::to_json(state.message), PayloadForm::text)});
  calls_.insert_or_assign(id, std::move(state));
}

void Peer::found(std::vector<std::string> const& endpoints, WallTime now) {
  for (auto const& endpoint : endpoints) {
    auto known = endpoints_.find(endpoint);
    if (known == endpoints_.end()) {
      if (endpoints_.size() >= options_.endpoint_count_max || endpoint.size() > kEndpointSizeMax) continue;
      known = endpoints_.try_emplace(endpoint).first;
    }
    auto& state = known->second;
    state.last_found = now;
    if (state.next_at > now) continue;
    if (state.sync == Sync::none) {
      state.sync = Sync::pinging;
      send_ping(endpoint, true, now);
    } else if (state.sync == Sync::done && !state.is_self) {
      read_book(endpoint, now);
    }
  }
}

void Peer::answered(CallId id, CallAnswer answer, WallTime now) {
  auto found = calls_.extract(id);
  if (found.empty()) return;
  answer.result = read_answer(std::move(answer.result));
  auto& state = found.mapped();
  if (auto const* const ping = std::get_if<PingCall>(&state)) {
    answered_ping(id, *ping, std::move(answer), now);
  } else if (auto const* const book = std::get_if<BookCall>(&state)) {
    answered_book(id, *book, std::move(answer), now);
  } else {
    answered_take(id, std::move(std::get<TakeCall>(state)), std::move(answer), now);
  }
}

void Peer::read_book(std::string const& endpoint, WallTime now) {
  endpoints_.at(endpoint).sync = Sync::reading;
  call(BookCall{endpoint}, endpoint,
       exchange::to_json(GetOrderbookMessage{header(CreatorType::client, now)}));
}

void Peer::sync_failed(std::string const& endpoint, WallTime now) {
  auto const known = endpoints_.find(endpoint);
  if (known == endpoints_.end()) return;
  known->second.sync = Sync::none;
  known->second.next_at = now + options_.sync_retry_delay;
}

void Peer::answered_ping(CallId id, PingCall const& state, CallAnswer answer, WallTime now) {
  auto const pong = parse_pong(answer.result);
  if (!answer.error.empty() || !pong) {
    outputs_.emplace_back(output::CallFailed{
        id, state.endpoint, answer.error.empty() ? pong.error().message() : std::move(answer.error)});
    if (state.starts_sync) sync_failed(state.endpoint, now);
    return;
  }
  outputs_.emplace_back(output::PongReceived{id, state.endpoint, pong->peer, pong->name});
  auto const known = endpoints_.find(state.endpoint);
  if (known == endpoints_.end()) return;
  known->second.peer = pong->peer;
  known->second.is_self = pong->instance == instance_;
  if (!state.starts_sync) return;
  if (known->second.is_self) {
    known->second.sync = Sync::done;
    return;
  }
  read_book(state.endpoint, now);
}

void Peer::answered_book(CallId id, BookCall const& state, CallAnswer answer, WallTime now) {
  auto list = parse_orders(answer.result, options_.book.order_count_max);
  if (!answer.error.empty() || !list) {
    outputs_.emplace_back(output::CallFailed{
        id, state.endpoint, answer.error.empty() ? list.error().message() : std::move(answer.error)});
    return sync_failed(state.endpoint, now);
  }
  output::BookReceived event{id, state.endpoint, list->orders.size(), 0, list->dropped};
  std::vector<Output> added;
  for (auto const& order : list->orders) {
    auto const result = book_.add(order, now);
    if (!result) ++event.dropped_count;
    if (!result || *result == Added::nothing) continue;
    ++event.new_count;
    added.emplace_back(output::OrderAdded{order, *result == Added::version});
  }
  outputs_.emplace_back(std::move(event));
  std::ranges::move(added, std::back_inserter(outputs_));
  auto const known = endpoints_.find(state.endpoint);
  if (known == endpoints_.end()) return;
  known->second.sync = Sync::done;
  known->second.next_at =
      now + (known->second.peer ? options_.reread_interval : options_.original_reread_interval);
}

void Peer::answered_take(CallId id, TakeCall state, CallAnswer answer, WallTime now) {
  auto const endpoint = state.endpoint;
  if (!answer.error.empty()) {
    if (auto refusal = parse_refusal(answer.error)) {
      outputs_.emplace_back(output::TakeRefused{id, endpoint, std::move(*refusal)});
    } else if (!state.others.empty()) {
      call_take(id, std::move(state));
    } else {
      outputs_.emplace_back(output::CallFailed{id, endpoint, std::move(answer.error)});
    }
    return;
  }
  auto const fail = [&](std::string reason) {
    outputs_.emplace_back(output::CallFailed{id, endpoint, std::move(reason)});
  };
  auto response = parse_execute_response(answer.result);
  if (!response) return fail(response.error().message());
  if (response->order_id != state.order.id) return fail("the answer is about another order");
  std::optional<bolt11::Invoice> invoice;
  if (state.order.is_signed()) {
    if (response->take_id != state.message.take->take_id) return fail("the answer is about another take");
    auto checked = check_invoice(response->lightning_invoice, *state.order.maker, state.amount, now);
    if (!checked) return fail(checked.error().message());
    invoice = std::move(*checked);
  }
  outputs_.emplace_back(output::TakeGranted{id, endpoint, std::move(*response), std::move(invoice)});
}

// Queries, expiry, outputs

std::vector<std::string> Peer::endpoints_of(PeerId const& peer) const {
  std::vector<std::string> out;
  for (auto const& [endpoint, state] : endpoints_) {
    if (state.peer == peer && !state.is_self) out.push_back(endpoint);
  }
  return out;
}

std::size_t Peer::endpoint_count() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(endpoints_, [](auto const& entry) { return !entry.second.is_self; }));
}

bool Peer::is_synced() const {
  return std::ranges::none_of(endpoints_, [](auto const& entry) {
    return entry.second.sync == Sync::pinging || entry.second.sync == Sync::reading;
  });
}

void Peer::expire(WallTime now) {
  book_.expire(now);
  std::erase_if(endpoints_, [&](auto const& entry) {
    return entry.second.last_found + options_.endpoint_age_max <= now;
  });
}

std::optional<Output> Peer::poll_output() {
  if (outputs_.empty()) return std::nullopt;
  auto out = std::move(outputs_.front());
  outputs_.pop_front();
  return out;
}

}  // namespace grenache::exchange
