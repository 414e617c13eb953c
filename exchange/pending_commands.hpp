// Commands that wait for their answers.
#pragma once

#include <functional>
#include <map>
#include <utility>

#include "exchange/core/turn.hpp"

namespace grenache::exchange {

/// Calls each command's `done` once: with its answer, or with FailureCode::stopped by stop().
class PendingCommands {
 public:
  using Done = std::function<void(CommandResult)>;

  [[nodiscard]] CommandId add(Done done) {
    commands_.emplace(++last_, std::move(done));
    return last_;
  }
  /// Nothing if the command has been answered.
  void answer(CommandId id, CommandResult result) {
    auto const found = commands_.extract(id);
    if (!found.empty()) found.mapped()(std::move(result));
  }
  void stop() {
    for (auto const& [id, done] : std::exchange(commands_, {})) done(stopped());
  }
  [[nodiscard]] static result::Failure stopped() {
    return {result::FailureCode::stopped, "the peer has stopped", {}};
  }

 private:
  std::map<CommandId, Done> commands_;
  CommandId last_ = 0;
};

}  // namespace grenache::exchange
