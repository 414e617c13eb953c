// Trading peers without sockets, disks and clocks.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "exchange/core/trade/reservation_table.hpp"
#include "exchange/core/trader.hpp"
#include "exchange/journal/memory_journal.hpp"
#include "exchange/journal/release_gate.hpp"
#include "exchange/messages/order_work.hpp"
#include "tests/support/sample_orders.hpp"

namespace grenache::exchange::test {

/// What goes wrong between peers, and between a peer and its store: of how many messages, in percent.
struct TraderFaults {
  int call_lost = 0;         // the request does not arrive; the caller gets an error
  int call_late = 0;         // it arrives up to delay_max later, after younger ones
  int reply_lost = 0;        // the request is handled; the caller gets an error
  int call_repeated = 0;     // the request arrives twice, and the caller gets the second reply
  int reply_late = 0;        // by up to delay_max
  int answer_repeated = 0;   // a Trader is told an answer of a peer or of its store twice
  int store_refused = 0;     // a store command is not executed; its sender gets `unavailable`
  int store_unanswered = 0;  // it is executed; its sender gets `unavailable`, and a new reservation is undone
  int store_late = 0;        // the answer comes up to delay_max later; answers stay in order
  std::chrono::milliseconds delay_max = std::chrono::seconds{30};
};

/// Runs Traders against each other: calls arrive at once and in order, each identity has one reservation
/// store, batches become durable at once unless the test holds them. `faults` changes that.
class TraderNetwork {
 public:
  struct Node {
    std::string at;                    // endpoint
    std::chrono::milliseconds skew{};  // by which its clock is ahead
    Trader::Options options;
    std::uint64_t key = 0;
    PeerId id;
    std::unique_ptr<Trader> trader;  // null while it is down
    RowTable rows;                   // what is durable
    std::deque<Batch> batches;       // what is not durable yet
    Position durable = 0;
    ReleaseGate<Output> gate;
    bool holds_batches = false;  // batches become durable by make_durable() alone
    int run_count = 0;
    int due_count = 0;              // calls of expire() in a row after which something was still due
    bool has_recovered = false;     // its store has executed its Recover
    int loss_count = 0;             // of its store
    bool is_lost_told = false;      // it will be told to send Recover
    TimePoint last_store_answer{};  // when the last one that was sent arrives
    std::vector<Event> events;
    std::map<CommandId, CommandResult> answers;
    std::map<RequestId, std::function<void(CallAnswer)>> requests;
  };

  /// Adds a peer with the key of samples::secret(key) and starts it.
  Node& add(std::string name, std::uint64_t key, Trader::Options options = {}) {
    return add_at("127.0.0.1:" + std::to_string(2001 + nodes.size()), {}, std::move(name), key,
                  std::move(options));
  }
  /// The same at an endpoint of a numeric address, with a clock that is ahead by `skew`.
  Node& add_at(std::string endpoint, std::chrono::milliseconds skew, std::string name, std::uint64_t key,
               Trader::Options options) {
    auto& node = *nodes.emplace_back(std::make_unique<Node>());
    node.at = std::move(endpoint);
    node.skew = skew;
    node.options = std::move(options);
    node.options.name = std::move(name);
    node.key = key;
    node.id = samples::secret(key).public_key();
    start(node);
    return node;
  }

  void start(Node& node) {
    node.options.position = node.durable;
    node.gate = ReleaseGate<Output>{node.durable};
    node.trader = std::make_unique<Trader>(node.options, samples::secret(node.key),
                                           Random{++start_count_ + node.key * 1'000'000});
    ++node.run_count;
    node.trader->set_endpoint(node.at);
    for (auto const kind : Trader::row_kinds()) {
      for (auto const& row : node.rows.read({.kind = std::string{kind}})) {
        if (!node.trader->restore(row)) lost_rows.push_back(row);
      }
    }
    compare_dump(node);
    node.has_recovered = node.is_lost_told = false;
    node.last_store_answer = {};
    node.trader->start(now_of(node));
    run();
  }

