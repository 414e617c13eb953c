#include "tools/grenache/program_pool.hpp"

#include <string_view>
#include <system_error>
#include <utility>

#include <boost/asio/post.hpp>
#include <unistd.h>

#include "tools/grenache/common.hpp"
#include <grenache/json/bencode_json.hpp>
#include <grenache/net/steady_clock.hpp>

namespace grenache::client {
namespace {

using json::Value;
using rpc::Reply;

constexpr std::size_t kErrorSizeMax = 1000;  // of the line that is sent to a caller

Value value_of(std::string const& output) {
  if (auto value = json::parse(output)) return std::move(*value);
  std::string text = json::to_utf8(output);
  if (text.ends_with('\n')) text.pop_back();
  return text.empty() ? Value{} : Value{std::move(text)};
}

std::string last_line(std::string_view text) {
  std::size_t const end = text.find_last_not_of(" \r\n\t");
  if (end == std::string_view::npos) return {};
  text = text.substr(0, end + 1);
  std::size_t const newline = text.rfind('\n');
  if (newline != std::string_view::npos) text.remove_prefix(newline + 1);
  return json::to_utf8(text.substr(0, kErrorSizeMax));
}

std::vector<std::string> environment_of(rpc::Request const& request) {
  auto const* const rid = request.rid.as_string();
  return {"GRENACHE_KEY=" + request.key,
          "GRENACHE_RID=" + (rid != nullptr ? *rid : json::to_text(request.rid)),
          "GRENACHE_PEER=" + request.peer.to_string(), "GRENACHE_ACTION=" + request.action,
          "GRENACHE_FINGERPRINT=" + (request.certificate ? request.certificate->fingerprint.hex() : "")};
}

constexpr std::size_t kErrorsWaitingMax = 256 * 1024;  // bytes of stderr to be written to ours

}  // namespace

Reply reply_of(ProgramResult const& result) {
  std::string const handler = "ERR_REQUEST_HANDLER: ";
  switch (result.end) {
    case ProgramResult::End::exited: {
      if (result.code == 0) return value_of(result.output);
      std::string line = last_line(result.errors);
      return Reply::failure(line.empty() ? handler + "exit code " + std::to_string(result.code) : line);
    }
    case ProgramResult::End::signalled:
      return Reply::failure(handler + "ended by signal " + std::to_string(result.code));
    case ProgramResult::End::timed_out:
      return Reply::failure("ERR_TIMEOUT");
    case ProgramResult::End::output_too_large:
      return Reply::failure("ERR_REPLY_SIZE");
    case ProgramResult::End::stopped:
      return Reply::failure("ERR_STOPPED");
    case ProgramResult::End::not_started:
      break;
  }
  return Reply::failure(handler + "cannot start: " + std::generic_category().message(result.code));
}

ProgramPool::ProgramPool(std::string path, std::vector<std::string> arguments, Options options)
    : path_{std::move(path)},
      arguments_{std::move(arguments)},
      options_{std::move(options)},
      errors_{STDERR_FILENO, kErrorsWaitingMax},
      threads_{options_.parallel} {}

ProgramPool::~ProgramPool() {
  stop();
  threads_.join();
}

Reply ProgramPool::answer(rpc::Request const& request, TimePoint deadline) {
  ProgramLimits limits = options_.limits;
  limits.time_max = deadline - net::steady_now();
  if (stop_.raised()) return Reply::failure("ERR_STOPPED");
  if (limits.time_max <= Duration::zero()) return Reply::failure("ERR_TIMEOUT");
  Program const program{path_, arguments_, environment_of(request), json::to_text(request.payload) + '\n'};
  ProgramResult const result = run_program(program, limits, stop_);
  if (!result.errors.empty()) {
    std::string errors = printable(result.errors, STDERR_FILENO);
    if (!errors.ends_with('\n')) errors += '\n';
    errors_.write(errors);
  }
  return reply_of(result);
}

void ProgramPool::run(rpc::Request request, rpc::Responder respond) {
  if (request_count_ >= options_.parallel + options_.waiting_max) {
    return respond(Reply::failure("ERR_REQUEST_LIMIT"));
  }
  ++request_count_;
  TimePoint const deadline = net::steady_deadline(options_.limits.time_max);
  boost::asio::post(threads_, [this, request = std::move(request), respond = std::move(respond), deadline] {
    Reply reply = answer(request, deadline);
    --request_count_;
    respond(std::move(reply));
  });
}

}  // namespace grenache::client
