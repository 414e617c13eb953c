#include "exchange/reservation/embedded.hpp"

namespace grenache::exchange {

void EmbeddedReservations::execute(store::Command command, Done done) {
  auto answer = table_.execute(command, environment_.now(), environment_.wall_now());
  environment_.post([done = std::move(done), answer = std::move(answer)] { done(answer); });
}

}  // namespace grenache::exchange