  /// Ends a peer as kill -9 does: what is not durable is lost, and its requests get no answer. The first
  /// `kept` batches are on the disk, but it was not told.
  void kill(Node& node, std::size_t kept = 0) {
    node.trader.reset();
    for (; kept > 0 && !node.batches.empty(); --kept) write_front(node);
    node.batches.clear();
    for (auto& [id, done] : std::exchange(node.requests, {})) done({{}, "ERR_REQUEST_GENERIC: killed"});
    run();
  }

  /// The time by the clock of a peer.
  [[nodiscard]] Now now_of(Node const& node) const { return {now.steady, now.wall + node.skew}; }

  std::vector<std::string> endpoints() const {
    std::vector<std::string> out;
    for (auto const& node : nodes) out.push_back(node->at);
    for (auto const& [at, answer] : strangers) out.push_back(at);
    return out;
  }

  /// All peers look all of them up.
  void look_up() {
    for (auto& node : nodes) {
      if (node->trader) node->trader->endpoints_found(endpoints(), ContactSource::dht, now_of(*node));
    }
    run();
  }

  /// Executes a command and runs everything; a failure if it is not answered.
  CommandResult execute(Node& node, TraderCommand const& command) {
    auto const id = begin(node, command);
    return answer(node, id);
  }
  CommandId begin(Node& node, TraderCommand const& command) {
    auto const id = begin_only(node, command);
    run();
    return id;
  }
  /// The same without running anything: commands of one moment.
  CommandId begin_only(Node& node, TraderCommand const& command) {
    auto const id = ++last_command;
    node.trader->execute(id, command, now_of(node));
    return id;
  }
  CommandResult answer(Node const& node, CommandId id) const {
    auto const found = node.answers.find(id);
    return found == node.answers.end() ? CommandResult{result::Failure{{}, "no answer", {}}} : found->second;
  }

  /// Sends a request as a stranger.
  CallAnswer ask(Node& node, json::Value payload) {
    CallAnswer out{{}, "no answer"};
    request(node.at, std::move(payload), [&out](CallAnswer const& reply) { out = reply; });
    run();
    return out;
  }

  CallAnswer ask_from(IpAddress const& from, Node& node, json::Value payload) {
    CallAnswer out{{}, "no answer"};
    request_from(from, node, std::move(payload), [&out](CallAnswer const& reply) { out = reply; });
    run();
    return out;
  }
  void request_from(IpAddress const& from, Node& node, json::Value payload,
                    std::function<void(CallAnswer)> done) {
    auto const id = ++last_request;
    node.requests.emplace(id, std::move(done));
    node.trader->receive(id, from, std::move(payload), now_of(node));
  }

  /// Sends a request as a stranger of this host; `done` is called with the answer.
  void request(std::string const& endpoint, json::Value payload, std::function<void(CallAnswer)> done) {
    request(IpAddress{127, 0, 0, 1}, endpoint, std::move(payload), std::move(done));
  }
  void request(IpAddress const& from, std::string const& endpoint, json::Value payload,
               std::function<void(CallAnswer)> done) {
    ++call_count;
    if (hanging.contains(endpoint)) {
      return hung_.push_back({endpoint, std::move(payload), std::move(done)});
    }
    if (auto const found = strangers.find(endpoint); found != strangers.end()) {
      return done(found->second(payload));
    }
    for (auto& node : nodes) {
      if (node->at != endpoint || !node->trader || unreachable.contains(endpoint)) continue;
      return request_from(from, *node, std::move(payload), std::move(done));
    }
    done({{}, "ERR_REQUEST_GENERIC: nobody there"});
  }

