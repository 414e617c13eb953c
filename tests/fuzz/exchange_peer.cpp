// Runs an exchange peer with a script of requests, answers to its calls, outcomes of its reservations, and
// time.
//
// The input is a list of steps (see Script::step). Every request is answered once, every call ends once, the
// invariants of the book hold, and no take is granted beyond the reserved amount.
#include <map>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "exchange/core/peer.hpp"
#include "tests/fuzz/orders.hpp"
#include <grenache/base/check.hpp>

namespace grenache::exchange {
namespace {

constexpr std::size_t kStepCountMax = 48;  // many steps compute signatures

Peer::Options small_options() {
  Peer::Options options;
  options.name = "peer";
  options.book.order_count_max = 8;
  options.book.maker_order_count_max = 4;
  options.book.unsigned_count_max = 3;
  options.pending_take_count_max = 2;
  options.endpoint_count_max = 4;
  return options;
}

class Script {
 public:
  Script(std::uint8_t const* data, std::size_t size)
      : input_{data, size}, peer_{small_options(), fuzzing::key_of_peer(0), Random{1}} {
    peer_.listening("127.0.0.1:1337");
  }

  void run() {
    for (std::size_t i = 0; i < kStepCountMax && !input_.empty(); ++i) step();
    while (!reserves_.empty()) settle_reserve();
    GRN_CHECK(open_.empty());
    while (!calls_.empty()) answer(calls_.begin()->first, {{}, "connection refused"});
    GRN_CHECK(peer_.is_synced());
  }

 private:
  void step() {
    switch (input_.below(12)) {
      case 0:
        return receive(json::Value{input_.long_text()});
      case 1:
        if (auto body = json::parse(input_.long_text())) receive(std::move(*body));
        return;
      case 2:
        return receive_order();
      case 3:
        return publish();
      case 4:
        return cancel();
      case 5:
        return receive_take();
      case 6:
        return ask();
      case 7:
        return settle_reserve();
      case 8:
        return call();
      case 9:
        return answer_with_bytes();
      case 10:
        return answer_well();
      case 11:
        now_ += std::chrono::seconds{std::int64_t{1} << input_.below(12)};
        peer_.expire(now_);
        return drain();
    }
  }

  MessageHeader header() { return {1337 + input_.byte(), CreatorType::client, now_}; }

  // An order of the book, or an unknown one.
  OrderRecord order() {
    auto const live = peer_.book().live(now_);
    auto const choice = input_.below(live.size() + 1);
    return choice < live.size() ? live[choice] : fuzzing::draft(input_, now_);
  }

  OrderRecord foreign_order() {
    auto out = fuzzing::draft(input_, now_);
    auto const maker = input_.below(fuzzing::kPeerCount + 1);
    if (maker == fuzzing::kPeerCount) return samples::as_original(out);
    sign_order(out, fuzzing::key_of_peer(maker));
    if (input_.below(8) == 1) out.remaining = out.amount;  // so the signature is invalid
    return out;
  }

  void receive(json::Value payload) {
    auto const request = ++last_request_;
    open_.insert(request);
    peer_.receive(request, std::move(payload), now_);
    drain();
    GRN_CHECK(open_.contains(request) == reserves_.contains(request));
  }

  void receive_order() {
    auto const form = input_.flag() ? PayloadForm::text : PayloadForm::object;
    receive(write_payload(to_json(foreign_order()), form));
  }

  void ask() {
    auto const known = order();
    switch (input_.below(3)) {
      case 0:
        return receive(to_json(ExecuteOrderMessage{header(), known.id, {}}));
      case 1:
        for (auto const& match : peer_.matches(known.id, now_)) {
          GRN_CHECK(match.order.is_live(now_) && match.amount.units() > 0);
        }
        return receive(to_json(GetOrderMatchesMessage{header(), known.id}));
      default:
        return receive(to_json(GetOrderbookMessage{header()}));
    }
  }

