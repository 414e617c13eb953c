// Runs a trader with a script of requests, answers to its calls, answers of its reservation store, commands,
// crashes and time.
//
// The input is a list of steps (see Script::step). Every request and every command is answered at most once,
// and once when everything has ended; the invariants of the book and of the reservation table hold; after
// each batch a trader can be restored from the rows; a preimage leaves only after its trade is durable; no
// more of an order is sold than it has.
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "exchange/core/trade/invoice.hpp"
#include "exchange/core/trade/reservation_table.hpp"
#include "exchange/core/trade/take_rules.hpp"
#include "exchange/core/trader.hpp"
#include "exchange/journal/memory_journal.hpp"
#include "exchange/journal/release_gate.hpp"
#include "exchange/messages/order_work.hpp"
#include "tests/fuzz/orders.hpp"
#include <grenache/base/check.hpp>
#include <grenache/base/endpoint.hpp>

namespace grenache::exchange {
namespace {

constexpr std::size_t kStepCountMax = 64;  // many steps compute signatures
constexpr std::size_t kRoundCountMax = 10'000;
constexpr std::string_view kTradeKind = "trade";

Trader::Options small_options() {
  Trader::Options options;
  options.name = "peer";
  options.book.order_count_max = 8;
  options.book.work_bits_wanted = 1;
  options.book.cheap_count_max = 6;
  options.work_bits = 1;
  options.book.maker_order_count_max = 4;
  options.book.unsigned_count_max = 3;
  options.book.closed_count_max = 12;
  options.book.maker_closed_count_max = 6;
  options.peers.contact_count_max = 6;
  options.peers.named_by_peers_max = 3;
  options.sync.relay_call_count_max = 4;
  options.sync.untold_count_max = 3;
  options.own_orders.order_count_max = 4;
  options.sales.reserving_count_max = 3;
  options.sales.waiting_count_max = 2;
  options.purchases.count_max = 3;
  options.purchases.waiting_count_max = 2;
  options.listed_count_max = 3;
  return options;
}

ReservationTable::Options small_table() {
  ReservationTable::Options options;
  options.live_takes_per_order_max = 2;
  options.settled_takes_per_order_max = 3;
  options.reservation_count_max = 4;
  options.order_count_max = 6;
  return options;
}

// An invoice that the trader, or one of its makers, has issued.
struct Issued {
  std::string order_id;
  std::string take_id;
  std::size_t taker = 0;
  Sha256 payment_hash;
};

class Script {
 public:
  Script(std::uint8_t const* data, std::size_t size) : input_{data, size} { start(); }

  void run() {
    for (std::size_t i = 0; i < kStepCountMax && !input_.empty(); ++i) step();
    end_everything();
  }

 private:
  void step() {
    switch (input_.below(18)) {
      case 0:
        return receive(json::Value{input_.long_text()}, {});
      case 1:
        if (auto body = json::parse(input_.long_text())) receive(std::move(*body), {});
        return;
      case 2:
        return receive_order();
      case 3:
        return publish();
      case 4:
        return change_own_order();
      case 5:
        return receive_take();
      case 6:
        return ask();
      case 7:
        return answer_store();
      case 8:
        return find_endpoints();
      case 9:
        return answer_with_bytes();
      case 10:
        return answer_well();
      case 11:
        return pass_time();
      case 12:
        return receive_payment();
      case 13:
        return accept();
      case 14:
        return pay();
      case 15:
        return ask_for_lists();
      case 16:
        return restart();
      case 17:
        return change_surroundings();
    }
  }

  // Life

  void start() {
    auto options = small_options();
    options.position = durable_;
    trader_ = std::make_unique<Trader>(options, fuzzing::key_of_peer(0), Random{1 + ++start_count_});
    gate_ = ReleaseGate<Output>{durable_};
    last_position_ = durable_;
    trader_->set_endpoint("127.0.0.1:1337");
    restore(*trader_);
    trader_->start(now_);
    drain();
  }

  void restore(Trader& trader) const {
    for (auto const kind : Trader::row_kinds()) {
      for (auto const& row : rows_.read({.kind = std::string{kind}})) GRN_CHECK(trader.restore(row));
    }
  }