  void advance(Duration time) {
    now.steady = later_by(now.steady, time);
    now.wall += std::chrono::duration_cast<std::chrono::milliseconds>(time);
    while (!later_.empty() && later_.begin()->first <= now.steady) {
      later_.extract(later_.begin()).mapped()();
      run();
    }
    for (auto& node : nodes) {
      if (node->trader) node->trader->expire(now_of(*node));
    }
    run();
  }
  /// Ends all calls that hang with an error, as their time limit does.
  void end_hanging() {
    hanging.clear();
    for (auto const& call : std::exchange(hung_, {})) call.done({{}, "ERR_TIMEOUT"});
    run();
  }
  /// Answers all calls that hang.
  void answer_hanging() {
    hanging.clear();
    for (auto& call : std::exchange(hung_, {})) {
      request(call.endpoint, std::move(call.payload), std::move(call.done));
    }
    run();
  }
  /// Advances in steps of a second, so that retries happen.
  void wait(std::chrono::seconds time) {
    for (; time.count() > 0; time -= std::chrono::seconds{1}) advance(std::chrono::seconds{1});
  }

  /// Advances from event to event for `time`, so that everything is done when it is due.
  void live(std::chrono::milliseconds time) {
    auto due = TimePoint::max();
    for (auto const& node : nodes) {
      if (node->trader) due = std::min(due, node->trader->next_deadline(now_of(*node)));
    }
    for (auto const end = later_by(now.steady, time); now.steady < end;) {
      auto const late = later_.empty() ? end : std::min(end, later_.begin()->first);
      auto const next = std::max(std::min(due, late), now.steady);
      auto const step = std::chrono::ceil<std::chrono::milliseconds>(next - now.steady);
      advance(std::max(step, std::chrono::milliseconds{1}));
      ++event_count;
      due = TimePoint::max();
      for (auto& node : nodes) {
        auto const deadline = node->trader ? node->trader->next_deadline(now_of(*node)) : TimePoint::max();
        due = std::min(due, deadline);
        node->due_count = deadline <= now.steady ? node->due_count + 1 : 0;
        if (node->due_count == 100) busy.insert(node->at);
      }
    }
  }

  /// The store of an identity ends with its data.
  void end_store(PeerId const& id) {
    stores.erase(id);
    std::erase_if(undoable_, [&](auto const& each) { return each.first == id; });
  }

  /// The store of an identity loses all its data, and its processes notice; answers under way are lost. For
  /// `grace` from then on nothing is granted, so that all of them can tell what they have promised.
  void lose_store(PeerId const& id, std::chrono::milliseconds grace = std::chrono::seconds{30}) {
    end_store(id);
    graces_[id] = later_by(now.steady, grace);
    for (auto& node : nodes) {
      if (node->id != id) continue;
      node->has_recovered = false;
      ++node->loss_count;
      if (node->trader) node->trader->store_lost(now_of(*node));
    }
    run();
  }
  [[nodiscard]] bool is_in_grace(PeerId const& id) const {
    auto const found = graces_.find(id);
    return found != graces_.end() && found->second > now.steady;
  }

  /// The rows from which a peer would be restored.
  static std::vector<Row> durable_rows(Node const& node) {
    std::vector<Row> out;
    auto kinds = Trader::row_kinds();
    std::ranges::sort(kinds);
    for (auto const kind : kinds) {
      auto rows = node.rows.read({.kind = std::string{kind}});
      std::ranges::move(rows, std::back_inserter(out));
    }
    return out;
  }

  void make_durable(Node& node) {
    if (node.batches.empty()) return;
    write_front(node);
    node.gate.set_durable(node.durable);
    ++batch_count;
    // All outputs were polled, so memory must not be ahead of the disk.
    if (compares_dumps && node.batches.empty()) compare_dump(node);
    while (auto out = node.gate.next()) dispatch(node, *out);
    run();
  }

  /// The orders of a peer's book that have not expired, open and closed, by key.
  std::vector<OrderRecord> orders_of(Node const& node) const {
    std::vector<OrderRecord> out;
    node.trader->book().visit({}, 100'000, [&](OrderRecord const& order) {
      if (order.expires > now_of(node).wall) out.push_back(order);
    });
    return out;
  }

