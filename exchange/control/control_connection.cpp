#include "exchange/control/control_connection.hpp"

#include <utility>
#include <variant>

#include <boost/asio/buffer.hpp>
#include <boost/asio/read_until.hpp>

#include "exchange/console/tables.hpp"
#include "exchange/control/command_json.hpp"
#include "exchange/control/help.hpp"
#include <grenache/net/steady_clock.hpp>

namespace grenache::exchange {
namespace {

namespace asio = boost::asio;
using net::Awaitable;

constexpr std::int64_t kWidthMin = 20;
constexpr std::int64_t kWidthMax = 1'000'000;
constexpr json::ParseLimits kRequestLimits{.depth_max = 8, .value_count_max = 1'000};

TextStyle style_of(ControlForm form) {
  return {.colour = form.colour, .width = form.width, .now = net::wall_now()};
}

result::Failure bad_request(std::string text) {
  return {result::FailureCode::invalid, std::move(text), R"(Example: {"id":1,"command":"orders"})"};
}

OrFailure<ControlForm> form_of(json::Value const& request) {
  ControlForm out;
  if (auto const* const form = request.find("form")) {
    auto const* const text = form->as_string();
    if (!text || (*text != "text" && *text != "json")) return bad_request(R"(form must be "json" or "text")");
    out.is_text = *text == "text";
  }
  if (auto const* const colour = request.find("colour")) {
    if (!colour->as_bool()) return bad_request("colour must be true or false");
    out.colour = *colour->as_bool();
  }
  if (auto const* const width = request.find("width")) {
    auto const columns = width->as_int();
    if (!columns || *columns < kWidthMin || *columns > kWidthMax)
      return bad_request("width must be a number of columns, from 20");
    out.width = static_cast<std::size_t>(*columns);
  }
  return out;
}

}  // namespace

ControlConnection::ControlConnection(UnixSocket socket, std::shared_ptr<ControlHandlers> handlers,
                                     ControlLimits const& limits)
    : socket_{std::move(socket)},
      handlers_{std::move(handlers)},
      limits_{limits},
      may_read_changed_{socket_.get_executor()},
      output_changed_{socket_.get_executor()},
      write_deadline_{socket_.get_executor(), [this] { close(); }} {}

// Input

Awaitable<void> ControlConnection::read(std::shared_ptr<ControlConnection> self) {
  while (!self->input_ended_) {
    if (!self->may_read()) {
      auto const wake = co_await self->may_read_changed_.wait();
      if (wake == net::Wake::cancelled) break;
      continue;
    }
    auto buffer = asio::dynamic_buffer(self->input_, self->limits_.line_size_max);
    auto const [error, size] = co_await asio::async_read_until(self->socket_, buffer, '\n', net::kTuple);
    if (self->input_ended_) break;
    if (error == asio::error::not_found) {
      self->refuse({}, bad_request("the request is longer than " +
                                   std::to_string(self->limits_.line_size_max) + " bytes"));
    }
    if (error == asio::error::eof) self->handle_line(self->input_);
    if (error) break;
    auto const line = self->input_.substr(0, size - 1);
    self->input_.erase(0, size);
    self->handle_line(line);
  }
  self->input_ended_ = true;
  self->watching_.reset();
  self->output_changed_.notify_all();
}

bool ControlConnection::may_read() const {
  return pending_.size() < limits_.pending_count_max && unread_size() <= limits_.output_size_max / 2;
}

void ControlConnection::handle_line(std::string_view line) {
  if (line.find_first_not_of(" \t\r\n") == std::string_view::npos) return;
  auto const request = json::parse(line, kRequestLimits);
  if (!request) return refuse({}, bad_request("the request is not JSON: " + request.error().message()));
  auto const* const id = request->find("id");
  if (id && !id->is_null() && !id->is_number() && !id->as_string()) {
    return refuse({}, bad_request("id must be a text or a number"));
  }
  json::Value const its_id = id ? *id : json::Value{};
  auto const form = form_of(*request);
  if (!form) return refuse(its_id, form.error());
  handle_request(*request, its_id, *form);
}

void ControlConnection::handle_request(json::Value const& request, json::Value id, ControlForm form) {
  auto const named = read_request(request);
  if (!named) return refuse(id, named.error());
  auto parsed = parse(*named);
  if (!parsed) return refuse(id, parsed.error());
  if (auto* const command = std::get_if<Command>(&*parsed))
    return execute(std::move(*command), std::move(id), form);
  if (auto const* const help = std::get_if<HelpCommand>(&*parsed)) {
    return answer(id, form.is_text ? json::Value{help_text(help->command)} : help_json(help->command));
  }
  if (std::holds_alternative<WatchCommand>(*parsed)) {
    watching_ = form;
    return answer(id, form.is_text ? json::Value{""} : json::Value::object({{"type", "watching"}}));
  }
  answer(id, form.is_text ? json::Value{"The peer stops.\n"} : json::Value::object({{"type", "stopping"}}));
  auto const stop = handlers_->stop;  // a copy, since the call may destroy the control socket
  if (stop) stop();
}

void ControlConnection::execute(Command command, json::Value id, ControlForm form) {
  auto const number = ++last_number_;
  pending_.emplace(number, Pending{std::move(id), form});
  auto const run = handlers_->execute;  // a copy, since the call may destroy the control socket
  if (!run) return;
  run(std::move(command), [here = weak_from_this(), number](CommandResult const& result) {
    if (auto const self = here.lock()) self->answered(number, result);
  });
}

// Output

void ControlConnection::answered(std::uint64_t number, CommandResult const& result) {
  auto const found = pending_.extract(number);
  if (!found) return;
  answer(found.mapped().id, found.mapped().form, result);
  may_read_changed_.notify_all();
  output_changed_.notify_all();
}

void ControlConnection::answer(json::Value const& id, ControlForm form, CommandResult const& result) {
  if (auto const* const failure = std::get_if<result::Failure>(&result)) return refuse(id, *failure);
  answer(id, form.is_text ? json::Value{to_table(result, style_of(form))} : to_json(result));
}

void ControlConnection::answer(json::Value const& id, json::Value result) {
  send(json::Value::object({{"id", id}, {"result", std::move(result)}}));
}

void ControlConnection::refuse(json::Value const& id, result::Failure const& failure) {
  send(json::Value::object({{"id", id}, {"error", to_json(failure)}}));
}

void ControlConnection::publish(Event const& event) {
  if (!watching_) return;
  auto value = watching_->is_text ? json::Value{to_table(event, style_of(*watching_))} : to_json(event);
  send(json::Value::object({{"event", std::move(value)}}));
}

void ControlConnection::send(json::Value const& line) {
  if (closed_) return;
  auto const text = json::to_text(line) + '\n';
  auto const unread = unread_size();
  if (unread > 0 && unread + text.size() > limits_.output_size_max) return close();
  output_ += text;
  output_changed_.notify_all();
}

Awaitable<void> ControlConnection::write(std::shared_ptr<ControlConnection> self) {
  while (!self->has_ended()) {
    if (self->unread_size() == 0) {
      auto const wake = co_await self->output_changed_.wait();
      if (wake == net::Wake::cancelled) break;
      continue;
    }
    if (self->written_ == self->writing_.size()) {
      self->writing_ = std::exchange(self->output_, {});
      self->written_ = 0;
    }
    auto const rest = asio::buffer(self->writing_) + self->written_;
    self->write_deadline_.set(net::steady_deadline(self->limits_.write_timeout));
    auto const [error, size] = co_await self->socket_.async_write_some(rest, net::kTuple);
    self->write_deadline_.clear();
    if (error) break;
    self->written_ += size;
    self->may_read_changed_.notify_all();
  }
  self->close();
}

bool ControlConnection::has_ended() const {
  return closed_ || (input_ended_ && pending_.empty() && unread_size() == 0);
}

// End

void ControlConnection::finish() {
  input_ended_ = true;
  watching_.reset();
  for (auto const& [number, pending] : std::exchange(pending_, {})) {
    refuse(pending.id, {result::FailureCode::stopped, "the peer was stopped", ""});
  }
  Error ignored;
  socket_.shutdown(UnixSocket::shutdown_receive, ignored);  // ends read()
  may_read_changed_.notify_all();
  output_changed_.notify_all();
}

void ControlConnection::close() {
  if (std::exchange(closed_, true)) return;
  input_ended_ = true;
  watching_.reset();
  pending_.clear();
  Error ignored;
  socket_.close(ignored);
  may_read_changed_.notify_all();
  output_changed_.notify_all();
}

}  // namespace grenache::exchange