  // Ends the trader as a power failure does. What the store was told may still arrive there.
  void restart() {
    auto const choice = input_.below(4);
    trader_.reset();
    batches_.clear();
    open_requests_.clear();
    open_commands_.clear();
    calls_.clear();
    for (auto const& pending : std::exchange(stores_, {})) {
      if (choice == 1) (void)table_.execute(pending.command, now_.steady, now_.wall);
    }
    if (choice > 1) table_ = ReservationTable{small_table()};
    start();
  }

  // Ends all that is under way: nothing may wait for ever.
  void end_everything() {
    make_all_durable_ = true;
    drain();
    for (int round = 0; round < 8; ++round) {
      for (std::size_t i = 0; !stores_.empty() || !calls_.empty(); ++i) {
        GRN_CHECK(i < kRoundCountMax);
        if (!stores_.empty()) execute_next_store();
        if (!calls_.empty()) answer(calls_.begin()->first, {{}, "connection refused"});
      }
      GRN_CHECK(open_requests_.empty());
      GRN_CHECK(trader_->is_synced());
      pass(std::chrono::seconds{30}, std::chrono::seconds{30});
    }
    GRN_CHECK(open_commands_.empty());
    Trader again{small_options(), fuzzing::key_of_peer(0), Random{7}};
    restore(again);
    for (auto const& [id, order] : trader_->own_orders().all()) {
      auto const* const kept = again.own_orders().find(id);
      GRN_CHECK(kept && kept->record == order.record && kept->totals == order.totals);
    }
    GRN_CHECK(again.own_orders().all().size() == trader_->own_orders().all().size());
    check_trades();
  }

  // Each take of an order is sold once, and all of them are no more than the order.
  void check_trades() const {
    std::map<std::string, Satoshi> sold;
    for (auto const& row : rows_.read({.kind = std::string{kTradeKind}})) {
      auto const body = json::parse(row.body);
      GRN_CHECK(body);
      if (*body->find_string("role") != "maker") continue;
      auto const amount = Satoshi::from_json(*body->find("amount"));
      GRN_CHECK(amount);
      auto& sum = sold[*body->find_string("order")];
      sum = sum + *amount;
    }
    for (auto const& [order_id, sum] : sold) {
      auto const published = published_.find(order_id);
      if (published != published_.end()) GRN_CHECK(sum <= published->second);
    }
  }

  // Requests

  MessageHeader header() { return {1337 + input_.byte(), CreatorType::client, now_.wall}; }

  // An order of the book, or an unknown one.
  OrderRecord order() {
    auto const live = trader_->book().live(now_.wall);
    auto const choice = input_.below(live.size() + 1);
    return choice < live.size() ? live[choice] : fuzzing::draft(input_, now_.wall);
  }

  // An own order, if there is one.
  OrderRecord own_order() {
    auto const& all = trader_->own_orders().all();
    if (all.empty()) return order();
    auto it = all.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(input_.below(std::min<std::size_t>(all.size(), 256))));
    return it->second.record;
  }

  OrderRecord foreign_order() {
    auto out = fuzzing::draft(input_, now_.wall);
    auto const maker = input_.below(fuzzing::kPeerCount + 1);
    if (maker == fuzzing::kPeerCount) return samples::as_original(out);
    sign_order(out, fuzzing::key_of_peer(maker));
    if (input_.below(8) == 1) out.remaining = out.amount;  // so the signature is invalid
    return out;
  }

  void receive(json::Value payload, std::size_t taker) {
    auto const request = ++last_request_;
    open_requests_.emplace(request, taker);
    trader_->receive(request, IpAddress{127, 0, 0, 1}, std::move(payload), now_);
    drain();
  }

  void receive_order() {
    auto const form = input_.flag() ? PayloadForm::text : PayloadForm::object;
    receive(write_payload(to_json(foreign_order()), form), {});
  }