  /// Runs until nothing happens.
  void run() {
    if (is_running_) return;
    is_running_ = true;
    for (bool any = true; any;) {
      any = false;
      for (std::size_t i = 0; i < nodes.size(); ++i) {
        while (step(*nodes[i])) any = true;
      }
    }
    is_running_ = false;
  }

  Now now{TimePoint{} + std::chrono::hours{1}, samples::kNow};
  std::vector<std::unique_ptr<Node>> nodes;
  std::map<PeerId, ReservationTable> stores;  // shared by the processes of one identity
  std::set<std::string> unreachable;          // endpoints
  std::set<std::string> hanging;              // endpoints that accept calls and do not answer
  /// True when no call gets from one endpoint to another.
  std::function<bool(std::string const& from, std::string const& to)> is_cut = [](auto&, auto&) {
    return false;
  };
  /// Other programs, by endpoint or service name: what they answer to a payload.
  std::map<std::string, std::function<CallAnswer(json::Value const&)>> strangers;
  std::set<PeerId> stores_down;
  std::size_t call_count = 0;
  std::size_t batch_count = 0;
  std::size_t event_count = 0;              // of live()
  std::int64_t work_count_max = 1'000'000;  // numbers that are tried to find work
  std::vector<Row> lost_rows;               // that could not be restored
  TraderFaults faults;
  Random fault_random{1};
  bool compares_dumps = false;           // after every batch: the durable rows are the state in memory
  std::vector<std::string> wrong_dumps;  // what was not
  std::set<std::string> busy;            // endpoints of peers that would spin
  std::size_t stray_reply_count = 0;     // replies to requests that were answered already
  /// Called after a batch has become durable.
  std::function<void(Node const&, Batch const&)> on_durable = [](auto const&, auto const&) {};
  /// Called with everything that a peer sends: the payload of a call or the result of a reply.
  std::function<void(Node const& from, json::Value const& sent)> on_sent = [](auto const&, auto const&) {};
  /// May change the result of a reply, as a hostile peer would.
  std::function<void(Node const& from, json::Value& result)> alter_reply = [](auto const&, auto&) {};

 private:
  void write_front(Node& node) {
    auto const batch = std::move(node.batches.front());
    node.batches.pop_front();
    node.rows.apply(batch);
    node.durable = batch.position;
    on_durable(node, batch);
  }

  void compare_dump(Node const& node) {
    auto const wanted = durable_rows(node);
    auto const found = node.trader->dump();
    auto const [on_disk, in_memory] = std::ranges::mismatch(wanted, found);
    if (on_disk != wanted.end())
      wrong_dumps.push_back(node.at + " on disk: " + on_disk->kind + " " + on_disk->body);
    if (in_memory != found.end()) {
      wrong_dumps.push_back(node.at + " in memory: " + in_memory->kind + " " + in_memory->body);
    }
  }

  bool step(Node& node) {
    if (!node.trader) return false;
    auto out = node.trader->poll_output();
    if (!out) {
      if (node.holds_batches || node.batches.empty()) return false;
      is_running_ = true;
      make_durable(node);
      return true;
    }
    if (auto* const save = std::get_if<output::Save>(&*out)) {
      node.batches.push_back(std::move(save->batch));
      return true;
    }
    auto const after = std::visit(
        [](auto const& each) -> Position {
          if constexpr (requires { each.after; }) return each.after;
          return 0;
        },
        *out);
    if (auto released = node.gate.add(after, std::move(*out))) dispatch(node, *released);
    return true;
  }

  bool happens(int percent) {
    return percent > 0 && fault_random.below(100) < static_cast<std::uint64_t>(percent);
  }
  std::chrono::milliseconds delay() {
    return std::chrono::milliseconds{
        fault_random.below(static_cast<std::uint64_t>(faults.delay_max.count()) + 1)};
  }

