#include "exchange/guard_flags.hpp"

#include "exchange/messages/order_work.hpp"

namespace grenache::exchange {
namespace {

constexpr int kOwnBitsMax = 26;  // more are seldom found in the time that is given

}  // namespace

void add_guard_flags(grenache::Command& app, GuardFlags& flags) {
  add_number(
      app, "--pow", flags.work_bits, 0, kOwnBitsMax,
      "Give own orders proof of work of this many bits, 2^BITS\nhashes each; 20 take less than a second")
      ->type_name("BITS");
  add_number(
      app, "--relay-pow", flags.relay_bits, 0, kWorkBitsMax,
      "Do not tell others of strangers' orders with less proof of\nwork, and store at most 1,000 of them; "
      "strangers are all but\nthe peers of 'connect'")
      ->type_name("BITS");
  add_bounded(
      app, "--relay-fee-sat", flags.relay_fee_sat, 0, Satoshi::kMax,
      "The same for strangers who have not paid this fee, in satoshi\nfor seven days, by a mock invoice; "
      "with --relay-pow, either\nwork or the fee is enough")
      ->type_name("AMOUNT");
  add_bounded(app, "--pay-relay-sat", flags.pay_relay_sat, 0, Satoshi::kMax,
              "Pay such a fee to each peer that asks for no more than this")
      ->type_name("AMOUNT");
  add_bounded(app, "--min-order-sat", flags.order_sat_min, 0, Satoshi::kMax,
              "Refuse orders of others with a smaller amount, in satoshi")
      ->type_name("AMOUNT");
}

void apply(GuardFlags const& flags, Trader::Options& options) {
  options.work_bits = flags.work_bits;
  bool const wants_fee_alone = flags.relay_fee_sat > 0 && flags.relay_bits == 0;
  options.book.work_bits_wanted = wants_fee_alone ? kWorkBitsMax + 1 : flags.relay_bits;
  options.relay_fees.fee = Satoshi{flags.relay_fee_sat};
  options.relay_fees.pay_max = Satoshi{flags.pay_relay_sat};
  options.book.amount_min = Satoshi{flags.order_sat_min};
}

}  // namespace grenache::exchange