  void ask() {
    auto const known = order();
    switch (input_.below(5)) {
      case 0:
        return receive(to_json(ExecuteOrderMessage{header(), known.id, {}}), {});
      case 1:
        return receive(to_json(GetOrderMatchesMessage{header(), known.id}), {});
      case 2:
        return receive(to_json(GetPeersMessage{header(), endpoint()}), {});
      case 3:
        return receive_sync();
      default:
        return receive(to_json(GetOrderbookMessage{header(), input_.flag()}), {});
    }
  }

  VersionId some_id() {
    auto const orders = trader_->book().live(now_.wall);
    auto const choice = input_.below(orders.size() + 1);
    auto const order = choice < orders.size() ? orders[choice] : foreign_order();
    return order.is_signed() ? version_of(order) : VersionId{input_.byte(), 7};
  }

  void receive_sync() {
    switch (input_.below(3)) {
      case 0: {
        ReconcileMessage message;
        message.header = header();
        message.endpoint = endpoint();
        if (!HostPort::parse(message.endpoint)) message.endpoint.clear();
        message.salt = input_.byte();
        message.length = input_.below(kPositionDigits + 1);
        message.prefixes = {message.length == 0
                                ? 0
                                : some_id().position >> (kPositionBits - 4 * message.length)
                                                            << (kPositionBits - 4 * message.length)};
        message.fingerprint = input_.byte();
        return receive(to_json(message), {});
      }
      case 1: {
        InventoryMessage message;
        message.header = header();
        message.endpoint = endpoint();
        if (!HostPort::parse(message.endpoint)) message.endpoint.clear();
        for (auto count = input_.below(4); count > 0; --count) message.ids.push_back(some_id());
        for (auto count = input_.below(3); count > 0; --count) message.orders.push_back(foreign_order());
        return receive(to_json(message), {});
      }
      default: {
        GetRecordsMessage message{header(), {}};
        for (auto count = 1 + input_.below(3); count > 0; --count) {
          message.positions.push_back(some_id().position);
        }
        return receive(to_json(message), {});
      }
    }
  }

  void receive_take() {
    auto const wanted = input_.flag() ? own_order() : order();
    ExecuteOrderMessage message{header(), wanted.id, TakeTerms{}};
    message.take->take_id = "00000000-0000-4000-9000-00000000000" + std::to_string(input_.below(4));
    message.take->amount = Satoshi{input_.byte()};
    message.take->price = input_.below(8) == 1 ? PriceCents{7} : wanted.price;
    message.take->created = now_.wall - std::chrono::seconds{input_.byte() * 4};
    auto const taker = input_.below(fuzzing::kPeerCount);
    sign_take(*message.take, wanted.id, trader_->id(), fuzzing::key_of_peer(taker));
    if (input_.below(8) == 1) message.take->amount = Satoshi{1};
    receive(to_json(message), taker);
  }

  void receive_payment() {
    if (issued_.empty()) return;
    auto const& known = issued_.at(input_.below(std::min<std::size_t>(issued_.size(), 256)));
    PayMessage message{header(), known.order_id, known.take_id, known.payment_hash, {}, {}};
    auto const choice = input_.below(8);
    if (choice == 1) message.payment_hash = sha256("another");
    if (choice == 2) message.take_id = "00000000-0000-4000-9000-000000000009";
    auto const taker = choice == 3 ? (known.taker + 1) % fuzzing::kPeerCount : known.taker;
    sign_pay(message, trader_->id(), fuzzing::key_of_peer(taker));
    if (choice == 4) message.signature.array()[9] ^= 1;
    receive(to_json(message), taker);
  }

  // Commands

  void execute(TraderCommand const& command) {
    auto const id = ++last_command_;
    open_commands_.insert(id);
    trader_->execute(id, command, now_);
    drain();
  }

  void publish() {
    command::AddOrder wanted;
    wanted.side = input_.flag() ? Side::buy : Side::sell;
    wanted.price = PriceCents{input_.number<std::int16_t>()};
    wanted.amount = Satoshi{input_.number<std::int64_t>()};
    if (input_.flag()) wanted.amount = Satoshi{4};
    wanted.life = std::chrono::minutes{input_.byte()};
    auto const choice = input_.byte();
    wanted.time_in_force = static_cast<TimeInForce>(choice % 4);
    wanted.post_only = (choice & 4) != 0;
    wanted.least_take = Satoshi{choice / 8 % 4};
    if (is_immediate(wanted.time_in_force) && (choice & 32) != 0) {
      wanted.life.reset();
      wanted.post_only = false;
      wanted.least_take = {};
    }
    execute(wanted);
  }