  void dispatch(Node& node, Output& out) {
    if (auto* const reply = std::get_if<output::Reply>(&out)) {
      auto waiting = node.requests.extract(reply->request);
      if (waiting.empty()) {
        ++stray_reply_count;
        return;
      }
      if (reply->error.empty()) {
        alter_reply(node, reply->result);
        on_sent(node, reply->result);
      }
      waiting.mapped()({reply->result, reply->error});
    } else if (auto* const call = std::get_if<output::Call>(&out)) {
      on_sent(node, call->payload);
      send(node, *call);
    } else if (auto* const wanted = std::get_if<output::Store>(&out)) {
      run_store(node, *wanted);
    } else if (auto const* const verify = std::get_if<output::Verify>(&out)) {
      std::vector<bool> valid;
      for (auto const& order : verify->orders) valid.push_back(is_genuine(order));
      node.trader->verified(verify->batch, valid, now_of(node));
    } else if (auto const* const work = std::get_if<output::Work>(&out)) {
      node.trader->worked(work->work, find_work(work->challenge, work->id, work->bits, 1, work_count_max),
                          now_of(node));
    } else if (auto* const notice = std::get_if<output::Notice>(&out)) {
      node.events.push_back(std::move(notice->event));
    } else if (auto* const answer = std::get_if<output::Answer>(&out)) {
      node.answers.insert_or_assign(answer->command, std::move(answer->result));
    }
  }

  /// Each signature is verified once, though every peer gets it.
  bool is_genuine(OrderRecord const& order) {
    constexpr std::size_t kKeptMax = 20'000;
    if (verified_.size() >= kKeptMax) verified_.clear();
    auto const [entry, is_new] = verified_.try_emplace({order_digest(order), order.signature});
    if (is_new) entry->second = verify_order(order);
    return entry->second;
  }

  // Calls

  void send(Node& node, output::Call const& call) {
    auto const done = [this, &node, run_count = node.run_count, id = call.call](CallAnswer const& answer) {
      if (node.trader && node.run_count == run_count) {
        node.trader->call_answered(id, answer, now_of(node));
      }
    };
    auto const host = HostPort::parse(node.at);
    auto const from = IpAddress::parse(host->host).value_or(IpAddress{127, 0, 0, 1});
    CallAnswer const lost{{}, "ERR_REQUEST_GENERIC: no answer"};
    auto const at = call.service.empty() ? call.endpoint : call.service;
    if (is_cut(node.at, at) || happens(faults.call_lost)) return done(lost);
    bool const is_repeated = happens(faults.call_repeated);
    if (is_repeated) request(from, at, call.payload, [](CallAnswer const&) {});
    bool const is_lost = happens(faults.reply_lost);
    bool const is_told_twice = happens(faults.answer_repeated);
    auto const delayed = happens(faults.reply_late) ? delay() : std::chrono::milliseconds{0};
    auto const on_reply = [=, this](CallAnswer const& reply) {
      auto const tell = [=] {
        done(is_lost ? lost : reply);
        if (is_told_twice) done(reply);
      };
      if (delayed.count() == 0) return tell();
      later_.emplace(later_by(now.steady, delayed), tell);
    };
    if (!happens(faults.call_late)) return request(from, at, call.payload, on_reply);
    later_.emplace(later_by(now.steady, delay()), [this, from, at, payload = call.payload, on_reply] {
      request(from, at, payload, on_reply);
    });
  }

  // Stores

  void run_store(Node& node, output::Store const& wanted) {
    auto const answer = store_answer(node, wanted.command);
    bool const is_told_twice = happens(faults.answer_repeated);
    auto const tell = [this, &node, answer, is_told_twice, run_count = node.run_count,
                       loss_count = node.loss_count, id = wanted.call] {
      if (!node.trader || node.run_count != run_count) return;
      auto const told = node.loss_count == loss_count ? answer : kUnavailable;
      node.trader->store_answered(id, told, now_of(node));
      if (is_told_twice) node.trader->store_answered(id, told, now_of(node));
    };
    auto const delayed = happens(faults.store_late) ? delay() : std::chrono::milliseconds{0};
    node.last_store_answer = std::max(node.last_store_answer, later_by(now.steady, delayed));
    if (node.last_store_answer <= now.steady) return tell();
    later_.emplace(node.last_store_answer, tell);
  }