  void receive_take() {
    auto const wanted = order();
    ExecuteOrderMessage message{header(), wanted.id, TakeTerms{}};
    message.take->take_id = "00000000-0000-4000-9000-00000000000" + std::to_string(input_.below(4));
    message.take->amount = Satoshi{input_.byte()};
    message.take->price = input_.below(8) == 1 ? PriceCents{7} : wanted.price;
    message.take->created = now_ - std::chrono::seconds{input_.byte() * 4};
    sign_take(*message.take, wanted.id, peer_.id(), fuzzing::key_of_peer(input_.below(fuzzing::kPeerCount)));
    if (input_.below(8) == 1) message.take->amount = Satoshi{1};
    receive(to_json(message));
  }

  void settle_reserve() {
    if (reserves_.empty()) return;
    auto const& [request, wanted] = *reserves_.begin();
    auto const id = request;
    auto const choice = input_.byte();
    ReserveOutcome outcome;
    if (choice % 4 == 3) {
      outcome = ReservationRefusal{static_cast<ReservationErrc>(1 + choice / 4 % 3),
                                   std::chrono::milliseconds{input_.number<std::uint32_t>()}};
    } else {
      Reservation reservation;
      reservation.take_id = wanted.take_id;
      reservation.amount_sat = choice % 4 == 2 ? input_.number<std::int64_t>() : wanted.amount_sat;
      reservation.fence = input_.number<std::int64_t>();
      reservation.reserved_at = now_ - std::chrono::milliseconds{input_.number<std::uint32_t>()};
      outcome = reservation;
    }
    reserves_.erase(id);
    peer_.reserved(id, outcome, now_);
    drain();
    GRN_CHECK(!open_.contains(id));
    peer_.reserved(id, outcome, now_);
    drain();
  }

  void publish() {
    OrderTerms terms;
    terms.side = input_.flag() ? Side::buy : Side::sell;
    terms.price = PriceCents{input_.number<std::int16_t>()};
    terms.amount = Satoshi{input_.number<std::int64_t>()};
    if (input_.flag()) terms.amount = Satoshi{4};
    terms.life = std::chrono::minutes{input_.byte()};
    auto const published = peer_.publish(terms, now_);
    if (published) GRN_CHECK(verify_order(*published) && published->is_live(now_));
    drain();
  }

  void cancel() {
    auto const id = order().id;
    if (peer_.cancel(id, now_)) GRN_CHECK(!peer_.book().find(OrderKey{id, peer_.id()})->is_live(now_));
    drain();
  }

  std::string endpoint() {
    if (input_.below(8) == 1) return std::string{input_.short_text()};
    return "10.0.0." + std::to_string(input_.below(8)) + ":1337";
  }

  void call() {
    auto const choice = input_.below(4);
    if (choice == 0) {
      peer_.ping(endpoint(), now_);
    } else if (choice == 1) {
      auto const wanted = order();
      peer_.take(wanted, wanted.remaining, "", now_);
    } else {
      std::vector<std::string> found(choice);
      for (auto& text : found) text = endpoint();
      peer_.found(found, now_);
    }
    drain();
  }

  CallId some_call() {
    auto it = calls_.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(input_.below(std::min<std::size_t>(calls_.size(), 256))));
    return it->first;
  }

  void answer_with_bytes() {
    auto const choice = input_.below(3);
    auto const text = input_.long_text();
    if (calls_.empty()) return;
    CallAnswer said;
    if (choice == 0) said.error = std::string{text};
    if (choice == 1) said.result = json::Value{text};
    if (choice == 2) {
      if (auto value = json::parse(text)) said.result = std::move(*value);
    }
    answer(some_call(), std::move(said));
  }

  // Almost the answer of an honest peer.
  void answer_well() {
    if (calls_.empty()) return;
    auto const id = some_call();
    auto const payload = read_payload(calls_.at(id).payload);
    GRN_CHECK(payload);
    auto const request = parse_request(payload->body);
    GRN_CHECK(request);
    json::Value body;
    if (std::holds_alternative<PingPongMessage>(*request)) {
      PingPongMessage pong{header(), true, {}, "00", "somebody"};
      auto const who = input_.below(fuzzing::kPeerCount + 1);
      if (who < fuzzing::kPeerCount) pong.peer = fuzzing::key_of_peer(who).public_key();
      body = to_json(pong);
    } else if (std::holds_alternative<GetOrderbookMessage>(*request)) {
      json::Value::Array orders;
      for (auto count = input_.below(6); count > 0; --count) orders.push_back(to_json(foreign_order()));
      body = json::Value{std::move(orders)};
    } else {
      body = grant(std::get<ExecuteOrderMessage>(*request));
    }
    answer(id, {write_payload(std::move(body), input_.flag() ? PayloadForm::text : PayloadForm::object), {}});
  }