  void change_own_order() {
    auto const id = own_order().id;
    auto const choice = input_.below(8);
    if (choice < 4) return execute(command::ReduceOrder{id, Satoshi{static_cast<std::int64_t>(choice) - 1}});
    execute(command::CancelOrder{choice == 4 ? id.substr(0, 8) : id});
  }

  void accept() {
    auto const wanted = order();
    command::AcceptOrder command;
    command.id = wanted.id;
    auto const choice = input_.byte();
    if ((choice & 1) != 0) command.amount = Satoshi{input_.byte()};
    command.pay = (choice & 2) != 0;
    command.or_next = (choice & 4) != 0;
    if ((choice & 8) != 0) command.for_order = own_order().id;
    if ((choice & 48) == 48) command.price = PriceCents{101};
    if ((choice & 192) == 192) command.seq = 1 + choice / 16 % 4;
    execute(command);
  }

  void pay() {
    if (invoices_.empty()) return execute(command::Pay{std::string{input_.short_text()}});
    execute(command::Pay{invoices_.at(input_.below(std::min<std::size_t>(invoices_.size(), 256)))});
  }

  void ask_for_lists() {
    switch (input_.below(6)) {
      case 0:
        return execute(command::ListOrders{input_.flag()});
      case 1:
        return execute(command::ShowBook{input_.byte()});
      case 2:
        return execute(command::ListMatches{order().id.substr(0, input_.byte())});
      case 3:
        return execute(command::ListPeers{});
      case 4:
        return execute(command::ShowStatus{});
      case 5:
        return execute(command::Connect{endpoint()});
    }
  }

  // The reservation store

  void execute_next_store() {
    auto const pending = std::move(stores_.front());
    stores_.pop_front();
    auto const answer = table_.execute(pending.command, now_.steady, now_.wall);
    table_.check();
    end_store(pending.call, answer);
  }

  void end_store(CallId call, store::Answer const& answer) {
    trader_->store_answered(call, answer, now_);
    drain();
    trader_->store_answered(call, answer, now_);
    drain();
  }

  void answer_store() {
    auto const choice = input_.below(8);
    if (stores_.empty()) return;
    if (choice < 5) return execute_next_store();
    auto const pending = std::move(stores_.front());
    stores_.pop_front();
    bool const is_reserve = std::holds_alternative<store::Reserve>(pending.command);
    if (choice == 5 && !is_reserve) {
      // Its answer is lost; the attempt to reserve would have been undone.
      (void)table_.execute(pending.command, now_.steady, now_.wall);
      table_.check();
    }
    store::Refused refused{store::RefusalReason::unavailable, {}, {}};
    if (choice == 7) {
      // What a store may say to any command, with totals that cannot be.
      refused.reason = static_cast<store::RefusalReason>(1 + input_.below(7));
      refused.retry_after = std::chrono::milliseconds{input_.number<std::uint32_t>()};
    }
    end_store(pending.call, refused);
  }

  // Loses the data of the store, holds batches back, or moves to another endpoint.
  void change_surroundings() {
    switch (input_.below(5)) {
      case 0:
        table_ = ReservationTable{small_table()};
        trader_->store_lost(now_);
        return drain();
      case 1:
        make_all_durable_ = !make_all_durable_;
        return drain();
      case 2:
        trader_->endpoint_changed("10.0.0.9:" + std::to_string(1337 + input_.below(2)), now_);
        return drain();
      default:
        make_next_durable();
        return drain();
    }
  }

  // Calls

  std::string endpoint() {
    if (input_.below(8) == 1) return std::string{input_.short_text()};
    return "10.0.0." + std::to_string(input_.below(8)) + ":1337";
  }

