// `exchange verify-receipt`: says what a receipt of a credit line proves.
#pragma once

#include <string>

#include "exchange/messages/credit_state.hpp"

namespace grenache::exchange {

/// What a verified receipt proves, in sentences, one a line.
[[nodiscard]] std::string describe(CreditReceipt const& receipt);
/// The same as members: valid (true), kind, id, payer, payee, amount, expires (unix ms), owed, and, unless
/// owed is 0, debtor and creditor. Amounts are decimals of USD as strings, peers their ids in hex.
[[nodiscard]] json::Value to_json(CreditReceipt const& receipt);

/// The main function of `exchange verify-receipt`; argv[0] is ignored. Reads a file, or stdin for "-", of at
/// most kCreditReceiptSizeMax bytes; white space around the receipt is accepted. Needs no peer and no data
/// folder. Returns 0 if the receipt is valid, 1 if it is not or cannot be read, with the reason on stderr, or
/// 2 if the command line is wrong.
int verify_receipt_command(int argc, char** argv);

}  // namespace grenache::exchange