  store::Answer store_answer(Node& node, store::Command const& command) {
    bool const is_recover = std::holds_alternative<store::Recover>(command);
    // A store that all processes must reach within the grace is not disturbed.
    bool const is_disturbed = !is_in_grace(node.id);
    if (stores_down.contains(node.id) || (is_disturbed && happens(faults.store_refused)) ||
        (!is_recover && !node.has_recovered)) {
      tell_lost_later(node);
      return kUnavailable;
    }
    if (is_in_grace(node.id)) {
      auto const* const update = std::get_if<store::Update>(&command);
      bool const waits =
          std::holds_alternative<store::Reserve>(command) || (update && update->reduce_by.units() > 0);
      if (waits) return kUnavailable;
    }
    // A Redis is on a host of its own.
    auto const wall = node.options.is_store_in_process ? now_of(node).wall : now.wall;
    auto const answer = stores[node.id].execute(command, now.steady, wall);
    auto const* const refused = std::get_if<store::Refused>(&answer);
    bool const is_settle = std::holds_alternative<store::Settle>(command);
    // Another process may have granted it, and not have told yet.
    if (refused && is_settle && is_in_grace(node.id)) return kUnavailable;
    auto const* const granted = std::get_if<store::Granted>(&answer);
    auto const* const reserve = std::get_if<store::Reserve>(&command);
    if (granted && granted->repeated) undoable_.erase({node.id, granted->reservation.fence});
    // A store in the process answers what it has executed, and in order.
    bool const may_be_silent = is_disturbed && !node.options.is_store_in_process;
    if (may_be_silent && happens(faults.store_unanswered)) {
      if (granted && !granted->repeated) undo(node, *reserve, granted->reservation.fence);
      if (is_recover) tell_lost_later(node);
      return kUnavailable;
    }
    if (is_recover && std::holds_alternative<store::Done>(answer)) node.has_recovered = true;
    return answer;
  }

  /// Takes a reservation back whose answer was lost, unless somebody else was told of it.
  void undo(Node const& node, store::Reserve const& command, std::int64_t fence) {
    undoable_.emplace(node.id, fence);
    later_.emplace(later_by(now.steady, delay()), [this, id = node.id, command, fence] {
      if (undoable_.erase({id, fence}) == 0) return;
      store::Release const release{command.order.id, command.take_id, fence};
      (void)stores[id].execute(release, now.steady, now.wall);
    });
  }

  /// A process that the store does not know is asked again to tell what it has promised.
  void tell_lost_later(Node& node) {
    if (node.has_recovered || node.is_lost_told) return;
    node.is_lost_told = true;
    later_.emplace(later_by(now.steady, std::chrono::seconds{1}), [this, &node, run_count = node.run_count] {
      if (node.run_count != run_count) return;
      node.is_lost_told = false;
      if (node.trader && !node.has_recovered) node.trader->store_lost(now_of(node));
    });
  }

  struct HungCall {
    std::string endpoint;
    json::Value payload;
    std::function<void(CallAnswer)> done;
  };
  std::vector<HungCall> hung_;
  std::map<std::pair<Sha256, Signature>, bool> verified_;
  std::multimap<TimePoint, std::function<void()>> later_;  // what is under way
  std::map<PeerId, TimePoint> graces_;
  std::set<std::pair<PeerId, std::int64_t>> undoable_;  // reservations by their fence
  inline static store::Answer const kUnavailable = store::Refused{store::RefusalReason::unavailable, {}, {}};

  std::uint64_t start_count_ = 0;
  RequestId last_request = 0;
  CommandId last_command = 0;
  bool is_running_ = false;
};

template <class Wanted>
std::vector<Wanted> events_of(TraderNetwork::Node const& node) {
  std::vector<Wanted> out;
  for (auto const& event : node.events) {
    if (auto const* const wanted = std::get_if<Wanted>(&event)) out.push_back(*wanted);
  }
  return out;
}

}  // namespace grenache::exchange::test
