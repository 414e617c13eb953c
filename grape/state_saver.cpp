#include "grape/state_saver.hpp"

#include <exception>
#include <utility>

#include <grenache/file/private_file.hpp>
#include <grenache/net/steady_clock.hpp>

namespace grenache::grape {
namespace {

Error save(StateFolder const& folder, std::string const& bytes) try {
  auto const saved = save_private_file(folder.file(), bytes);
  return saved ? Error{} : saved.error();
} catch (std::exception const&) {  // nothing could catch it on a detached thread
  return make_error_code(boost::system::errc::not_enough_memory);
}

}  // namespace

StateSaver::StateSaver(net::Executor const& executor, StateFolder folder, Duration period,
                       std::function<std::string()> encode, std::function<void(Error const&)> on_failure)
    : executor_{executor},
      folder_{std::make_shared<StateFolder const>(std::move(folder))},
      period_{period},
      encode_{std::move(encode)},
      on_failure_{std::move(on_failure)},
      idle_{executor},
      calls_{executor} {}

void StateSaver::start() {
  next_.emplace(executor_, [this] { write(); });
  write();
}

void StateSaver::write() {
  // The copy of the folder keeps the lock until the file is written, and no longer, so that a caller that
  // waits for the write can open the folder next.
  auto call = [folder = folder_, bytes = encode_()]() mutable {
    Error const error = save(*folder, bytes);
    folder.reset();
    return error;
  };
  writing_ = calls_.run(std::move(call), [this](Error const& error) { written(error); });
  if (!writing_) written(make_error_code(boost::system::errc::resource_unavailable_try_again));
}

void StateSaver::written(Error const& error) {
  writing_ = false;
  if (error) on_failure_(error);
  if (next_) next_->set(net::steady_deadline(period_));
  idle_.notify_all();
}

net::Awaitable<bool> StateSaver::finish(Duration limit) {
  TimePoint const deadline = net::steady_deadline(limit);
  next_.reset();
  bool begun = false;
  for (;;) {
    if (!writing_ && begun) co_return true;
    if (!writing_) {
      begun = true;
      write();
      continue;
    }
    net::Wake const wake = co_await idle_.wait(deadline);
    if (wake != net::Wake::notified) co_return false;
  }
}

}  // namespace grenache::grape