  json::Value grant(ExecuteOrderMessage const& message) {
    auto const& maker = fuzzing::key_of_peer(input_.below(fuzzing::kPeerCount));
    InvoiceTerms terms{message.order_id, "take", 1, Satoshi{4}, now_, kReservationLife};
    ExecuteOrderResponse response{header(), message.order_id, "lnbcrt1", now_, {}, {}};
    if (message.take) {
      terms.amount = message.take->amount;
      response.take_id = message.take->take_id;
    }
    if (auto const choice = input_.below(8); choice > 4) {
      terms.life += std::chrono::seconds{choice - 6};
      terms.amount = terms.amount + Satoshi{choice == 7 ? 1 : 0};
    }
    if (auto const invoice = issue_invoice(terms, maker)) response.lightning_invoice = *invoice;
    return to_json(response);
  }

  void answer(CallId id, CallAnswer said) {
    calls_.erase(id);
    ended_.clear();
    peer_.answered(id, std::move(said), now_);
    drain();
    // The call ended, or continues at another endpoint.
    GRN_CHECK(ended_.count(id) + calls_.count(id) == 1);
  }

  void drain() {
    while (auto const output = peer_.poll_output()) {
      std::visit([this](auto const& known) { handle(known); }, *output);
    }
    peer_.book().check();
    GRN_CHECK(peer_.endpoint_count() <= small_options().endpoint_count_max);
    GRN_CHECK(reserves_.size() <= small_options().pending_take_count_max);
  }

  void handle(output::Reply const& reply) {
    GRN_CHECK(open_.erase(reply.request) == 1);
    GRN_CHECK(reply.error.empty() || parse_refusal(reply.error));
    GRN_CHECK(!reply.error.empty() || read_payload(reply.result) || reply.result.as_string());
  }
  void handle(output::Reserve const& reserve) {
    GRN_CHECK(open_.contains(reserve.request));
    auto const& wanted = reserve.wanted;
    GRN_CHECK(wanted.amount_sat > 0 && wanted.amount_sat <= wanted.available_sat);
    GRN_CHECK(wanted.order_id.size() <= kReservationIdSizeMax &&
              wanted.take_id.size() <= kReservationIdSizeMax);
    GRN_CHECK(reserves_.emplace(reserve.request, wanted).second);
  }
  void handle(output::Release const& release) { GRN_CHECK(!release.take_id.empty()); }
  void handle(output::Call const& made) { GRN_CHECK(calls_.emplace(made.call, made).second); }
  void handle(output::Broadcast const& broadcast) {
    auto const payload = read_payload(broadcast.payload);
    GRN_CHECK(payload);
    auto const request = parse_request(payload->body);
    auto const* const added = request ? std::get_if<AddOrderMessage>(&*request) : nullptr;
    GRN_CHECK(added && verify_order(added->order));
  }
  void handle(output::OrderAdded const& added) {
    GRN_CHECK(!added.order.is_signed() || verify_order(added.order));
  }
  void handle(output::TakeGranted const& granted) {
    ended_.insert(granted.call);
    if (granted.invoice) GRN_CHECK(!granted.invoice->is_expired(now_));
  }
  void handle(output::PongReceived const& event) { ended_.insert(event.call); }
  void handle(output::BookReceived const& event) { ended_.insert(event.call); }
  void handle(output::TakeRefused const& event) { ended_.insert(event.call); }
  void handle(output::CallFailed const& event) { ended_.insert(event.call); }
  void handle(output::TakeAnswered const&) {}

  fuzz::Input input_;
  Peer peer_;
  WallTime now_ = samples::kNow;
  RequestId last_request_ = 0;
  std::set<RequestId> open_;                      // not answered yet
  std::map<RequestId, ReserveRequest> reserves_;  // pending at the store
  std::map<CallId, output::Call> calls_;          // pending at other peers
  std::multiset<CallId> ended_;                   // ended by the last answer
};

}  // namespace
}  // namespace grenache::exchange

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  grenache::exchange::Script{data, size}.run();
  return 0;
}
