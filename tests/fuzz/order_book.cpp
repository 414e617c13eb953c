// Compares the order book with a naive model after every step.
#include <chrono>
#include <utility>

#include "exchange/core/book.hpp"
#include "tests/fuzz/orders.hpp"
#include "tests/support/book_model.hpp"
#include <grenache/base/check.hpp>

namespace grenache::exchange {
namespace {

constexpr std::size_t kStepCountMax = 32;  // each costs a signature and its verification

Book::Options options() {
  Book::Options out;
  out.order_count_max = 7;
  out.maker_order_count_max = 3;
  out.unsigned_count_max = 2;
  out.closed_count_max = 9;
  out.maker_closed_count_max = 4;
  out.match_count_max = 3;
  return out;
}

void run(fuzz::Input input) {
  Book book{options()};
  BookModel model{options()};
  auto now = samples::kNow;
  for (std::size_t i = 0; i < kStepCountMax && !input.empty(); ++i) {
    auto const step = input.byte();
    if (step % 8 == 0) {
      now += std::chrono::minutes{step / 8};
      book.expire(now), model.expire(now);
    }
    auto order = fuzzing::draft(input, now);
    auto const maker = step / 8 % (fuzzing::kPeerCount + 1);
    bool is_genuine = true;
    if (maker == fuzzing::kPeerCount) {
      order = samples::as_original(order);
    } else {
      sign_order(order, fuzzing::key_of_peer(maker));
      if (step % 8 == 1) order.signature.array()[9] ^= 1;
      is_genuine = step % 8 != 1;
    }
    auto const added = book.add(order, now);
    auto const expected = model.add(order, is_genuine, now);
    GRN_CHECK(added.has_value() == expected.has_value());
    GRN_CHECK(added ? *added == *expected : added.error() == expected.error());
    book.check();
    GRN_CHECK(model.agrees_with(book, order, now));
  }
}

}  // namespace
}  // namespace grenache::exchange

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  grenache::exchange::run(grenache::fuzz::Input{data, size});
  return 0;
}