  void find_endpoints() {
    auto const choice = input_.below(4);
    std::vector<std::string> found(choice);
    for (auto& text : found) text = endpoint();
    trader_->endpoints_found(found, choice == 3 ? ContactSource::connect : ContactSource::dht, now_);
    drain();
  }

  CallId some_call() {
    auto it = calls_.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(input_.below(std::min<std::size_t>(calls_.size(), 256))));
    return it->first;
  }

  void answer_with_bytes() {
    auto const choice = input_.below(4);
    auto const text = input_.long_text();
    if (calls_.empty()) return;
    CallAnswer said;
    if (choice == 0) said.error = std::string{text};
    if (choice == 1) said.result = json::Value{text};
    if (choice == 2) {
      if (auto value = json::parse(text)) said.result = std::move(*value);
    }
    if (choice == 3) {
      auto const code = static_cast<RefusalCode>(1 + input_.below(12));
      said.error = to_error_text({code, std::string{text}, std::chrono::milliseconds{input_.byte()}});
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
    auto body = std::visit([this](auto const& message) { return answer_to(message); }, *request);
    answer(id, {write_payload(std::move(body), input_.flag() ? PayloadForm::text : PayloadForm::object), {}});
  }

  json::Value answer_to(PingPongMessage const&) {
    PingPongMessage pong{header(), true, {}, "00", "somebody"};
    auto const who = input_.below(fuzzing::kPeerCount + 1);
    if (who < fuzzing::kPeerCount) pong.peer = fuzzing::key_of_peer(who).public_key();
    return to_json(pong);
  }
  json::Value answer_to(GetPeersMessage const&) {
    std::vector<std::string> named(input_.below(4));
    for (auto& text : named) text = endpoint();
    return endpoints_to_json(named);
  }
  json::Value answer_to(GetOrderbookMessage const&) {
    json::Value::Array orders;
    for (auto count = input_.below(6); count > 0; --count) orders.push_back(to_json(foreign_order()));
    return json::Value{std::move(orders)};
  }
  json::Value answer_to(AddOrderMessage const&) { return "ok"; }
  json::Value answer_to(ReconcileMessage const& message) {
    OrderIndex index;
    for (auto count = input_.below(6); count > 0; --count) index.put(foreign_order());
    return reconcile_answer_to_json(reconcile(index, message), message.length);
  }
  json::Value answer_to(InventoryMessage const& message) {
    InventoryAnswer answer;
    for (std::size_t i = 0; i < message.ids.size(); ++i) answer.unknown.push_back(input_.flag());
    answer.refused = input_.below(3);
    return to_json(answer);
  }
  json::Value answer_to(GetRecordsMessage const& message) {
    std::vector<json::Value> orders;
    for (auto count = input_.below(4); count > 0; --count) orders.push_back(to_json(foreign_order()));
    return records_answer_to_json(std::move(orders), input_.below(message.positions.size()));
  }
  json::Value answer_to(EquivocationMessage const&) { return "ok"; }
  json::Value answer_to(RelayFeeMessage const&) { return "ok"; }
  json::Value answer_to(CreditMessages const& message) { return to_json(message); }
  json::Value answer_to(TransitInvoiceMessage const&) { return "ok"; }
  json::Value answer_to(PrepareMessage const&) { return "ok"; }
  json::Value answer_to(GetDebtsMessage const&) { return "ok"; }
  json::Value answer_to(StartNettingMessage const&) { return "ok"; }
  json::Value answer_to(GetOrderMatchesMessage const&) { return json::Value{json::Value::Array{}}; }

  json::Value answer_to(ExecuteOrderMessage const& message) {
    auto const maker = input_.below(fuzzing::kPeerCount);
    auto const& key = fuzzing::key_of_peer(maker);
    InvoiceTerms terms{message.order_id, "take", 1, Satoshi{4}, now_.wall, kInvoiceLifeMax};
    ExecuteOrderResponse response{header(), message.order_id, "lnbcrt1", now_.wall, {}, {}};
    if (message.take) {
      terms.take_id = store_take_id(message.take->take_id, message.take->taker.hex());
      terms.amount = message.take->amount;
      response.take_id = message.take->take_id;
    }
    auto const choice = input_.below(8);
    if (choice == 5) terms.life = std::chrono::seconds{1};
    if (choice == 6) response.expires_at = from_unix_ms(input_.number<std::uint32_t>() * 50'000ll);
    if (choice == 7) terms.amount = terms.amount + Satoshi{1};
    if (auto const invoice = issue_invoice(terms, key)) {
      response.lightning_invoice = *invoice;
      invoices_.push_back(*invoice);
      preimages_[response.take_id] = preimage_of(terms, key);
    }
    return to_json(response);
  }
  json::Value answer_to(PayMessage const& message) {
    GRN_CHECK(verify_pay(message, fuzzing::key_of_peer(1).public_key()) ||
              verify_pay(message, fuzzing::key_of_peer(2).public_key()));
    auto preimage = preimages_[message.take_id];
    if (input_.below(8) == 1) preimage = sha256("another");
    return to_json(PaidMessage{header(), message.order_id, message.take_id, preimage});
  }

  void answer(CallId id, CallAnswer said) {
    calls_.erase(id);
    auto const again = said;
    trader_->call_answered(id, std::move(said), now_);
    drain();
    trader_->call_answered(id, again, now_);
    drain();
  }

  // Time

  void pass_time() {
    auto const time = std::chrono::seconds{std::int64_t{1} << input_.below(12)};
    switch (input_.below(8)) {
      case 1:
        return pass({}, time);
      case 2:
        return pass({}, -time);
      case 3:
        return pass(time, {});
      default:
        return pass(time, time);
    }
  }

  void pass(std::chrono::seconds steady, std::chrono::seconds wall) {
    now_.steady = later_by(now_.steady, steady);
    now_.wall += wall;
    trader_->expire(now_);
    drain();
    // Else the timer of the shell would never rest.
    GRN_CHECK(trader_->next_deadline(now_) > now_.steady);
  }

  // Outputs

  void drain() {
    for (std::size_t i = 0;; ++i) {
      GRN_CHECK(i < kRoundCountMax);
      if (auto output = trader_->poll_output()) {
        take(std::move(*output));
      } else if (!make_all_durable_ || !make_next_durable()) {
        break;
      }
    }
    trader_->book().check();
    trader_->sync().index().check();
    GRN_CHECK(trader_->peers().all().size() <= small_options().peers.contact_count_max);
  }

  void take(Output output) {
    if (auto* const save = std::get_if<output::Save>(&output)) {
      GRN_CHECK(save->batch.position == ++last_position_);
      GRN_CHECK(!save->batch.changes.empty());
      batches_.push_back(std::move(save->batch));
      return;
    }
    auto const after = std::visit(
        [](auto const& each) -> Position {
          if constexpr (requires { each.after; }) return each.after;
          return 0;
        },
        output);
    GRN_CHECK(after <= last_position_);
    if (auto released = gate_.add(after, std::move(output))) release(*released);
  }

  bool make_next_durable() {
    if (batches_.empty()) return false;
    rows_.apply(batches_.front());
    durable_ = batches_.front().position;
    batches_.pop_front();
    // A crash here would lose nothing that was promised.
    Trader again{small_options(), fuzzing::key_of_peer(0), Random{7}};
    restore(again);
    gate_.set_durable(durable_);
    while (auto released = gate_.next()) release(*released);
    return true;
  }

  void release(Output& output) {
    std::visit(
        [this](auto& each) {
          if constexpr (requires { each.after; }) handle(each);
        },
        output);
  }

  void handle(output::Reply const& reply) {
    auto const request = open_requests_.extract(reply.request);
    GRN_CHECK(!request.empty());
    GRN_CHECK(reply.error.empty() || parse_refusal(reply.error));
    if (!reply.error.empty()) return;
    auto const payload = read_payload(reply.result);
    GRN_CHECK(payload || reply.result.as_string());
    if (!payload) return;
    if (auto const response = parse_execute_response(payload->body)) {
      auto const invoice = bolt11::decode(response->lightning_invoice);
      GRN_CHECK(invoice && invoice->payee == trader_->id());
      issued_.push_back({response->order_id, response->take_id, request.mapped(), invoice->payment_hash});
    } else if (auto const paid = parse_paid(payload->body)) {
      GRN_CHECK(has_trade(paid->order_id, paid->take_id));
    }
  }
  bool has_trade(std::string const& order_id, std::string const& take_id) const {
    for (auto const& row : rows_.read({.kind = std::string{kTradeKind}})) {
      auto const body = json::parse(row.body);
      GRN_CHECK(body);
      if (*body->find_string("order") == order_id && *body->find_string("take") == take_id) return true;
    }
    return false;
  }

  void handle(output::Store& wanted) {
    if (auto const* const reserve = std::get_if<store::Reserve>(&wanted.command)) {
      GRN_CHECK(reserve->wanted > Satoshi{0} && reserve->life.count() > 0);
      GRN_CHECK(reserve->order.id.size() <= kReservationIdSizeMax &&
                reserve->take_id.size() <= kReservationIdSizeMax);
    }
    stores_.push_back(std::move(wanted));
  }
  void handle(output::Verify const& wanted) {
    std::vector<bool> valid;
    for (auto const& order : wanted.orders) valid.push_back(verify_order(order));
    trader_->verified(wanted.batch, valid, now_);
  }
  void handle(output::Work const& wanted) {
    trader_->worked(wanted.work, find_work(wanted.challenge, wanted.id, wanted.bits, 1, 64), now_);
  }
  void handle(output::Call& made) {
    auto const payload = read_payload(made.payload);
    GRN_CHECK(payload && payload->form == PayloadForm::text);
    auto const request = parse_request(payload->body);
    GRN_CHECK(request);
    auto const* const added = std::get_if<AddOrderMessage>(&*request);
    GRN_CHECK(!added || verify_order(added->order));
    auto const id = made.call;
    GRN_CHECK(calls_.emplace(id, std::move(made)).second);
  }
  void handle(output::Answer const& answer) {
    GRN_CHECK(open_commands_.erase(answer.command) == 1);
    auto const* const view = std::get_if<result::PurchaseView>(&answer.result);
    if (view && !view->preimage.empty()) GRN_CHECK(has_trade(view->order_id, view->take_id));
    auto const* const placed = std::get_if<result::Placed>(&answer.result);
    if (placed) GRN_CHECK(verify_order(placed->order.order) && placed->order.is_own);
  }

  void handle(output::Notice const& notice) {
    std::visit([this](auto const& known) { handle(known); }, notice.event);
  }
  void handle(event::OrderChanged const& changed) {
    GRN_CHECK(!changed.order.is_signed() || verify_order(changed.order));
    if (changed.is_own) published_.try_emplace(changed.order.id, changed.order.amount);
  }
  void handle(event::TradeDone const& trade) { GRN_CHECK(trade.amount.units() > 0); }
  template <class Other>
  void handle(Other const&) {}

  fuzz::Input input_;
  Now now_{TimePoint{} + std::chrono::hours{1}, samples::kNow};
  ReservationTable table_{small_table()};
  RowTable rows_;              // what is durable
  std::deque<Batch> batches_;  // what is not durable yet
  Position durable_ = 0;
  Position last_position_ = 0;
  bool make_all_durable_ = true;
  ReleaseGate<Output> gate_;
  std::uint64_t start_count_ = 0;
  std::unique_ptr<Trader> trader_;
  RequestId last_request_ = 0;
  CommandId last_command_ = 0;
  std::map<RequestId, std::size_t> open_requests_;  // not answered yet, with the taker
  std::set<CommandId> open_commands_;
  std::deque<output::Store> stores_;  // sent to the store, in order
  std::map<CallId, output::Call> calls_;
  std::vector<Issued> issued_;                // invoices of the trader
  std::vector<std::string> invoices_;         // invoices of others
  std::map<std::string, Sha256> preimages_;   // of others' invoices, by take id
  std::map<std::string, Satoshi> published_;  // amounts of own orders
};

}  // namespace
}  // namespace grenache::exchange

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  grenache::exchange::Script{data, size}.run();
  return 0;
}
